-- What applications write: upserts, merges, queues, locks, copies, cursors, transactions in every spelling.

INSERT INTO jobs VALUES (100, DEFAULT), (101, 'late') RETURNING *;
DELETE FROM jobs WHERE id >= 100;

INSERT INTO jobs AS j (id, state) VALUES (100, 'new') ON CONFLICT (id) DO UPDATE SET state = excluded.state, id = j.id WHERE j.state IS DISTINCT FROM excluded.state RETURNING (xmax = 0) AS inserted, j.*;
INSERT INTO jobs AS j (id, state) VALUES (100, 'old') ON CONFLICT ON CONSTRAINT jobs_pkey DO UPDATE SET (state) = ROW (excluded.state || '!') RETURNING state;
INSERT INTO jobs (id) SELECT 100 ON CONFLICT DO NOTHING;
DELETE FROM jobs WHERE id = 100;

INSERT INTO customers (id, name, email, tags, data) VALUES (90, 'Zoë', 'z@example.com', ARRAY['a', 'b']::text[], '{"k": [1, 2]}'::jsonb) ON CONFLICT (email) DO NOTHING;
UPDATE customers SET data['k'] = '3', tags[1] = 'c', feeling = 'happy', created = DEFAULT WHERE id = 90 RETURNING data, tags;
UPDATE customers SET (name, email) = ('Zoe', NULL) WHERE id = 90;
UPDATE customers SET (name, feeling) = (SELECT upper(name), feeling FROM customers WHERE id = 1) WHERE id = 90 RETURNING name;
UPDATE customers AS c SET name = l.product FROM lines AS l WHERE l.customer = 1 AND l.line = 1 AND c.id = 90 RETURNING c.name, l.product;
DELETE FROM customers AS c USING jobs AS j WHERE j.id = 1 AND c.id = 90 RETURNING c.id;

INSERT INTO audit (id, what) OVERRIDING SYSTEM VALUE VALUES (1000, 'x') RETURNING what;
DELETE FROM audit WHERE id = 1000;

INSERT INTO audit (id, what) OVERRIDING USER VALUE VALUES (1000, 'y') RETURNING what;
DELETE FROM audit WHERE what = 'Y';

INSERT INTO audit (what) TABLE "drop table orders";

INSERT INTO audit (id) VALUES (DEFAULT) RETURNING what;
DELETE FROM audit WHERE what IS NULL RETURNING what;

--! values one|other
INSERT INTO orders (note) VALUES ($1), ($2) RETURNING note, tenant_id;
DELETE FROM orders WHERE note IN ($1, $2) RETURNING tenant_id;

--! values fresh
INSERT INTO orders (note) VALUES ($1) RETURNING note;
DELETE FROM orders WHERE note = $1;

WITH moved AS (DELETE FROM jobs WHERE id = 3 RETURNING *), back AS (INSERT INTO audit (what) SELECT state FROM moved RETURNING what) SELECT moved.id, back.what FROM moved, back;
INSERT INTO jobs VALUES (3);
DELETE FROM audit WHERE what = 'NEW' RETURNING what;

WITH up AS (UPDATE jobs SET state = 'seen' WHERE id = 2 RETURNING id), ins AS (INSERT INTO jobs (id) SELECT 200 WHERE NOT EXISTS (SELECT FROM up) RETURNING id) SELECT id FROM up UNION ALL SELECT id FROM ins;
UPDATE jobs SET state = 'new' WHERE id = 2;

MERGE INTO jobs AS j USING (VALUES (1, 'a'), (201, 'b')) AS s (id, state) ON j.id = s.id WHEN MATCHED AND s.state = 'x' THEN DELETE WHEN MATCHED THEN UPDATE SET state = s.state WHEN NOT MATCHED AND s.id > 300 THEN DO NOTHING WHEN NOT MATCHED THEN INSERT (id, state) VALUES (s.id, s.state);
WITH s AS (SELECT 201 AS id) MERGE INTO jobs j USING s ON s.id = j.id WHEN MATCHED THEN DELETE;
UPDATE jobs SET state = 'new' WHERE id = 1;

MERGE INTO ONLY jobs USING jobs AS s ON false WHEN NOT MATCHED AND false THEN INSERT DEFAULT VALUES;

UPDATE jobs SET state = 'taken' WHERE id = (SELECT id FROM jobs WHERE state = 'new' ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id, state;
UPDATE jobs SET state = 'new' WHERE state = 'taken';

DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state = 'gone' FOR UPDATE SKIP LOCKED LIMIT 10) RETURNING *;

