#!/bin/sh
# Makes what mongo.yaml needs besides, once: passwords, the key of the replica set, data folders.
# Run it after make-secrets.sh, as the same user.
#
#   ./make-mongo-secrets.sh          beside this script
#   ./make-mongo-secrets.sh FOLDER   in another folder
set -eu
umask 077

folder=${1:-$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)}
secrets=$folder/state/secrets
data=$folder/state/data

fail() {
    printf 'make-mongo-secrets.sh: %s\n' "$1" >&2
    exit 1
}
[ -d "$secrets" ] || fail "$secrets is not there; run make-secrets.sh first."
[ ! -e "$secrets/mongo_url" ] || fail "$secrets/mongo_url is there already; nothing was changed."

password() { od -An -v -tx1 -N24 /dev/urandom | tr -d ' \n'; }

mongo=$(password)
mkdir -p "$data/mongo" "$data/mongo-config"
head -c 96 /dev/urandom | base64 | tr -d '\n' > "$secrets/mongo_key"
printf '%s\n' "$(password)" > "$secrets/mongo_root_password"
printf '%s\n' "$mongo" > "$secrets/mongo_password"
printf 'mongodb://loyalnest:%s@mongo:27017/?replicaSet=rs0&authSource=loyalnest_points\n' "$mongo" \
    > "$secrets/mongo_url"
if [ "$(id -u)" = 0 ]; then
    chown -R 10001:10001 "$data/mongo" "$data/mongo-config" "$secrets"/mongo_*
fi
printf 'Made four secrets of MongoDB in %s.\n' "$secrets"
