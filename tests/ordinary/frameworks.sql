-- Sequences of statements as frameworks and drivers send them in one connection: units of work, savepoints, locks, cursors, batches.

-- Hibernate 5 and 6, Spring, Exposed, jOOQ, MyBatis.

BEGIN;
select next_val_ from (select nextval ('tickets') > 0 as next_val_) s;
select nextval('tickets') - nextval('tickets') = -1;
insert into jobs (state, id) values ('fresh', 910);
insert into jobs (state, id) values ('fresh', 911) returning id;
update jobs set state='done' where id=910 and state='fresh';
select j1_0.id,j1_0.state from jobs j1_0 where j1_0.id=910 for no key update;
select j1_0.id,j1_0.state from jobs j1_0 where j1_0.id=911 for update of j1_0 nowait;
select j1_0.id from jobs j1_0 where j1_0.state='done' order by j1_0.id fetch first 5 rows only for no key update of j1_0 skip locked;
delete from jobs where id=910 and state='done';
delete from jobs where id in (911);
COMMIT;

--! values 1
select c1_0.id,c1_0.created,c1_0.data,c1_0.email,c1_0.feeling::text,c1_0.name,l1_0.customer,l1_0.line,l1_0.product from customers c1_0 left join lines l1_0 on c1_0.id=l1_0.customer where c1_0.id=$1 order by l1_0.line;

--! values 1|2|10
select l1_0.customer, sum(l1_0.total), count(*) over() from lines l1_0 where l1_0.customer in ($1,$2) group by 1 order by 1 offset 0 rows fetch first $3 rows only;

--! values a%|\
select c1_0.id from customers c1_0 where lower(c1_0.name) like $1 escape $2 order by c1_0.id desc;

BEGIN;
select current_setting('lock_timeout', true);
set local lock_timeout = 4000;
select id from jobs where id=1 for update;
set local lock_timeout = '1s';
select id from jobs where id=2 for share;
select id from jobs where id=2 for key share of jobs;
COMMIT;

BEGIN;
set local statement_timeout = 5000;
select count(*) from customers;
set local statement_timeout to default;
COMMIT;

with rows as (select j.id from jobs j where j.state = 'new' order by j.id limit 2 for update skip locked) update jobs set state = 'taken' from rows where jobs.id = rows.id returning jobs.id;
update jobs set state = 'new' where state = 'taken';

select "public"."jobs"."id", "public"."jobs"."state" from "public"."jobs" where ("public"."jobs"."id" = cast('1' as int) and "public"."jobs"."state" in ('new', 'old')) order by "public"."jobs"."id" asc nulls last limit 10 offset 0;

select cast("alias_1"."id" as int), row_number() over (partition by "alias_1"."feeling" order by "alias_1"."id") as "rn" from "customers" as "alias_1" where exists (select 1 as "one" from "lines" where "lines"."customer" = "alias_1"."id") order by 1;

insert into "jobs" ("id", "state") select * from (values (912, 'a'), (913, 'b')) as "v" ("id", "state") where not exists (select 1 from "jobs" where "jobs"."id" = "v"."id") on conflict ("id") do update set "state" = "excluded"."state" returning "jobs"."id", (xmax = 0) as inserted;
delete from jobs where jobs.id in (912, 913);

merge into jobs using (select 914 as id, 'm' as state) as s on (jobs.id = s.id) when matched and jobs.state <> s.state then update set state = s.state when not matched then insert (id, state) values (s.id, s.state);
merge into only jobs as j using (values (914, 'gone'), (915, 'x')) as s (id, state) on j.id = s.id when matched and s.state = 'gone' then delete when not matched and false then insert values (s.id, s.state) when not matched then do nothing;

-- Rails 5 to 8.

SET client_min_messages TO 'warning';
SET standard_conforming_strings = on;
SET SESSION timezone TO 'UTC';
SET intervalstyle = iso_8601;
SHOW max_identifier_length;
SELECT t.oid, t.typname, t.typelem, t.typdelim, t.typinput::text, r.rngsubtype, t.typtype, t.typbasetype FROM pg_type as t LEFT JOIN pg_range as r ON oid = rngtypid WHERE t.typname IN ('int2', 'int4', 'int8', 'oid', 'float4', 'float8', 'bool') ORDER BY 1;
SET SESSION statement_timeout = 15000;
SET search_path TO public;
RESET ALL;

