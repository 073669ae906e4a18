-- What moves data or serves it: Debezium, Airbyte, Fivetran, dbt, PostgREST, Hasura, Supabase, pg_graphql's neighbours, exporters, queues.

-- Debezium: what a snapshot looks at. Its slot and publication are made in a migration session.

SELECT count(1) FROM pg_publication WHERE pubname = 'dbz_publication';

SELECT oid IS NOT NULL, pubname, puballtables, pubinsert, pubupdate, pubdelete, pubtruncate FROM pg_publication ORDER BY 2;

select * from pg_replication_slots where slot_name = 'debezium' and database = 'shop' and plugin = 'pgoutput';

select (case pg_is_in_recovery() when 't' then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end) is not null AS pg_current_wal_lsn;

SELECT r.rolcanlogin AS rolcanlogin, r.rolreplication AS rolreplication, CAST(array_position(ARRAY(SELECT b.rolname FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles b ON (m.roleid = b.oid) WHERE m.member = r.oid), 'rds_superuser') AS BOOL) IS TRUE AS aws_superuser FROM pg_roles r WHERE r.rolname = current_user;

SHOW wal_level;
SHOW wal_sender_timeout;

SELECT t.oid AS oid, t.typname AS name, t.typelem AS element, t.typbasetype AS parentoid, t.typtypmod as modifiers, t.typcategory as category, e.values as enum_values FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON (t.typnamespace = n.oid) LEFT JOIN (SELECT t.enumtypid as id, array_agg(t.enumlabel) as values FROM pg_catalog.pg_enum t GROUP BY id) e ON (t.oid = e.id) WHERE n.nspname != 'pg_toast' AND t.typname = 'int4';

BEGIN;
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SET lock_timeout = 10000;
LOCK TABLE "public"."jobs" IN ACCESS SHARE MODE;
DECLARE debezium CURSOR FOR SELECT "id", "state" FROM "public"."jobs" ORDER BY "id";
FETCH FORWARD 10240 FROM debezium;
COMMIT;

--! shape
SELECT pg_logical_emit_message(true, 'outbox', '{"type": "drop"}'), pg_catalog.pg_logical_emit_message(false, 'heartbeat', '\x00'::bytea);

--! shape
SELECT txid_current_snapshot(), pg_current_snapshot(), pg_snapshot_xmin(pg_current_snapshot()), txid_snapshot_xmax(txid_current_snapshot());

INSERT INTO settings (name, value) VALUES ('snapshot-window-open', 'x') ON CONFLICT (name) DO UPDATE SET value = excluded.value;
UPDATE "public"."settings" SET value = 'heartbeat' WHERE name = 'snapshot-window-open';
DELETE FROM settings WHERE name = 'snapshot-window-open';

SELECT * FROM "public"."jobs" WHERE (("id" > 1)) AND NOT (("id" > 3)) ORDER BY "id" LIMIT 1024;

SELECT relreplident::text FROM pg_catalog.pg_class WHERE oid = '"public"."jobs"'::regclass;

-- Airbyte, Fivetran, Stitch, Singer.

SELECT CASE WHEN EXISTS (SELECT 1 FROM "public"."jobs" WHERE "state" IS NULL LIMIT 1) THEN TRUE ELSE FALSE END AS hasNull;

WITH block_sz AS (SELECT current_setting('block_size')::int), rels AS (SELECT c.oid, pg_relation_size(c.oid, 'main') AS rel_size FROM pg_class c WHERE c.oid = '"public"."jobs"'::regclass) SELECT rel_size >= 0, current_setting > 0 FROM rels, block_sz;

SELECT ctid::text IS NOT NULL, "id" FROM "public"."jobs" WHERE ctid > '(0,0)'::tid AND ctid <= '(131072,0)'::tid ORDER BY id;

SELECT (ctid::text::point)[0]::bigint >= 0 AS page, xmin::text::bigint > 0 AS version, (xmin::text::bigint % (2^32)::bigint) > 0 FROM jobs WHERE xmin::text::bigint >= 0 ORDER BY id;

SELECT pg_relation_filenode('jobs') > 0, pg_relation_filepath('jobs') <> '', pg_size_pretty(pg_table_size('jobs')) <> '', pg_indexes_size('jobs') >= 0;

