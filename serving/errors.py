"""What can go wrong in a call of a model server; every text says what to do."""

# ruff: noqa: N818  (they are called what gRPC calls them)

import grpc

from zoo.errors import UserError


class ZooError(UserError):
    """A call that brought no result.

    Attributes:
        code: the server's (or gRPC's) `grpc.StatusCode`; None when nothing was asked.
        details: the server's own words; "" when nothing was asked.
        model: name of the model that was asked for.
        signature: name of the signature that was asked for; "" in calls that have none.
    """

    advice = ""

    def __init__(self, text, *, model, signature="", code=None, details=""):
        super().__init__(text)
        self.code = code
        self.details = details
        self.model = model
        self.signature = signature


class InvalidRequest(ZooError):
    """The server refuses the request as it stands: asking again brings the same answer."""

    advice = "signatures(model) tells the inputs that the model takes."


class NotFound(ZooError):
    """The server does not serve this model or this version."""

    advice = "status(model) tells the versions that the server knows; mind the name's spelling."


class Unavailable(ZooError):
    """No server answers, or it has too much to do; it may answer later."""

    advice = "Check the address and that the server runs; if it is only busy, try again later."


class DeadlineExceeded(ZooError):
    """The answer did not come within the timeout."""

    advice = "A larger timeout or a smaller picture helps, if the server is not stuck."


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


# RESOURCE_EXHAUSTED is what TensorFlow Serving says when all its threads are busy.
_CLASSES = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.FAILED_PRECONDITION: InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}


def from_rpc(error, target, model_spec, timeout) -> ZooError:
    """Translate gRPC's exception.

    Args:
        error: `grpc.RpcError` of a finished call.
        target: address that was called.
        model_spec: ModelSpec of the request.
        timeout: seconds that the call had.
    """
    details = error.details() or ""
    kind = _CLASSES.get(error.code(), ServerError)
    if "larger than max" in details:  # RESOURCE_EXHAUSTED too, but time does not help
        kind = InvalidRequest
    words = details or "(the server gave no reason)"
    asked = f"model {model_spec.name!r}"
    if model_spec.signature_name:
        asked += f", signature {model_spec.signature_name!r}"
    within = f" within {timeout:g} s" if kind is DeadlineExceeded else ""
    return kind(
        f"{asked} at {target}: {error.code().name}{within}: {words}\n{kind.advice}",
        model=model_spec.name,
        signature=model_spec.signature_name,
        code=error.code(),
        details=details,
    )
