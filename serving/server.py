"""A small stand-in for tensorflow_model_server, for development, demos and tests.

    python -m serving.server --model_config_file=models.config --port=8500 --rest_api_port=8501

It takes the same flags and files, and answers the same calls in the same words; docs/serving.md
tells what differs and why. It listens on this machine only, unless --listen_address says otherwise.
SIGTERM and Ctrl-C let running calls finish. In production use the real one.
"""

import contextlib
import os
import signal
import sys
import threading

from absl import flags

from serving.embedded import status
from serving.embedded.server import Server
from zoo import program

# How long calls that run may go on after SIGTERM, in seconds.
GRACE_SECONDS = 30.0

# What the real server exits with when it cannot start.
EXIT_START_FAILED = 255

# Flags of tensorflow_model_server that command lines may carry and that do nothing here.
_IGNORED_FLAGS = frozenset(
    (
        "enable_profiler",
        "enable_signature_method_name_check",
        "flush_filesystem_caches",
        "mixed_precision",
        "num_load_threads",
        "num_unload_threads",
        "per_process_gpu_memory_fraction",
        "platform_config_file",
        "prefer_tflite_model",
        "tensorflow_session_config_file",
        "thread_pool_factory_config_file",
        "xla_cpu_compilation_enabled",
        "xla_gpu_compilation_enabled",
    )
)
_THREADS = 4 * (os.cpu_count() or 1)


def define_flags(flag_values=flags.FLAGS):
    """The program's flags, named as tensorflow_model_server's; two at the end are its own."""

    def string(name, default, text):
        flags.DEFINE_string(name, default, text, flag_values=flag_values)

    def boolean(name, default, text):
        flags.DEFINE_boolean(name, default, text, flag_values=flag_values)

    def integer(name, default, text, lower=0, upper=None):
        flags.DEFINE_integer(name, default, text, lower, upper, flag_values=flag_values)

    def seconds(name, default, text):
        flags.DEFINE_float(name, default, text, 0, flag_values=flag_values)

    # Where it listens.
    integer("port", 8500, "Port for gRPC; 0 for none.", upper=65535)
    string("grpc_socket_path", "", "UNIX socket for gRPC as well.")
    integer("rest_api_port", 0, "Port for REST and metrics; 0 for none.", upper=65535)
    integer("grpc_max_threads", _THREADS, "gRPC calls at once; further ones are refused.", 1)
    integer("rest_api_num_threads", _THREADS, "REST calls at once; further ones wait.", 1)
    integer("rest_api_timeout_in_ms", 30000, "Milliseconds after which REST answers 504.", 1)
    boolean("rest_api_enable_cors_support", False, "Let pages of other origins call REST.")
    string("grpc_channel_arguments", "", "Options of gRPC, as NAME=VALUE,...")
    string("ssl_config_file", "", "Text file with an SSLConfig: gRPC by TLS.")
    boolean("enable_grpc_healthcheck_service", False, "Serve grpc.health.v1.Health.")
    string("monitoring_config_file", "", "Text file with a MonitoringConfig: metrics by REST.")

    # What it serves.
    string("model_config_file", "", "Text file with a ModelServerConfig: the models to serve.")
    seconds("model_config_file_poll_wait_seconds", 0, "Between two reads of it; 0 reads it once.")
    string("model_name", "default", "The only model's name; not used with --model_config_file.")
    string("model_base_path", "", "Absolute path of the only model's folder of versions.")
    seconds("file_system_poll_wait_seconds", 1, "Between two looks for versions; 0 looks once.")
    boolean(
        "allow_version_labels_for_unavailable_models",
        False,
        "Let a new label name a version that is not loaded yet, as at the start.",
    )
    string("saved_model_tags", "serve", "Tags of the graph to load, separated by commas.")
    integer("max_num_load_retries", 5, "Further attempts at a version that does not load.")
    integer("load_retry_interval_micros", 60_000_000, "Microseconds between two attempts.")
    boolean("enable_model_warmup", True, "Replay a version's warm-up requests before it serves.")
    integer("num_request_iterations_for_warmup", 0, "How often each is; 0 is once.")

    # How it runs them.
    boolean("enable_batching", False, "Run calls of several callers together.")
    string("batching_parameters_file", "", "Text file with BatchingParameters.")
    boolean(
        "enable_per_model_batching_parameters",
        False,
        "Batch the versions that hold a batching_params.pbtxt, by that file, and no others.",
    )
    boolean(
        "enable_serialization_as_tensor_content",
        False,
        "Send answers as tensor_content, not as float_val, string_val and so on.",
    )
    integer("tensorflow_session_parallelism", 0, "TensorFlow's threads; 0 leaves it to it.")
    integer("tensorflow_intra_op_parallelism", 0, "The same, within an operation.")
    integer("tensorflow_inter_op_parallelism", 0, "The same, for operations side by side.")

    # Not the real server's.
    string("listen_address", "127.0.0.1", "IP address to listen on; 0.0.0.0 is every interface.")
    boolean(
        "imitate_faults",
        False,
        "Do as the real server does where it harms callers: calls of a batch fail together, an "
        "empty batch waits for ever, and so does a reload that names a missing folder.",
    )


def parse(arguments):
    """The options of a command line, without the program's name."""
    options = flags.FlagValues()
    define_flags(options)
    options(["serving.server", *_without_ignored(arguments)])
    return options


def start(options):
    """A running `serving.embedded.server.Server`.

    Raises:
        StatusError: it could not start.
    """
    server = Server(options)
    server.start()
    return server


def run(options, errors=None):
    """Serve until SIGTERM or Ctrl-C.

    Args:
        options: of `parse`, or absl's own flags.
        errors: file for the reason why it could not start; stderr if None.

    Returns:
        The exit code, None for success.
    """
    try:
        _serve(options)
    except status.StatusError as error:
        if error.__cause__:
            print(error.__cause__, file=errors or sys.stderr)
        print(f"Failed to start server. Error: {error}", file=errors or sys.stderr)
        return EXIT_START_FAILED
    return None


def _serve(options):
    server = Server(options)
    stopped = threading.Event()

    def stop(signum, frame):
        server.stop_loading()
        stopped.set()

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, stop)
    served = server.start()
    if served:
        with contextlib.suppress(OSError):  # whatever becomes of the log: a full disk, a lost pipe
            print(served, flush=True)
        stopped.wait()
        server.stop(GRACE_SECONDS)


def main(argv):
    """Run the program; returns the exit code."""
    return run(flags.FLAGS)


def _without_ignored(arguments):
    kept = []
    for argument in arguments:
        if argument.startswith("-") and argument.lstrip("-").partition("=")[0] in _IGNORED_FLAGS:
            print(
                f"serving.server: {argument} has no effect: this server cannot do that.",
                file=sys.stderr,
            )
        else:
            kept.append(argument)
    return kept


def cli():
    """Run as a program."""
    sys.argv = _without_ignored(sys.argv)
    define_flags()
    program.run(main, "serving.server", only_flags=True)


if __name__ == "__main__":
    cli()