BEGIN;
SAVEPOINT active_record_1;
INSERT INTO "jobs" ("id", "state") VALUES (920, 'new') RETURNING "id" /*application:Shop*/;
SAVEPOINT active_record_2;
UPDATE "jobs" SET "state" = 'a' WHERE "jobs"."id" = 920;
RELEASE SAVEPOINT active_record_2;
ROLLBACK TO SAVEPOINT active_record_1;
RELEASE SAVEPOINT active_record_1;
ROLLBACK;

BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE;
SELECT "jobs".* FROM "jobs" WHERE "jobs"."id" = 1 LIMIT 1 FOR UPDATE;
SELECT 1 AS one FROM "customers" WHERE "customers"."email" = 'ada@example.com' AND "customers"."id" != 2 LIMIT 1;
COMMIT;

INSERT INTO "customers" ("id","name","email","data") VALUES (930, 'x', 'n@example.com', '{}'), (931, 'y', NULL, '{"drop": 1}') ON CONFLICT ("email") DO UPDATE SET "name"=excluded."name","data"=excluded."data" WHERE (customers.name IS DISTINCT FROM excluded.name) RETURNING "id",(xmax = 0) AS inserted;
INSERT INTO "customers" ("id", "name") VALUES (930, 'again') ON CONFLICT DO NOTHING RETURNING "id";
DELETE FROM "customers" WHERE "customers"."id" IN (SELECT "customers"."id" FROM "customers" WHERE "customers"."id" >= 930 ORDER BY "customers"."id" ASC LIMIT 1000);

SELECT "customers"."id" AS t0_r0, "customers"."name" AS t0_r1, "lines"."line" AS t1_r0 FROM "customers" LEFT OUTER JOIN "lines" ON "lines"."customer" = "customers"."id" WHERE "customers"."name" ILIKE '%a%' ORDER BY t0_r0, t1_r0;

SELECT COUNT(count_column) FROM (SELECT 1 AS count_column FROM "customers" LIMIT 2 OFFSET 0) subquery_for_count;

SELECT c.relname FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY (current_schemas(false)) AND c.relname = 'jobs' AND c.relkind IN ('r','v','m','p','f');

SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull, c.collname, col_description(a.attrelid, a.attnum) AS comment, attidentity AS identity, attgenerated as attgenerated FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum LEFT JOIN pg_type t ON a.atttypid = t.oid LEFT JOIN pg_collation c ON a.attcollation = c.oid AND a.attcollation <> t.typcollation WHERE a.attrelid = '"lines"'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;

SELECT type.typname AS name, type.oid::regtype::text AS regtype, string_agg(enum.enumlabel, ',' ORDER BY enum.enumsortorder) AS value FROM pg_enum AS enum JOIN pg_type AS type ON (type.oid = enum.enumtypid) JOIN pg_namespace n ON type.typnamespace = n.oid WHERE n.nspname = ANY (current_schemas(false)) GROUP BY type.oid, n.nspname, type.typname;

EXPLAIN (COSTS OFF, VERBOSE) SELECT "jobs".* FROM "jobs" WHERE "jobs"."id" = 1;

-- Django 3 to 5.

SELECT set_config('TimeZone', 'UTC', false);

BEGIN;
SAVEPOINT "s140355_x1";
INSERT INTO "jobs" ("id", "state") VALUES (940, 'dj') RETURNING "jobs"."id";
RELEASE SAVEPOINT "s140355_x1";
SELECT "jobs"."id", "jobs"."state" FROM "jobs" WHERE "jobs"."id" = 940 LIMIT 21 FOR UPDATE;
UPDATE "jobs" SET "state" = CASE WHEN ("jobs"."id" = 940) THEN 'x' ELSE NULL END::text WHERE "jobs"."id" IN (940);
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
DELETE FROM "jobs" WHERE "jobs"."id" IN (940);
COMMIT;

