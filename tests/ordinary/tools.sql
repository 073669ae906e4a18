-- More of what tools and applications send: several statements at once, what exporters count, and names that are those of
-- guarded functions in every place where they are none.

-- psqlodbc and others that put statements together.

--! simple
SET DateStyle= 'ISO';SET extra_float_digits=2;show transaction_isolation;

BEGIN;
--! simple
SAVEPOINT _EXEC_SVP_0x55d0c8;SELECT id, note FROM orders ORDER BY id LIMIT 1;RELEASE _EXEC_SVP_0x55d0c8;
SAVEPOINT _EXEC_SVP_0x55d0c9;
--! simple
ROLLBACK TO _EXEC_SVP_0x55d0c9;RELEASE _EXEC_SVP_0x55d0c9;
COMMIT;

--! simple
BEGIN;declare "SQL_CUR0x55d0c8" cursor for SELECT id, state FROM jobs ORDER BY id;fetch 2 in "SQL_CUR0x55d0c8";close "SQL_CUR0x55d0c8";COMMIT;

--! simple
BEGIN; SET LOCAL my.x = '1'; SELECT current_setting('my.x'); COMMIT; BEGIN; SELECT coalesce(current_setting('my.x', true), '') = ''; COMMIT;

--! simple
BEGIN; SAVEPOINT a; INSERT INTO jobs (id, state) VALUES (1501, 'x'); ROLLBACK TO SAVEPOINT a; INSERT INTO jobs (id, state) VALUES (1502, 'y') RETURNING id; ROLLBACK;

--! simple
START TRANSACTION READ ONLY; DECLARE c NO SCROLL CURSOR FOR SELECT id FROM jobs ORDER BY id; FETCH 2 FROM c; MOVE 1 IN c; FETCH ALL FROM c; CLOSE c; COMMIT;

--! simple
BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) > 0 FROM jobs; COMMIT; BEGIN READ ONLY; SHOW transaction_read_only; COMMIT;

-- What stands before a BEGIN is in its transaction, what stands before a COMMIT or ROLLBACK in the one that it ends.

--! simple
SET statement_timeout = '5min'; BEGIN; SELECT count(*) > 0 FROM jobs; COMMIT; RESET statement_timeout;

--! simple
SET statement_timeout TO '9s'; SET lock_timeout TO '4s'; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SHOW lock_timeout; SHOW transaction_isolation; ROLLBACK;

--! simple
SELECT 1; BEGIN; INSERT INTO jobs (id, state) VALUES (1503, 'x'); SELECT id FROM jobs WHERE id = 1503; ROLLBACK; SELECT count(*) FROM jobs WHERE id = 1503;

--! simple
INSERT INTO jobs (id, state) VALUES (1504, 'x'); SELECT count(*) FROM jobs WHERE id = 1504; ROLLBACK;

--! simple
SELECT 1; COMMIT; SELECT 2; COMMIT;

--! simple
SET application_name TO 'a'; SHOW application_name; RESET application_name;

--! simple
SET statement_timeout = '5s'; SELECT id FROM jobs ORDER BY id LIMIT 1; SHOW statement_timeout; RESET statement_timeout;

--! simple
SET CONSTRAINTS ALL DEFERRED; UPDATE jobs SET state = state WHERE id = 1; SELECT 1;

--! simple
BEGIN; CREATE TEMP TABLE tmp_batch (id int, state text) ON COMMIT DROP; INSERT INTO tmp_batch VALUES (1, 'new'), (2, 'new'); UPDATE jobs j SET state = t.state FROM tmp_batch t WHERE t.id = j.id; SELECT count(*) FROM tmp_batch; COMMIT;

--! simple
BEGIN; EXPLAIN (COSTS OFF) SELECT id FROM jobs; EXPLAIN (COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF) DELETE FROM jobs WHERE id = -1; ROLLBACK;

--! simple
CLOSE ALL; SELECT 'tidy'; UNLISTEN *; SELECT 'tidy';

--! simple
 ; ;; SELECT 1 ; ; -- and no more;

