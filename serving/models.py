"""Asking models, with what the server told of them remembered."""

from dataclasses import dataclass
from typing import NamedTuple

from serving import about, calls, errors
from serving.about import About
from serving.calls import Metadata


class Choice(NamedTuple):
    """Which version of which model is asked: of a number, of a label, or the newest."""

    model: str
    version: int | None = None
    label: str | None = None


@dataclass(frozen=True)
class Description:
    """What the server told of a model.

    Attributes:
        metadata: its version and signatures.
        about: what it is; None if it cannot tell.
    """

    metadata: Metadata
    about: About | None


class Models:
    """The models of a server.

    Args:
        connection: of `serving.connections`.
        caller: `Caller` over it.
    """

    def __init__(self, connection, caller):
        self._connection = connection
        self._caller = caller
        self._described = {}  # by Choice

    async def metadata(self, choice, deadline) -> Metadata:
        """What the chosen version offers, asked anew."""
        request = calls.metadata_request(*choice)
        return calls.read_metadata(await self._caller.call(calls.METADATA, request, deadline))

    async def describe(self, choice, deadline) -> Description:
        """What the chosen version is, asked once until it changes."""
        if choice not in self._described:
            metadata, said = await self.metadata(choice, deadline), None
            if about.SIGNATURE in metadata.signatures:
                answer = await self.ask(choice, about.INPUTS, about.SIGNATURE, deadline)
                try:
                    said = about.read(calls.read_outputs(*answer))
                except ValueError as error:
                    raise calls.unreadable(answer[0], str(error)) from error
            self._described[choice] = Description(metadata, said)
        return self._described[choice]

    async def ask(self, choice, inputs, signature, deadline):
        """Send a Predict.

        Args:
            choice: `Choice`.
            inputs: arrays, bytes or lists by input name.
            signature: name of the signature to run.
            deadline: `Deadline`.

        Returns:
            The request and the response.
        """
        model, version, label = choice
        request = await self._connection.in_thread(
            calls.predict_request, model, inputs, signature, version, label
        )
        try:
            response = await self._caller.call(calls.PREDICT, request, deadline)
        except (errors.InvalidRequest, errors.NotFound):
            self.forget(choice)  # what is remembered may be of a version that is gone
            raise
        described = self._described.get(choice)
        if described and described.metadata.version != response.model_spec.version.value:
            self.forget(choice)
        return request, response

    def forget(self, choice=None):
        """Ask for the description anew next time; None: for all."""
        if choice is None:
            self._described.clear()
        else:
            self._described.pop(choice, None)