BEGIN;
DECLARE "_django_curs_140355_sync_1" NO SCROLL CURSOR FOR SELECT "customers"."id" FROM "customers" ORDER BY "customers"."id";
FETCH FORWARD 2 FROM "_django_curs_140355_sync_1";
FETCH FORWARD 2 FROM "_django_curs_140355_sync_1";
CLOSE "_django_curs_140355_sync_1";
COMMIT;

SELECT (1) AS "a" FROM "customers" WHERE ("customers"."data" -> 'owner') = '"x"'::jsonb OR ("customers"."data" ? 'drop') OR ("customers"."data" #> ARRAY['a','b']) @> '{}' LIMIT 1;

SELECT "customers"."name", COUNT("lines"."line") FILTER (WHERE "lines"."price" > '5') AS "n", COALESCE(SUM("lines"."total"), 0) AS "t" FROM "customers" LEFT OUTER JOIN "lines" ON ("customers"."id" = "lines"."customer") GROUP BY "customers"."id" HAVING COUNT("lines"."line") >= 0 ORDER BY "n" DESC, "customers"."name" ASC;

SELECT DATE_TRUNC('month', "customers"."created" AT TIME ZONE 'UTC') AS "m", EXTRACT(YEAR FROM "customers"."created" AT TIME ZONE 'UTC'), "customers"."name" COLLATE "C" FROM "customers" WHERE UPPER("customers"."name"::text) = UPPER('ada') AND "customers"."name"::text LIKE 'A%';

EXPLAIN (FORMAT JSON, COSTS false) SELECT "jobs"."id" FROM "jobs";

-- Ecto and Oban, Postgrex.

BEGIN;
SAVEPOINT postgrex_query;
INSERT INTO "jobs" ("id","state") VALUES (950,'e') ON CONFLICT ("id") DO UPDATE SET "state" = EXCLUDED."state" RETURNING "id";
RELEASE SAVEPOINT postgrex_query;
SAVEPOINT postgrex_query;
ROLLBACK TO SAVEPOINT postgrex_query;
RELEASE SAVEPOINT postgrex_query;
ROLLBACK;

BEGIN;
WITH "subset" AS MATERIALIZED (SELECT so0."id" AS "id" FROM "public"."jobs" AS so0 WHERE (so0."state" = 'new') ORDER BY so0."id" LIMIT 1 FOR UPDATE SKIP LOCKED) UPDATE "public"."jobs" AS j SET "state" = 'executing' FROM "subset" AS f1 WHERE (j."id" = f1."id") RETURNING j."id", j."state";
SELECT pg_try_advisory_xact_lock(3550101, 777);
SELECT pg_notify(payload::text, 'x') FROM (VALUES ('public.oban_insert')) AS t (payload);
SELECT pg_notify('public.oban_gossip', '{"queue":"default"}'), count(*) FROM json_array_elements_text('["{}"]');
ROLLBACK;

SELECT c0."id", c0."name", fragment.x FROM "customers" AS c0 INNER JOIN LATERAL (SELECT max(l."price") AS "x" FROM "lines" AS l WHERE l."customer" = c0."id") AS fragment ON TRUE WHERE (c0."id" = ANY('{1,2}')) AND NOT (c0."email" IS NULL) ORDER BY c0."id";

-- EF Core, Dapper, Npgsql.

--! simple
INSERT INTO jobs (id, state) VALUES (960, 'ef') RETURNING id; UPDATE jobs SET state = 'ef2' WHERE id = 960; DELETE FROM jobs WHERE id = 960;

SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname='public' AND c.relname='__EFMigrationsHistory');

SELECT CASE WHEN COUNT(*) = 0 THEN FALSE ELSE TRUE END FROM pg_class AS cls JOIN pg_namespace AS ns ON ns.oid = cls.relnamespace WHERE cls.relkind IN ('r', 'v', 'm', 'f', 'p') AND ns.nspname NOT IN ('pg_catalog', 'information_schema') AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE classid=(SELECT cls.oid FROM pg_class AS cls JOIN pg_namespace AS ns ON ns.oid = cls.relnamespace WHERE relname='pg_class' AND ns.nspname='pg_catalog') AND objid=cls.oid AND deptype IN ('e', 'x'));

