-- A canary row of each of two zones in one table, for [isolation] of portcullis.toml. Run it for every table
-- that is watched, as a superuser or a role with BYPASSRLS; again at any time: rows that are there stay as they are.
--
--   psql -X -v ON_ERROR_STOP=1 -d shop -v table=public.orders -v column=tenant_id \
--        -v zone_a=canary-a -v zone_b=canary-b -f canary.sql
--
-- Columns that have no default and may not be null get their values from -v row, one JSON object:
--
--        -v row='{"note": "canary", "amount": 0}'
--
-- The zones belong to nobody: no login is granted them, no customer has them. A foreign key of the zone column
-- needs its row first (run this for that table first). Exclude them where rows are counted or billed.
\set ON_ERROR_STOP 1
\if :{?row}
\else
  \set row '{}'
\endif

begin;
set local search_path = pg_catalog, pg_temp;
set local client_min_messages = warning;
-- Whom row-level security binds could not see a row that is there already: then it fails here.
set local row_security = off;
select set_config('portcullis_canary.' || name, value, true) from (values ('table', :'table'), ('column', :'column'),
    ('zone_a', :'zone_a'), ('zone_b', :'zone_b'), ('row', :'row')) given(name, value) \g /dev/null
do $do$
declare
    wall regclass := to_regclass(current_setting('portcullis_canary.table'));
    zone_column name := current_setting('portcullis_canary.column');
    given jsonb := current_setting('portcullis_canary.row');
    columns text;
    zone text;
    there boolean;
begin
    if wall is null then
        raise exception 'there is no table %', current_setting('portcullis_canary.table')
            using hint = 'Name its schema too: public.orders';
    end if;
    if current_setting('portcullis_canary.zone_a') = current_setting('portcullis_canary.zone_b') then
        raise exception 'the two zones are one';
    end if;
    foreach zone in array array[current_setting('portcullis_canary.zone_a'), current_setting('portcullis_canary.zone_b')] loop
        execute format('select exists (select from %s where %I = %L)', wall, zone_column, zone) into there;
        continue when there;
        given := given || jsonb_build_object(zone_column, zone);
        select string_agg(quote_ident(key), ', ') into columns from jsonb_object_keys(given) key;
        execute format('insert into %1$s (%2$s) select %2$s from jsonb_populate_record(null::%1$s, $1)', wall, columns)
            using given;
    end loop;
end
$do$;
commit;
