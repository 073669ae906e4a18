-- What applications, their query builders, reports and the scripts of who looks after them send, of every kind.

-- Settings by set_config, as query builders and drivers that write values into the text spell it.

BEGIN;
SELECT set_config(('my.a'), 'x', true), set_config('my.b'::character varying, 'y', true);
SELECT set_config(('my.c'::text), ('z'), 't'), set_config(cast('my.d' as character varying), varchar 'w', 'yes'::boolean);
SELECT set_config(text 'my.e', 'v', 1::boolean), set_config('my.f', 'u', cast(1 as bool));
SELECT current_setting('my.a'), current_setting('my.b'), current_setting('my.c'), current_setting('my.d'), current_setting('my.e'), current_setting('my.f');
COMMIT;

SELECT set_config('my.session', 'x', 'f');
SELECT set_config(('my.session'), 'y', 'false'::boolean), set_config('my.other', 'z', 0::boolean);
SELECT current_setting('my.session'), current_setting('my.other');
SELECT set_config('my.session', '', cast('off' as bool)), set_config('my.other', '', boolean 'no');

--! values abc
SELECT set_config(('my.bound'), ($1)::character varying, 'f');

--! fails 42883
SELECT set_config(setting_name => 'my.named', new_value => 'x', is_local => true);

--! fails 42883
SELECT set_config('my.named', new_value := 'x', is_local := false);

-- Back to what a connection begins with.

SET NAMES DEFAULT;
SHOW client_encoding;

RESET client_encoding;
SELECT 'ä', current_setting('client_encoding');

RESET standard_conforming_strings;
SELECT 'a\', current_setting('standard_conforming_strings');

-- psycopg2 and PHP: the alias that is told as it is written.
SET client_encoding = 'UNICODE';

SHOW client_encoding;

SET client_encoding TO DEFAULT;
SET standard_conforming_strings TO DEFAULT;

BEGIN;
SET LOCAL client_encoding TO DEFAULT;
SET SESSION standard_conforming_strings = DEFAULT;
SELECT 'b\';
ROLLBACK;
SELECT 'c\';

BEGIN;
SAVEPOINT s;
RESET client_encoding;
ROLLBACK TO s;
INSERT INTO jobs VALUES (1001, 'ü');
DELETE FROM jobs WHERE id = 1001 RETURNING state;
COMMIT;

--! simple
SELECT 1; RESET client_encoding; SELECT 'd\', 'é';

-- Columns and fields that are called as functions are.

SELECT t.http FROM (SELECT 1 AS http) t;

SELECT recent.http FROM (SELECT r.http, r.id FROM requests r ORDER BY r.id DESC LIMIT 3) recent;

WITH recent AS (SELECT id, http FROM requests) SELECT recent.id, recent.http, other.http FROM recent JOIN recent other USING (id);

WITH v (http) AS (VALUES (1), (2)) SELECT v.http FROM v ORDER BY v.http;

SELECT u.http FROM (SELECT http FROM requests UNION ALL SELECT 'x') u ORDER BY 1;

BEGIN;
UPDATE places SET home.http = 'a', home.dblink = 'b', work[1].http = 'c' WHERE id = 1;
UPDATE places SET (home.http, home.dblink) = ('d', 'e') WHERE id = 1 RETURNING home, work;
INSERT INTO places (id, home.http, home.dblink) VALUES (2, 'f', 'g') ON CONFLICT (id) DO UPDATE SET home.dblink = 'h' RETURNING home;
SELECT (home).street, (p.home).street, (work)[1] FROM places p ORDER BY id;
ROLLBACK;

-- For who may: not for an application that is no monitor.

--! fails 42501
SELECT pg_current_logfile();

--! fails 42883
SELECT * FROM postgres_fdw_get_connections();

-- Reports.

SELECT date_trunc('month', at::timestamptz AT TIME ZONE 'Europe/Vienna')::date AS "month", count(*) AS "count" FROM events GROUP BY 1 ORDER BY 1 ASC LIMIT 2000;

SELECT "source"."product" AS "product", SUM(CASE WHEN "source"."amount" > 1 THEN 1 ELSE 0.0 END) / CAST(NULLIF(COUNT(*), 0) AS DOUBLE PRECISION) AS "share" FROM (SELECT "public"."lines"."product" AS "product", "public"."lines"."amount" AS "amount" FROM "public"."lines") AS "source" GROUP BY "source"."product" ORDER BY "source"."product" ASC;

