# Sourced by deploy/demo: logins, databases, and the variables by which others find the stack.
# shellcheck shell=bash disable=SC2034,SC2154 # shared with deploy/demo and its other parts

user_names=()
declare -A passwords=() attributes=()
# Of the policy, by login:
policy_logins=()
declare -A kinds=() server_roles=() databases=()

# add_user NAME PASSWORD ATTRIBUTES: the first to name a login wins.
add_user() {
    [[ -z ${passwords[$1]:-} ]] || return 0
    user_names+=("$1")
    passwords[$1]=$2
    attributes[$1]=$3
}

read_fixture() {
    local name kind role list password rest
    if [[ -n $users ]]; then
        while read -r name password rest || [[ -n $name ]]; do
            [[ -n $name && $name != \#* ]] || continue
            [[ -n $password ]] || die 2 "$users: $name has no password" "a line is: NAME PASSWORD [ATTRIBUTES]"
            add_user "$name" "$password" "$rest"
        done <"$users"
    fi
    if [[ -z $users || $sql == "$demo/shop.sql" ]]; then
        for name in shop_acme shop_globex shop_report boris migrator; do
            add_user "$name" "$(openssl rand -hex 12)" ""
        done
    fi
    read_toml logins "$policy" >"$directory/logins.tsv" || die 2 "the policy cannot be read"
    # Not a blank between the fields: blanks in a row would count as one.
    while IFS=$'\x1f' read -r name kind role list; do
        policy_logins+=("$name")
        kinds[$name]=$kind server_roles[$name]=$role databases[$name]=$list
    done < <(tr '\t' '\037' <"$directory/logins.tsv")
    app_user=${user_names[0]:-}
    [[ -n $app_user ]] || die 2 "$users names no login"
    app_database=$(first_database)
}

# Of APP_USER, or of anybody.
first_database() {
    local name
    for name in "$app_user" "${policy_logins[@]}"; do
        [[ -z ${databases[$name]:-} ]] || { echo "${databases[$name]%%,*}" && return; }
    done
    echo postgres
}

# superuser DATABASE [OPTIONS OF PSQL]: straight at PostgreSQL.
superuser() {
    env -i PATH="$PATH" LANG="${LANG:-C.UTF-8}" psql -XAtq -v ON_ERROR_STOP=1 \
        -h "$directory/postgresql" -p "$postgresql_port" -U postgres -d "$1" "${@:2}"
}

# quoted MARK TEXT: an SQL literal or identifier.
quoted() {
    printf '%s%s%s' "$1" "${2//"$1"/"$1$1"}" "$1"
}

create_users() {
    local name
    echo 'SET log_statement = none;'
    for name in "${user_names[@]}"; do
        printf 'CREATE ROLE %s LOGIN PASSWORD %s %s;\n' \
            "$(quoted '"' "$name")" "$(quoted "'" "${passwords[$name]}")" "${attributes[$name]}"
    done
}

# The databases of the policy that are not there yet.
create_databases() {
    local name database owner=postgres wanted
    for name in "${policy_logins[@]}"; do
        if [[ ${kinds[$name]} == migrator && -n ${passwords[$name]:-} ]]; then
            owner=$name
            break
        fi
    done
    mapfile -t wanted < <({ cut -f 4 "$directory/logins.tsv" | tr ',' '\n'; echo "$app_database"; } | sort -u)
    for database in "${wanted[@]}"; do
        superuser postgres -v name="$database" -v owner="$owner" -f - <<'SQL'
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'owner')
WHERE :'name' NOT IN (SELECT datname FROM pg_database UNION SELECT '') \gexec
SQL
    done
}

fill_postgresql() {
    local start=postgres
    create_users | superuser postgres -f - || die 2 "the logins cannot be created"
    if ! grep -qiE '^[[:blank:]]*CREATE[[:blank:]]+DATABASE' "$sql"; then
        create_databases
        start=$app_database
    fi
    superuser "$start" -f "$sql" >"$directory/fixture.log" || die 2 "$sql failed"
    # The very verifiers that PostgreSQL holds: key pass-through needs them to be the same everywhere.
    (umask 077 && superuser postgres -f - >"$directory/userlist.txt" <<'SQL'
SELECT '"' || replace(rolname, '"', '""') || '" "' || rolpassword || '"'
FROM pg_authid WHERE rolpassword LIKE 'SCRAM-SHA-256$%' AND rolname <> 'postgres' ORDER BY oid
SQL
    )
}

# Roles that Portcullis logs in as by itself: migrators, and those behind other logins.
make_server_keys() {
    local name role
    local -A made=()
    (umask 077 && : >"$directory/server-keys")
    for name in "${policy_logins[@]}"; do
        role=${server_roles[$name]}
        [[ -n $role || ${kinds[$name]} != migrator ]] || role=$name
        [[ -n $role && -z ${made[$role]:-} && -n ${passwords[$role]:-} ]] || continue
        made[$role]=yes
        "$binary" keys add --key-file "$directory/server-keys" --role "$role" \
            --auth-file "$directory/userlist.txt" <<<"${passwords[$role]}" 2>"$directory/keys.log" ||
            { cat "$directory/keys.log" >&2 && die 2 "no server key for $role"; }
    done
}

url_escaped() {
    /usr/bin/python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1], safe=""))' "$1"
}

