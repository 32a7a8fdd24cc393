"""A small stand-in for tensorflow_model_server, for development and tests.

    python -m serving.server --model_config_file=models.config --port=8500

It takes the same models.config, serves the same gRPC calls in the same words, and runs the models
with TensorFlow's Python package. SIGTERM and Ctrl-C let running calls finish.
"""

import os
import signal
import sys
import threading

from absl import flags

from serving.embedded import model_config, services, status
from serving.embedded.servables import Manager
from zoo import program

# How long calls that run may go on after SIGTERM, in seconds.
GRACE_SECONDS = 30.0

# What the real server exits with when it cannot start.
EXIT_START_FAILED = 255

# Flags of tensorflow_model_server that command lines may carry and that do nothing here.
_IGNORED_FLAGS = frozenset(
    (
        "allow_version_labels_for_unavailable_models",
        "batching_parameters_file",
        "enable_batching",
        "enable_grpc_healthcheck_service",
        "enable_per_model_batching_parameters",
        "enable_profiler",
        "enable_signature_method_name_check",
        "flush_filesystem_caches",
        "grpc_channel_arguments",
        "grpc_socket_path",
        "load_retry_interval_micros",
        "max_num_load_retries",
        "mixed_precision",
        "model_config_file_poll_wait_seconds",
        "monitoring_config_file",
        "num_load_threads",
        "num_request_iterations_for_warmup",
        "num_unload_threads",
        "per_process_gpu_memory_fraction",
        "platform_config_file",
        "prefer_tflite_model",
        "rest_api_enable_cors_support",
        "rest_api_num_threads",
        "rest_api_port",
        "rest_api_timeout_in_ms",
        "saved_model_tags",
        "ssl_config_file",
        "tensorflow_inter_op_parallelism",
        "tensorflow_intra_op_parallelism",
        "tensorflow_session_config_file",
        "tensorflow_session_parallelism",
        "thread_pool_factory_config_file",
        "xla_cpu_compilation_enabled",
        "xla_gpu_compilation_enabled",
    )
)


def configured_models(config_file, name, base_path):
    """The models that the flags ask for, as a list of `ModelConfig`; the file goes first.

    Raises:
        StatusError: INVALID_ARGUMENT or NOT_FOUND.
    """
    if config_file:
        return model_config.read(config_file)
    if base_path:
        return [model_config.ModelConfig(name, base_path)]
    raise status.invalid_argument(
        "Both server_options.model_base_path and server_options.model_config_file are empty!"
    )


def _serve(options):
    models = configured_models(
        options.model_config_file, options.model_name, options.model_base_path
    )
    if not options.port:
        raise status.invalid_argument(
            "At least one of server_options.grpc_port or server_options.grpc_socket_path "
            "must be set."
        )
    manager = Manager(models, options.file_system_poll_wait_seconds, options.enable_model_warmup)
    stopped = threading.Event()

    def stop(signum, frame):
        manager.stop()
        stopped.set()

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, stop)

    if not manager.load():
        return
    server, port = services.start(
        manager,
        f"0.0.0.0:{options.port}",
        options.grpc_max_threads,
        options.enable_serialization_as_tensor_content,
    )
    served = ", ".join(
        f"{name}/{number}"
        for name, model in manager.models.items()
        for number in sorted(model.available())
    )
    print(f"Serving {served or 'no models'} by gRPC on port {port}.", flush=True)
    stopped.wait()
    server.stop(GRACE_SECONDS).wait()


def main(argv):
    """Serve until SIGTERM or Ctrl-C; returns the exit code."""
    try:
        _serve(flags.FLAGS)
    except status.StatusError as error:
        print(f"Failed to start server. Error: {error}", file=sys.stderr)
        return EXIT_START_FAILED


def define_flags():
    """The program's flags, named as tensorflow_model_server's."""
    flags.DEFINE_integer("port", 8500, "Port for gRPC, on every interface.", 0, 65535)
    flags.DEFINE_string(
        "model_config_file",
        "",
        "Text file with a ModelServerConfig that lists the models to serve.",
    )
    flags.DEFINE_string(
        "model_name", "default", "Name of the only model; not used with --model_config_file."
    )
    flags.DEFINE_string(
        "model_base_path",
        "",
        "Absolute path of the only model's folder of versions; not used with --model_config_file.",
    )
    flags.DEFINE_float(
        "file_system_poll_wait_seconds",
        1.0,
        "Seconds between two looks for new versions; 0 looks only once.",
        lower_bound=0,
    )
    flags.DEFINE_integer(
        "grpc_max_threads",
        4 * (os.cpu_count() or 1),
        "Calls that may run at once; further ones are refused with RESOURCE_EXHAUSTED.",
        lower_bound=1,
    )
    flags.DEFINE_boolean(
        "enable_model_warmup",
        True,
        "Replay assets.extra/tf_serving_warmup_requests before a version becomes available.",
    )
    flags.DEFINE_boolean(
        "enable_serialization_as_tensor_content",
        False,
        "Send answers as tensor_content, not as float_val, string_val and so on.",
    )


def _drop_ignored_flags():
    kept = []
    for argument in sys.argv:
        if argument.lstrip("-").partition("=")[0] in _IGNORED_FLAGS and argument.startswith("-"):
            print(
                f"serving.server: {argument} has no effect: this server cannot do that.",
                file=sys.stderr,
            )
        else:
            kept.append(argument)
    sys.argv = kept


def cli():
    """Run as a program."""
    _drop_ignored_flags()
    define_flags()
    program.run(main, "serving.server", only_flags=True)


if __name__ == "__main__":
    cli()
