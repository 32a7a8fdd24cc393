"""What is measured, under the names that tensorflow_model_server gives to Prometheus."""

import contextlib
import re
import time

import prometheus_client

from serving.embedded import status

PATH = "/monitoring/prometheus/metrics"
CONTENT_TYPE = "text/plain"

_TOTAL = re.compile(rb"^((?:# \w+ )?[\w:]+)_total\b", re.MULTILINE)

_REGISTRY = prometheus_client.CollectorRegistry()
prometheus_client.disable_created_metrics()


def _exponential(scale, growth, count):
    return [scale * growth**i for i in range(count)]


# Microseconds, up to some 20 minutes.
_LATENCIES = _exponential(10, 1.8, 33)


def _counter(name, documentation, *labels):
    return prometheus_client.Counter(name, documentation, labels, registry=_REGISTRY)


def _histogram(name, documentation, labels, buckets):
    return prometheus_client.Histogram(
        name, documentation, labels, registry=_REGISTRY, buckets=buckets
    )


REQUESTS = _counter(
    ":tensorflow:serving:request_count", "The total number of requests.", "model_name", "status"
)
REQUEST_LATENCY = _histogram(
    ":tensorflow:serving:request_latency",
    "Wall time in microseconds of a successful request.",
    ("model_name", "API", "entrypoint"),
    _LATENCIES,
)
RUNTIME_LATENCY = _histogram(
    ":tensorflow:serving:runtime_latency",
    "Wall time in microseconds inside TensorFlow.",
    ("model_name", "API", "runtime"),
    _LATENCIES,
)
WARMUP_LATENCY = _histogram(
    ":tensorflow:serving:model_warmup_latency",
    "Wall time in microseconds of replaying the warm-up requests.",
    ("model_path", "status"),
    _LATENCIES,
)
LOAD_ATTEMPTS = _counter(
    ":tensorflow:cc:saved_model:load_attempt_count",
    "The number of times a SavedModel was to be loaded.",
    "model_path",
    "status",
)
LOAD_LATENCY = _counter(
    ":tensorflow:cc:saved_model:load_latency",
    "Wall time in microseconds of loading SavedModels.",
    "model_path",
)
QUEUING_LATENCY = _histogram(
    ":tensorflow:serving:batching_session:queuing_latency",
    "Wall time in microseconds that a call waited for its batch.",
    ("thread_pool_name",),
    _exponential(100, 1.2, 52),
)
BATCH_RUNS = _counter(
    ":tensorflow:serving:batching_session:wrapped_run_count", "Batches that were run."
)
INPUT_BATCH_SIZE = _histogram(
    ":tensorflow:serving:batching_session:input_batch_size",
    "Rows of a call.",
    (),
    _exponential(1, 2, 15),
)
PROCESSED_BATCH_SIZES = _counter(
    ":tensorflow:serving:batching:processed_batch_size_v2",
    "Batches by their rows, padding included.",
    "model_name",
    "op_name",
    "batch_size",
)
PADDING_SIZE = _histogram(
    ":tensorflow:serving:batching_session:padding_size",
    "Rows added to a batch to reach an allowed size.",
    (),
    _exponential(1, 2, 15),
)


def microseconds_since(started):
    """From `time.monotonic` seconds."""
    return (time.monotonic() - started) * 1e6


@contextlib.contextmanager
def request(model_name, entrypoint):
    """Count one Predict call; entrypoint: "GRPC" or "REST"."""
    started = time.monotonic()
    try:
        yield
    except status.StatusError as error:
        REQUESTS.labels(model_name, error.code.name).inc()
        raise
    REQUESTS.labels(model_name, "OK").inc()
    REQUEST_LATENCY.labels(model_name, "Predict", entrypoint).observe(microseconds_since(started))


def page():
    """All metrics in Prometheus' text form, as bytes."""
    # The client library insists on a suffix that the real server's counters do not carry.
    return _TOTAL.sub(rb"\1", prometheus_client.generate_latest(_REGISTRY))
