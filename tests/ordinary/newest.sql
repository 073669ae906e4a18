-- What PostgreSQL 16, 17 and 18 have: SQL/JSON, RETURNING old and new, MERGE ... RETURNING, and smaller things.

SELECT json_object('a' VALUE 1, 'b': NULL ABSENT ON NULL WITH UNIQUE KEYS RETURNING jsonb), json_object(), json_array(1, NULL NULL ON NULL), json_array(SELECT id FROM customers ORDER BY id), json_array(RETURNING jsonb);

SELECT json_objectagg(name: id ABSENT ON NULL WITH UNIQUE), json_arrayagg(id ORDER BY id DESC NULL ON NULL RETURNING text), json_arrayagg(email ABSENT ON NULL) FILTER (WHERE id > 0) FROM customers;

SELECT '{"a": 1}' IS JSON, '[]' IS JSON ARRAY WITH UNIQUE KEYS, '1' IS JSON SCALAR, 'x' IS NOT JSON VALUE, '{"a": 1, "a": 2}' IS JSON OBJECT WITHOUT UNIQUE KEYS;

SELECT json('{"a": 1}' FORMAT JSON WITH UNIQUE KEYS), json_scalar('x'), json_serialize('{"a": 1}' RETURNING bytea), json_serialize(json_array(1));

SELECT json_value(data, '$.a' RETURNING int DEFAULT 0 ON EMPTY NULL ON ERROR), json_query(data, '$' RETURNING jsonb WITHOUT WRAPPER KEEP QUOTES), json_exists(data, '$.a' FALSE ON ERROR) FROM customers ORDER BY id;

SELECT json_value('{"a": 5}', '$.a + $x' PASSING 1 AS x RETURNING int), json_exists(jsonb '{"a": [1, 2]}', 'strict $.a[*] ? (@ > $min)' PASSING 1 AS min), json_query('[1, 2]', 'lax $[*]' WITH CONDITIONAL ARRAY WRAPPER), json_query('{"a": "x"}', '$.a' OMIT QUOTES ON SCALAR STRING);

SELECT t.* FROM json_table('{"rows": [{"id": 1, "tags": ["a", "b"], "drop": "table"}]}', '$.rows[*]' AS root COLUMNS (n FOR ORDINALITY, id int PATH '$.id' ERROR ON ERROR, has bool EXISTS PATH '$.tags', doc jsonb FORMAT JSON PATH '$', NESTED PATH '$.tags[*]' AS tags COLUMNS (tag text PATH '$'))) AS t;

SELECT c.id, j.k FROM customers c CROSS JOIN LATERAL json_table(c.data, '$' COLUMNS (k text PATH '$.k' DEFAULT 'none' ON EMPTY)) j ORDER BY c.id;

SELECT j.http, j.dblink FROM json_table('{"calls": [{"http": "GET"}, {"http": "drop", "dblink": "x"}]}'::jsonb, '$' COLUMNS (NESTED PATH '$.calls[*]' COLUMNS (http text PATH '$.http', dblink text PATH '$.dblink'))) AS j ORDER BY j.http;

WITH x AS (MERGE INTO requests r USING (VALUES (-1, 'x')) AS v (id, http) ON v.id = r.id WHEN MATCHED THEN UPDATE SET http = v.http RETURNING r.id, r.http) SELECT x.id, x.http FROM x;

SELECT any_value(product) FILTER (WHERE customer = 1 AND line = 1), count(*) FROM lines;

SELECT array_agg(n ORDER BY n) FROM (SELECT array_sample(ARRAY[1, 1, 1], 2) AS a, unnest(ARRAY[1]) AS n);

SELECT to_char(1234.5, 'FM9G999D0'), to_bin(10), to_oct(8), 0b1010 + 0o17 + 0xff + 1_000, 1_000.000_1, erf(0), erfc(0), random_normal(0, 0), date_add('2026-01-01 00:00+00'::timestamptz, '1 day', 'UTC') = '2026-01-02 00:00+00', date_subtract('2026-01-02 00:00+00'::timestamptz, '1 day', 'UTC') = '2026-01-01 00:00+00';

SELECT timestamp '2026-01-01' AT LOCAL = timestamptz '2026-01-01', 'infinity'::interval > '1 year', interval '-infinity', unicode_version() <> '', icu_unicode_version() IS NOT NULL OR true, unicode_assigned('a');

SELECT xmltext('<a & b>'), xmlserialize(CONTENT '<a><b/></a>'::xml AS text NO INDENT), pg_input_is_valid('{1', 'int[]'), (pg_input_error_info('42000000000', 'integer')).sql_error_code;