SELECT floor(extract(epoch from created) / 60) * 60 AS "time", avg(id) FROM customers WHERE created BETWEEN '2025-12-31T00:00:00Z' AND '2026-01-02T00:00:00Z' GROUP BY 1 ORDER BY 1;

with dbt__cte__big as (select * from lines where amount > 1) select count(*) as failures, count(*) != 0 as should_warn, count(*) != 0 as should_error from (select * from dbt__cte__big where price is null) dbt_internal_test;

SELECT c.name, s.n, s.sum, round(100.0 * s.sum / sum(s.sum) OVER (), 2) AS percent FROM customers c JOIN (SELECT customer, count(*) AS n, sum(total) FROM lines GROUP BY customer) s ON s.customer = c.id ORDER BY s.sum DESC NULLS LAST;

SELECT product, price, price - lag(price) OVER w AS change, avg(price) OVER (w ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS moving, sum(amount) FILTER (WHERE amount > 1) OVER w FROM lines WINDOW w AS (PARTITION BY product ORDER BY customer, line);

SELECT width_bucket(price, 0, 20, 4) AS bucket, count(*), min(price), max(price), int4range(min(line), max(line), '[]') FROM lines GROUP BY bucket ORDER BY bucket;

SELECT d::date AS day, coalesce(e.n, 0) FROM generate_series('2026-02-01'::timestamp, '2026-02-05', '1 day') AS d LEFT JOIN (SELECT at, count(*) AS n FROM events GROUP BY at) e ON e.at = d::date ORDER BY d;

SELECT customer, max(price) FILTER (WHERE product = 'anvil') AS anvil, max(price) FILTER (WHERE product = 'rope') AS rope FROM lines GROUP BY customer ORDER BY customer;

SELECT to_char(sum(total), 'FM999G999D00'), to_char(date '2026-01-05', 'IYYY-"W"IW'), to_char(interval '90 min', 'HH24:MI') FROM lines;

SELECT percentile_cont(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY price) AS percentiles, mode() WITHIN GROUP (ORDER BY product) FROM lines HAVING count(*) > 1;

SELECT regexp_replace(email, '^(.).*(@.*)$', '\1***\2') AS email, left(name, 1) || repeat('*', greatest(length(name) - 1, 0)) FROM customers ORDER BY id;

SELECT name, tags, data FROM customers WHERE tags && ARRAY['vip', 'b2b'] OR tags @> '{x}' OR data @> '{"plan": "pro"}' OR data ? 'trial' OR data ?| ARRAY['a', 'b'] OR jsonb_path_exists(data, '$.items[*] ? (@.price > $min)', '{"min": 10}') ORDER BY id;

SELECT data #>> '{address,city}', data -> 'items' -> 0 ->> 'sku', jsonb_array_length(coalesce(data -> 'items', '[]')), jsonb_strip_nulls(data), jsonb_set(data, '{a,b}', '1', true), data - 'x' - '{y}'::text[] || '{"z": 1}', jsonb_pretty('{}'), jsonb_typeof(data) FROM customers ORDER BY id;

SELECT e.key, e.value, jsonb_object_keys('{"a": 1}') FROM customers c, jsonb_each_text(c.data || '{"k": "v"}') AS e WHERE c.id = 1;

SELECT x.* FROM jsonb_to_recordset('[{"id": 1, "tags": ["a"]}, {"id": 2}]') AS x (id int, tags text[]);

SELECT id, name, ts_rank_cd(v, q, 32) AS rank, ts_headline('simple', name, q, 'StartSel=<b>, StopSel=</b>') FROM customers, websearch_to_tsquery('simple', '"ada" or bob -x') q, LATERAL setweight(to_tsvector('simple', coalesce(name, '')), 'A') AS v WHERE v @@ q ORDER BY rank DESC, id;

SELECT ts_rewrite('a & b'::tsquery, 'a'::tsquery, 'c | d'::tsquery), 'a' <-> 'b'::tsquery, querytree('a & !b'), numnode('a & b'::tsquery), strip('a:1 b:2'::tsvector), tsvector_to_array('a b');

WITH RECURSIVE days (d) AS (SELECT date '2026-01-30' UNION ALL SELECT d + 1 FROM days WHERE d < '2026-02-02') SELECT d, extract(isodow FROM d) IN (6, 7) AS weekend FROM days;

WITH RECURSIVE parts (id, parent, depth, path) AS (SELECT id, parent, 0, ARRAY[id] FROM (VALUES (1, NULL::int), (2, 1), (3, 2)) n (id, parent) WHERE parent IS NULL UNION ALL SELECT n.id, n.parent, p.depth + 1, p.path || n.id FROM (VALUES (2, 1), (3, 2)) n (id, parent) JOIN parts p ON p.id = n.parent WHERE NOT n.id = ANY (p.path)) SELECT repeat('  ', depth) || id FROM parts ORDER BY path;

SELECT * FROM customers c WHERE (c.name, c.id) > ('A', 0) ORDER BY c.name COLLATE "C", c.id LIMIT 2;

SELECT count(*) OVER () AS total, c.id FROM customers c ORDER BY c.id OFFSET 1 LIMIT 1;

SELECT DISTINCT ON (customer) customer, product, price FROM lines ORDER BY customer, price DESC, product FETCH FIRST 10 ROWS WITH TIES;

SELECT bool_or(tenant_id <> current_setting('app.tenant_id', true)) AS others, count(*) > 0 FROM orders;

-- Writing.

BEGIN;
INSERT INTO jobs AS j (id, state) VALUES (1010, 'a'), (1011, 'b') ON CONFLICT (id) DO UPDATE SET state = excluded.state WHERE j.state IS DISTINCT FROM excluded.state RETURNING j.id, (xmax = 0) AS inserted;
INSERT INTO jobs SELECT g, 'bulk' FROM generate_series(1012, 1014) g ON CONFLICT ON CONSTRAINT jobs_pkey DO NOTHING;
UPDATE jobs SET state = v.state FROM (VALUES (1010, 'x'), (1011, 'y')) AS v (id, state) WHERE jobs.id = v.id RETURNING jobs.*;
UPDATE jobs j SET (state) = (SELECT upper(s.state) FROM jobs s WHERE s.id = j.id) WHERE j.id > 1011;
WITH gone AS (DELETE FROM jobs WHERE id >= 1012 RETURNING *), kept AS (INSERT INTO settings SELECT 'job ' || id, state FROM gone RETURNING name) SELECT count(*) FROM kept;
DELETE FROM settings USING jobs WHERE settings.name = 'job ' || (jobs.id + 2) RETURNING settings.name;
MERGE INTO jobs t USING (VALUES (1010, 'm'), (1020, 'n')) AS s (id, state) ON t.id = s.id WHEN MATCHED AND s.state = 'z' THEN DELETE WHEN MATCHED THEN UPDATE SET state = s.state WHEN NOT MATCHED THEN INSERT (id, state) VALUES (s.id, s.state);
SELECT * FROM jobs WHERE id > 1000 ORDER BY id FOR UPDATE SKIP LOCKED;
SELECT j.id FROM jobs j JOIN customers c ON c.id = j.id FOR NO KEY UPDATE OF j NOWAIT;
ROLLBACK;

BEGIN;
INSERT INTO customers (id, name, feeling, tags, data) VALUES (77, 'Eve', 'happy', ARRAY['a', 'b'], jsonb_build_object('n', 1, 'l', jsonb_build_array(1, 'x', NULL)));
UPDATE customers SET tags = array_append(array_remove(tags, 'a'), 'c'), data = jsonb_set(data, '{n}', to_jsonb((data ->> 'n')::int + 1)) WHERE id = 77 RETURNING tags, data;
UPDATE customers SET data['deep']['er'] = '1', tags[5] = 'far' WHERE id = 77 RETURNING data, tags;
UPDATE ONLY customers AS c SET email = lower(name) || '@example.com', created = DEFAULT WHERE c.id = 77 RETURNING email, created;
DELETE FROM customers WHERE id IN (SELECT id FROM customers WHERE feeling = 'happy' ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED) RETURNING id;
ROLLBACK;

BEGIN;
UPDATE jobs SET state = 'locked' WHERE id = (SELECT id FROM jobs WHERE state = 'new' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *;
SELECT pg_advisory_xact_lock(hashtext('jobs')::bigint), pg_try_advisory_xact_lock(1, 2), pg_try_advisory_xact_lock_shared(3);
LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE;
ROLLBACK;

BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;
DECLARE dbz NO SCROLL CURSOR WITHOUT HOLD FOR SELECT id, name FROM customers ORDER BY id;
FETCH FORWARD 2 FROM dbz;
MOVE FORWARD 1 IN dbz;
FETCH ALL dbz;
CLOSE dbz;
COMMIT;

BEGIN;
DECLARE c CURSOR FOR SELECT id FROM jobs WHERE id < 3 ORDER BY id FOR UPDATE;
FETCH NEXT FROM c;
UPDATE jobs SET state = 'cursor' WHERE CURRENT OF c;
DELETE FROM jobs WHERE CURRENT OF c;
ROLLBACK;

START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE;
SELECT count(*) FROM customers;
END;

BEGIN;
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;
SET CONSTRAINTS ALL DEFERRED;
SELECT 1;
COMMIT AND NO CHAIN;

--! copy 1030,csv\n
BEGIN;
COPY jobs (id, state) FROM STDIN WITH (FORMAT csv);
COPY (SELECT id, state FROM jobs WHERE id = 1030) TO STDOUT WITH (FORMAT csv, HEADER, DELIMITER ';', FORCE_QUOTE *);
COPY (DELETE FROM jobs WHERE id = 1030 RETURNING *) TO STDOUT;
ROLLBACK;

COPY customers (id, name) TO STDOUT (FORMAT text, NULL '\N', ENCODING 'UTF8');

--! shape
COPY (SELECT 1, 'x'::text) TO STDOUT WITH BINARY;

-- What tools ask of the catalogs.

SELECT t.oid::regtype, t.typname, typarray::regtype FROM pg_type t JOIN pg_namespace ns ON t.typnamespace = ns.oid WHERE t.typname IN ('hstore', 'mood', 'quantity') ORDER BY 2;

SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull, a.attgenerated, a.attidentity, c.collname, col_description(a.attrelid, a.attnum) AS comment FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum LEFT JOIN pg_type t ON a.atttypid = t.oid LEFT JOIN pg_collation c ON a.attcollation = c.oid AND a.attcollation <> t.typcollation WHERE a.attrelid = '"lines"'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;

SELECT con.conname, con.contype, pg_get_constraintdef(con.oid, true), con.convalidated, con.condeferrable FROM pg_constraint con WHERE con.conrelid = 'public.lines'::regclass AND con.contype <> 'n' ORDER BY 1;

SELECT i.relname, ix.indisunique, ix.indisprimary, am.amname, pg_get_indexdef(ix.indexrelid), array(SELECT pg_get_indexdef(ix.indexrelid, k + 1, true) FROM generate_subscripts(ix.indkey, 1) AS k ORDER BY k) AS columns, pg_get_expr(ix.indpred, ix.indrelid) FROM pg_class t JOIN pg_index ix ON t.oid = ix.indrelid JOIN pg_class i ON i.oid = ix.indexrelid JOIN pg_am am ON i.relam = am.oid WHERE t.relname = 'lines' ORDER BY 1;

SELECT relid::text, parentrelid::text, isleaf, level FROM pg_partition_tree('events'::regclass);

SELECT pg_get_partkeydef('events'::regclass), pg_get_partition_constraintdef('events_2026'::regclass), pg_partition_root('events_2026'), (SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'events_2026');

SELECT pg_get_serial_sequence('audit', 'id'), pg_get_viewdef('totals'::regclass, true), pg_get_functiondef('grant_total'::regproc), pg_get_function_arguments('grant_total'::regproc), pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'watched';

SELECT e.enumlabel FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid WHERE t.typname = 'mood' ORDER BY e.enumsortorder;

SELECT c.table_name, c.column_name, c.udt_name, c.is_nullable, c.column_default, k.constraint_name FROM information_schema.columns c LEFT JOIN information_schema.key_column_usage k USING (table_schema, table_name, column_name) WHERE c.table_schema = 'public' AND c.table_name = 'lines' ORDER BY c.ordinal_position, k.constraint_name;

SELECT format('DROP TABLE %I.%I CASCADE;', schemaname, tablename) FROM pg_tables WHERE schemaname = 'public' AND tablename IN ('jobs', 'links') ORDER BY 1;

SELECT 'TRUNCATE ' || string_agg(quote_ident(table_name), ', ' ORDER BY table_name) || ' RESTART IDENTITY' FROM information_schema.tables WHERE table_name IN ('jobs', 'lines');

SELECT relname, relkind, relpersistence, relrowsecurity, relreplident, obj_description(oid, 'pg_class') FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S') AND relname IN ('customers', 'events', 'totals', 'products', 'tickets') ORDER BY 1;

SELECT pubname FROM pg_catalog.pg_publication WHERE pubname = 'dbz_publication';

SELECT plugin, slot_type, active, confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'debezium';

--! shape
SELECT pg_current_wal_lsn(), pg_walfile_name(pg_current_wal_lsn()), pg_is_in_recovery(), pg_last_wal_replay_lsn(), txid_current_if_assigned(), pg_snapshot_xmin(pg_current_snapshot());

--! shape
SELECT datname, numbackends, xact_commit, blks_hit::float / nullif(blks_hit + blks_read, 0) AS ratio, stats_reset FROM pg_stat_database WHERE datname = current_database();

--! shape
SELECT relname, seq_scan, idx_scan, n_tup_ins, n_live_tup, n_dead_tup, last_autovacuum, last_autoanalyze FROM pg_stat_user_tables WHERE relname = 'jobs' ORDER BY relname;

--! shape
SELECT relname, indexrelname, idx_scan, pg_size_pretty(pg_relation_size(indexrelid)) FROM pg_stat_user_indexes WHERE relname = 'jobs' ORDER BY idx_scan, indexrelname;

SELECT count(*) FILTER (WHERE granted) >= 0 AS granted, count(*) FILTER (WHERE NOT granted) AS waiting FROM pg_locks WHERE locktype = 'tuple';

SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND state IS NOT NULL AND wait_event_type IS DISTINCT FROM 'Lock' AND backend_type = 'client backend' AND now() - query_start < interval '1 hour';

SELECT pid, pg_blocking_pids(pid), left(query, 60) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0;

SELECT schemaname, attname, n_distinct IS NOT NULL FROM pg_stats WHERE tablename = 'jobs' AND schemaname = 'public' ORDER BY attname;

--! shape
SELECT age(datfrozenxid), mxid_age(datminmxid), pg_database_size(oid) > 0, pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = current_database();

SELECT name, setting, unit, vartype, enumvals, boot_val FROM pg_settings WHERE name IN ('work_mem', 'statement_timeout', 'wal_level', 'bytea_output') ORDER BY name;

SELECT current_setting('server_version_num')::int >= 150000, current_setting('is_superuser'), current_setting('my.missing', true), current_setting('app.tenant_id', true);

SELECT ctid IS NOT NULL, tableoid::regclass, xmin IS NOT NULL FROM jobs WHERE ctid >= '(0,0)' AND ctid < '(1000,0)' LIMIT 1;

SELECT has_table_privilege('jobs', 'insert'), has_column_privilege('customers', 'email', 'select'), has_schema_privilege('public', 'usage'), pg_has_role(current_user, 'shop_acme', 'member'), row_security_active('orders'), to_regclass('missing'), to_regtype('int4');

-- Types of every kind.

SELECT int4range(1, 5) * int4range(3, 8), tstzrange('2026-01-01', NULL) @> '2026-06-01'::timestamptz, '{[1,3),[5,7)}'::int4multirange * int4multirange(int4range(2, 6)), lower_inc('[1,2)'::int4range), range_merge('[1,2)'::int4range, '[5,6)'), unnest('{[1,2),[3,4)}'::int4multirange);

SELECT inet '10.0.0.1/8' <<= cidr '10.0.0.0/8', host('10.0.0.1'), macaddr '08:00:2b:01:02:03' | macaddr '00:00:00:00:00:ff', network(inet '1.2.3.4/24'), set_masklen(inet '1.2.3.4', 16), ~ inet '1.2.3.4', inet '1.2.3.4' + 25;

SELECT point '(2,2)' <-> point '(0,0)', circle '((0,0),1)' @> point '(0,0)', path '((0,0),(1,1))' ?# path '((0,1),(1,0))', lseg '((0,0),(1,1))' ?-| lseg '((0,1),(1,0))', box '((0,0),(1,1))' # box '((0.5,0.5),(2,2))', polygon '((0,0),(1,1),(1,0))' && polygon '((0,0),(2,2),(2,0))', @@ circle '((1,2),3)';

SELECT bit '101' # bit '011', b'1' || b'0', x'1f'::int, '1.5'::real, 'NaN'::float8, '-infinity'::date, '\xdeadbeef'::bytea, 'a'::"char", '12.34'::money * 2, '{1,{2}}' IS NULL, '(1,2)'::tid;

SELECT xmlforest(id AS n, name), xmlagg(xmlelement(name c, xmlattributes(id), name) ORDER BY id), xpath('//a/text()', '<a>1</a>'::xml) FROM customers GROUP BY id, name ORDER BY id;

SELECT array_position(ARRAY[1, 2], 2), array_fill(0, ARRAY[2, 3]), trim_array(ARRAY[1, 2], 1), (ARRAY[[1, 2], [3, 4]])[1:2][1:1], array_dims('[0:1]={1,2}'::int[]), ARRAY(SELECT id FROM jobs WHERE id < 4 ORDER BY id), (ARRAY['a', 'b'])[array_upper(ARRAY[1], 1)], string_to_array('a,b', ',', 'b'), array_to_json('{1}'::int[]);

SELECT age(timestamp '2026-03-01', timestamp '2024-02-29'), make_interval(days => 3, hours => 2), justify_interval('40 days'), date_bin('15 min', timestamp '2026-01-01 12:34', timestamp '2026-01-01'), timestamptz '2026-01-01 12:00+00' AT TIME ZONE 'Asia/Tokyo', (date '2026-01-01', interval '1 day') OVERLAPS (date '2026-01-01', date '2026-01-03'), isfinite(date 'infinity'), extract(week FROM date '2026-01-01'), to_timestamp(0) AT TIME ZONE 'UTC';

SELECT format('%1$s %1$I %2$L', 'a b', NULL), quote_literal(E'\\'), U&'d\0061t!+000061' UESCAPE '!', E'\x41\101\u0041', 'a'
'b' IS NULL FROM (VALUES (1)) v;

-- Extensions that are not here: what is asked of them is theirs to answer.

--! fails 42883
SELECT ST_AsGeoJSON(home), ST_DWithin(ST_SetSRID(ST_MakePoint(1, 2), 4326), ST_GeomFromText('POINT(1 2)'), 100) FROM places;

--! fails 42704
SELECT id FROM places ORDER BY 'SRID=4326;POINT(1 2)'::geometry <-> 'SRID=4326;POINT(2 2)'::geometry LIMIT 5;

--! fails 42704
SELECT 'a=>1,b=>2'::hstore -> 'a', 'a=>1'::hstore ?& ARRAY['a'], 'a=>1'::hstore || 'b=>2';

--! fails 42704
SELECT 'top.science'::ltree <@ 'top', 'top.*{1,2}'::lquery ~ 'top.a', subpath('a.b.c'::ltree, 0, 2), nlevel('a.b');

--! fails 42704
SELECT '[1,2,3]'::vector <=> '[2,3,4]', '[1,2]'::halfvec <#> '[2,3]';

--! fails 42883
SELECT similarity('a', 'b'), word_similarity('a', 'b'), show_trgm('abc'), unaccent('é'), levenshtein('a', 'b'), soundex('x');

--! fails 42883
SELECT crypt('x', gen_salt('bf')), encode(hmac('a', 'b', 'sha256'), 'hex'), uuid_generate_v5(uuid_ns_url(), 'x'), earth_distance(ll_to_earth(1, 2), ll_to_earth(2, 3));

--! fails 42883
SELECT time_bucket('1 hour', created), first(id, created), last(id, created), approximate_row_count('customers') FROM customers GROUP BY 1;

--! fails 3F000
SELECT * FROM pgmq.read('queue', 30, 1);

--! fails 42P01
SELECT jobid, schedule, active FROM cron.job ORDER BY jobid;

--! fails 3F000
SELECT auth.uid() = id::text::uuid, auth.jwt() ->> 'email' FROM customers;

-- Comments that tools add.

SELECT "jobs".* FROM "jobs" WHERE "jobs"."id" = 1 LIMIT 1 /*application:Shop,controller:jobs,action:drop table,db_host:x*/;

SELECT /*+ SeqScan(jobs) Leading((a b)) */ count(*) FROM jobs /* traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' */;

/* ApplicationName=DBeaver 25.1 - SQLEditor <Script-1.sql> */ SELECT x.id FROM public.jobs x ORDER BY x.id LIMIT 2;

-- name: GetJob :one
SELECT id, state FROM jobs WHERE id = 2 LIMIT 1;
