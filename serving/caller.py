"""A request on its way: sent, sent again where that is sensible, its failure told."""

import functools
import itertools

import grpc

from serving import calls, errors, near_names
from serving.connections import CallCancelled
from serving.errors import ZooError
from serving.retries import Deadline

_HINT_SECONDS = 5  # for what makes an error clearer
_HINTS_AT_ONCE = 4


class Caller:
    """Sends requests over a connection; several addresses take turns.

    Args:
        connection: of `serving.connections`.
        addresses: of servers with the same models.
        retries: `Retries`; None for no call to be sent again.
    """

    def __init__(self, connection, addresses, retries):
        self._connection = connection
        self._turn = itertools.cycle(addresses)
        self._retries = retries
        self._served = set()  # names of models that have answered

    async def call(self, method, request, deadline, address=None):
        """Send a request until it is answered, as long as that is sensible.

        Args:
            method: `calls.Method`.
            request: its message.
            deadline: `Deadline`.
            address: of the server; None for the one whose turn it is.

        Raises:
            ZooError: it is not answered, or the answer is an error.
        """
        earlier = None
        for attempt in itertools.count(1):
            before = deadline.passed
            try:
                response = await self._send(method, request, deadline, address, attempt)
                break
            except errors.DeadlineExceeded as error:
                # The little time of a last attempt hides what took the most of it.
                if earlier and before > deadline.seconds / 2:
                    raise earlier from error
                raise
            except ZooError as error:
                pause = self._retries and self._retries.pause(error, attempt, deadline.passed)
                if pause is None or pause >= deadline.left:
                    raise await self._explained(error) from error.__cause__
                earlier = error
            await self._connection.sleep(pause)
        if spec := _model_spec(request):
            self._served.add(spec.name)
        return response

    async def call_once(self, method, request, timeout, address=None):
        """Send a request once; an error is told as the server does.

        Raises:
            ZooError: it is not answered, or the answer is an error.
        """
        return await self._send(method, request, Deadline(timeout), address)

    async def _send(self, method, request, deadline, address, attempt=1):
        address = address or next(self._turn)
        spec = _model_spec(request)
        try:
            return await self._connection.send(address, method, request, deadline.left)
        except grpc.RpcError as error:
            raise errors.from_rpc(error, address, spec, deadline.seconds, attempt) from error
        except CallCancelled as error:
            name = spec.name if spec else ""
            raise errors.Cancelled(
                f"model {name!r} at {address}: the call was cancelled here.\n"
                f"{errors.Cancelled.advice}",
                model=name,
            ) from error

    async def _explained(self, error):
        """The error with what the server can tell about a name that it does not know."""
        if not isinstance(error, errors.UnknownModel | errors.VersionGone):
            return error
        if versions := await self._versions(error.model):
            hint = f"The server has: {', '.join(map(str, versions))}."
            return errors.explained(error, hint, errors.VersionGone, versions=versions)
        names = near_names.candidates(error.model, {*self._served, *near_names.catalogue()})
        found = []
        if names:
            asked = [functools.partial(self._versions, name) for name in names]
            found = await self._connection.gather(asked, _HINTS_AT_ONCE)
        nearest = [name for name, versions in zip(names, found, strict=True) if versions]
        hint = f"The server has: {', '.join(nearest)}." if nearest else errors.UnknownModel.advice
        return errors.explained(error, hint, errors.UnknownModel, nearest=nearest)

    async def _versions(self, model):
        """What the server tells of the versions; none if it tells nothing soon."""
        try:
            response = await self.call_once(
                calls.STATUS, calls.status_request(model), _HINT_SECONDS
            )
        except ZooError:
            return []
        return calls.read_status(response)


def _model_spec(request):
    """Of a request for a model; None of one for the server as a whole."""
    return getattr(request, "model_spec", None)