-- What a sequence gave, asked for beside what drew it.

BEGIN;
--! simple
INSERT INTO audit (what) VALUES ('x'); SELECT currval(pg_get_serial_sequence('audit', 'id')) = lastval();
ROLLBACK;

BEGIN;
SELECT nextval('tickets') = currval('tickets'), setval('tickets', currval('tickets')) = lastval();
COMMIT;

-- Columns that the statement itself gives to what stands in FROM: none of them is called, whatever its name is.

SELECT x.http, x.dblink FROM json_to_recordset('[{"http": "a", "dblink": "b"}]') AS x (http text, dblink text);

SELECT r.http, r.crosstab FROM jsonb_to_record('{"http": "drop", "crosstab": 3}') AS r (http text, crosstab int);

SELECT u.http, u.n FROM unnest(ARRAY['a', 'b']) WITH ORDINALITY AS u (http, n) ORDER BY u.n;

SELECT f.http, f.add_job FROM ROWS FROM (generate_series(1, 2), generate_series(3, 4)) AS f (http, add_job) ORDER BY f.http;

SELECT x.http, x.n FROM XMLTABLE('/r/h' PASSING ('<r><h><u>a</u></h><h><u>b</u></h></r>'::xml) COLUMNS n FOR ORDINALITY, http text PATH 'u') AS x ORDER BY x.n;

SELECT x.http FROM XMLTABLE('/r' PASSING ('<r>a</r>'::xml) COLUMNS a text PATH '.') AS x (http);

--! values {1,2}|{a,b}
SELECT d.id, d.http FROM unnest($1::int[], $2::text[]) AS d (id, http) ORDER BY d.id;

BEGIN;
INSERT INTO requests (id, http, dblink) SELECT d.id, d.http, d.dblink FROM jsonb_to_recordset('[{"id": 1, "http": "GET"}, {"id": 2, "http": "PUT", "dblink": "x"}]') AS d (id int, http text, dblink text) ON CONFLICT (id) DO UPDATE SET http = excluded.http, dblink = coalesce(excluded.dblink, requests.dblink) RETURNING id, http, requests.dblink;
UPDATE requests SET http = v.http FROM unnest(ARRAY[1, 2], ARRAY['a', 'b']) AS v (id, http) WHERE v.id = requests.id AND v.id < 2 RETURNING requests.http, v.http;
WITH x AS (UPDATE requests SET http = upper(http) WHERE id = 1 RETURNING id, http) SELECT x.id, x.http FROM x;
WITH x AS (DELETE FROM requests r WHERE r.id = 2 RETURNING r.http), y (http) AS (SELECT id FROM requests) SELECT x.http, y.http FROM x, y ORDER BY y.http;
WITH x AS (INSERT INTO requests VALUES (3, 'c', 'd') RETURNING dblink AS http) SELECT i.http FROM x AS i;
MERGE INTO requests r USING (VALUES (1, 'm'), (4, 'n')) AS v (id, http) ON v.id = r.id WHEN MATCHED THEN UPDATE SET http = v.http || r.http WHEN NOT MATCHED THEN INSERT (id, http) VALUES (v.id, v.http);
SELECT requests.http, r.http, public.requests.dblink FROM requests JOIN requests r USING (id) ORDER BY r.http;
ROLLBACK;

-- Parameters of one's own with such names.

BEGIN;
SET LOCAL my.http = 'on';
SET LOCAL my.dblink TO 'x';
SELECT current_setting('my.http'), current_setting('my.dblink'), current_setting('my.cypher', true);
SHOW my.http;
SET LOCAL my.http TO DEFAULT;
RESET my.dblink;
COMMIT;

SET shop.cypher = 'aes';
SHOW shop.cypher;
SELECT set_config('shop.crosstab', 'wide', false), current_setting('shop.cypher');
SHOW shop.crosstab;
RESET shop.cypher;
RESET shop.crosstab;

-- Temporary tables of queries that read them.

