#!/bin/bash
# What the proxy needs: an authority, the server's certificate, and a first user with a client
# certificate and a key. Each further user gets a line in keys.map, or runs this again with the same
# folder: what is there is kept.
#
#   secrets.sh FOLDER HOST USER
set -euo pipefail
folder=${1:?FOLDER HOST USER} host=${2:?FOLDER HOST USER} user=${3:?FOLDER HOST USER}
umask 077
mkdir -p "$folder"
cd "$folder"

if [ ! -e ca.key ]; then
    openssl req -x509 -newkey rsa:3072 -nodes -days 3650 -subj "/CN=perceptual-zoo authority" \
        -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.crt
fi

# certificate NAME SUBJECT EXTENSIONS
certificate() {
    [ -e "$1.crt" ] && return
    openssl req -new -newkey rsa:3072 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 \
        -extfile <(printf '%s\n' "$3") -out "$1.crt"
    rm "$1.csr"
}
certificate server "$host" "subjectAltName=DNS:$host,DNS:localhost,IP:127.0.0.1
extendedKeyUsage=serverAuth"
certificate "user-$user" "$user" "extendedKeyUsage=clientAuth"

touch keys.map
if ! grep -q " $user;" keys.map; then
    printf '"Bearer %s" %s;\n' "$(openssl rand -hex 24)" "$user" >>keys.map
fi
# The proxy does not run as root.
chmod 644 ca.crt server.crt server.key keys.map
echo "$folder: ca.crt for clients, user-$user.crt and .key or the key in keys.map for $user"
