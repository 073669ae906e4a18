-- What applications do all day.

SELECT 1;

SELECT * FROM orders ORDER BY id;

SELECT tenant_id, count(*) FROM orders GROUP BY tenant_id;

TABLE customers;

VALUES (1, 'one'), (2, 'two');

SELECT;

SELECT c.name, l.product, l.total FROM customers c JOIN lines l ON l.customer = c.id WHERE l.price > 5 ORDER BY 1, 2;

SELECT * FROM customers c LEFT JOIN LATERAL (SELECT sum(total) FROM lines WHERE customer = c.id) t ON true ORDER BY c.id;

SELECT name FROM customers WHERE email IS NULL OR email LIKE '%@example.com' ORDER BY name COLLATE "C" DESC NULLS LAST LIMIT 2 OFFSET 1;

SELECT product, sum(amount) FILTER (WHERE price > 5), string_agg(DISTINCT customer::text, ',') FROM lines GROUP BY ROLLUP (product) HAVING sum(amount) > 0 ORDER BY 1;

SELECT customer, line, rank() OVER w, lag(price, 1) OVER w, sum(total) OVER (PARTITION BY customer ROWS UNBOUNDED PRECEDING) FROM lines WINDOW w AS (PARTITION BY customer ORDER BY price DESC) ORDER BY 1, 2;

SELECT DISTINCT ON (customer) customer, product FROM lines ORDER BY customer, price;

WITH big AS (SELECT * FROM lines WHERE total > 10), small AS MATERIALIZED (SELECT * FROM lines WHERE total <= 10) SELECT * FROM big UNION ALL SELECT * FROM small ORDER BY 1, 2;

WITH RECURSIVE t (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 10) SELECT sum(n) FROM t;

SELECT * FROM generate_series(1, 5) WITH ORDINALITY AS g (n, o) WHERE n % 2 = 1;

SELECT generate_series('2026-01-01'::date, '2026-01-03', '1 day');

SELECT (SELECT count(*) FROM lines) AS lines, EXISTS (SELECT FROM customers WHERE id = 1) AS known, 1 = ANY (ARRAY[1, 2]) AS any;

SELECT CASE WHEN amount > 3 THEN 'many' ELSE 'few' END, coalesce(NULL, product), nullif(1, 1), greatest(1, 2) FROM lines ORDER BY customer, line;

SELECT 'a' || 'b', upper('x'), substring('abc' FROM 2 FOR 1), trim(BOTH ' ' FROM ' x '), position('b' IN 'abc'), overlay('abc' PLACING 'x' FROM 2), extract(year FROM date '2026-01-01');

SELECT 1 UNION SELECT 2 EXCEPT SELECT 3 INTERSECT SELECT 3 ORDER BY 1;

SELECT grant_total(1), create_order('x'), (SELECT total FROM totals WHERE customer = 1);

SELECT * FROM customers TABLESAMPLE SYSTEM (100) REPEATABLE (1) ORDER BY id;

SELECT ROW(1, 'x'), (ROW(1, 2)).f1, (c).name FROM customers c WHERE id = 1;

SELECT * FROM ROWS FROM (generate_series(1, 2), generate_series(1, 3)) AS t (a, b);

-- JSON and arrays.

SELECT '{"a": {"b": [1, 2]}}'::jsonb -> 'a' -> 'b' ->> 0, '{"a": 1}'::jsonb @> '{"a": 1}', '{"a": 1}'::jsonb ? 'a', '{"a": 1}'::jsonb || '{"b": 2}', '{"a": 1}'::jsonb - 'a', '{"a": {"b": 1}}'::jsonb #>> '{a,b}';

SELECT jsonb_build_object('id', id, 'name', name), to_jsonb(tags), jsonb_agg(id) OVER () FROM customers ORDER BY id;

SELECT * FROM jsonb_to_recordset('[{"a": 1, "b": "x"}]') AS t (a int, b text);

SELECT key, value FROM jsonb_each_text('{"drop": "table", "set": "role"}') ORDER BY 1;

SELECT jsonb_path_query('{"a": [1, 2, 3]}', '$.a[*] ? (@ > 1)');

SELECT ARRAY[1, 2] || 3, array_agg(id ORDER BY id), unnest(ARRAY['a', 'b']) FROM customers GROUP BY 3 ORDER BY 3;

SELECT tags[1], tags[1:2], array_length(tags, 1), 'x' = ANY (tags), tags && ARRAY['x'] FROM customers ORDER BY id;

SELECT ARRAY(SELECT id FROM customers ORDER BY id), cardinality(ARRAY[[1, 2], [3, 4]]);

SELECT to_tsvector('english', 'running jumps') @@ to_tsquery('english', 'run & jump'), ts_rank(to_tsvector('a b'), 'a'), ts_headline('a b', 'a'::tsquery);

SELECT ts_rewrite('a & b'::tsquery, 'a'::tsquery, 'c'::tsquery);

SELECT xmlelement(name a, xmlattributes(1 AS b), 'x'), xpath('/a/text()', '<a>x</a>'), xmlforest(1 AS a);

