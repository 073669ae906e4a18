# Sourced by deploy/demo: seven steps. Each shows what is typed, what is answered and what that
# proves, and ends the tour where the answer is another one.
# shellcheck shell=bash disable=SC2016,SC2154 # shell text to be shown; shared with the other parts

steps=7
passed=0
answer=
answer_status=0

introduce() {
    write_environment
    printf '\nPortcullis demo: %s, PgBouncer %s (transaction :%s, session :%s), %s (:%s). Everything lives in %s.\n' \
        "$(postgres --version | sed -E 's/.*\) ([0-9.]+).*/PostgreSQL \1/')" \
        "$(pgbouncer --version | sed -n 's/^PgBouncer //p')" "$transaction_port" "$session_port" \
        "$("$binary" --version | sed 's/^p/P/')" "$port" "$directory"
}

walk_the_tour() {
    # shellcheck source=/dev/null
    . "$directory/env"
    # The visitor's own settings of psql would change what the steps look like.
    export PSQLRC=/dev/null PAGER=
    first_query
    other_tenant
    foreign_zone
    migration
    trick
    leak
    costs
    printf '\n%d of %d as promised.\n' "$passed" "$steps"
}

# ---------------------------------------------------------------------------------- telling

step() {
    printf '\n%d  %s\n' $((passed + 1)) "$1"
}

# type_in COMMAND: shows it, runs it, shows the answer. It is meant as written: `. env` makes psql the
# application, and sets the variables.
type_in() {
    printf '   $ %s\n' "$1"
    answer_status=0
    answer=$(bash -o pipefail -c "$1" 2>&1) || answer_status=$?
    if [[ -n $answer ]]; then indented '     ' '     ' <<<"$answer"; fi
}

# note TEXT: what the visitor should know before the next command.
note() {
    printf '   # %s\n' "$1"
}

# Says what was proved; REST lines under it.
ok() {
    printf '%s\n' "$@" | indented '   ok   ' '        '
    passed=$((passed + 1))
}

wrong() {
    printf '   WRONG: %s\n\n' "$1" >&2
    show_logs
    printf '\n%d of %d as promised.\n' "$passed" "$steps"
    exit 1
}

answers() {
    ((answer_status == 0)) || wrong "it should have succeeded, and ended with status $answer_status"
    [[ $answer == *"$1"* ]] || wrong "the answer should contain: $1"
}

refuses() {
    ((answer_status != 0)) || wrong "it should have been refused"
    [[ $answer == *"$1"* ]] || wrong "the refusal should say: $1"
}

# column NUMBER: of the first row of psql's answer.
column() {
    awk -F '|' -v at="$1" 'NR == 3 { gsub(/ /, "", $at); print $at }' <<<"$answer"
}

# tables NAME: how many there are in database shop, as PostgreSQL itself has it.
tables() {
    superuser shop -c "SELECT count(*) FROM pg_class WHERE relname = '$1'"
}

# ---------------------------------------------------------------------------------- steps

first_query() {
    local all
    step "A query, over TLS (verify-full) to Portcullis, and again to PgBouncer"
    type_in 'psql -c "select count(*) from orders"'
    answers '     3'
    if psql -c 'select 1' "sslmode=disable" >/dev/null 2>&1; then wrong "a client without TLS was let in"; fi
    grep -q 'user=shop_acme tls=TLS' "$directory/pgbouncer-transaction.log" ||
        wrong "no TLS to PgBouncer: $directory/pgbouncer-transaction.log"
    all=$(superuser shop -c 'SELECT count(*) FROM orders')
    [[ $all == 5 ]] || wrong "the table should have 5 rows, and has $all"
    ok "Tenant acme has 3 of the 5 orders. The application, login shop_acme, did not say which tenant" \
        "it is: Portcullis told PostgreSQL, and row-level security did the rest."
}

other_tenant() {
    local backend
    step "The same table for the other tenant, and what is left on the pooled connection"
    type_in 'psql -U shop_globex -c "select count(*), pg_backend_pid() from orders"'
    answers '     2 |'
    backend=$(column 2)
    note "a client of the PgBouncer behind, which hands out the same server connection:"
    type_in "psql -U shop_globex -p \$PGBOUNCER_PORT -c \"select pg_backend_pid(), current_setting('app.tenant_id', true) = '' as no_tenant\""
    answers "$backend | t"
    ok "Backend $backend served globex its 2 orders and has forgotten the tenant: it was set for" \
        "one transaction, nothing is left for the next client of the pool."
}

foreign_zone() {
    step "Asking for someone else's tenant"
    type_in "psql -c \"set app.tenant_id = 'globex'\""
    refuses 'tenant "globex" is not granted to login "shop_acme"'
    ! grep -q "set app.tenant_id = 'globex'" "$directory/postgresql.log" ||
        wrong "PostgreSQL has seen the statement: $directory/postgresql.log"
    ok "Refused before PostgreSQL saw it: its log (log_statement = all) does not have the statement."
}

