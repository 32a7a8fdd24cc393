"""How calls of each kind of model wait for a thread: a BatchingParameters text with its reasons."""

FILE = "batching_params.pbtxt"  # in a version's directory, where TensorFlow Serving looks for it

_ROWS_ALONE = """\
# Rows of a call: as many files as the models themselves take. More is INVALID_ARGUMENT.
max_batch_size { value: 32 }

# Rows run one by one, never with another caller's: pictures differ in size, and where shapes differ
# TensorFlow Serving fails every call of the batch; so does one broken file. It also bounds memory.
enable_large_batch_splitting { value: true }
max_execution_batch_size { value: 1 }

# So there is nobody to wait for.
batch_timeout_micros { value: 0 }
"""

BY_KIND = {
    "style": _ROWS_ALONE
    + """
# Rows that may wait, over all calls; the next call is UNAVAILABLE at once, and clients try again.
# Four threads, at a second for a photo of two megapixels, are through with them in half a minute.
max_enqueued_batches { value: 128 }
""",
    "superres": _ROWS_ALONE
    + """
# Rows that may wait, over all calls; the next call is UNAVAILABLE at once, and clients try again.
# Clients cut a large picture into many tiles, each of them the work of a small one.
max_enqueued_batches { value: 512 }
""",
}
