#!/bin/sh
# Runs once, when the data folder is new: makes the role the services connect as. It may make
# databases (each service makes its own) and is no superuser, for whom row-level security would not
# hold. The password goes from the secret to psql without passing a command line.
set -eu
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set password `cat /run/secrets/postgres_password`
CREATE ROLE loyalnest LOGIN CREATEDB PASSWORD :'password';
SQL
