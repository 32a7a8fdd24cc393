"""All parts of the server, put together from its options."""

import ipaddress

import tensorflow as tf
from absl import logging

from serving.embedded import (
    batching,
    metrics,
    model_config,
    rest,
    services,
    status,
    text_file,
    transport,
)
from serving.embedded.batch_scheduler import Scheduler
from serving.embedded.config_file import ConfigFile
from serving.embedded.loader import Loader
from serving.embedded.manager import Manager
from serving.protocol import server_files_pb2


class Server:
    """The embedded server.

    Args:
        options: an object with the program's flags as attributes; see `serving.server`.

    Raises:
        StatusError: options that contradict each other, files that are missing or wrong.
    """

    def __init__(self, options):
        self._options = options
        self._check()
        configs = _configured_models(options)
        parameters = _batching_parameters(options)
        self._tls = (
            transport.credentials(options.ssl_config_file) if options.ssl_config_file else None
        )
        self._metrics_path = _metrics_path(options.monitoring_config_file)
        self._channel_arguments = transport.channel_arguments(options.grpc_channel_arguments)
        self._scheduler = None
        if options.enable_batching:
            self._scheduler = Scheduler(parameters.num_batch_threads, parameters.thread_pool_name)
        loader = Loader(
            tags=tuple(options.saved_model_tags.split(",")),
            warm_up=options.enable_model_warmup,
            warm_up_iterations=max(1, options.num_request_iterations_for_warmup),
            scheduler=self._scheduler,
            parameters=parameters,
            per_model_parameters=options.enable_per_model_batching_parameters,
        )
        self._manager = Manager(
            configs,
            loader,
            poll_wait_seconds=options.file_system_poll_wait_seconds,
            max_load_retries=options.max_num_load_retries,
            retry_seconds=options.load_retry_interval_micros / 1e6,
            labels_may_precede=options.allow_version_labels_for_unavailable_models,
            wait_for_missing=options.imitate_faults,
        )
        self._config_file = None
        self._grpc = None
        self._rest = None

    def start(self):
        """Load the models, then listen.

        Returns:
            A line that says what is served where, or None after `stop`.

        Raises:
            StatusError: a model does not load, or an address cannot be had.
        """
        _limit_threads(self._options)
        if not self._manager.load():
            return None
        try:
            served = self._listen()
        except status.StatusError:
            self.stop(grace_seconds=0)
            raise
        self._watch_config_file()
        return served

    def stop_loading(self):
        """End a `start` that still waits for models. Safe in a signal handler."""
        self._manager.stop()

    def stop(self, grace_seconds):
        """Listen no more; calls that run may take so many seconds to end."""
        if self._config_file:
            self._config_file.stop()
        self._manager.stop()
        stopped = self._grpc.stop(grace_seconds) if self._grpc else None
        if self._rest:
            self._rest.stop(grace_seconds)
        if stopped:
            stopped.wait()
        if self._scheduler:
            self._scheduler.stop()

    def _check(self):
        options = self._options
        try:
            ipaddress.ip_address(options.listen_address)
        except ValueError as error:
            raise status.invalid_argument(
                f"--listen_address={options.listen_address} should be an IP address, for instance "
                "127.0.0.1, or 0.0.0.0 for every interface"
            ) from error
        if not options.port and not options.grpc_socket_path:
            raise status.invalid_argument(
                "At least one of server_options.grpc_port or server_options.grpc_socket_path "
                "must be set."
            )

    def _listen(self):
        options = self._options
        self._grpc = transport.server(options.grpc_max_threads, self._channel_arguments)
        services.add(
            self._grpc,
            self._manager,
            as_content=options.enable_serialization_as_tensor_content,
            with_health=options.enable_grpc_healthcheck_service,
        )
        places = []
        if options.port:
            port = transport.listen(self._grpc, self._address(options.port), self._tls)
            places.append(f"by gRPC on port {port}")
        if options.grpc_socket_path:
            transport.listen(self._grpc, f"unix:{options.grpc_socket_path}")
            places.append(f"by gRPC on {options.grpc_socket_path}")
        if options.rest_api_port and options.rest_api_port == options.port:
            logging.error("--rest_api_port is the same as --port: REST is not served.")
        elif options.rest_api_port:
            self._rest = self._rest_server()
            places.append(f"by REST on port {self._rest.port}")
        self._grpc.start()
        return f"Serving {self._served() or 'no models'} {' and '.join(places)}."

    def _address(self, port):
        host = self._options.listen_address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _rest_server(self):
        options = self._options
        application = rest.Application(
            self._manager,
            options.rest_api_num_threads,
            options.rest_api_timeout_in_ms / 1000,
            self._metrics_path,
            options.rest_api_enable_cors_support,
        )
        return rest.Server(
            application, options.listen_address, options.rest_api_port, options.rest_api_num_threads
        )

    def _served(self):
        return ", ".join(
            f"{name}/{number}"
            for name, model in self._manager.models.items()
            for number in sorted(model.available())
        )

    def _watch_config_file(self):
        options = self._options
        if options.model_config_file and options.model_config_file_poll_wait_seconds:
            self._config_file = ConfigFile(
                options.model_config_file,
                options.model_config_file_poll_wait_seconds,
                self._manager,
            )
            self._config_file.start()


def _configured_models(options):
    """A list of `ModelConfig`; the file goes first."""
    if options.model_config_file:
        return model_config.read(options.model_config_file)
    if options.model_base_path:
        return [model_config.ModelConfig(options.model_name, options.model_base_path)]
    raise status.invalid_argument(
        "Both server_options.model_base_path and server_options.model_config_file are empty!"
    )


def _batching_parameters(options):
    if not options.batching_parameters_file:
        return batching.Parameters(together=options.imitate_faults)
    if not options.enable_batching:
        raise status.invalid_argument(
            "server_options.batching_parameters_file is set without setting "
            "server_options.enable_batching to true."
        )
    return batching.read(options.batching_parameters_file, together=options.imitate_faults)


def _metrics_path(config_file):
    """The path of the metrics, or None where they are off."""
    if not config_file:
        return None
    config = text_file.read(config_file, server_files_pb2.MonitoringConfig()).prometheus_config
    return (config.path or metrics.PATH) if config.enable else None


def _limit_threads(options):
    """0 leaves the choice to TensorFlow."""
    both = options.tensorflow_session_parallelism
    if intra := options.tensorflow_intra_op_parallelism or both:
        tf.config.threading.set_intra_op_parallelism_threads(intra)
    if inter := options.tensorflow_inter_op_parallelism or both:
        tf.config.threading.set_inter_op_parallelism_threads(inter)
