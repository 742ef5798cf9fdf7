#!/bin/sh
# Runs once, when the volume of the database is empty: the login of service and worker. It owns the
# schema `retrieval` by its membership, and nothing else in the server.
set -eu
psql --no-psqlrc --set=ON_ERROR_STOP=1 --set=password="$(cat /run/secrets/retrieval_password)" \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
create role retrieval_owner nologin;
create role retrieval login password :'password' in role retrieval_owner;
SQL
