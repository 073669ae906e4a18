-- The signed level of the zone context: row-level policies read portcullis.zone(), which only a token
-- with the proxy's MAC can set. PostgreSQL 15 or later, no extension. Run it again at any time.
--
--   psql -X -v ON_ERROR_STOP=1 -d shop -f zone.sql                  as a superuser
--   psql -X -v ON_ERROR_STOP=1 -d shop -v marker=mac -f zone.sql    where GRANT SET ON PARAMETER is not to be had
--
-- README.md beside it says what holds, what does not and what it costs.
\set ON_ERROR_STOP 1
\if :{?marker}
\else
  \set marker setting
\endif

begin;
set local search_path = pg_catalog, pg_temp;
set local client_min_messages = warning;
-- `create or replace` keeps the owner and the rights of what is there: whoever could put a function
-- into this schema before would own the wall. So the schema is ours or nobody's.
do $do$
begin
    if not exists (select from pg_roles where rolname = 'portcullis_owner') then
        create role portcullis_owner nologin noinherit;
    end if;
    if exists (select from pg_roles where rolname = 'portcullis_owner'
               and (rolcanlogin or rolsuper or rolbypassrls or rolcreaterole)) then
        raise exception 'role portcullis_owner can log in or has rights that it must not have'
            using hint = 'ALTER ROLE portcullis_owner NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE';
    end if;
    if exists (select from pg_namespace where nspname = 'portcullis'
               and nspowner <> 'portcullis_owner'::regrole) then
        raise exception 'schema portcullis belongs to another role'
            using hint = 'Find out who made it, then drop it.';
    end if;
    if not exists (select from pg_namespace where nspname = 'portcullis') then
        create schema portcullis authorization portcullis_owner;
    end if;
end
$do$;
select (:'marker' = 'setting') as by_setting, (:'marker' = 'mac') as by_mac \gset
\if :by_setting
  grant set on parameter backtrace_functions to portcullis_owner;
\elif :by_mac
\else
  do $do$ begin raise exception 'marker must be setting or mac'; end $do$;
\endif
set local role portcullis_owner;

revoke all on schema portcullis from public;
grant usage on schema portcullis to public;

-- The keys. Nobody but the owner reads them; a dump of this table holds them too.
create table if not exists portcullis.key (
    id         text primary key check (id ~ '^[a-z0-9_]{1,32}$'),
    -- The secret, padded to SHA-256's block and XORed with HMAC's two constants (RFC 2104).
    inner_pad  bytea not null check (octet_length(inner_pad) = 64),
    outer_pad  bytea not null check (octet_length(outer_pad) = 64),
    not_before timestamptz not null default now(),
    not_after  timestamptz,
    -- How old a token may be. More than PgBouncer's query_wait_timeout: it waits there for a server.
    lifetime   interval not null default '60 s' check (lifetime between '1 s' and '1 h'),
    -- How far the proxy's clock may be ahead of this server's.
    ahead      interval not null default '5 s' check (ahead between '0 s' and '5 min'),
    -- A transaction enters once, whatever it resets: see README.md for what it costs.
    once       boolean not null default false
);
revoke all on portcullis.key from public;

-- Adds or replaces a key and returns its secret in hex, for the proxy. Without a secret it makes one
-- of 244 random bits, so that none is ever in a statement's text.
create or replace function portcullis.add_key(key_id text, secret bytea default null) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    block bytea;
    inner_pad bytea := ''; outer_pad bytea := '';
