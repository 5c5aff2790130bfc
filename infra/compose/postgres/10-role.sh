#!/bin/sh
# Runs once, when the data folder is new: makes the user the services connect as, and the roles they
# work as. The user may make databases (each service makes its own) and is no superuser, for whom
# row-level security would not hold; it may turn into either role, and is neither of itself. The
# password goes from the secret to psql without passing a command line.
set -eu
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set password `cat /run/secrets/postgres_password`
CREATE ROLE loyalnest LOGIN CREATEDB PASSWORD :'password';
CREATE ROLE loyalnest_app;
CREATE ROLE loyalnest_across;
GRANT loyalnest_app, loyalnest_across TO loyalnest WITH INHERIT FALSE, SET TRUE;
SQL
