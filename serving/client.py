"""The clients of a model server: TensorFlow Serving or the zoo's own, over gRPC.

They need grpcio, protobuf, numpy and pillow, and never TensorFlow:

    with ZooClient("localhost:8500") as zoo:
        zoo.wait_ready("starry-night")
        picture = zoo.stylize("photo.jpg", model="starry-night")
        large = zoo.upscale("small.png", factor=4)

    async with AsyncZooClient("localhost:8500") as zoo:
        pictures = await asyncio.gather(*[zoo.stylize(each, "starry-night") for each in photos])
"""

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from serving.about import About
from serving.calls import Metadata, Signature, TensorSpec, VersionStatus
from serving.channels import tls
from serving.connections import AsyncioConnection, BlockingConnection, run_blocking
from serving.errors import (
    BatchTooLarge,
    Cancelled,
    DeadlineExceeded,
    InvalidRequest,
    MessageTooLarge,
    NotFound,
    NotReady,
    Overloaded,
    ServerError,
    Unavailable,
    UnknownModel,
    VersionGone,
    ZooError,
)
from serving.operations import Operations
from serving.retries import Retries

__all__ = [
    "About",
    "AsyncZooClient",
    "BatchTooLarge",
    "Cancelled",
    "DeadlineExceeded",
    "InvalidRequest",
    "MessageTooLarge",
    "Metadata",
    "NotFound",
    "NotReady",
    "Overloaded",
    "Retries",
    "ServerError",
    "Signature",
    "TensorSpec",
    "Unavailable",
    "UnknownModel",
    "VersionGone",
    "VersionStatus",
    "ZooClient",
    "ZooError",
    "tls",
]

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class AsyncZooClient(Operations):
    """A connection to a model server for asyncio; it belongs to one event loop.

    Cancelling a task cancels its calls, on the server too.
    """

    _connection_type = AsyncioConnection

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    async def close(self):
        """Close the connection; calls that still run in other tasks are `Cancelled`."""
        await self._connection.close()


class _BlockingOperations(Operations):
    _connection_type = BlockingConnection


def _blocking(
    method: Callable[Concatenate[Operations, _Parameters], Coroutine[Any, Any, _Result]],
) -> Callable[Concatenate["ZooClient", _Parameters], _Result]:
    """The method of `Operations` as one that returns when it is done."""

    @functools.wraps(method)
    def call(self, *arguments, **options):
        return run_blocking(method(self._operations, *arguments, **options))

    return call


class ZooClient:
    """A connection to a model server; several threads may share it. See `Operations`.

    Ctrl-C cancels the call that runs, on the server too; `close` cancels all.
    """

    @functools.wraps(Operations.__init__)
    def __init__(self, *arguments, **options):
        self._operations = _BlockingOperations(*arguments, **options)

    wait_ready = _blocking(Operations.wait_ready)
    reload = _blocking(Operations.reload)
    status = _blocking(Operations.status)
    metadata = _blocking(Operations.metadata)
    about = _blocking(Operations.about)
    predict = _blocking(Operations.predict)
    stylize = _blocking(Operations.stylize)
    upscale = _blocking(Operations.upscale)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close the connection; calls that still run in other threads are `Cancelled`."""
        self._operations._connection.close()
