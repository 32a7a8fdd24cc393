"""TensorFlow without its start-up chatter."""

import contextlib
import os
import re
import sys
import tempfile

from absl import logging

# What absl's C++ logging writes before TensorFlow initialises it, at level INFO or WARNING.
_CHATTER = re.compile(
    rb"^([IW]0000 |WARNING: All log messages before absl::InitializeLog"
    rb"|INFO: Created TensorFlow Lite XNNPACK delegate)"
)


@contextlib.contextmanager
def native_chatter_dropped():
    """Within the block, C++ start-up messages do not reach standard error; all else does, after.

    TensorFlow 2.21 writes them past `TF_CPP_MIN_LOG_LEVEL`. A person who sets that variable to 0
    gets everything as it comes.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        yield
        return
    with contextlib.ExitStack() as closing:
        try:
            caught = closing.enter_context(tempfile.TemporaryFile())
        except OSError:  # on a full disk: better chatter than an end
            yield
            return
        sys.stderr.flush()
        terminal = os.dup(2)
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            caught.seek(0)
            rest = [line for line in caught if not _CHATTER.match(line)]
            with contextlib.suppress(OSError):  # a log on a full disk
                os.write(2, b"".join(rest))


def import_keras():
    """Import Keras, and the backend that it runs on, quietly; returns the module."""
    with native_chatter_dropped():
        import keras
    _drop_information()
    return keras


def import_tensorflow():
    """Import TensorFlow quietly; returns the module."""
    with native_chatter_dropped():
        import tensorflow
    _drop_information()
    return tensorflow


def _drop_information():
    # TensorFlow logs through absl, and absl prints INFO unless told otherwise.
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "0":
        logging.set_verbosity(logging.WARNING)