SELECT * FROM xmltable('/r/x' PASSING CAST('<r><x a="1"/><x a="2"/></r>' AS xml) COLUMNS a int PATH '@a');

SELECT '[2026-01-01,2026-02-01)'::daterange @> '2026-01-15'::date, int4range(1, 5) * int4range(3, 8), inet '10.0.0.1' << inet '10.0.0.0/8', point(1, 2) <-> point(1, 3), 'x'::bytea, 1.5::numeric(3, 1), '1 day'::interval * 2;

SELECT now() = transaction_timestamp(), current_date = now()::date, clock_timestamp() >= now(), age('2026-01-02', '2026-01-01'::timestamp), date_trunc('month', date '2026-03-04'), to_char(1234.5, '9G999D9'), '2026-01-01 12:00+02'::timestamptz AT TIME ZONE 'UTC';

SELECT gen_random_uuid() IS NOT NULL, md5('x'), encode(sha256('x'), 'hex'), length(random()::text) > 0, pg_typeof(1), 5 / 2, 5 % 2, 2 ^ 3, |/ 4, @ -1, ~ 1, 1 << 2, 1 # 3;

-- Writing. What is written is deleted again.

INSERT INTO jobs (id) VALUES (10);
UPDATE jobs SET state = 'done' WHERE id = 10;
DELETE FROM jobs WHERE id = 10;

INSERT INTO jobs (id, state) VALUES (10, 'a'), (11, DEFAULT) RETURNING *, id * 2 AS twice;
UPDATE jobs j SET state = c.name FROM customers c WHERE c.id = j.id - 9 AND j.id IN (10, 11) RETURNING j.id, j.state;
DELETE FROM jobs j USING customers c WHERE c.id = j.id - 9 AND j.id >= 10 RETURNING j.*;

INSERT INTO jobs SELECT n, 'made' FROM generate_series(20, 25) n;
WITH gone AS (DELETE FROM jobs WHERE id BETWEEN 20 AND 25 RETURNING id) SELECT count(*) FROM gone;

INSERT INTO jobs (id) VALUES (1) ON CONFLICT DO NOTHING;

INSERT INTO jobs AS j (id, state) VALUES (1, 'new') ON CONFLICT (id) DO UPDATE SET state = excluded.state || j.state WHERE false RETURNING xmax;

INSERT INTO jobs (id) VALUES (30) ON CONFLICT ON CONSTRAINT jobs_pkey DO UPDATE SET state = excluded.state RETURNING id;
DELETE FROM jobs WHERE id = 30;

INSERT INTO audit (what) OVERRIDING SYSTEM VALUE VALUES ('x') RETURNING what;
DELETE FROM audit WHERE what = 'X';

INSERT INTO audit DEFAULT VALUES RETURNING what;
DELETE FROM audit WHERE what IS NULL;

BEGIN;
MERGE INTO jobs j USING (VALUES (1, 'm'), (40, 'n')) v (id, state) ON j.id = v.id WHEN MATCHED AND v.state = 'm' THEN UPDATE SET state = v.state WHEN NOT MATCHED THEN INSERT (id, state) VALUES (v.id, v.state);
SELECT * FROM jobs ORDER BY id;
ROLLBACK;

MERGE INTO jobs USING customers c ON jobs.id = c.id + 1000 WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN DO NOTHING;

INSERT INTO orders (id, note) VALUES (1001, 'ordinary') RETURNING tenant_id, note;
UPDATE orders SET note = note || '!' WHERE id = 1001;
DELETE FROM orders WHERE id = 1001;

UPDATE orders SET note = note WHERE tenant_id = 'globex';

WITH a AS (INSERT INTO jobs (id) VALUES (50) RETURNING id), b AS (UPDATE customers SET name = name WHERE id = 1 RETURNING id) SELECT a.id, b.id FROM a, b;
DELETE FROM jobs WHERE id = 50;

UPDATE customers SET data = jsonb_set(data, '{a}', '1'), tags = array_append(tags, 'x') WHERE id = 2;
UPDATE customers SET (data, tags) = ('{}', '{}') WHERE id = 2;
UPDATE customers SET (name, email) = (SELECT 'Bob', NULL) WHERE id = 2;

SELECT nextval('tickets') > 0, currval('tickets') > 0, lastval() > 0;

BEGIN;
SELECT setval('tickets', 500);
ROLLBACK;

INSERT INTO events VALUES (2, '2026-05-05', 'x');
DELETE FROM events WHERE id = 2;

-- Values bound.

--! values 1
SELECT * FROM customers WHERE id = $1;

--! values {1,2}
SELECT id FROM customers WHERE id = ANY ($1::int[]) ORDER BY 1;

--! values DROP TABLE customers
SELECT $1::text, length($1);

--! values 60|'; DROP TABLE jobs; --
WITH made AS (INSERT INTO jobs (id, state) VALUES ($1, $2) RETURNING *) SELECT * FROM made WHERE $2 <> '';
DELETE FROM jobs WHERE id = $1 AND state = $2 RETURNING state;