begin
    secret := coalesce(secret, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
    if octet_length(secret) not between 32 and 64 then
        raise exception 'a secret has 32 to 64 bytes' using errcode = '22023';
    end if;
    block := secret || decode(repeat('00', 64 - octet_length(secret)), 'hex');
    for i in 0..63 loop
        inner_pad := inner_pad || set_byte('\x00', 0, get_byte(block, i) # 54);
        outer_pad := outer_pad || set_byte('\x00', 0, get_byte(block, i) # 92);
    end loop;
    insert into portcullis.key as k (id, inner_pad, outer_pad) values (key_id, inner_pad, outer_pad)
        on conflict (id) do update set inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad,
            not_before = excluded.not_before, not_after = null;
    return encode(secret, 'hex');
end
$$;

-- From then on no token of this key enters; those on their way still do (their lifetime).
create or replace function portcullis.retire_key(key_id text) returns timestamptz
language sql begin atomic
    update portcullis.key set not_after = least(not_after, clock_timestamp() + lifetime)
        where id = key_id returning not_after;
end;

-- At once: also what is on its way is refused.
create or replace function portcullis.drop_key(key_id text) returns boolean
language sql begin atomic
    with gone as (delete from portcullis.key where id = key_id returning 1)
    select exists (select from gone);
end;

-- HMAC-SHA-256 of one line, with the pads of a key. Inlined.
create or replace function portcullis.mac(inner_pad bytea, outer_pad bytea, line text) returns bytea
language sql stable
return sha256(outer_pad || sha256(inner_pad || convert_to(line, 'UTF8')));

-- Whom a token or a mark is for: the login, not SET ROLE's role (inside of a SECURITY DEFINER
-- function current_user is its owner; only a superuser changes session_user), and the database.
-- In hex, so that nothing in a name can be taken for a separator. Inlined.
create or replace function portcullis.audience() returns text
language sql stable
return encode(convert_to(session_user::text, 'UTF8'), 'hex') || '.'
    || encode(convert_to(current_database()::text, 'UTF8'), 'hex');

\if :by_setting
  \ir marker_setting.sql
\else
  \ir marker_mac.sql
\endif

-- Enters the zone that the token names, for the rest of the transaction:
--
--   pz1.<key id>.<issued>.<nonce>.<zone>.<mac>
--
-- issued in microseconds since 1970, nonce 16 bytes, zone 1 to 200 bytes of UTF-8, mac 32 bytes, the
-- last three in lower-case hex. The MAC is over what is before it, and the audience:
-- pz1.<key id>.<issued>.<nonce>.<zone>.<session_user in hex>.<database in hex>
--
-- The first call of a transaction wins; another one for the same zone changes nothing.
--
-- Nobody is told the plans of what runs in it, where the key can be a constant: its caller by no notice, the
-- server's log by debug_print_plan, which everybody may set.
create or replace function portcullis.enter(token text) returns void
language plpgsql strict security definer parallel unsafe
set search_path = pg_catalog, pg_temp set client_min_messages = error set debug_print_plan = off as $$
declare
    part text[] := string_to_array(token, '.');
    k portcullis.key;
    told text;
    issued timestamptz;
    present timestamptz := clock_timestamp();
begin
    if token = '' then
        -- What the proxy says of a client that has set another zone than the one that was entered.
        raise exception 'this transaction is in another zone' using errcode = '42501',
            hint = 'End the transaction before you change the zone.';
    end if;
    if octet_length(token) > 600 or array_length(part, 1) is distinct from 6 or part[1] <> 'pz1'
       or length(part[6]) <> 64 or length(part[4]) <> 32 or part[5] = '' then
        raise exception 'zone token is malformed' using errcode = '42501';
    end if;
    select * into k from portcullis.key where id = part[2];
    -- Hashes of both are compared: how long that takes says nothing about the MAC.
    if k.id is null or (sha256(decode(part[6], 'hex')) = sha256(portcullis.mac(
           k.inner_pad, k.outer_pad, left(token, -64) || portcullis.audience()))) is not true then
        raise exception 'zone token is not valid for login "%" in database "%"', session_user, current_database()
            using errcode = '42501',
            hint = 'Compare the keys of the proxy with those in table portcullis.key.';
    end if;
    issued := to_timestamp(part[3]::float8 / 1e6);
    if (present between k.not_before and coalesce(k.not_after, 'infinity')) is not true then
        raise exception 'key "%" is not in force', k.id using errcode = '42501';
    end if;
    if (present between issued - k.ahead and issued + k.lifetime) is not true then
        raise exception 'zone token is expired or not yet valid' using errcode = '42501',
            detail = format('It was issued at %s, and it is %s.', issued, present),
            hint = 'Compare the clocks of the proxy and of this server.';
    end if;
    if convert_from(decode(part[5], 'hex'), 'UTF8') is null or part[5] <> lower(part[5]) then
        raise exception 'zone token is malformed' using errcode = '42501';
    end if;
    told := portcullis.marked();
    if told = part[5] then
        return;
    elsif told is not null then
        raise exception 'this transaction is in another zone' using errcode = '42501',
            hint = 'End the transaction before you change the zone.';
    end if;
    if k.once then
        if pg_current_xact_id_if_assigned() is not null then
            raise exception 'this transaction has entered a zone, or has written, before' using errcode = '42501',
                hint = 'Enter the zone first.';
        end if;
        perform pg_current_xact_id();
    end if;
    -- Held until the transaction ends: nobody else enters with this token in the meantime.
    if not pg_try_advisory_xact_lock(('x' || left(part[4], 16))::bit(64)::bigint) then
        raise exception 'zone token is in use' using errcode = '42501';
    end if;
    told := portcullis.mark(k, part[5]);
end
$$;

-- Puts the wall on a table, all its partitions included: row-level security, also for its owner, and
-- a policy that lets only rows of the zone be seen and written. Run it as the table's owner; again at
-- any time. `all_zones` is the value that stands for all of them, if there is one ('*').
--
-- The policy is restrictive: permissive ones that are there, or come later, cannot widen it. A table
-- without any permissive policy gets one with the same condition.
create or replace procedure portcullis.protect(wall regclass, zone_column name, all_zones text default null)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    part regclass;
    kind text;
    condition text;
begin
    for part in select wall union select relid from pg_partition_tree(wall) loop
        select format_type(atttypid, null) into kind
            from pg_attribute left join pg_collation c on c.oid = attcollation
            where attrelid = part and attname = zone_column and attnum > 0 and not attisdropped
            and collisdeterministic is not false;
        -- A cast to anything else may cut a value or fold its case, and so make two zones one.
        if kind is null or kind not in ('text', 'character varying', 'uuid', 'smallint', 'integer', 'bigint') then
            raise exception 'column "%" of % cannot hold a zone', zone_column, part using errcode = '42804',
                hint = 'Use a column of type text, varchar, uuid, smallint, integer or bigint, with a deterministic collation.';
        end if;
        condition := format(case when all_zones is null then '%1$I = (select portcullis.zone()::%2$s)'
            else '(select portcullis.zone() = %3$L) or %1$I = (select nullif(portcullis.zone(), %3$L)::%2$s)' end,
            zone_column, kind, all_zones);
        execute format('alter table %s enable row level security', part);
        execute format('alter table %s force row level security', part);
        execute format('drop policy if exists portcullis_zone on %s', part);
        execute format('create policy portcullis_zone on %s as restrictive using (%s)', part, condition);
        execute format('drop policy if exists portcullis_rows on %s', part);
        if not exists (select from pg_policy where polrelid = part and polpermissive) then
            execute format('create policy portcullis_rows on %s using (%s)', part, condition);
        end if;
    end loop;
end
$$;

-- Everything is for nobody but what the wall needs: enter() is guarded by the MAC, zone() tells a
-- transaction its own zone, protect() runs with its caller's rights.
revoke all on all functions in schema portcullis from public;
revoke all on all procedures in schema portcullis from public;
grant execute on function portcullis.enter(text), portcullis.zone() to public;
grant execute on procedure portcullis.protect(regclass, name, text) to public;
commit;
