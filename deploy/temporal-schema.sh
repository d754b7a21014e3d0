#!/bin/sh
# One-shot: makes Temporal's two databases and brings their schemas up to date. Safe to run again.
set -eu
tool() { temporal-sql-tool --plugin postgres12 --ep "$POSTGRES_SEEDS" --port "$DB_PORT" --user "$POSTGRES_USER" --password "$POSTGRES_PWD" "$@"; }
schemas=/etc/temporal/schema/postgresql/v12

for database in temporal temporal_visibility; do
  folder=$database
  [ "$database" = temporal_visibility ] && folder=visibility
  tool --db "$database" create || true
  tool --db "$database" setup-schema --version 0.0 || true
  tool --db "$database" update-schema --schema-dir "$schemas/$folder/versioned"
done
