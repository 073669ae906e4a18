-- Syntax of PostgreSQL 16, 17 and 18.

SELECT 0x1F, 0o17, 0b101, 1_000_000, 1_0.5;

SELECT any_value(name ORDER BY id) FROM customers;

SELECT json_object('a': 1, 'b': 2), json_array(1, 2), json_arrayagg(id ORDER BY id) FROM customers;

SELECT '{"a": 1}' IS JSON OBJECT, '[1]' IS JSON ARRAY, 'x' IS NOT JSON;

SELECT * FROM json_table('[{"a": 1, "b": "x"}, {"a": 2}]', '$[*]' COLUMNS (n FOR ORDINALITY, a int PATH '$.a', b text PATH '$.b' DEFAULT 'none' ON EMPTY));

SELECT json_value('{"a": "x"}', '$.a'), json_query('{"a": [1]}', '$.a' WITH WRAPPER), json_exists('{"a": 1}', '$.a'), json_scalar(1), json('{"a": 1}');

SELECT xmlserialize(DOCUMENT '<a><b/></a>'::xml AS text INDENT);

SELECT 1 FROM (SELECT 1), (VALUES (2));

SELECT date_trunc('day', '2026-01-01 12:00'::timestamp), '2026-01-01 12:00'::timestamp AT LOCAL = '2026-01-01 12:00'::timestamptz;

SELECT array_sample(ARRAY[1], 1), array_shuffle(ARRAY[1]), random(1, 1), to_hex(255), to_bin(5), to_oct(8);

WITH merged AS (MERGE INTO jobs j USING (VALUES (1), (60)) v (id) ON j.id = v.id WHEN MATCHED THEN UPDATE SET state = j.state WHEN NOT MATCHED THEN INSERT (id) VALUES (v.id) RETURNING merge_action(), j.id) SELECT * FROM merged ORDER BY 2;
DELETE FROM jobs WHERE id = 60;

BEGIN;
MERGE INTO jobs j USING (VALUES (1)) v (id) ON j.id = v.id WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN MATCHED THEN DO NOTHING RETURNING j.id;
ROLLBACK;

UPDATE jobs SET state = 'newer' WHERE id = 3 RETURNING old.state, new.state, old.*;
UPDATE jobs SET state = 'new' WHERE id = 3 RETURNING WITH (OLD AS o, NEW AS n) o.state, n.state;

INSERT INTO jobs (id) VALUES (61) ON CONFLICT (id) DO UPDATE SET state = 'again' RETURNING old.id, new.id;
DELETE FROM jobs WHERE id = 61 RETURNING old.id;

--! copy 1\tone\nx\ttwo\n
COPY imports (id, note) FROM STDIN WITH (ON_ERROR ignore, LOG_VERBOSITY silent);
DELETE FROM imports WHERE true RETURNING id;

--! shape
EXPLAIN (ANALYZE, SERIALIZE, MEMORY, GENERIC_PLAN off) SELECT 1;

--! simple
EXPLAIN (GENERIC_PLAN, COSTS off) SELECT * FROM customers WHERE id = $1;

SELECT uuid_extract_version(uuidv7()), uuid_extract_version(uuidv4()), reverse('ab'::bytea), casefold('ÄB' COLLATE "C"), gamma(5), crc32('x');

SELECT array_sort(ARRAY[3, 1, 2]), array_reverse(ARRAY[1, 2]), json_strip_nulls('[null, 1]', true), to_number('IX', 'RN');

BEGIN;
SET LOCAL transaction_timeout = '1min';
SHOW transaction_timeout;
COMMIT;

SELECT pg_basetype('quantity'::regtype), system_user IS NOT NULL, pg_input_is_valid('x', 'int'), (pg_input_error_info('x', 'int')).sql_error_code;