BEGIN;
CREATE TEMP TABLE tmp_links ON COMMIT DROP AS SELECT l.id, l.dblink, l.crosstab, l.http_get, l.set_limit, l.nextval FROM links l WHERE NOT l.lo_unlink;
SELECT upper(t.dblink), t.crosstab + 0, upper(t.http_get) FROM tmp_links t ORDER BY t.id;
ROLLBACK;

BEGIN;
CREATE TEMP TABLE tmp_requests (id, word) ON COMMIT DROP AS WITH r AS (SELECT id, http FROM requests) SELECT r.id, r.http FROM r;
SELECT count(*) FROM tmp_requests;
EXPLAIN (COSTS OFF) CREATE TEMP TABLE tmp_more ON COMMIT DROP AS SELECT l.dblink FROM links l;
ROLLBACK;

-- What exporters, dashboards and checks count.

--! shape
SELECT count(*) FILTER (WHERE state = 'active') AS active, count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting, max(extract(epoch FROM clock_timestamp() - xact_start)) AS oldest FROM pg_stat_activity WHERE datname = current_database();

SELECT blocked.pid, blocking.pid FROM pg_locks blocked JOIN pg_locks blocking ON blocking.locktype = blocked.locktype AND blocking.relation IS NOT DISTINCT FROM blocked.relation AND blocking.pid <> blocked.pid WHERE NOT blocked.granted AND blocking.granted AND blocked.locktype = 'advisory';

SELECT s.stxname, pg_get_statisticsobjdef(s.oid) FROM pg_statistic_ext s JOIN pg_class c ON c.oid = s.stxrelid WHERE c.relname = 'jobs';

SELECT c.relname, c.reltuples >= -1, coalesce(t.n_dead_tup, 0) >= 0 AS dead, pg_stat_get_numscans(c.oid) >= 0 FROM pg_class c LEFT JOIN pg_stat_all_tables t ON t.relid = c.oid WHERE c.relname IN ('jobs', 'lines') AND c.relkind = 'r' ORDER BY 1;

SELECT (SELECT sum((1 - null_frac) * avg_width) FROM pg_stats s WHERE s.tablename = c.relname) >= 0 AS width, ceil(c.reltuples / 100)::int >= -1 FROM pg_class c WHERE c.relname = 'customers';

SELECT sequencename, last_value IS NULL OR last_value > 0, round(100.0 * coalesce(last_value, 0) / max_value, 6) >= 0 FROM pg_sequences WHERE schemaname = 'public' AND sequencename = 'tickets';

SELECT c.conrelid::regclass, c.conname FROM pg_constraint c WHERE c.contype = 'f' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey) ORDER BY 1, 2;

SELECT i.indexrelid::regclass, (SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, n) LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum) FROM pg_index i WHERE i.indrelid = 'lines'::regclass ORDER BY 1::text COLLATE "C";

SELECT datname, age(datfrozenxid) > 0, current_setting('autovacuum_freeze_max_age')::int > 0 FROM pg_database WHERE datname = current_database();

SELECT name, setting FROM pg_settings WHERE source = 'session' AND name = 'no such';

SELECT pg_size_pretty(1e9::bigint), pg_size_bytes('1 GB'), to_char(1234.5, 'FM999G990D00'), pg_column_size(1), pg_typeof(ARRAY[1]), pg_collation_for('a'::text COLLATE "C");

-- What describes a schema as JSON, for generators of clients.

SELECT json_build_object('name', c.relname, 'kind', c.relkind, 'columns', (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'null', NOT a.attnotnull, 'generated', a.attgenerated <> '', 'default', pg_get_expr(d.adbin, d.adrelid)) ORDER BY a.attnum) FROM pg_attribute a LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum) WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)) FROM pg_class c WHERE c.oid = 'public.lines'::regclass;