SELECT c."Id", c."Name", t."Product" FROM (SELECT id AS "Id", name AS "Name" FROM customers WHERE id = 1 LIMIT 2) AS c LEFT JOIN (SELECT customer AS "CustomerId", product AS "Product" FROM lines) AS t ON c."Id" = t."CustomerId" ORDER BY c."Id", t."Product";

SELECT c.id, c.name FROM customers AS c WHERE c.name = ANY ('{Ada,Bob}'::text[]) AND c.created >= TIMESTAMPTZ '2026-01-01T00:00:00Z' AND COALESCE(c.email, '') <> '' AND strpos(c.name, 'd') > 0 AND NOT (c.data @> '{"x": 1}');

SELECT ns.nspname, t.typname, t.typtype, t.typnotnull, t.elemtypoid > 0 FROM (SELECT typ.oid, typ.typnamespace, typ.typname, typ.typtype, typ.typrelid, typ.typnotnull, typ.relkind, elemtyp.oid AS elemtypoid, elemtyp.typname AS elemtypname, elemcls.relkind AS elemrelkind, CASE WHEN elemproc.proname='array_recv' THEN 'a' ELSE elemtyp.typtype END AS elemtyptype FROM (SELECT typ.oid, typnamespace, typname, typrelid, typnotnull, relkind, typelem AS elemoid, CASE WHEN proc.proname='array_recv' THEN 'a' ELSE typ.typtype END AS typtype, CASE WHEN proc.proname='array_recv' THEN typ.typelem WHEN typ.typtype='r' THEN rngsubtype WHEN typ.typtype='m' THEN (SELECT rngtypid FROM pg_range WHERE rngmultitypid = typ.oid) WHEN typ.typtype='d' THEN typ.typbasetype END AS elemtypoid FROM pg_type AS typ LEFT JOIN pg_class AS cls ON (cls.oid = typ.typrelid) LEFT JOIN pg_proc AS proc ON proc.oid = typ.typreceive LEFT JOIN pg_range ON (pg_range.rngtypid = typ.oid)) AS typ LEFT JOIN pg_type AS elemtyp ON elemtyp.oid = elemtypoid LEFT JOIN pg_class AS elemcls ON (elemcls.oid = elemtyp.typrelid) LEFT JOIN pg_proc AS elemproc ON elemproc.oid = elemtyp.typreceive) AS t JOIN pg_namespace AS ns ON (ns.oid = typnamespace) WHERE (typtype IN ('b', 'r', 'm', 'e', 'd') OR (typtype = 'c' AND relkind='c') OR (typtype = 'p' AND typname IN ('record', 'void', 'unknown'))) AND t.typname IN ('mood', 'quantity', 'record') ORDER BY t.typname;

--! simple
BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED; SELECT 1; COMMIT;

--! simple
DISCARD ALL;

-- GORM, ent, bun, go-pg, sqlc, lib/pq, pgx.

INSERT INTO "jobs" ("id","state") VALUES (970,'g'),(971,'g') ON CONFLICT ("id") DO UPDATE SET "state"="excluded"."state" RETURNING "id";
SELECT * FROM "jobs" WHERE "jobs"."id" = 970 AND "jobs"."state" IS NOT NULL ORDER BY "jobs"."id" LIMIT 1 FOR UPDATE NOWAIT;
UPDATE "jobs" SET "state"='h' WHERE (id = 970) AND "jobs"."state" = 'g' RETURNING *;
UPDATE "jobs" AS "job" SET "state" = _data."state" FROM (VALUES (970::int, 'v1'::text), (971::int, 'v2'::text)) AS _data ("id", "state") WHERE ("job"."id" = _data."id");
DELETE FROM "jobs" AS "job" WHERE ("job"."id" IN (970, 971)) RETURNING "job"."id";

BEGIN READ ONLY;
select count(*) from "jobs";
commit;

begin isolation level serializable read only deferrable;
select 1;
rollback;

begin;
savepoint sp_1;
insert into jobs (id) values (980);
rollback to savepoint sp_1;
release savepoint sp_1;
commit;

--! fails 23505
begin;
savepoint sp_1;
insert into jobs (id) values (1);
rollback to sp_1;
insert into jobs (id) values (981);
rollback;