migration() {
    local owner
    step "DDL, without and with a migration session"
    type_in 'psql -c "create table notes (id int)"'
    refuses 'cannot execute CREATE TABLE outside a migration session'
    [[ $(tables notes) == 0 ]] || wrong "the table is there all the same"
    type_in 'portcullis migration run --config $PORTCULLIS_CONFIG --database shop --reason "order notes" -- psql -c "create table notes (id int)"'
    answers 'CREATE TABLE'
    answers 'closed, 1 statement'
    owner=$(superuser shop -c "SELECT tableowner FROM pg_tables WHERE tablename = 'notes'")
    [[ $owner == migrator ]] || wrong "the table should belong to migrator, and belongs to '$owner'"
    ok "The same statement with the same tool. The session ended with it; who asked, why, and every" \
        "statement with its duration are on record."
}

trick() {
    local statement="explain (analyze, costs off, timing off, summary off) create table hidden as select 1 as a"
    step "A trick: DDL inside EXPLAIN ANALYZE, which looks like reading and is not"
    note "without Portcullis, at the PgBouncer behind:"
    type_in "psql -p \$PGBOUNCER_PORT -c \"$statement\""
    answers 'Result'
    [[ $(tables hidden) == 1 ]] || wrong "without Portcullis the table should be there"
    superuser shop -c 'DROP TABLE hidden'
    note "that has made the table (we dropped it). The same through Portcullis:"
    type_in "psql -c \"$statement\""
    refuses 'cannot execute CREATE TABLE AS outside a migration session'
    [[ $(tables hidden) == 0 ]] || wrong "the table is there all the same"
    ok "A filter that goes by the first word lets it pass. Portcullis looks at the whole statement," \
        "and no table was made."
}

leak() {
    local backend query="select current_setting('app.tenant_id') as tenant, count(*), pg_backend_pid() from orders"
    step "The leak you have today, shown through the PgBouncer next door (transaction mode)"
    type_in "psql -p \$PGBOUNCER_PORT -c \"set app.tenant_id = 'globex'\""
    answers SET
    note "a different client of the same pool, who sets nothing:"
    type_in "psql -p \$PGBOUNCER_PORT -c \"$query\""
    answers ' globex |     2 |'
    backend=$(column 3)
    note "the same two through Portcullis, with that very server connection behind it:"
    type_in "psql -c \"set app.tenant_id = 'globex'\""
    refuses 'tenant "globex" is not granted to login "shop_acme"'
    type_in "psql -c \"$query\""
    answers " acme   |     3 | "
    [[ $(column 3) == "$backend" ]] || wrong "backend $backend should have served this too"
    # For the visitor who explores: not our leftovers.
    psql -q -p "$transaction_port" -c 'reset app.tenant_id' || true
    ok "Next door, one client's SET made the next one read globex's orders. Through Portcullis nobody" \
        "can set it, and even on backend $backend, left in that state, acme gets acme's orders."
}

# ---------------------------------------------------------------------------------- costs

costs() {
    local metrics=http://127.0.0.1:$http_port/metrics before after half most seconds=5
    step "What it saw and what it costs"
    type_in "curl -s http://\$PORTCULLIS_HTTP/metrics | grep '^portcullis_refusals_total.* [1-9]'"
    answers 'portcullis_refusals_total{guard="ddl-outside-migration"} 2'
    answers 'portcullis_refusals_total{guard="zone-not-granted"} 2'
    superuser postgres -c "ALTER SYSTEM SET log_statement = 'none'" -c 'SELECT pg_reload_conf()' >/dev/null
    printf '%s\n' '\set id random(1, 5)' 'select note from orders where id = :id;' >"$directory/pgbench.sql"
    before=$(curl -s "$metrics")
    type_in "pgbench -n -M extended -c 4 -j 2 -T $seconds -f $directory/pgbench.sql | grep -E 'processed|failed|latency|tps'"
    answers 'number of failed transactions: 0'
    after=$(curl -s "$metrics")
    half=$(quantile 50 "$before" "$after") most=$(quantile 99 "$before" "$after")
    [[ $half$most != *unknown* ]] || wrong "portcullis_added_latency_seconds should have counted that"
    ok "4 refusals in this tour, each counted under its guard, as above. Added by the proxy before a" \
        "message goes on, over $seconds s of pgbench, on this machine, now: $half," \
        "$most (upper bounds of the histogram's buckets)."
}

# quantile PERCENT METRICS-BEFORE METRICS-AFTER: of portcullis_added_latency_seconds in between.
quantile() {
    awk -v percent="$1" '
        { split($1, part, "\"") }
        /^portcullis_added_latency_seconds_bucket/ {
            if (!(part[2] in count)) { bounds[++n] = part[2] }
            count[part[2]] = $2 - count[part[2]]
        }
        END {
            total = count["+Inf"]
            if (total == 0) { print "p" percent " unknown: nothing was counted"; exit }
            for (i = 1; i <= n; i++) if (count[bounds[i]] >= total * percent / 100) break
            if (bounds[i] == "+Inf") printf "p%d over %g us", percent, bounds[n - 1] * 1e6
            else printf "p%d at most %g us", percent, bounds[i] * 1e6
        }' <<<"$2"$'\n'"$3"
}