--! values app.tenant_id
SELECT current_setting($1);

--! values 2
SELECT * FROM customers ORDER BY id LIMIT $1;

--! values {"a": 1}|a
SELECT $1::jsonb -> $2::text;

--! values 1|5
SELECT generate_series($1::int, $2::int);

-- COPY.

--! copy 1\tone\n2\ttwo\n
COPY imports (id, note) FROM STDIN;
SELECT * FROM imports ORDER BY id;
DELETE FROM imports WHERE true;

--! copy 1,"DROP TABLE x; --"\n
COPY imports FROM STDIN WITH (FORMAT csv);
DELETE FROM imports WHERE note IS NOT NULL RETURNING note;

--! copy id;note\n1;\\N\n
COPY imports (id, note) FROM STDIN (FORMAT text, DELIMITER ';', HEADER true);
DELETE FROM imports WHERE true;

BEGIN;
--! copy 5\tin a transaction\n
COPY imports FROM STDIN;
SELECT count(*) FROM imports;
ROLLBACK;

COPY customers TO STDOUT;

COPY customers (id, name) TO STDOUT WITH (FORMAT csv, HEADER, FORCE_QUOTE *);

COPY (SELECT * FROM orders ORDER BY id) TO STDOUT;

COPY (SELECT 'COPY x TO PROGRAM ''rm''') TO STDOUT WITH CSV;

COPY lines TO STDOUT (FORMAT binary);

-- Transactions.

BEGIN;
COMMIT;

BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SELECT count(*) FROM orders;
END;

START TRANSACTION READ WRITE, ISOLATION LEVEL REPEATABLE READ;
SELECT 1;
ABORT;

BEGIN WORK;
SAVEPOINT a;
INSERT INTO jobs (id) VALUES (70);
SAVEPOINT b;
UPDATE jobs SET state = 'b' WHERE id = 70;
ROLLBACK TO SAVEPOINT b;
RELEASE a;
SELECT state FROM jobs WHERE id = 70;
ROLLBACK WORK;

BEGIN;
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SELECT note FROM orders ORDER BY id;
COMMIT AND CHAIN;
SELECT count(*) FROM orders;
COMMIT AND NO CHAIN;

BEGIN;
SET CONSTRAINTS ALL DEFERRED;
SET CONSTRAINTS ALL IMMEDIATE;
COMMIT;

BEGIN TRANSACTION;
LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE;
LOCK jobs IN ACCESS EXCLUSIVE MODE NOWAIT;
COMMIT TRANSACTION;

BEGIN;
SELECT * FROM jobs WHERE state = 'new' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED;
SELECT id FROM jobs ORDER BY id FOR NO KEY UPDATE OF jobs NOWAIT;
SELECT id FROM jobs WHERE id = 1 FOR SHARE;
SELECT id FROM jobs WHERE id = 1 FOR KEY SHARE;
COMMIT;

UPDATE jobs SET state = 'taken' WHERE id = (SELECT id FROM jobs ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id;
UPDATE jobs SET state = 'new' WHERE id = 1;

-- Several statements in one message.

--! simple
SELECT 1; SELECT 2; SELECT 3;

--! simple
INSERT INTO jobs (id) VALUES (80); UPDATE jobs SET state = 'x' WHERE id = 80; DELETE FROM jobs WHERE id = 80;

--! simple
SELECT 'a;b'; SELECT $$;$$; SELECT 1 /* ; */ -- ;
;

--! simple
;;SELECT 1;;

-- Cursors.

BEGIN;
DECLARE c CURSOR FOR SELECT * FROM customers ORDER BY id;
FETCH 2 FROM c;
MOVE FORWARD 1 IN c;
FETCH NEXT c;
CLOSE c;
COMMIT;

BEGIN;
DECLARE "a b" NO SCROLL CURSOR WITHOUT HOLD FOR SELECT generate_series(1, 10);
FETCH FORWARD 5 FROM "a b";
FETCH ALL FROM "a b";
CLOSE ALL;
COMMIT;

BEGIN;
DECLARE u CURSOR FOR SELECT * FROM jobs WHERE id = 2 FOR UPDATE;
FETCH u;
UPDATE jobs SET state = 'current' WHERE CURRENT OF u;
ROLLBACK;

-- EXPLAIN.

EXPLAIN SELECT * FROM customers;

EXPLAIN (COSTS off) SELECT * FROM lines WHERE product = 'anvil';

EXPLAIN (VERBOSE, FORMAT json, COSTS off) SELECT 1;

--! shape
EXPLAIN ANALYZE SELECT * FROM customers;

--! shape
EXPLAIN (ANALYZE, BUFFERS, TIMING off, SUMMARY off) SELECT count(*) FROM lines;

EXPLAIN (COSTS off) INSERT INTO jobs (id) VALUES (90);

EXPLAIN (COSTS off) DELETE FROM jobs WHERE id = 1;

--! shape
EXPLAIN (ANALYZE, TIMING off) UPDATE jobs SET state = state WHERE id = 1;

EXPLAIN (ANALYZE off, COSTS off) SELECT 1;