WITH next AS (SELECT id FROM jobs WHERE state = 'new' ORDER BY id LIMIT 2 FOR NO KEY UPDATE SKIP LOCKED) UPDATE jobs SET state = 'running' FROM next WHERE jobs.id = next.id RETURNING jobs.id;
UPDATE jobs SET state = 'new' WHERE state = 'running';

SELECT j.id FROM jobs j JOIN customers c ON c.id = j.id ORDER BY j.id FOR UPDATE OF j NOWAIT;

SELECT id FROM jobs ORDER BY id FOR SHARE;

SELECT id FROM jobs ORDER BY id FOR KEY SHARE SKIP LOCKED;

SELECT j.id FROM jobs j, customers c WHERE j.id = c.id ORDER BY 1 FOR UPDATE OF j FOR SHARE OF c;

BEGIN;
LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE;
LOCK jobs IN ROW SHARE MODE NOWAIT;
LOCK TABLE ONLY jobs, settings IN ACCESS SHARE MODE;
COMMIT;

BEGIN;
SELECT pg_advisory_xact_lock(hashtext('import')::bigint), pg_try_advisory_xact_lock(1, 2);
SELECT pg_advisory_xact_lock_shared(hashtextextended('import', 0));
SELECT id FROM jobs WHERE pg_try_advisory_xact_lock(id) ORDER BY id LIMIT 1;
COMMIT;

START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE;
SELECT count(*) FROM customers;
COMMIT WORK;

BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ WRITE;
END;

BEGIN WORK;
ABORT;

BEGIN READ ONLY;
SELECT name FROM customers ORDER BY id;
END TRANSACTION;

START TRANSACTION READ WRITE;
ROLLBACK WORK;

BEGIN;
SAVEPOINT a;
INSERT INTO jobs VALUES (300);
SAVEPOINT "Weird ""name""";
ROLLBACK TO SAVEPOINT a;
ROLLBACK WORK TO a;
RELEASE a;
ROLLBACK AND NO CHAIN;

BEGIN;
SAVEPOINT sp1;
SAVEPOINT sp1;
RELEASE SAVEPOINT sp1;
ROLLBACK TRANSACTION TO sp1;
COMMIT AND NO CHAIN;

BEGIN;
SELECT 1;
COMMIT AND CHAIN;
SELECT count(*) FROM orders;
ROLLBACK AND CHAIN;
SELECT count(*) FROM orders;
COMMIT;

BEGIN;
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;
SET LOCAL statement_timeout TO '2s';
SET LOCAL lock_timeout = 500;
SHOW transaction_isolation;
SELECT count(*) FROM jobs;
COMMIT;

BEGIN;
SET CONSTRAINTS ALL DEFERRED;
UPDATE jobs SET state = state WHERE id = 1;
SET CONSTRAINTS ALL IMMEDIATE;
COMMIT;

BEGIN;
DECLARE c CURSOR FOR SELECT id FROM customers ORDER BY id;
FETCH 1 FROM c;
FETCH NEXT c;
MOVE 1 IN c;
FETCH FORWARD ALL FROM c;
CLOSE c;
COMMIT;

BEGIN;
DECLARE "Cursor 1" INSENSITIVE SCROLL CURSOR WITHOUT HOLD FOR SELECT id FROM customers ORDER BY id FOR READ ONLY;
FETCH LAST FROM "Cursor 1";
FETCH PRIOR FROM "Cursor 1";
FETCH ABSOLUTE 1 "Cursor 1";
FETCH RELATIVE 1 FROM "Cursor 1";
FETCH BACKWARD 1 FROM "Cursor 1";
MOVE ABSOLUTE 0 IN "Cursor 1";
FETCH -1 FROM "Cursor 1";
CLOSE ALL;
COMMIT;

BEGIN;
DECLARE upd NO SCROLL CURSOR FOR SELECT id, state FROM jobs WHERE id = 1 FOR UPDATE;
FETCH upd;
UPDATE jobs SET state = 'new' WHERE CURRENT OF upd;
ROLLBACK;

BEGIN;
DECLARE _psql_cursor NO SCROLL CURSOR FOR SELECT 1;
FETCH FORWARD 1000 FROM _psql_cursor;
CLOSE _psql_cursor;
COMMIT;

--! copy 1\tone\n2\t\\N\n
COPY imports FROM STDIN;
DELETE FROM imports WHERE true RETURNING id, note;

--! copy id,note\n1,"a, b"\n2,NULL\n
COPY public.imports (id, note) FROM STDIN WITH (FORMAT csv, HEADER true, NULL 'NULL', QUOTE '"', ESCAPE '"', DELIMITER ',', ENCODING 'UTF8');
DELETE FROM imports WHERE true RETURNING id, note;

--! copy 1;x\n2;y\n
COPY imports (id, note) FROM STDIN WITH DELIMITER AS ';' NULL AS '' CSV;
DELETE FROM imports WHERE true RETURNING id, note;

