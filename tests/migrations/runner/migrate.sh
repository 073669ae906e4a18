#!/usr/bin/env bash
# A migration runner as many teams have one: every step is a psql, and a connection, of its own.
# The files are applied in order, each with its record in one transaction; several runners may start
# at the same time, an advisory lock puts them in a row. libpq's own variables say where to connect;
# the password may come in a file, PGPASSWORD_FILE.
#
#   migrate.sh [DIRECTORY]      the files, by default those beside this script
set -euo pipefail

directory=${1:-$(cd "$(dirname "$0")" && pwd)/migrations}
lock_key=${MIGRATION_LOCK_KEY:-4732518903281471}

if [[ -n ${PGPASSWORD_FILE:-} ]]; then
    PGPASSWORD=$(<"$PGPASSWORD_FILE")
    export PGPASSWORD
fi

# -w: a runner has nobody to ask for a password.
sql() { psql -XAtqw -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -v lock="$lock_key" "$@"; }

create_history() {
    sql <<'SQL'
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT pg_advisory_xact_lock(:lock) \g /dev/null
CREATE TABLE IF NOT EXISTS public.schema_migrations (
    version text PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMIT;
SQL
}

apply() {
    local file=$1 version
    version=$(basename "$file" .up.sql)
    [[ $version =~ ^[0-9]{4}_[A-Za-z0-9_]+$ ]] || {
        echo "unsafe migration filename: $file" >&2
        exit 1
    }
    sql -v version="$version" -v file="$file" <<'SQL'
BEGIN;
SELECT pg_advisory_xact_lock(:lock) \g /dev/null
SELECT NOT EXISTS (SELECT FROM public.schema_migrations WHERE version = :'version') AS pending \gset
\if :pending
    \i :file
    -- The file may have changed search_path: hence the schema's name.
    INSERT INTO public.schema_migrations (version) VALUES (:'version');
    \echo applied :version
\endif
COMMIT;
SQL
}

verify() {
    local file
    for file in "$directory"/*.up.sql; do
        [[ $(sql -c "SELECT count(*) FROM public.schema_migrations WHERE version = '$(basename "$file" .up.sql)'") == 1 ]]
    done
}

[[ $(sql -c "SELECT 1") == 1 ]]
create_history
for file in "$directory"/*.up.sql; do
    apply "$file"
done
verify