SELECT p.proname, p.prosecdef, p.provolatile, p.proisstrict, pg_get_function_identity_arguments(p.oid) AS arguments, (SELECT array_agg(t.typname ORDER BY k.n) FROM unnest(p.proargtypes) WITH ORDINALITY AS k (oid, n) JOIN pg_type t ON t.oid = k.oid) AS types, pg_get_function_arg_default(p.oid, 1), l.lanname, p.prosrc LIKE '%DROP%' AS drops FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.pronamespace = 'public'::regnamespace ORDER BY 1;

SELECT pol.polname, pol.polcmd, pol.polpermissive, pg_get_expr(pol.polqual, pol.polrelid), pg_get_expr(pol.polwithcheck, pol.polrelid) FROM pg_policy pol WHERE pol.polrelid = 'orders'::regclass;

SELECT t.tgname, t.tgenabled, (t.tgtype::int & 2) = 2 AS before, CASE WHEN (t.tgtype::int & 4) <> 0 THEN 'INSERT' WHEN (t.tgtype::int & 8) <> 0 THEN 'DELETE' WHEN (t.tgtype::int & 32) <> 0 THEN 'TRUNCATE' END AS event, p.proname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = 'audit'::regclass AND NOT t.tgisinternal;

WITH RECURSIVE uses (oid, depth) AS (SELECT 'totals'::regclass::oid, 0 UNION SELECT d.refobjid, u.depth + 1 FROM uses u JOIN pg_rewrite r ON r.ev_class = u.oid JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> u.oid) SELECT oid::regclass::text, depth FROM uses ORDER BY 2, 1;

SELECT has_column_privilege('orders', attname, 'UPDATE'), attname FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0 ORDER BY attnum;

SELECT e.enumtypid::regtype::text, array_to_json(array_agg(e.enumlabel ORDER BY e.enumsortorder)) FROM pg_enum e GROUP BY 1;

SELECT t.typname, t.typnotnull, format_type(t.typbasetype, t.typtypmod), pg_get_constraintdef(c.oid) FROM pg_type t LEFT JOIN pg_constraint c ON c.contypid = t.oid AND c.contype = 'c' WHERE t.typtype = 'd' AND t.typnamespace = 'public'::regnamespace;

-- Queues and outboxes in their own words.

BEGIN;
WITH next AS (SELECT id FROM jobs WHERE state < 'z' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) UPDATE jobs j SET state = 'active' FROM next WHERE j.id = next.id RETURNING j.id, j.state, extract(epoch FROM interval '1 minute') AS expire_seconds;
WITH failed AS (SELECT id FROM jobs WHERE id = ANY (ARRAY[1]) AND state < 'completed'), retried AS (UPDATE jobs SET state = CASE WHEN id < 100 THEN 'retry' ELSE 'failed' END WHERE id IN (SELECT id FROM failed) RETURNING *) SELECT count(*) FROM retried;
INSERT INTO jobs (id, state) SELECT (j->>'id')::int, coalesce(j->>'state', 'new') FROM json_array_elements('[{"id": 1510}, {"id": 1511, "state": "drop"}]') AS j ON CONFLICT DO NOTHING RETURNING id, state;
DELETE FROM jobs WHERE ctid IN (SELECT ctid FROM jobs WHERE id = 1511 FOR UPDATE SKIP LOCKED) RETURNING id;
SELECT pg_notify('jobs', json_build_object('id', 1)::text) FROM jobs WHERE id = 1;
ROLLBACK;

-- Names from everywhere.

SELECT o."größe", o."日本語", o.имя, o."🎉" FROM (SELECT 1 AS "größe", 2 AS 日本語, 3 AS имя, 4 AS "🎉") AS o;

WITH artikel AS (SELECT 1 AS länge) SELECT länge, artikel.länge AS "LÄNGE" FROM artikel;

BEGIN;
SAVEPOINT größe;
ROLLBACK TO größe;
DECLARE größe CURSOR FOR SELECT 1;
FETCH größe;
SET LOCAL my.größe = '1';
SHOW my.größe;
COMMIT;

SELECT $ä$a;b$ä$, $日本$drop table x$日本$, $_1$$a$$_1$, a$b FROM (SELECT 1 AS a$b) t;