SELECT * FROM pg_input_error_info('nope', 'int4');

SELECT system_user IS NOT NULL, pg_size_bytes('1 PB') > 0, bit_count(B'1011'), array_shuffle(ARRAY[1]), '5'::text COLLATE "unicode" < '6';

SELECT n, m FROM (VALUES (1)) t (n), (SELECT 2 AS m), generate_series(1, 1);

SELECT count(*) FROM (SELECT id FROM customers), LATERAL (SELECT 1);

SELECT jsonb '{"a": [1, 2, 3]}' @? '$.a[last] ? (@ == 3)', jsonb_path_query('"2026-01-01"', '$.datetime().string()'), jsonb_path_query('"1"', '$.bigint()'), jsonb_path_query('1.5', '$.decimal(3, 1)'), jsonb_path_query('"true"', '$.boolean()');

SELECT id, sum(id) OVER w, row_number() OVER w FROM customers WINDOW w AS (ORDER BY id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) ORDER BY id;

WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) CYCLE n SET c USING p SELECT n FROM t ORDER BY n;

-- MERGE.

MERGE INTO jobs AS t USING (VALUES (1, 'x'), (800, 'y')) AS s (id, state) ON t.id = s.id WHEN MATCHED THEN UPDATE SET state = s.state WHEN NOT MATCHED BY TARGET THEN INSERT VALUES (s.id, s.state) WHEN NOT MATCHED BY SOURCE AND t.id > 900 THEN DELETE RETURNING merge_action(), t.*, s.state;
MERGE INTO jobs USING (SELECT 800 AS id) s ON jobs.id = s.id WHEN MATCHED THEN DELETE RETURNING merge_action() AS action, old.id, new.id;
UPDATE jobs SET state = 'new' WHERE id = 1 RETURNING old.state AS before, new.state AS after;

WITH m AS (MERGE INTO jobs j USING (SELECT 801 AS id) s ON s.id = j.id WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id) RETURNING j.id) SELECT * FROM m;
DELETE FROM jobs WHERE id = 801 RETURNING WITH (OLD AS gone) gone.id, gone.*;

-- RETURNING old and new.

INSERT INTO jobs (id, state) VALUES (802, 'a') RETURNING old.id IS NULL AS inserted, new.*;
INSERT INTO jobs (id, state) VALUES (802, 'b') ON CONFLICT (id) DO UPDATE SET state = excluded.state RETURNING old.state, new.state, (old).id, new;
UPDATE jobs AS j SET state = 'c' FROM (SELECT 802 AS id) s WHERE s.id = j.id RETURNING WITH (OLD AS o, NEW AS n) o.state || n.state AS states, j.id;
DELETE FROM jobs WHERE id = 802 RETURNING old.*, new.id;

INSERT INTO requests (id, http) VALUES (803, 'a') RETURNING new.http, old.http;
UPDATE requests SET http = 'b' WHERE id = 803 RETURNING old.http, new.http, requests.http;
DELETE FROM requests WHERE id = 803;

-- COPY, EXPLAIN, SET.

--! copy 1\ta\nx\tb\n
COPY imports FROM STDIN WITH (FORMAT text, ON_ERROR ignore, REJECT_LIMIT 5, LOG_VERBOSITY silent);
DELETE FROM imports WHERE true RETURNING id;

--! copy id,note\n1,\n
COPY imports (id, note) FROM STDIN (FORMAT csv, HEADER match, FORCE_NULL *);
DELETE FROM imports WHERE true RETURNING note;

--! copy 7\t\\D\n
COPY imports (id, note) FROM STDIN (DEFAULT '\D');
DELETE FROM imports WHERE true RETURNING note;

COPY products TO STDOUT;

--! shape
EXPLAIN (ANALYZE, SERIALIZE text, WAL, MEMORY, SETTINGS) SELECT count(*) FROM customers;

--! simple
EXPLAIN (GENERIC_PLAN true, COSTS off) UPDATE jobs SET state = $2 WHERE id = $1;

BEGIN;
SET LOCAL transaction_timeout = '30s';
SET LOCAL enable_presorted_aggregate = off;
SHOW transaction_timeout;
COMMIT;

SET transaction_timeout = '5min';

SET io_combine_limit = '128kB';

SET restrict_nonsystem_relation_kind = '';

-- What the catalogs have since.

--! shape
SELECT backend_type, object, context, reads, writes FROM pg_stat_io;

--! shape
SELECT * FROM pg_stat_checkpointer;

