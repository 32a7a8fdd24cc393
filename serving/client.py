"""The client of a model server: TensorFlow Serving or the zoo's own, over gRPC.

It needs grpcio, protobuf, numpy and pillow, and never TensorFlow:

    with ZooClient("localhost:8500") as zoo:
        zoo.wait_ready("starry-night")
        picture = zoo.stylize("photo.jpg", model="starry-night")
        large = zoo.upscale("small.png", factor=4)
"""

import time

import grpc
import numpy as np
import PIL.Image

from serving import calls
from serving.calls import Signature, TensorSpec, VersionStatus
from serving.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NotFound,
    NotReady,
    ServerError,
    Unavailable,
    ZooError,
    from_rpc,
)
from zoo import images

__all__ = [
    "DeadlineExceeded",
    "InvalidRequest",
    "NotFound",
    "NotReady",
    "ServerError",
    "Signature",
    "TensorSpec",
    "Unavailable",
    "VersionStatus",
    "ZooClient",
    "ZooError",
]

_POLL_SECONDS = 0.2


class ZooClient:
    """A connection to a model server; several threads may share it.

    A call that finds the server away or busy is sent again, up to four times within its timeout.
    Messages may be of any size that gRPC can carry (2 GiB). Every method raises a `ZooError` that
    carries the server's words: `InvalidRequest`, `NotFound`, `Unavailable`, `DeadlineExceeded`
    or `ServerError`.
    """

    def __init__(self, target, timeout=60, credentials=None):
        """Name the server; the connection is made with the first call.

        Args:
            target: "host:port", or any other gRPC name such as "unix:/run/zoo.sock".
            timeout: seconds that a call may take unless it says otherwise.
            credentials: `grpc.ChannelCredentials` for TLS; None for plain text.
        """
        self._target = target
        self._timeout = timeout
        if credentials is None:
            self._channel = grpc.insecure_channel(target, calls.CHANNEL_OPTIONS)
        else:
            self._channel = grpc.secure_channel(target, credentials, calls.CHANNEL_OPTIONS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close the connection; calls that still run in other threads are cancelled."""
        self._channel.close()

    def wait_ready(self, model, timeout=60):
        """Wait until the server is up and some version of the model is available.

        Args:
            model: the model's name.
            timeout: seconds to wait at most.

        Raises:
            NotReady: it did not happen in time; carries the last state, or error, that was seen.
            ZooError: the server gave an error that waiting does not cure.
        """
        deadline = time.monotonic() + timeout
        versions, failure = [], None
        while (left := deadline - time.monotonic()) > 0:
            try:
                versions, failure = self.status(model, min(left, self._timeout)), None
            except (NotFound, Unavailable, DeadlineExceeded) as error:
                # Waiting ends in the middle of a call; what was seen before then tells more.
                if not (isinstance(error, DeadlineExceeded) and (versions or failure)):
                    versions, failure = [], error
            if any(each.state == "AVAILABLE" for each in versions):
                return
            time.sleep(min(_POLL_SECONDS, max(0, deadline - time.monotonic())))
        seen = failure.details if failure else ", ".join(map(str, versions))
        raise NotReady(
            f"model {model!r} at {self._target} is not ready after {timeout:g} s: "
            f"{seen or 'no version was seen'}\n{(failure or NotReady).advice}",
            model=model,
            versions=versions,
            code=failure and failure.code,
            details=seen,
        ) from failure

    def status(self, model, timeout=None) -> list[VersionStatus]:
        """Ask how the versions of a model fare.

        Args:
            model: the model's name.
            timeout: seconds that the call may take; None for the client's.

        Returns:
            All versions that the server knows, newest first, failed and unloaded ones included.
        """
        request = calls.status_request(model)
        return calls.read_status(self._call(calls.STATUS, request, timeout))

    def signatures(self, model, version=None, label=None, timeout=None) -> dict[str, Signature]:
        """Ask for a model's signatures: names, dtypes and shapes of inputs and outputs.

        Args:
            model: the model's name.
            version: number of the version to ask; None for the newest.
            label: label of the version to ask, in place of its number.
            timeout: seconds that the call may take; None for the client's.
        """
        request = calls.metadata_request(model, version, label)
        return calls.read_signatures(self._call(calls.METADATA, request, timeout))

    def predict(
        self, model, inputs, signature=calls.SIGNATURE, version=None, label=None, timeout=None
    ) -> dict[str, np.ndarray]:
        """Run any signature of any model.

        Args:
            model: the model's name.
            inputs: by name: an array, bytes, or a list of bytes. dtypes are sent as they are, and
                most models take float32 only, which is not numpy's default. TensorFlow Serving
                does not check shapes: a wrong number of dimensions can even end its process.
            signature: name of the signature to run.
            version: number of the version to ask; None for the newest.
            label: label of the version to ask, in place of its number.
            timeout: seconds that the call may take; None for the client's.

        Returns:
            Arrays by output name; strings as object arrays of bytes, bfloat16 as float32.
        """
        request = calls.predict_request(model, inputs, signature, version, label)
        return calls.read_outputs(request, self._call(calls.PREDICT, request, timeout))

    def stylize(self, picture, model, version=None, label=None, timeout=None) -> PIL.Image.Image:
        """Send a picture through a model of the zoo, losslessly.

        Args:
            picture: path, file content as bytes, binary file, PIL image or array; as
                `zoo.images.read` takes it.
            model: the model's name.
            version: number of the version to ask; None for the newest.
            label: label of the version to ask, in place of its number.
            timeout: seconds that the call may take; None for the client's.

        Returns:
            An image of mode RGB, upright; RGBA if the picture has transparency, which is kept. A
            super-resolution model gives a larger one.

        Raises:
            zoo.images.ImageError: the picture cannot be read.
        """
        picture = images.read(picture)
        request = calls.stylize_request(picture, model, version, label)
        response = self._call(calls.PREDICT, request, timeout)
        return calls.read_stylized(picture, request, response).to_pil()

    def upscale(
        self, picture, factor, model=None, version=None, label=None, timeout=None
    ) -> PIL.Image.Image:
        """Enlarge a picture by a super-resolution model of the zoo; all else as `stylize`.

        Args:
            picture: as `stylize` takes it.
            factor: how many times its width and height.
            model: name of a model for this factor; None for "sr-x4" and so on.
            version: number of the version to ask; None for the newest.
            label: label of the version to ask, in place of its number.
            timeout: seconds that the call may take; None for the client's.
        """
        return self.stylize(picture, model or f"sr-x{factor}", version, label, timeout)

    def _call(self, method, request, timeout):
        """Send one request; the shared end of all calls."""
        timeout = self._timeout if timeout is None else timeout
        send = self._channel.unary_unary(
            method.path, method.request.SerializeToString, method.response.FromString
        )
        try:
            return send(request, timeout=timeout)
        except grpc.RpcError as error:
            raise from_rpc(error, self._target, request.model_spec, timeout) from error