--! fails 23505
BEGIN;
INSERT INTO jobs (id) VALUES (1);
SELECT 1;
COMMIT;

--! fails 23505
INSERT INTO jobs (id) VALUES (1);
SELECT 'and goes on';

--! fails 23503
DELETE FROM customers WHERE id = 1;
INSERT INTO lines (customer, line, product, amount, price) VALUES (4711, 1, 'x', 1, 1);
INSERT INTO customers (id, name, email) VALUES (1, 'Ada', 'ada@example.com');
INSERT INTO lines (customer, line, product, amount, price) VALUES (1, 1, 'anvil', 2, 10.50), (1, 2, 'rope', 1, 3);

--! fails 42P01
SELECT * FROM no_such_table WHERE "drop" = 1;

--! fails 22P02
SELECT 'x'::int;

--! fails 22012
BEGIN;
SELECT 1/0;
ROLLBACK;
SELECT 1;

--! fails 25001
BEGIN;
SELECT 1;
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;
ROLLBACK;

--! fails 25006
BEGIN READ ONLY;
INSERT INTO jobs (id) VALUES (982);
ROLLBACK;

--! fails 3B001
BEGIN;
ROLLBACK TO nowhere;
ROLLBACK;

--! fails 34000
BEGIN;
FETCH 1 FROM no_such_cursor;
ROLLBACK;

--! fails 42704
SELECT current_setting('no.such');

--! fails 42704
SET no_such_parameter = 1;

--! fails 22023
SET enable_seqscan = 'perhaps';

--! fails 42501
BEGIN;
SELECT * FROM pg_authid;
ROLLBACK;

-- SQLAlchemy, Alembic, Peewee, Tortoise, asyncpg.

select pg_catalog.version();
select current_schema();
show standard_conforming_strings;
SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace WHERE pg_catalog.pg_class.relname = 'alembic_version' AND pg_catalog.pg_class.relkind = ANY (ARRAY['r', 'p', 'f', 'v', 'm']) AND pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid) AND pg_catalog.pg_namespace.nspname != 'pg_catalog';
SELECT 'test plain returns' AS anon_1, CAST('test unicode returns' AS VARCHAR(60)) AS anon_2;

BEGIN;
SAVEPOINT sa_savepoint_1;
INSERT INTO jobs (id, state) SELECT p0::INTEGER, p1::VARCHAR FROM (VALUES (990, 's', 0), (991, 't', 1)) AS imp_sen(p0, p1, sen_counter) ORDER BY sen_counter RETURNING jobs.id, jobs.id AS id__1;
ROLLBACK TO SAVEPOINT sa_savepoint_1;
SAVEPOINT sa_savepoint_2;
RELEASE SAVEPOINT sa_savepoint_2;
ROLLBACK;

SELECT anon_1.id, anon_1.name, lines_1.product FROM (SELECT customers.id AS id, customers.name AS name FROM customers ORDER BY customers.id LIMIT 2 OFFSET 0) AS anon_1 LEFT OUTER JOIN lines AS lines_1 ON anon_1.id = lines_1.customer ORDER BY anon_1.id, lines_1.line;

SELECT "t1"."id", "t1"."name" FROM "customers" AS "t1" WHERE ((("t1"."name" ILIKE '%a%') AND ("t1"."id" IN (1, 2, 3))) OR (FALSE = TRUE)) ORDER BY "t1"."id" LIMIT 1 OFFSET 0;

SELECT t.oid, t.elemdelim FROM (SELECT 1 AS oid, ',' AS elemdelim) t WHERE t.oid = any('{1}'::oid[]::int[]);

BEGIN;
declare cur_1 binary insensitive scroll cursor without hold for select id, name from customers order by id;
fetch next from cur_1;
fetch prior from cur_1;
fetch first from cur_1;
fetch last in cur_1;
fetch absolute 2 from cur_1;
fetch relative -1 from cur_1;
fetch cur_1;
fetch 2 cur_1;
fetch all in cur_1;
fetch backward all from cur_1;
fetch forward from cur_1;
move absolute 0 cur_1;
move forward all in cur_1;
move backward 1 from cur_1;
close cur_1;
COMMIT;

