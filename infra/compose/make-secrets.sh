#!/bin/sh
# Makes everything one installation needs to itself, once: secrets, data folders, and .env.
#
#   ./make-secrets.sh            asks for the Shopify app's client secret
#   ./make-secrets.sh < FILE     reads it from a file
#   ./make-secrets.sh FOLDER     makes it all in another folder than this script's
#   ./make-secrets.sh --nats     only new passwords of NATS, one for each service; FOLDER as above
#
# Run it as whoever will own the files: containers run under the same user id, because a secret that
# is mounted from a file keeps its owner and mode. Run as root, it gives everything to user 10001.
set -eu
umask 077

fail() {
    printf 'make-secrets.sh: %s\n' "$1" >&2
    exit 1
}

only_nats=
if [ "${1:-}" = --nats ]; then
    only_nats=yes
    shift
fi
folder=${1:-$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)}
secrets=$folder/state/secrets
data=$folder/state/data

user=$(id -u):$(id -g)
[ "$(id -u)" != 0 ] || user=10001:10001
give() { [ "$(id -u)" != 0 ] || chown -R "$user" "$@"; }

password() { od -An -v -tx1 -N24 /dev/urandom | tr -d ' \n'; }
key() { head -c 32 /dev/urandom | base64; }

# A user for each container of ours (nats/users.conf), whose password no other one gets.
services='api_gateway auth users roles core points referrals rfm event_tracking admin_core
    admin_features campaign gamification frontend products'
nats_users() {
    mkdir -p "$1/nats"
    : > "$1/nats_passwords"
    for service in $services; do
        secret=$(password)
        printf '%s_password: "%s"\n' "$service" "$secret" >> "$1/nats_passwords"
        printf 'nats://%s:%s@nats:4222\n' "$service" "$secret" > "$1/nats/$service"
    done
    give "$1/nats" "$1/nats_passwords"
}

if [ -n "$only_nats" ]; then
    [ -d "$secrets" ] || fail "$secrets is not there; run it without --nats first."
    nats_users "$secrets"
    printf 'New passwords of NATS in %s; now recreate the containers.\n' "$secrets"
    exit 0
fi

[ ! -e "$secrets" ] || fail "$secrets is there already; nothing was changed. New keys would make
the data unreadable: to start anew, remove $folder/state yourself."

if [ -t 0 ]; then
    printf "The Shopify app's client secret: " >&2
    stty -echo
    IFS= read -r client_secret || true
    stty echo
    printf '\n' >&2
else
    IFS= read -r client_secret || true
fi
[ -n "$client_secret" ] || fail "the Shopify app's client secret is empty."

# Written beside the final place, so that a half-made set is never taken for whole.
mkdir -p "$folder/state"
draft=$(mktemp -d "$folder/state/secrets.XXXXXX")
trap 'rm -rf "$draft"' EXIT

postgres=$(password)
valkey=$(password)
nats_users "$draft"
printf 'postgresql://loyalnest:%s@postgres:5432\n' "$postgres" > "$draft/postgres_url"
printf '%s\n' "$postgres" > "$draft/postgres_password"
printf '%s\n' "$(password)" > "$draft/postgres_owner_password"
printf 'redis://:%s@valkey:6379/0\n' "$valkey" > "$draft/valkey_url"
printf 'requirepass %s\n' "$valkey" > "$draft/valkey_auth"
printf '%s\n' "$client_secret" > "$draft/shopify_client_secret"
key > "$draft/master_key"
key > "$draft/jwt_key"
# There is nothing before the first one (docs/runbook.md, Rotation).
: > "$draft/shopify_previous_client_secret"
# Most do without these two.
: > "$draft/oidc_client_secret"
: > "$draft/aws_credentials"

for name in nats postgres valkey prometheus; do
    mkdir -p "$data/$name"
done

give "$draft" "$data"
printf 'RUN_AS=%s\n' "$user" > "$folder/.env"
mv "$draft" "$secrets"
trap - EXIT

printf 'Made %s, %s and %s.\n' "$secrets" "$data" "$folder/.env"
printf 'Keep a copy of %s in a safe place: without it nobody can read the members'\'' data.\n' \
    "$secrets/master_key"
