-- Included by zone.sql with marker=mac: the mark of a transaction is a setting that everybody may set,
-- with a MAC of its own over the zone and this very transaction: backend, start and audience. It is
-- verified for every query. What a client copies out of it is worth nothing anywhere else.
--
--   <key id>.<zone in hex>.<mac in hex>

create or replace function portcullis.mark_line(key_id text, zone text) returns text
language sql stable
return 'mark1.' || key_id || '.' || zone || '.' || pg_backend_pid()::text || '.'
    || encode(timestamptz_send(transaction_timestamp()), 'hex') || '.' || portcullis.audience();

-- The zone in hex, or null. Not in parallel workers: their process id is another. No notices: see enter().
create or replace function portcullis.marked() returns text
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp set client_min_messages = error set debug_print_plan = off as $$
declare
    part text[] := string_to_array(current_setting('portcullis.mark', true), '.');
    k portcullis.key;
begin
    if array_length(part, 1) is distinct from 3 or part[3] !~ '^[0-9a-f]{64}$' then
        return null;
    end if;
    select * into k from portcullis.key where id = part[1];
    if (sha256(decode(part[3], 'hex')) = sha256(portcullis.mac(k.inner_pad, k.outer_pad,
            portcullis.mark_line(part[1], part[2])))) is not true then
        return null;
    end if;
    return part[2];
end
$$;

create or replace function portcullis.mark(k portcullis.key, zone text) returns text
language sql volatile
return set_config('portcullis.mark', (k).id || '.' || zone || '.' || encode(portcullis.mac(
    (k).inner_pad, (k).outer_pad, portcullis.mark_line((k).id, zone)), 'hex'), true);

-- The zone of this transaction, or null.
create or replace function portcullis.zone() returns text
language sql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
return convert_from(decode(portcullis.marked(), 'hex'), 'UTF8');
