-- Takes the signed level out of this database. As a superuser; run it again at any time:
--
--   psql -X -v ON_ERROR_STOP=1 -d shop -f remove.sql
--
-- Tables keep row-level security: without the policy they show no rows until they have another. Give
-- them that first. With policies of your own that read portcullis.zone() it refuses (2BP01).
\set ON_ERROR_STOP 1
begin;
set local search_path = pg_catalog, pg_temp;
set local client_min_messages = warning;
do $do$
declare
    wall record;
begin
    for wall in select polrelid::regclass as name, polname from pg_policy
                where polname in ('portcullis_zone', 'portcullis_rows') loop
        execute format('drop policy %I on %s', wall.polname, wall.name);
    end loop;
    -- The functions without CASCADE: it would take policies of yours along.
    if exists (select from pg_namespace where nspname = 'portcullis') then
        drop function if exists portcullis.enter(text), portcullis.zone(), portcullis.marked();
        drop schema portcullis cascade;
    end if;
    if exists (select from pg_roles where rolname = 'portcullis_owner')
       and not exists (select from pg_shdepend join pg_roles r on r.oid = refobjid
                       where refclassid = 'pg_authid'::regclass and rolname = 'portcullis_owner'
                       and classid <> 'pg_parameter_acl'::regclass) then
        -- The last database: the role and its one right go too.
        drop owned by portcullis_owner;
        drop role portcullis_owner;
    end if;
end
$do$;
commit;
