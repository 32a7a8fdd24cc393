"""What can go wrong in a call of a model server; every text says what to do."""

# ruff: noqa: N818  (they are called what gRPC calls them)

import re

import grpc

from zoo.errors import UserError


class ZooError(UserError):
    """A call that brought no result.

    Attributes:
        code: the server's (or gRPC's) `grpc.StatusCode`; None when nothing was asked.
        details: the server's own words; "" when nothing was asked.
        model: name of the model that was asked for; "" in calls of the server as a whole.
        signature: name of the signature that was asked for; "" in calls that have none.
    """

    advice = ""

    def __init__(self, text, *, model="", signature="", code=None, details=""):
        super().__init__(text)
        self.code = code
        self.details = details
        self.model = model
        self.signature = signature


class InvalidRequest(ZooError):
    """The request cannot be answered as it stands: asking again brings the same answer."""

    advice = "metadata(model) tells the inputs that the model takes."


class BatchTooLarge(InvalidRequest):
    """The call has more rows than the server takes in one, and cannot be split."""

    advice = "Send fewer rows in a call: as many as the server's max_batch_size."


class MessageTooLarge(InvalidRequest):
    """The request or the answer is larger than a limit of the server, a proxy or gRPC itself."""

    advice = "Send a smaller picture, image files instead of tensors, or raise the limit there."


class NotFound(ZooError):
    """The server does not serve this model or this version."""

    advice = "status(model) tells the versions that the server knows; mind the name's spelling."


class UnknownModel(NotFound):
    """The server has no model of this name.

    Attributes:
        nearest: names alike that the server does have; empty where none could be found out, since
            TensorFlow Serving has no call that lists its models.
    """

    advice = "Mind the name's spelling; the server's models.config has the names that it serves."

    def __init__(self, text, *, nearest=(), **details):
        super().__init__(text, **details)
        self.nearest = list(nearest)


class VersionGone(NotFound):
    """The model is there, and the version, or one of the label, is not (or no longer) served.

    Attributes:
        versions: `VersionStatus` list of the model.
    """

    advice = "Ask for another version, or for none in particular: that is the newest one served."

    def __init__(self, text, *, versions=(), **details):
        super().__init__(text, **details)
        self.versions = list(versions)


class Unavailable(ZooError):
    """No server answers, or it refuses for now; it may answer later."""

    advice = "Check the address, that the server runs, and whether it wants TLS."


class Overloaded(Unavailable):
    """The server has too much to do, and had it for all the time that the call was given."""

    advice = "Send fewer requests at once, give more time, or let more servers share the work."


class DeadlineExceeded(ZooError):
    """The answer did not come within the timeout."""

    advice = "A larger timeout or a smaller picture helps, if the server is not stuck."


class Cancelled(ZooError):
    """The call was given up on this side, for instance because the client was closed."""

    advice = "Keep the client open until its calls have ended."


class ServerError(ZooError):
    """The server failed, or answered something that this client cannot read."""

    advice = "The server's log may tell more."


class NotReady(ZooError):
    """No version of the model became available in the time given.

    Attributes:
        versions: the last `VersionStatus` list that the server gave; empty if it gave none.
    """

    advice = "The server's log tells why it loads no version."

    def __init__(self, text, *, versions=(), **details):
        super().__init__(text, **details)
        self.versions = list(versions)


_CLASSES = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.FAILED_PRECONDITION: InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.CANCELLED: Cancelled,
}

# Codes stand for several things each; the server's words tell which. RESOURCE_EXHAUSTED, for one,
# is said when all threads are busy, of a message beyond a limit, and when memory does not suffice.
_BY_WORDS = (
    (r"Server Threadpool Exhausted", Overloaded),
    (r"The batch scheduling queue .* is full", Overloaded),
    (r"larger than max", MessageTooLarge),
    (r"OOM when allocating", ServerError),
    (r"Servable not found for request: Latest\(", UnknownModel),
    (r"Could not find any versions of model", UnknownModel),
    (r"Servable not found for request: Specific\(", VersionGone),
    (r"Unrecognized servable version label", VersionGone),
    (r"larger than maximum input batch size", BatchTooLarge),
)


def from_rpc(error, target, model_spec, timeout, attempts=1) -> ZooError:
    """Translate gRPC's exception.

    Args:
        error: `grpc.RpcError` of a finished call.
        target: address that was called.
        model_spec: ModelSpec of the request; None in calls of the server as a whole.
        timeout: seconds that the call had.
        attempts: how often it was sent.
    """
    details = error.details() or ""
    kind = _CLASSES.get(error.code(), ServerError)
    for words, special in _BY_WORDS:
        if re.search(words, details):
            kind = special
    name, signature = (model_spec.name, model_spec.signature_name) if model_spec else ("", "")
    asked = f"model {name!r}" if model_spec else "server"
    if signature:
        asked += f", signature {signature!r}"
    within = f" within {timeout:.3g} s" if kind is DeadlineExceeded else ""
    within += f" at attempt {attempts}" if attempts > 1 else ""
    words = details or "(the server gave no reason)"
    return kind(
        f"{asked} at {target}: {error.code().name}{within}: {words}\n{kind.advice}",
        model=name,
        signature=signature,
        code=error.code(),
        details=details,
    )


def explained(error, hint, kind=None, **found) -> ZooError:
    """The same error with other advice.

    Args:
        error: `ZooError` of `from_rpc`.
        hint: what was found out about it.
        kind: class of the new error; None for that of the old.
        found: attributes of that class.
    """
    return (kind or type(error))(
        f"{str(error).removesuffix(error.advice)}{hint}",
        model=error.model,
        signature=error.signature,
        code=error.code,
        details=error.details,
        **found,
    )
