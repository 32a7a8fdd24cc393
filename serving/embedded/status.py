"""The one kind of failure that the server reports to callers: a gRPC code and a sentence."""

import functools
import re

import grpc
import tensorflow as tf

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class StatusError(Exception):
    """What a call, a load or the start of the server fails with.

    Attributes:
        code: a `grpc.StatusCode`; `number` is its integer value.
        message: text for the caller.
    """

    def __init__(self, code, message):
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message

    @property
    def number(self):
        return self.code.value[0]


invalid_argument = functools.partial(StatusError, grpc.StatusCode.INVALID_ARGUMENT)
not_found = functools.partial(StatusError, grpc.StatusCode.NOT_FOUND)
failed_precondition = functools.partial(StatusError, grpc.StatusCode.FAILED_PRECONDITION)
unavailable = functools.partial(StatusError, grpc.StatusCode.UNAVAILABLE)
internal = functools.partial(StatusError, grpc.StatusCode.INTERNAL)
deadline_exceeded = functools.partial(StatusError, grpc.StatusCode.DEADLINE_EXCEEDED)
unimplemented = functools.partial(StatusError, grpc.StatusCode.UNIMPLEMENTED)


def explained(error):
    """The error, and in brackets what caused it, for logs."""
    return f"{error} ({error.__cause__})" if error.__cause__ else str(error)


def from_tensorflow(error: tf.errors.OpError):
    """The same code, and the kernel's words without what Python's runtime wraps around them."""
    text = error.message.rpartition("<stack traces unavailable>\n")[2]
    text = re.sub(r"^(\{\{function_node .*?\}\} )+", "", text)
    text = re.sub(r" \[Op:[^\]]*\]( name: .*)?\s*$", "", text)
    return StatusError(_CODES.get(error.error_code, grpc.StatusCode.UNKNOWN), text)
