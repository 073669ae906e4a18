#!/usr/bin/env bash
# pgbench with scripts of ours, in its three protocols. tests/drivers/matrix.rs says what a check of a
# name does.
set -uo pipefail

failed=0
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
export PGAPPNAME=driver

# bench OPTIONS...: the script on stdin; fails at the first error, as pgbench alone does not.
bench() {
    cat >"$directory/script.sql"
    pgbench -n -f "$directory/script.sql" "$@" >"$directory/report" 2>&1 || true
    cat "$directory/report"
    grep -q 'number of failed transactions: 0 ' "$directory/report" && ! grep -qi 'abort\|error' "$directory/report"
}

check() {
    local answer
    if answer=$("check_$1" 2>&1); then
        echo "ok $1"
    else
        echo "not ok $1: $answer"
        failed=1
    fi
}

check_connect() {
    bench -C -c 2 -j 2 -t 5 <<<'SELECT 1;'
}

check_ddl() {
    bench -t 1 <<<'CREATE TABLE driver_ddl (id int);
DROP TABLE driver_ddl;'
}

check_zone() {
    # pgbench stops where \gset finds no row.
    bench -t 1 -M prepared <<<"SELECT 1 AS seen FROM orders HAVING count(*) > 0 AND bool_and(tenant_id = 'acme') \gset
INSERT INTO orders (note) VALUES ('driver insert');"
}

check_prepared() {
    bench -t 100 -M prepared <<<"\set n random(1, 1000)
SELECT 1 AS seen WHERE :n::int * 2 = :n::int + :n::int \gset
SELECT 1 AS seen FROM orders HAVING bool_and(tenant_id = 'acme') AND count(*) > :n::int - 1001 \gset"
}

check_savepoints() {
    local protocol
    for protocol in simple extended prepared; do
        bench -t 3 -M "$protocol" <<<"BEGIN;
INSERT INTO orders (note) VALUES ('driver before');
SAVEPOINT a;
INSERT INTO orders (note) VALUES ('driver undone');
ROLLBACK TO a;
INSERT INTO orders (note) VALUES ('driver after');
END;
BEGIN;
INSERT INTO orders (note) VALUES ('driver rollback');
ROLLBACK;" || return 1
    done
}

check_pipeline() {
    local protocol
    for protocol in extended prepared; do
        bench -t 10 -M "$protocol" <<<"\set n random(1, 1000)
\startpipeline
SELECT :n;
INSERT INTO orders (note) VALUES ('driver pipeline');
SELECT :n + 1;
\endpipeline
BEGIN;
\startpipeline
INSERT INTO orders (note) VALUES ('driver pipeline');
SELECT :n + 2;
\endpipeline
END;" || return 1
    done
}

# A thread for each client: pgbench prepares with a blocking call, and a thread that waits for a pool
# connection there does not end the transactions that its other clients have open.
check_concurrent() {
    bench -c 20 -j 20 -t 5 -M prepared <<<"\set n random(1, 1000)
BEGIN;
INSERT INTO orders (note) VALUES ('driver concurrent');
SELECT :n;
END;" || return 1
    local protocol
    for protocol in simple extended; do
        bench -c 20 -j 20 -t 5 -M "$protocol" <<<"\set n random(1, 1000)
BEGIN;
SELECT :n;
END;" || return 1
    done
}

for name in connect ddl zone prepared savepoints pipeline concurrent; do check "$name"; done
exit $failed