SELECT MAX("id"), MIN("created")::date FROM "public"."customers" WHERE "created" > '2025-01-01T00:00:00.000000Z' AND "created" <= '2026-12-31'::timestamptz;

SELECT table_catalog, table_schema, table_name FROM information_schema.role_table_grants WHERE grantee = current_user AND privilege_type = 'SELECT' AND table_name = 'jobs' UNION SELECT table_catalog, table_schema, table_name FROM information_schema.table_privileges WHERE false;

SELECT column_name, data_type, udt_name, is_nullable, character_maximum_length, numeric_precision, (SELECT count(*) FROM information_schema.table_constraints tc JOIN information_schema.constraint_column_usage ccu USING (constraint_schema, constraint_name) WHERE constraint_type = 'PRIMARY KEY' AND ccu.table_name = c.table_name AND ccu.column_name = c.column_name) AS pk FROM information_schema.columns c WHERE table_schema = 'public' AND table_name = 'jobs' ORDER BY ordinal_position;

COPY (SELECT id, state FROM jobs WHERE id < 3 ORDER BY id) TO STDOUT WITH (FORMAT binary);

COPY (SELECT * FROM jobs ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER true, DELIMITER E'\t', NULL '\N', QUOTE '"', ESCAPE '\', ENCODING 'UTF8', FORCE_QUOTE (state));

COPY (VALUES (1, 'DROP'), (2, E'a\nb')) TO STDOUT (DELIMITER '|', NULL 'null');

COPY jobs (id) TO STDOUT CSV HEADER QUOTE AS '"';

BEGIN;
COPY (DELETE FROM jobs WHERE id = 1 RETURNING id) TO STDOUT;
COPY (INSERT INTO jobs (id) VALUES (1001) RETURNING *) TO STDOUT CSV;
COPY (WITH u AS (UPDATE jobs SET state = 'c' WHERE id = 2 RETURNING id) SELECT * FROM u) TO STDOUT;
ROLLBACK;

--! copy 1|one\n2|null\n
COPY "public"."imports" ("id", "note") FROM STDIN WITH (DELIMITER '|', NULL 'null', ENCODING 'utf-8');
DELETE FROM imports WHERE id IN (1, 2) RETURNING note IS NULL;

--! copy id,note\n3,"x; DROP TABLE y"\n4,\n5,\n
COPY imports FROM STDIN WITH (FORMAT csv, HEADER match, FORCE_NULL (note)) WHERE id > 3;
DELETE FROM imports WHERE true RETURNING id;

--! copy \\.\n
-- dbt, SQLMesh, Cube, Great Expectations.

--! simple
BEGIN;
/* {"app": "dbt", "dbt_version": "1.8.2", "profile_name": "shop", "target_name": "prod", "node_id": "test.shop.unique_drop"} */
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
select
    id as unique_field,
    count(*) as n_records
from "shop"."public"."jobs"
where id is not null
group by id
having count(*) > 1
    ) dbt_internal_test;
ROLLBACK;

select distinct nspname from pg_namespace where nspname in ('public', 'analytics');

select 'shop' as database, tablename as name, schemaname as schema, 'table' as type from pg_tables where schemaname ilike 'public' and tablename = 'jobs' union all select 'shop' as database, viewname as name, schemaname as schema, 'view' as type from pg_views where schemaname ilike 'public' union all select 'shop' as database, matviewname as name, schemaname as schema, 'materialized_view' as type from pg_matviews where schemaname ilike 'public' order by name;

with relation as (select pg_rewrite.ev_class as class, pg_rewrite.oid as id from pg_rewrite), class as (select oid as id, relname as name, relnamespace as schema, relkind as kind from pg_class), dependency as (select distinct pg_depend.objid as id, pg_depend.refobjid as ref from pg_depend), schema as (select pg_namespace.oid as id, pg_namespace.nspname as name from pg_namespace where nspname != 'information_schema' and nspname not like 'pg\_%'), referenced as (select relation.id AS id, referenced_class.name, referenced_class.schema, referenced_class.kind from relation join class as referenced_class on relation.class=referenced_class.id where referenced_class.kind in ('r', 'v', 'm')), relationships as (select referenced.name as referenced_name, referenced.schema as referenced_schema_id, dependent_class.name as dependent_name, dependent_class.schema as dependent_schema_id, referenced.kind as kind from referenced join dependency on referenced.id=dependency.id join class as dependent_class on dependency.ref=dependent_class.id where (referenced.name != dependent_class.name or referenced.schema != dependent_class.schema)) select distinct referenced_schema.name as referenced_schema, relationships.referenced_name, dependent_schema.name as dependent_schema, relationships.dependent_name, relationships.kind from relationships join schema as dependent_schema on relationships.dependent_schema_id=dependent_schema.id join schema as referenced_schema on relationships.referenced_schema_id=referenced_schema.id order by referenced_schema, referenced_name, dependent_schema, dependent_name;