# The variables of --env-file.
environment() {
    local names=(PORTCULLIS_HOST PORTCULLIS_PORT PORTCULLIS_HTTP PORTCULLIS_CA PORTCULLIS_BIN
        PORTCULLIS_CONFIG PORTCULLIS_CONSOLE APP_USER APP_PASSWORD APP_DATABASE DIRECT_DSN
        PGBOUNCER_PORT PGBOUNCER_SESSION_PORT)
    local direct=postgresql://postgres:$superuser_password@127.0.0.1:$postgresql_port
    direct+="/$(url_escaped "$app_database")?sslmode=disable"
    local values=(localhost "$port" "127.0.0.1:$http_port" "$directory/ca.crt" "$binary"
        "$directory/portcullis.toml" "$directory/console.sock" "$app_user" "${passwords[$app_user]}"
        "$app_database" "$direct" "$transaction_port" "$session_port")
    local at
    for at in "${!names[@]}"; do shell_variable "${names[at]}" "${values[at]}"; done
    printf 'export %s\n' "${names[*]}"
}

# DIRECTORY/env: the same, and libpq's variables, so that a bare psql is the application.
explorers_environment() {
    environment
    shell_variable PATH "$directory/bin:$PATH"
    printf 'export PGHOST=localhost PGPORT=%s PGSSLMODE=verify-full PGPASSFILE=%q PGSSLROOTCERT=%q\n' \
        "$port" "$directory/passwords" "$directory/ca.crt"
    printf 'export PGUSER=%q PGDATABASE=%q\n' "$app_user" "$app_database"
    printf 'unset PGPASSWORD PGHOSTADDR PGSERVICE PGOPTIONS\n'
}

# libpq's password file: any login by its name alone, at any of our ports.
password_file() {
    local name field
    for name in "${user_names[@]}"; do
        for field in "$name" "${passwords[$name]}"; do
            field=${field//\\/\\\\}
            printf ':%s' "${field//:/\\:}"
        done | sed 's/^/localhost:*:*/'
        echo
    done
}

write_environment() {
    # `portcullis`, whatever the file is called.
    mkdir "$directory/bin"
    ln -s "$binary" "$directory/bin/portcullis"
    (umask 077 && password_file >"$directory/passwords" && explorers_environment >"$directory/env")
}

# In one step, so that a reader who waits for the file finds all of it.
publish_environment() {
    local new
    new=$(mktemp "$env_file.XXXXXX") || die 2 "cannot write $env_file"
    environment >"$new"
    mv "$new" "$env_file"
}
