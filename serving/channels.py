"""How gRPC's channels to a model server are made: their options and TLS."""

import json
from pathlib import Path

import grpc

from zoo.errors import UserError

OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # Of the addresses that one name stands for, each call takes the next.
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
    # A server that starts late is looked for soon, not ever more rarely, up to every two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A dead connection is noticed by 20 seconds without an acknowledgement of what was sent, and by
    # a ping where nothing is sent. gRPC's servers, TensorFlow Serving among them, drop a client
    # that pings more often than every five minutes.
    ("grpc.keepalive_time_ms", 310_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)

COMPRESSIONS = {
    None: grpc.Compression.NoCompression,
    "gzip": grpc.Compression.Gzip,
    "deflate": grpc.Compression.Deflate,
}


def tls(ca=None, certificate=None, key=None) -> grpc.ChannelCredentials:
    """Credentials for TLS.

    Args:
        ca: PEM file of the authorities to trust; None for those that gRPC brings along.
        certificate: PEM file of the client's own certificate, for servers that ask for it.
        key: PEM file of its private key.

    Raises:
        UserError: a file cannot be read, or only one of certificate and key is given.
    """
    if (certificate is None) != (key is None):
        given, missing = ("key", "certificate") if certificate is None else ("certificate", "key")
        raise UserError(f"TLS: a {given} without its {missing}: give both, or neither")
    contents = {"ca": ca, "key": key, "certificate": certificate}
    for what, path in contents.items():
        try:
            contents[what] = path and Path(path).read_bytes()
        except OSError as error:
            raise UserError(f"TLS: the {what} {path} cannot be read: {error.strerror}") from error
    return grpc.ssl_channel_credentials(contents["ca"], contents["key"], contents["certificate"])


def open_channel(grpc_module, target, credentials, compression, options):
    """Make a channel.

    Args:
        grpc_module: `grpc` for blocking calls, `grpc.aio` for asyncio's.
        target: "host:port", or any other name that gRPC knows.
        credentials: `grpc.ChannelCredentials`; None for plain text.
        compression: of what is sent: None, "gzip" or "deflate".
        options: (name, value) pairs that come before `OPTIONS`.
    """
    arguments = {
        "options": (*options, *OPTIONS),
        "compression": COMPRESSIONS[compression],
    }
    if credentials is None:
        return grpc_module.insecure_channel(target, **arguments)
    return grpc_module.secure_channel(target, credentials, **arguments)