select * from (select sum(case when "t"."name" is null then 1 else 0 end) as unexpected_count, count(*) as row_count from customers t) x;

-- PostgREST. Its role switch needs `roles` in the policy; what it runs then is this.

--! simple
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
select set_config('search_path', 'public', true), set_config('request.jwt.claims', '{"role":"drop"}', true), set_config('request.method', 'GET', true), set_config('request.path', '/customers', true), set_config('request.headers', '{"accept":"*/*"}', true), set_config('request.cookies', '{}', true);
WITH pgrst_source AS ( SELECT "public"."customers"."id", COALESCE( "customers_lines_1"."customers_lines_1", '[]') AS "lines" FROM "public"."customers" LEFT JOIN LATERAL ( SELECT json_agg("customers_lines_1")::jsonb AS "customers_lines_1" FROM (SELECT "lines_1"."product" FROM "public"."lines" AS "lines_1" WHERE "lines_1"."customer" = "public"."customers"."id" ORDER BY 1 ) AS "customers_lines_1" ) AS "customers_lines_1" ON TRUE WHERE "public"."customers"."id" > 0 ORDER BY "public"."customers"."id" LIMIT 10 OFFSET 0 ) SELECT null::bigint AS total_result_set, pg_catalog.count(_postgrest_t) AS page_total, coalesce(json_agg(_postgrest_t), '[]') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM ( SELECT * FROM pgrst_source ) _postgrest_t;
COMMIT;

BEGIN;
WITH pgrst_source AS (WITH pgrst_payload AS (SELECT '[{"id":1101,"state":"p"}]'::json AS json_data), pgrst_body AS ( SELECT CASE WHEN json_typeof(json_data) = 'array' THEN json_data ELSE json_build_array(json_data) END AS val FROM pgrst_payload) INSERT INTO "public"."jobs"("id", "state") SELECT pgrst_body."id", pgrst_body."state" FROM (SELECT * FROM json_to_recordset((SELECT val FROM pgrst_body)) AS _("id" integer, "state" text)) pgrst_body RETURNING "public"."jobs".*) SELECT '' AS total_result_set, pg_catalog.count(_postgrest_t) AS page_total, array[]::text[] AS header, coalesce(json_agg(_postgrest_t), '[]') AS body FROM (SELECT "jobs".* FROM "pgrst_source" AS "jobs") _postgrest_t;
WITH pgrst_source AS (UPDATE "public"."jobs" SET "state" = pgrst_update_body."state" FROM (SELECT '{"state":"q"}'::json AS json_data) pgrst_payload, LATERAL (SELECT * FROM json_to_record(pgrst_payload.json_data) AS _("state" text)) pgrst_update_body WHERE "public"."jobs"."id" = 1101 RETURNING 1) SELECT count(*) FROM pgrst_source;
WITH pgrst_source AS (DELETE FROM "public"."jobs" WHERE "public"."jobs"."id" = 1101 RETURNING "public"."jobs"."id") SELECT json_agg(s) FROM pgrst_source s;
WITH pgrst_source AS (SELECT pgrst_call.pgrst_scalar FROM (SELECT "public"."create_order"("$1") pgrst_scalar FROM (VALUES ('x')) AS v ("$1")) pgrst_call) SELECT * FROM pgrst_source;
ROLLBACK;

NOTIFY pgrst, 'reload schema';

-- Supabase: postgres-meta, auth helpers, Realtime's reading.

