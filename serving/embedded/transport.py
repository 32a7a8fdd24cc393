"""How calls arrive and answers leave: the gRPC server without any idea of models.

Where grpcio and tensorflow_model_server fail a call in different words, the latter's are given.
"""

import re
import threading
from concurrent import futures

import grpc
from absl import logging
from google.protobuf import message

from serving.embedded import status, text_file
from serving.protocol import server_files_pb2

_MAX_MESSAGE_BYTES = 2**31 - 1
_MAX_ERROR_BYTES = 1024


def server(threads, channel_arguments=()):
    """A `grpc.Server` that runs at most `threads` calls at once and refuses further ones.

    Args:
        threads: calls that may run at once.
        channel_arguments: (name, value) pairs for gRPC.
    """
    # One thread more than calls, to refuse the surplus with.
    return grpc.server(
        futures.ThreadPoolExecutor(threads + 1, thread_name_prefix="rpc"),
        interceptors=[_Calls(threads)],
        options=[
            *channel_arguments,  # of an option that is given twice, gRPC takes the first
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
            # A second server on the same port shall fail, not share the calls.
            ("grpc.so_reuseport", 0),
        ],
    )


def channel_arguments(text):
    """The (name, value) pairs of "NAME=VALUE,...", whole numbers as int.

    Raises:
        StatusError: INVALID_ARGUMENT for a part without "=".
    """
    pairs = []
    for part in filter(None, text.split(",")):
        name, separator, value = part.partition("=")
        if not separator:
            raise status.invalid_argument(
                f"--grpc_channel_arguments: {part!r} should read NAME=VALUE"
            )
        pairs.append((name, int(value) if re.fullmatch(r"-?[0-9]+", value) else value))
    return pairs


def credentials(path):
    """GRPC's server credentials of an `SSLConfig` text file.

    Raises:
        StatusError: NOT_FOUND or INVALID_ARGUMENT.
    """
    ssl = text_file.read(path, server_files_pb2.SSLConfig())
    return grpc.ssl_server_credentials(
        [(ssl.server_key.encode(), ssl.server_cert.encode())],
        root_certificates=ssl.custom_ca.encode() or None,
        require_client_auth=ssl.client_verify,
    )


def listen(grpc_server, address, tls=None):
    """Bind to "HOST:PORT" or "unix:PATH" and return the port (PORT 0: a free one).

    Args:
        grpc_server: of `server`.
        address: where to listen.
        tls: of `credentials`, or None for plain text.

    Raises:
        StatusError: UNAVAILABLE when the address cannot be had.
    """
    try:
        if tls:
            return grpc_server.add_secure_port(address, tls)
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
        if handler.unary_unary is None:
            return handler

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
            except Exception as error:  # A defect of this server: the caller is told, it lives on.
                logging.exception("%s failed.", handler_call_details.method)
                text = f"{type(error).__name__}: {error}"
                context.abort(grpc.StatusCode.INTERNAL, _cut(text))
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