--! copy 1\tx\n5\ty\n
COPY imports FROM STDIN WHERE id > 3;
DELETE FROM imports WHERE true RETURNING id, note;

--! copy id\tnote\n1\tx\n
COPY imports FROM STDIN (HEADER match);
DELETE FROM imports WHERE true RETURNING id, note;

COPY (SELECT id, name FROM customers ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER, FORCE_QUOTE (name), DELIMITER E'\t');

COPY customers (id, name) TO STDOUT CSV HEADER;

COPY (SELECT row_to_json(c) FROM customers c ORDER BY id) TO STDOUT;

COPY (VALUES (1, 'x')) TO STDOUT WITH BINARY;

COPY (WITH x AS (SELECT 1 AS a) SELECT * FROM x) TO STDOUT;

COPY (UPDATE jobs SET state = state WHERE id = 1 RETURNING id) TO STDOUT;

EXPLAIN SELECT 1;

EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT * FROM customers WHERE id = 1;

EXPLAIN (FORMAT JSON, COSTS off, VERBOSE) SELECT name FROM customers WHERE id IN (1, 2);

EXPLAIN (FORMAT YAML, COSTS false, SETTINGS) DELETE FROM jobs WHERE id = 1;

--! shape
EXPLAIN ANALYZE VERBOSE SELECT count(*) FROM lines;

--! shape
EXPLAIN (ANALYZE true, BUFFERS, WAL, FORMAT XML) UPDATE jobs SET state = state WHERE id = 1;

EXPLAIN (COSTS off) INSERT INTO jobs VALUES (1) ON CONFLICT DO NOTHING;

EXPLAIN (COSTS off) DECLARE x CURSOR FOR SELECT 1;

SELECT nextval('tickets') IS NOT NULL, nextval('public.tickets'::regclass) IS NOT NULL, setval('tickets', 500, false) AS set;

SELECT last_value IS NOT NULL, is_called IS NOT NULL FROM tickets;

BEGIN;
SELECT nextval('tickets') > 0;
SELECT currval('tickets') > 0, lastval() > 0;
COMMIT;

INSERT INTO jobs (id) VALUES (nextval('tickets')) RETURNING id = currval('tickets'), id = lastval();
DELETE FROM jobs WHERE id > 100;

NOTIFY "Jobs", '{"id": 1, "op": "DELETE"}';

SELECT pg_notify('jobs', json_build_object('table', 'jobs', 'action', 'INSERT')::text);

--! simple
BEGIN; INSERT INTO jobs VALUES (400); DELETE FROM jobs WHERE id = 400; COMMIT;

--! simple
BEGIN; SELECT 1; ROLLBACK;

--! simple
SELECT 1; SELECT 2; SELECT 'three;';

--! simple
INSERT INTO jobs VALUES (401); DELETE FROM jobs WHERE id = 401;

--! simple
START TRANSACTION;SELECT id FROM customers ORDER BY id;COMMIT;

--! simple
BEGIN;SET LOCAL statement_timeout='10s';SELECT count(*) FROM jobs;COMMIT;

--! simple
SELECT 1;;; SELECT 2;

--! simple
; SELECT 1 ;

SELECT id FROM jobs WHERE id IN (1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40) ORDER BY id;

INSERT INTO jobs (id, state) VALUES (501,'a'),(502,'b'),(503,'c'),(504,'d'),(505,'e'),(506,'f'),(507,'g'),(508,'h'),(509,'i'),(510,'j') ON CONFLICT (id) DO UPDATE SET state = EXCLUDED.state;
DELETE FROM jobs WHERE id > 500 AND id < 600;

INSERT INTO jobs (id, state) SELECT * FROM unnest(ARRAY[601, 602]::int[], ARRAY['x', 'y']::text[]) ON CONFLICT DO NOTHING RETURNING id;
DELETE FROM jobs WHERE id = ANY ('{601,602}');

UPDATE jobs SET state = v.state FROM (VALUES (1, 'new'), (2, 'new')) AS v (id, state) WHERE jobs.id = v.id;

UPDATE jobs AS j SET state = CASE j.id WHEN 1 THEN 'new' ELSE j.state END WHERE j.id IN (1, 2) RETURNING j.id, j.state;

DELETE FROM ONLY jobs WHERE id < 0;

DELETE FROM events * WHERE at < '2000-01-01';

INSERT INTO events (id, at, body) VALUES (9, '2026-05-05', $body$it's DROP TABLE$body$) RETURNING tableoid::regclass;
UPDATE events SET at = at + 1 WHERE id = 9 RETURNING at;
DELETE FROM events WHERE id = 9;
