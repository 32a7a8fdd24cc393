"""How calls arrive and answers leave: the gRPC server without any idea of models.

Where grpcio and tensorflow_model_server fail a call in different words, the latter's are given.
"""

import threading
from concurrent import futures

import grpc
from google.protobuf import message

from serving.embedded import status

_MAX_MESSAGE_BYTES = 2**31 - 1
_MAX_ERROR_BYTES = 1024


def server(threads):
    """A `grpc.Server` that runs at most `threads` calls at once and refuses further ones."""
    # One thread more than calls, to refuse the surplus with.
    return grpc.server(
        futures.ThreadPoolExecutor(threads + 1, thread_name_prefix="rpc"),
        interceptors=[_Calls(threads)],
        options=[
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
            # A second server on the same port shall fail, not share the calls.
            ("grpc.so_reuseport", 0),
        ],
    )


def listen(grpc_server, address):
    """Bind to "HOST:PORT" and return the port (PORT 0: a free one).

    Raises:
        StatusError: UNAVAILABLE when the address cannot be had.
    """
    try:
        return grpc_server.add_insecure_port(address)
    except RuntimeError as error:
        raise status.unavailable(
            f"cannot listen on {address}: another program may hold the port; choose another --port"
        ) from error


class _Calls(grpc.ServerInterceptor):
    """Turns every call into: parse, run, and `StatusError` into the call's status."""

    def __init__(self, threads):
        self._free = threading.BoundedSemaphore(threads)

    def intercept_service(self, continuation, handler_call_details):
        handler = continuation(handler_call_details)
        if handler is None:
            return grpc.unary_unary_rpc_method_handler(_unknown_method)

        def call(request_bytes, context):
            if not self._free.acquire(blocking=False):
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
            try:
                request = handler.request_deserializer(request_bytes)
                return handler.unary_unary(request, context)
            except message.DecodeError:
                context.abort(grpc.StatusCode.INTERNAL, "")
            except status.StatusError as error:
                context.abort(error.code, _cut(error.message))
            finally:
                self._free.release()

        return grpc.unary_unary_rpc_method_handler(
            call, response_serializer=handler.response_serializer
        )


def _unknown_method(request_bytes, context):
    context.abort(grpc.StatusCode.UNIMPLEMENTED, "")


def _cut(text):
    encoded = text.encode()
    if len(encoded) <= _MAX_ERROR_BYTES:
        return text
    return encoded[:_MAX_ERROR_BYTES].decode(errors="ignore") + "...TRUNCATED"
