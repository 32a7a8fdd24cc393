#!/bin/bash
# TensorFlow Serving's flags, for Compose and Kubernetes alike.

flags=(
    --port=8500
    --rest_api_port=8501
    --model_config_file=/config/models.config
    # A changed models.config, such as another label, needs no restart.
    --model_config_file_poll_wait_seconds=30
    # At the start no version is loaded when labels are read.
    --allow_version_labels_for_unavailable_models=true
    --monitoring_config_file=/config/monitoring.config

    # Each model batches by the batching_params.pbtxt in its version's directory.
    --enable_batching=true
    --enable_per_model_batching_parameters=true
    --batching_parameters_file=/config/batching.config

    # Calls beyond this are refused: twice what the proxy lets one user have. The default of four a
    # core refuses calls of a handful of callers, because waiting calls hold their thread.
    --grpc_max_threads=64
    --rest_api_num_threads=64
    # As long as the proxy waits.
    --rest_api_timeout_in_ms=300000
    # Connections end sometimes, so that clients spread over new servers.
    --grpc_channel_arguments=grpc.max_connection_age_ms=600000
)
exec tensorflow_model_server "${flags[@]}"