SELECT name, description IS NOT NULL FROM pg_wait_events WHERE type = 'Lock' ORDER BY 1 LIMIT 1;

SELECT setting, pg_settings_get_flags(name) FROM pg_settings WHERE name = 'work_mem';

SELECT attname, attcompression, attstattarget FROM pg_attribute WHERE attrelid = 'jobs'::regclass AND attnum > 0 ORDER BY attnum;

SELECT conname, contype, conenforced, conperiod FROM pg_constraint WHERE conrelid = 'jobs'::regclass ORDER BY conname;

SELECT roleid::regrole::text, inherit_option, set_option FROM pg_auth_members ORDER BY 1 LIMIT 1;

SELECT colllocale IS NULL FROM pg_collation WHERE collname = 'C';

SELECT pg_get_acl('pg_class'::regclass, 'jobs'::regclass, 0) IS NOT NULL, pg_column_toast_chunk_id(name), to_regtypemod('varchar(10)'), pg_basetype('quantity'::regtype)::text FROM customers ORDER BY id LIMIT 1;

--! shape
SELECT relname, last_seq_scan, n_tup_newpage_upd, total_autovacuum_time FROM pg_stat_user_tables ORDER BY 1;

--! shape
SELECT * FROM pg_stat_get_backend_io(pg_backend_pid());

SELECT casefold('ÄB' COLLATE "C"), crc32('x'), crc32c('x'), reverse('ab'::bytea), gamma(5), lgamma(1), uuid_extract_timestamp(uuidv7()) IS NOT NULL, array_sort(ARRAY[2, 1]), array_reverse(ARRAY[1, 2]), json_strip_nulls('{"a": [null]}', true), '\x0102'::bytea::int, 258::bytea;

-- psql 18: \d, \d+, \dx, \dRp, \df+, \dAo+.

SELECT c.conname, a.attname, c.connoinherit,
  c.conislocal, c.coninhcount <> 0,
  c.convalidated
FROM pg_catalog.pg_constraint c JOIN
  pg_catalog.pg_attribute a ON
    (a.attrelid = c.conrelid AND a.attnum = c.conkey[1])
WHERE c.contype = 'n' AND
  c.conrelid = 'customers'::pg_catalog.regclass
ORDER BY a.attnum;

SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
  (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
  a.attnotnull, (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation,
  a.attidentity, a.attgenerated, a.attstorage, a.attcompression AS attcompression,
  CASE WHEN a.attstattarget=-1 THEN NULL ELSE a.attstattarget END AS attstattarget, pg_catalog.col_description(a.attrelid, a.attnum)
FROM pg_catalog.pg_attribute a WHERE a.attrelid = 'lines'::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;

SELECT e.extname AS "Name", e.extversion AS "Version", ae.default_version AS "Default version",n.nspname AS "Schema", d.description AS "Description"
FROM pg_catalog.pg_extension e LEFT JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace LEFT JOIN pg_catalog.pg_description d ON d.objoid = e.oid AND d.classoid = 'pg_catalog.pg_extension'::pg_catalog.regclass LEFT JOIN pg_catalog.pg_available_extensions() ae(name, default_version, comment) ON ae.name = e.extname
ORDER BY 1;

SELECT pubname AS "Name", pg_catalog.pg_get_userbyid(pubowner) AS "Owner", puballtables AS "All tables", pubinsert AS "Inserts", pubupdate AS "Updates", pubdelete AS "Deletes", pubtruncate AS "Truncates",
  (CASE pubgencols WHEN 'n' THEN 'none' WHEN 's' THEN 'stored' END) AS "Generated columns", pubviaroot AS "Via root"
FROM pg_catalog.pg_publication ORDER BY 1;

SELECT n.nspname as "Schema", p.proname as "Name", pg_catalog.pg_get_function_result(p.oid) as "Result data type", pg_catalog.pg_get_function_arguments(p.oid) as "Argument data types",
  CASE p.prokind WHEN 'a' THEN 'agg' WHEN 'w' THEN 'window' WHEN 'p' THEN 'proc' ELSE 'func' END as "Type",
  CASE WHEN p.provolatile = 'i' THEN 'immutable' WHEN p.provolatile = 's' THEN 'stable' WHEN p.provolatile = 'v' THEN 'volatile' END as "Volatility",
  CASE WHEN p.proleakproof THEN 'yes' ELSE 'no' END as "Leakproof?", pg_catalog.pg_get_userbyid(p.proowner) as "Owner",
  CASE WHEN prosecdef THEN 'definer' ELSE 'invoker' END AS "Security",
  CASE WHEN pg_catalog.array_length(p.proacl, 1) = 0 THEN '(none)' ELSE pg_catalog.array_to_string(p.proacl, E'\n') END AS "Access privileges",
  l.lanname as "Language", CASE WHEN l.lanname IN ('internal', 'c') THEN p.prosrc END as "Internal name"
FROM pg_catalog.pg_proc p LEFT JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace LEFT JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE pg_catalog.pg_function_is_visible(p.oid) AND n.nspname <> 'pg_catalog' AND n.nspname <> 'information_schema' ORDER BY 1, 2, 4;

SELECT am.amname AS "AM", CASE WHEN pg_catalog.pg_opfamily_is_visible(of.oid) THEN pg_catalog.format('%I', of.opfname) ELSE pg_catalog.format('%I.%I', nsf.nspname, of.opfname) END AS "Operator family",
  o.amopopr::pg_catalog.regoperator AS "Operator", o.amopstrategy AS "Strategy", CASE o.amoppurpose WHEN 'o' THEN 'ordering' WHEN 's' THEN 'search' END AS "Purpose", ofs.opfname AS "Sort opfamily",
  CASE WHEN p.proleakproof THEN 'yes' ELSE 'no' END AS "Leak-proof"
FROM pg_catalog.pg_amop o LEFT JOIN pg_catalog.pg_opfamily of ON of.oid = o.amopfamily LEFT JOIN pg_catalog.pg_am am ON am.oid = of.opfmethod AND am.oid = o.amopmethod LEFT JOIN pg_catalog.pg_namespace nsf ON of.opfnamespace = nsf.oid
  LEFT JOIN pg_catalog.pg_opfamily ofs ON ofs.oid = o.amopsortfamily LEFT JOIN pg_catalog.pg_operator op ON op.oid = o.amopopr LEFT JOIN pg_catalog.pg_proc p ON p.oid = op.oprcode
WHERE am.amname = 'btree' ORDER BY 1, 2, o.amoplefttype = o.amoprighttype DESC, pg_catalog.format_type(o.amoplefttype, NULL), pg_catalog.format_type(o.amoprighttype, NULL), o.amopstrategy LIMIT 20;

-- pg_dump 18: NOT NULL constraints, statistics.

SELECT a.attrelid::pg_catalog.regclass, a.attnum, a.attname, a.attstattarget, a.attstorage, t.typstorage, a.atthasdef, a.attisdropped, a.attlen, a.attalign, a.attislocal, pg_catalog.format_type(t.oid, a.atttypmod) AS atttypname,
  array_to_string(a.attoptions, ', ') AS attoptions, CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation ELSE 0 END AS attcollation, co.conname AS notnull_name,
  CASE WHEN NOT co.convalidated THEN co.oid ELSE NULL END AS notnull_invalidoid, co.connoinherit AS notnull_noinherit, co.conislocal AS notnull_islocal, a.attcompression, a.attidentity, CASE WHEN a.atthasmissing AND NOT a.attisdropped THEN a.attmissingval ELSE null END AS attmissingval, a.attgenerated
FROM unnest('{customers,lines}'::pg_catalog.regclass[]) AS src(tbloid) JOIN pg_catalog.pg_attribute a ON (src.tbloid = a.attrelid) LEFT JOIN pg_catalog.pg_type t ON (a.atttypid = t.oid)
  LEFT JOIN pg_catalog.pg_constraint co ON (a.attrelid = co.conrelid AND a.attnum = co.conkey[1] AND co.contype = 'n' AND array_length(co.conkey, 1) = 1)
WHERE a.attnum > 0::pg_catalog.int2 ORDER BY a.attrelid, a.attnum;

--! values {public,public}|{customers,lines}
SELECT s.schemaname, s.tablename, s.attname, s.inherited, s.null_frac, s.avg_width, s.n_distinct, s.most_common_vals, s.most_common_freqs, s.histogram_bounds, s.correlation, s.most_common_elems, s.most_common_elem_freqs, s.elem_count_histogram, s.range_length_histogram, s.range_empty_frac, s.range_bounds_histogram
FROM pg_catalog.pg_stats s JOIN unnest($1::pg_catalog.name[], $2::pg_catalog.name[]) WITH ORDINALITY AS u (schemaname, tablename, ord) ON s.schemaname = u.schemaname AND s.tablename = u.tablename
ORDER BY u.ord, s.attname, s.inherited;

SELECT relname, relpages, reltuples, relallvisible, relallfrozen, relkind, relpersistence, relreplident FROM pg_catalog.pg_class WHERE oid = 'lines'::pg_catalog.regclass;
