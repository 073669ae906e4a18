# Sourced by deploy/demo: the temporary directory and the four servers in it.
# shellcheck shell=bash disable=SC2034,SC2154 # shared with deploy/demo and its other parts

directory=
declare -A pids=()
started=()      # names in the order of their start
server_account=() # for root: the options of setpriv for PostgreSQL and PgBouncer, which refuse root

# PostgreSQL's newest version here goes to the front of PATH; Debian keeps servers out of it.
find_programs() {
    local newest
    newest=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1)
    PATH=$(dirname "$newest"):/usr/sbin:$PATH
    [[ $EUID == 0 ]] || return 0
    local uid gid
    uid=$(id -u postgres) gid=$(id -g postgres)
    server_account=(--reuid="$uid" --regid="$gid" --clear-groups)
}

# Eight ports on 127.0.0.1 that nobody listens on, below those that the kernel hands out. The lock is
# the one that Portcullis's tests take (tests/support/ports.rs): side by side, they do not collide.
take_ports() {
    local locks=${TMPDIR:-/tmp}/portcullis-ports-$EUID base try
    make_our_own "$locks"
    for ((try = 0; try < 500; try++)); do
        base=$((10000 + RANDOM % 2750 * 8))
        exec {port_lock}>>"$locks/$base"
        if flock -n "$port_lock" && all_free "$base"; then
            port=$base http_port=$((base + 1)) postgresql_port=$((base + 2))
            transaction_port=$((base + 3)) session_port=$((base + 4))
            return
        fi
        exec {port_lock}>&-
    done
    die 2 "no free ports between 10000 and 32000"
}

# make_our_own DIRECTORY: makes it, or finds it as one that nobody else can write to. Everybody knows its
# name, and what others lay in it could lead to any file.
make_our_own() {
    local problem mode='' owner=''
    problem=$(mkdir -m 700 -- "$1" 2>&1) || [[ -e $1 || -L $1 ]] || die 2 "port locks: $problem"
    # Of a link its own mode, which is no directory's.
    read -r mode owner < <(stat -c '%f %u' -- "$1") || true
    [[ $owner == "$EUID" ]] && (((0x$mode & 0170022) == 0040000)) ||
        die 2 "port locks in $1: not a directory that is ours and that only we can write to" "remove it"
}

all_free() {
    local candidate
    for ((candidate = $1; candidate < $1 + 8; candidate++)); do
        if listens "$candidate"; then return 1; fi
    done
}

listens() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# start NAME AS DEATH-SIGNAL COMMAND...: AS is server or self. In a session of its own, so that Ctrl-C
# on the terminal is ours alone to act upon; gets DEATH-SIGNAL if we are killed.
start() {
    local name=$1 account=()
    [[ $2 == self ]] || account=("${server_account[@]}")
    setsid setpriv "${account[@]}" --pdeathsig "$3" -- "${@:4}" \
        >>"$directory/$name.log" 2>&1 </dev/null {port_lock}>&- &
    pids[$name]=$!
    started+=("$name")
}

# wait_for NAME COMMAND...: until COMMAND succeeds; a server that ends before is the end.
wait_for() {
    local name=$1 deadline=$((SECONDS + 30))
    until "${@:2}" >/dev/null 2>&1; do
        if ! kill -0 "${pids[$name]}" 2>/dev/null || ((SECONDS > deadline)); then
            show_logs
            die 1 "$name did not become ready"
        fi
        sleep 0.1
    done
}