with tables as (SELECT c.oid :: int8 > 0 AS id, nc.nspname AS schema, c.relname AS name, c.relrowsecurity AS rls_enabled, c.relforcerowsecurity AS rls_forced, CASE WHEN c.relreplident = 'd' THEN 'DEFAULT' WHEN c.relreplident = 'i' THEN 'INDEX' WHEN c.relreplident = 'f' THEN 'FULL' ELSE 'NOTHING' END AS replica_identity, pg_total_relation_size(format('%I.%I', nc.nspname, c.relname)) :: int8 >= 0 AS bytes, obj_description(c.oid) AS comment FROM pg_namespace nc JOIN pg_class c ON nc.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND NOT pg_is_other_temp_schema(nc.oid) AND (pg_has_role(c.relowner, 'USAGE') OR has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER'))) select * from tables where schema = 'public' and name in ('customers', 'orders') order by name;

select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''), (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid is null as uid;

select pol.polname, pol.polpermissive, pol.polcmd, pg_get_expr(pol.polqual, pol.polrelid) as definition, pg_get_expr(pol.polwithcheck, pol.polrelid) as check, case when pol.polroles = '{0}'::oid[] then array_to_json(string_to_array('public'::text, '')::name[]) else array_to_json(array(select rolname from pg_roles where oid = any (pol.polroles) order by rolname)) end as roles from pg_policy pol join pg_class c on c.oid = pol.polrelid order by 1;

select e.name, n.nspname AS schema, e.default_version is not null, x.extversion AS installed_version, e.comment FROM pg_available_extensions() e(name, default_version, comment) LEFT JOIN pg_extension x ON e.name = x.extname LEFT JOIN pg_namespace n ON x.extnamespace = n.oid where e.name = 'plpgsql';

-- postgres_exporter, pgwatch, Datadog, pganalyze, PgHero.

--! shape
SELECT slot_name, slot_type, case when pg_is_in_recovery() then pg_last_wal_receive_lsn() - restart_lsn else pg_current_wal_lsn() - restart_lsn end as retained_wal, active FROM pg_replication_slots;

--! shape
SELECT current_database() datname, schemaname, relname, heap_blks_read, heap_blks_hit, idx_blks_read, toast_blks_hit, tidx_blks_hit FROM pg_statio_user_tables ORDER BY relname;

--! shape
SELECT current_database() datname, schemaname, relname, seq_scan, idx_scan, n_tup_ins, n_live_tup, n_dead_tup, n_mod_since_analyze, COALESCE(last_vacuum, '1970-01-01Z') as last_vacuum, vacuum_count, autovacuum_count, analyze_count FROM pg_stat_user_tables ORDER BY relname;

--! shape
SELECT pg_database.datname, tmp.mode, COALESCE(count,0) as count FROM (VALUES ('accesssharelock'), ('rowsharelock'), ('rowexclusivelock'), ('exclusivelock')) AS tmp(mode) CROSS JOIN pg_database LEFT JOIN (SELECT database, lower(mode) AS mode, count(*) AS count FROM pg_locks WHERE database IS NOT NULL GROUP BY database, lower(mode)) AS tmp2 ON tmp.mode=tmp2.mode and pg_database.oid = tmp2.database WHERE datname = 'shop' ORDER BY 1, 2;

--! shape
SELECT pid, age(clock_timestamp(), query_start), usename, query FROM pg_stat_activity WHERE state <> 'idle' AND query NOT ILIKE '%pg_stat_activity%' AND backend_type = 'client backend' ORDER BY query_start desc LIMIT 0;

SELECT relname, case when pg_stat_get_numscans(indexrelid) >= 0 then 'counted' end FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE indrelid = 'jobs'::regclass;

SELECT nspname AS schema, relname AS table_, reloptions FROM pg_class JOIN pg_namespace ON pg_class.relnamespace = pg_namespace.oid WHERE reloptions IS NOT NULL AND relkind IN ('r', 'm') AND nspname = 'public';

SELECT n.nspname AS schema, c.relname AS sequence, s.data_type, s.start_value, s.min_value, s.increment_by, s.cycle, has_sequence_privilege(c.oid, 'USAGE') FROM pg_sequences s JOIN pg_class c ON c.relname = s.sequencename JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = s.schemaname WHERE sequencename = 'tickets';

SELECT schemaname, tablename, attname, null_frac, avg_width, n_distinct, correlation IS NULL FROM pg_stats WHERE schemaname = 'public' AND tablename = 'jobs' AND attname = 'nothing';

SELECT statistics_name, attnames, kinds FROM pg_stats_ext WHERE tablename = 'jobs';

SELECT wait_event_type IS NULL OR true, pg_blocking_pids(pg_backend_pid()) = '{}', pg_conf_load_time() < now(), pg_postmaster_start_time() < now(), pg_is_in_recovery(), pg_safe_snapshot_blocking_pids(pg_backend_pid()) FROM pg_stat_activity WHERE pid = pg_backend_pid();

SELECT xact_commit >= 0, deadlocks, conflicts, temp_files >= 0, checksum_failures, stats_reset IS NULL OR true FROM pg_stat_database WHERE datname = current_database();

SELECT age(datfrozenxid) > 0, mxid_age(datminmxid) >= 0, 2^31 - age(datfrozenxid) > 0 FROM pg_database WHERE datname = current_database();

SELECT to_regclass('pg_catalog.pg_stat_statements') IS NULL, to_regproc('pg_stat_statements_reset') IS NULL, to_regprocedure('pg_terminate_backend(int, bigint)')::text, 'pg_read_file(text)'::regprocedure::text;

SELECT p.oid::regprocedure::text FROM pg_proc p WHERE proname IN ('set_config', 'pg_sleep', 'lo_import') AND has_function_privilege(p.oid, 'EXECUTE') ORDER BY 1;

-- Queue libraries: what passes on a pooled connection. Their LISTEN and session locks need route = "session".

--! values email|5
WITH next AS (SELECT id FROM jobs WHERE state <> $1 AND id < $2::int ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) UPDATE jobs j SET state = j.state FROM next WHERE j.id = next.id RETURNING j.id;

with j as (select jobs.id from "jobs" as jobs where jobs.state = 'new' and (jobs.id = any ('{1,2}'::int[])) order by jobs.state asc, jobs.id asc limit 1 for update skip locked) update "jobs" as job_queues set state = 'new' from j where job_queues.id = j.id returning job_queues.id::text, now() - interval '0 seconds' <= now();

select * from (select id, state, row_number() over (partition by state order by id) as rn from jobs where state in (select unnest('{new,old}'::text[]))) q where rn <= 5 order by id;

WITH locked AS (SELECT id FROM jobs WHERE state = 'never' ORDER BY id FOR UPDATE SKIP LOCKED) DELETE FROM jobs USING locked WHERE jobs.id = locked.id RETURNING jobs.*;

INSERT INTO jobs (id, state) SELECT (j->>'id')::int, j->>'state' FROM jsonb_array_elements('[{"id": 1201, "state": "cron"}]'::jsonb) j ON CONFLICT (id) WHERE true DO NOTHING RETURNING id;
DELETE FROM jobs WHERE id = 1201 AND pg_try_advisory_xact_lock(1201);

SELECT pg_notify('graphile_worker', ''), pg_notify('jobs:insert', json_build_object('count', 1)::text);

SELECT count(*) FILTER (WHERE state = 'new') AS created, count(*) FILTER (WHERE state = 'active') AS active, max(id)::bigint FROM jobs GROUP BY GROUPING SETS ((state), ()) ORDER BY 1, 2, 3;

SELECT a.state, b.* FROM (SELECT DISTINCT state FROM jobs) a CROSS JOIN LATERAL (SELECT id FROM jobs WHERE state = a.state ORDER BY id LIMIT 1) b;

-- Flyway, Liquibase, Knex and others: a look at what has been applied.

SELECT COUNT(*) FROM pg_namespace WHERE nspname='public';

SELECT EXISTS (SELECT 1 FROM information_schema.tables WHERE table_schema='public' AND table_name='flyway_schema_history');

SELECT current_user AS "current_user", session_user, "current_user"(), rolname IS NOT NULL FROM pg_roles WHERE rolname = current_user;

SELECT to_regclass('public.schema_migrations') IS NULL, to_regclass('"public"."databasechangeloglock"') IS NULL;

SELECT n.nspname || '.' || c.relname AS "table", pg_get_constraintdef(k.oid), k.convalidated FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND k.contype IN ('c', 'f') ORDER BY 1, 2;
