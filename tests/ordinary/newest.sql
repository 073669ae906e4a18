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