BEGIN;
DECLARE c ASENSITIVE NO SCROLL CURSOR FOR SELECT * FROM jobs ORDER BY id FOR UPDATE;
FETCH c;
UPDATE jobs SET state = 'here' WHERE CURRENT OF c;
FETCH NEXT IN c;
DELETE FROM jobs WHERE CURRENT OF c;
CLOSE ALL;
ROLLBACK;

BEGIN;
DECLARE "Weird Cursor; DROP" CURSOR FOR WITH x AS (SELECT 1) SELECT * FROM x;
FETCH ALL FROM "Weird Cursor; DROP";
DECLARE other CURSOR FOR VALUES (1), (2);
FETCH 1 FROM other;
SAVEPOINT s;
FETCH 1 FROM other;
ROLLBACK TO s;
CLOSE other;
ROLLBACK;

BEGIN;
SELECT open_lines();
FETCH ALL FROM opened_lines;
CLOSE opened_lines;
COMMIT;

BEGIN;
SELECT open_lines('second');
FETCH 1 FROM second;
MOVE 1 IN second;
FETCH ALL IN "second";
COMMIT;

-- Locks, outboxes, counters, idempotency keys.

BEGIN;
LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE;
LOCK jobs IN ACCESS SHARE MODE NOWAIT;
LOCK TABLE ONLY jobs, customers IN ROW EXCLUSIVE MODE;
INSERT INTO jobs SELECT 995, 'outbox' WHERE NOT EXISTS (SELECT FROM jobs WHERE id = 995);
COMMIT;
DELETE FROM jobs WHERE id = 995;

BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('customer:1', 0));
SELECT pg_try_advisory_xact_lock(hashtext('outbox')::bigint) AS locked;
SELECT pg_advisory_xact_lock(('x' || substr(md5('key'), 1, 16))::bit(64)::bigint);
SELECT pg_try_advisory_xact_lock_shared(1, 2), pg_advisory_xact_lock_shared(7::bigint);
WITH done AS (DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state = 'new' ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 2) RETURNING *) INSERT INTO audit (what) SELECT state FROM done RETURNING what;
SELECT pg_notify('outbox', json_build_object('id', 1)::text);
ROLLBACK;

INSERT INTO settings AS s (name, value) VALUES ('counter', '1') ON CONFLICT (name) DO UPDATE SET value = (s.value::int + 1)::text RETURNING value;
INSERT INTO settings AS s (name, value) VALUES ('counter', '1') ON CONFLICT ON CONSTRAINT settings_pkey DO UPDATE SET (name, value) = ROW (excluded.name, (s.value::int + 1)::text) WHERE s.value <> '9' RETURNING *;
DELETE FROM settings WHERE name = 'counter' RETURNING value;

WITH ins AS (INSERT INTO settings (name, value) VALUES ('idempotency', '42') ON CONFLICT (name) DO NOTHING RETURNING value) SELECT value, true AS made FROM ins UNION ALL SELECT value, false FROM settings WHERE name = 'idempotency' LIMIT 1;
DELETE FROM settings WHERE settings.name = 'idempotency';

BEGIN;
SELECT id FROM jobs FOR UPDATE SKIP LOCKED LIMIT 1;
SELECT j.id FROM jobs j JOIN customers c USING (id) ORDER BY 1 FOR NO KEY UPDATE OF j SKIP LOCKED;
SELECT j.id FROM jobs j, customers c WHERE c.id = j.id ORDER BY 1 FOR UPDATE OF j FOR SHARE OF c NOWAIT;
SELECT * FROM (SELECT id FROM jobs ORDER BY id LIMIT 1 FOR UPDATE) AS first;
TABLE jobs FOR KEY SHARE;
COMMIT;

BEGIN;
INSERT INTO orders (note) VALUES ('numbered');
SELECT currval('orders_id_seq') = lastval(), currval('"public"."orders_id_seq"'::regclass) > 0, currval(pg_get_serial_sequence('"orders"', 'id')) > 0;
SELECT setval(pg_get_serial_sequence('orders', 'id'), GREATEST(currval('orders_id_seq'), 1)) > 0;
SELECT setval('tickets', nextval('tickets'), true) > 0, last_value > 0, is_called FROM tickets;
ROLLBACK;
