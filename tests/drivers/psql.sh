#!/usr/bin/env bash
# psql, with its own commands. tests/drivers/matrix.rs says what a check of a name does.
set -uo pipefail

failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export PGAPPNAME=driver

# sql: what is on stdin, as by hand but for the format.
sql() { psql -XAtq -v VERBOSITY=verbose -f - "$@"; }
one() { sql -v ON_ERROR_STOP=1 <<<"$1"; }

# same FOUND EXPECTED
same() {
    [[ $1 == "$2" ]] || { printf 'expected %q, found %q\n' "$2" "$1"; return 1; }
}

# check NAME: the function of that name, which stops at its first error.
check() {
    if (set -eE; trap 'exit 1' ERR; "check_$1") >"$log" 2>&1; then
        echo "ok $1"
    else
        echo "not ok $1: $(cat "$log")"
        failed=1
    fi
}

check_connect() {
    same "$(one "SELECT current_setting('application_name')")" driver
    if [[ $PGSSLMODE != disable ]]; then
        [[ $(one '\conninfo') == *"SSL connection"* ]]
        same "$(PGSSLROOTCERT=$DRIVER_OTHER_CA one 'SELECT 1' 2>&1 | grep -c 'certificate verify failed')" 1
    fi
}

check_types() {
    local value
    for value in true -32768::int2 9223372036854775807 0.1::float8 12345678901234567890.123456789 \
        "'it''s ü €'::text" "'\\x00ff275c'::bytea" "'2026-02-28'::date" "'2026-02-28 12:00:00.123456+00'::timestamptz" \
        "'3 days 00:00:07'::interval" "'01234567-89ab-cdef-0123-456789abcdef'::uuid" "'{\"a\": [1, null]}'::jsonb" \
        "'{1,NULL,3}'::int[]" "'{a,\"b,c\",NULL}'::text[]"; do
        same "$(one "SELECT $value = v FROM (SELECT $value AS v) t")" t
        [[ $(one "SELECT $value \\gdesc") == '?column?|'* || $(one "SELECT $value \\gdesc") == *'|'* ]]
    done
}

check_ddl() {
    one "CREATE TABLE driver_ddl (id int)"
    one "DROP TABLE driver_ddl"
}

check_listen() { one "LISTEN driver; UNLISTEN driver"; }

check_zone() {
    same "$(one 'SELECT DISTINCT tenant_id FROM orders')" acme
    same "$(one "SELECT count(*) FROM orders WHERE tenant_id = 'globex'")" 0
    same "$(one "INSERT INTO orders (note) VALUES ('driver insert') RETURNING tenant_id")" acme
}

# Before version 16 psql prepares by SQL only.
check_sql-prepare() {
    local number
    same "$(
        {
            echo "PREPARE twice AS SELECT \$1::int * 2;"
            for ((number = 0; number < 200; number++)); do echo "EXECUTE twice($number);"; done
        } | sql -v ON_ERROR_STOP=1 | tail -n 1
    )" 398
}

check_savepoints() {
    sql <<'SQL'
BEGIN;
INSERT INTO orders (note) VALUES ('driver before');
SAVEPOINT a;
INSERT INTO orders (note) VALUES ('driver undone');
ROLLBACK TO a;
INSERT INTO orders (note) VALUES ('driver after');
SAVEPOINT b;
INSERT INTO orders (note) VALUES ('driver released');
RELEASE b;
COMMIT;
BEGIN;
INSERT INTO orders (note) VALUES ('driver rollback');
ROLLBACK;
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT 1 / 0;
INSERT INTO orders (note) VALUES ('driver mended');
COMMIT;
SQL
}

check_recovery() {
    local answer
    answer=$(sql 2>&1 <<'SQL'
SELECT 1 / 0;
SELECT 1 FROM driver_nothing;
SELEC 1;
INSERT INTO orders (id, note) VALUES (1, 'driver lost');
BEGIN;
INSERT INTO orders (note) VALUES ('driver lost');
SELECT 1 / 0;
SELECT 'unreachable';
ROLLBACK;
SELECT 'after';
SQL
    )
    same "$(grep -Eo '(ERROR:  .....)|^after|^unreachable' <<<"$answer" | tr '\n' ' ')" \
        "ERROR:  22012 ERROR:  42P01 ERROR:  42601 ERROR:  23505 ERROR:  22012 ERROR:  25P02 after "
}

check_settings() {
    same "$(sql -v ON_ERROR_STOP=1 <<'SQL' | tr '\n' ' '
SET TimeZone TO 'Asia/Tokyo';
SHOW TimeZone;
SHOW TimeZone;
BEGIN;
SET TimeZone TO 'Asia/Tbilisi';
SHOW TimeZone;
ROLLBACK;
SHOW TimeZone;
RESET TimeZone;
SELECT current_setting('TimeZone') <> 'Asia/Tokyo';
SQL
    )" "Asia/Tokyo Asia/Tokyo Asia/Tbilisi Asia/Tokyo t "
}

check_copy() {
    local rows
    rows=$(for number in {1..1000}; do printf '%d\tdriver copy\n' "$number"; done)
    sql -v ON_ERROR_STOP=1 <<<"\\copy imports (id, note) FROM STDIN
$rows
\\."
    same "$(one '\copy (SELECT id, note FROM imports ORDER BY id) TO STDOUT' | grep -c 'driver copy')" 1000
}

# runs PID: whether it has not ended.
runs() { [[ -d /proc/$1 && $(cat "/proc/$1/stat" 2>/dev/null) != *') Z '* ]]; }

check_cancel() {
    local client answer
    answer=$(mktemp)
    # The shell has its background commands ignore SIGINT.
    python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' psql -XAtq -v VERBOSITY=verbose -c 'SELECT pg_sleep(30)' >"$answer" 2>&1 &
    client=$!
    # Before it waits for an answer, psql would be ended by the signal.
    until [[ $(one "SELECT count(*) FROM pg_stat_activity
                    WHERE state = 'active' AND query LIKE '%pg_sleep(30)%' AND query NOT LIKE '%count%'") == 1 ]]; do
        runs "$client" || { cat "$answer"; return 1; }
        sleep 0.1
    done
    while runs "$client"; do
        kill -INT "$client" || true
        sleep 0.3
    done
    wait "$client" || true
    same "$(grep -o 57014 "$answer")" 57014
    rm -f "$answer"
}

concurrent_client() {
    local round
    {
        for round in 1 2 3 4 5; do
            echo "BEGIN; INSERT INTO orders (note) VALUES ('driver concurrent'); SELECT $1 + $round; COMMIT;"
        done
    } | sql -v ON_ERROR_STOP=1 | tail -n 1
}

check_concurrent() {
    local number clients=()
    for ((number = 0; number < 20; number++)); do
        (same "$(concurrent_client "$number")" $((number + 5))) &
        clients+=($!)
    done
    for client in "${clients[@]}"; do wait "$client"; done
}

for name in connect types ddl listen zone sql-prepare savepoints recovery settings copy cancel concurrent; do
    check "$name"
done
exit $failed
