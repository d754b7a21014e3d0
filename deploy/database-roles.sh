#!/bin/sh
# One-shot: makes the database, its owner and the role that workers and the gateway use. Safe to run again: it then gives
# both roles the passwords that are set now. Only this script and an administrator connect as a superuser.
#
#   PGHOST PGPORT PGUSER PGPASSWORD_FILE   the server and its superuser
#   OWNER_PASSWORD_FILE APP_PASSWORD_FILE  files that hold the passwords of longtake_owner and longtake_app
set -eu
PGPASSWORD=$(cat "$PGPASSWORD_FILE")
LONGTAKE_OWNER_PASSWORD=$(cat "$OWNER_PASSWORD_FILE")
LONGTAKE_APP_PASSWORD=$(cat "$APP_PASSWORD_FILE")
export PGPASSWORD LONGTAKE_OWNER_PASSWORD LONGTAKE_APP_PASSWORD

# Not on the command line: other processes of the machine read that.
psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 -d postgres <<'SQL'
\getenv owner_password LONGTAKE_OWNER_PASSWORD
\getenv app_password LONGTAKE_APP_PASSWORD
set log_statement = 'none';
select format('create role %I', role) from unnest(array['longtake_owner', 'longtake_app']) as role
  where not exists (select from pg_roles where rolname = role) \gexec
alter role longtake_owner login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password :'owner_password';
alter role longtake_app login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password :'app_password';
select 'create database longtake owner longtake_owner'
  where not exists (select from pg_database where datname = 'longtake') \gexec
alter database longtake owner to longtake_owner;
revoke all on database longtake from public;
grant connect on database longtake to longtake_app;
SQL
psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 -d longtake <<'SQL'
alter schema public owner to longtake_owner;
revoke all on schema public from public;
SQL
