#!/bin/bash
# Whether every model of models.config has a version that answers. REST's code alone does not tell:
# a model that is loading gets 200 as well. TensorFlow Serving's image has bash, but no curl.
config=${1:-/config/models.config}
port=${2:-8501}

names=$(sed -n 's/.*config { name: "\([^"]*\)".*/\1/p' "$config") || exit 1
[ -n "$names" ] || { echo "no models in $config" >&2; exit 1; }
for name in $names; do
    exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
    printf 'GET /v1/models/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$name" >&3
    grep -q '"AVAILABLE"' <&3 || { echo "$name is not available" >&2; exit 1; }
    exec 3>&-
done