end_servers() {
    local at
    for ((at = ${#started[@]} - 1; at >= 0; at--)); do end_server "${started[at]}"; done
}

# Portcullis lets transactions end on TERM, PgBouncer has nothing to save, PostgreSQL on INT leaves
# files that can be started again.
end_server() {
    local pid=${pids[$1]} signal=INT try
    case $1 in
        portcullis) signal=TERM ;;
        pgbouncer-*) signal=KILL ;;
    esac
    kill -s "$signal" "$pid" 2>/dev/null || true
    for ((try = 0; try < 60; try++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    # PostgreSQL's own children end with QUIT, and not with KILL.
    if kill -s QUIT "$pid" 2>/dev/null; then
        sleep 0.5
        kill -s KILL "$pid" 2>/dev/null
    fi
    wait "$pid" 2>/dev/null || true
}

# filled FILE: its text with the words between @ replaced; they are named after our variables.
filled() {
    local text word value
    text=$(<"$1")
    for word in DIRECTORY POLICY PORT HTTP_PORT POSTGRESQL_PORT TRANSACTION_PORT SESSION_PORT \
        POOL_PORT POOL_MODE POOL_SIZE POOL_DIRECTORY; do
        value=${word,,}
        text=${text//"@$word@"/"${!value:-}"}
    done
    printf '%s\n' "$text"
}

# server_directory NAME: made for the servers' account alone.
server_directory() {
    mkdir -m 700 "$directory/$1"
    give_to_servers "$directory/$1"
}

give_to_servers() {
    [[ $EUID != 0 ]] || chown -R postgres: "$1"
}

as_server() {
    (cd / && setpriv "${server_account[@]}" -- "$@")
}

# A certificate authority, and a certificate for localhost that it signed.
make_certificates() {
    local request=(openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -batch)
    (
        umask 077
        cd "$directory"
        "${request[@]}" -x509 -days 30 -subj '/CN=Portcullis demo' -keyout ca.key -out ca.crt
        "${request[@]}" -subj /CN=localhost -keyout server.key -out server.csr
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 \
            -extfile <(printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n') -out server.crt
    ) 2>"$directory/openssl.log" || { cat "$directory/openssl.log" >&2 && die 2 "openssl failed"; }
    chmod 644 "$directory/ca.crt"
}

start_postgresql() {
    local own=$directory/postgresql
    server_directory postgresql
    (umask 077 && printf '%s' "$superuser_password" >"$own/password")
    give_to_servers "$own"
    as_server "$(command -v initdb)" -D "$own/data" --username=postgres --pwfile="$own/password" --encoding=UTF8 --locale=C \
        --no-sync --auth-local=trust --auth-host=scram-sha-256 >"$directory/initdb.log" 2>&1 ||
        { cat "$directory/initdb.log" >&2 && die 2 "initdb failed"; }
    # The log is what the tour looks into: all that PostgreSQL was asked.
    cat >>"$own/data/postgresql.conf" <<SETTINGS
listen_addresses = '127.0.0.1'
port = $postgresql_port
unix_socket_directories = '$own'
password_encryption = 'scram-sha-256'
max_connections = 200
fsync = off
timezone = 'UTC'
log_statement = 'all'
log_line_prefix = '%m [%p] %u@%d '
SETTINGS
    start postgresql server QUIT "$(command -v postgres)" -D "$own/data"
    wait_for postgresql pg_isready -q -h "$own" -p "$postgresql_port" -U postgres
}

# start_pgbouncer MODE PORT
start_pgbouncer() {
    local pool_mode=$1 pool_port=$2 pool_directory=$directory/pgbouncer-$1
    server_directory "pgbouncer-$1"
    filled "$demo/pgbouncer.ini" >"$pool_directory/pgbouncer.ini"
    cp "$directory"/{userlist.txt,server.crt,server.key,ca.crt} "$pool_directory/"
    give_to_servers "$pool_directory"
    start "pgbouncer-$1" server KILL "$(command -v pgbouncer)" "$pool_directory/pgbouncer.ini"
    wait_for "pgbouncer-$1" listens "$2"
}

write_configuration() {
    (umask 077 && filled "$demo/portcullis.toml" >"$directory/portcullis.toml")
    [[ -n $config ]] || return 0
    filled "$config" >"$directory/given.toml"
    if read_toml is-whole "$directory/given.toml"; then
        cat "$directory/given.toml" >"$directory/portcullis.toml"
    else
        read_toml merged "$directory/portcullis.toml" "$directory/given.toml" >"$directory/merged.toml"
        mv "$directory/merged.toml" "$directory/portcullis.toml"
    fi
}

# The configuration, its policy, and whether they fit: before anything is started.
check_files() {
    "$binary" check "$directory/portcullis.toml" >"$directory/check.log" 2>&1 ||
        { cat "$directory/check.log" >&2 && die 2 "nothing was started"; }
}

# Where it is asked whether it is ready; a configuration of one's own may say something else, or nothing.
check_http() {
    local http
    http=$(read_toml http "$directory/portcullis.toml") || die 2 "nothing was started"
    case $http in
        "127.0.0.1:$http_port" | "0.0.0.0:$http_port" | "[::]:$http_port") return ;;
        '') http="http is missing in [listen]" ;;
        *) http="http in [listen] is \"$http\"" ;;
    esac
    die 2 "$config: $http" "deploy/demo asks there whether Portcullis is ready; it must be:" \
        'http = "127.0.0.1:@HTTP_PORT@"'
}

# Debian's Python and not one that happens to be first in PATH.
read_toml() {
    /usr/bin/python3 "$demo/toml.py" "$@"
}

start_portcullis() {
    start portcullis self TERM "$binary" serve --config "$directory/portcullis.toml"
    wait_for portcullis curl -fs "http://127.0.0.1:$http_port/health/ready"
}

start_stack() {
    directory=$(mktemp -d "${TMPDIR:-/tmp}/portcullis-demo.XXXXXX")
    # The servers' account must be able to reach its own directories in it.
    chmod 711 "$directory"
    mkdir "$directory/policies"
    cp "$policy" "$directory/policies/"
    policy=$directory/policies/$(basename "$policy")
    superuser_password=$(openssl rand -hex 12)
    take_ports
    read_fixture
    make_certificates
    write_configuration
    check_files
    check_http
    printf 'Starting PostgreSQL, two PgBouncers and Portcullis\n'
    start_postgresql
    fill_postgresql
    start_pgbouncer transaction "$transaction_port"
    start_pgbouncer session "$session_port"
    make_server_keys
    start_portcullis
}
