-- What object-relational mappers and query builders write.

-- SQLAlchemy 2 and Alembic.

SELECT customers.id, customers.name FROM customers WHERE customers.id IN (1, 2, 3) ORDER BY customers.id;

SELECT anon_1.id AS anon_1_id, lines_1.product AS lines_1_product FROM (SELECT customers.id AS id FROM customers ORDER BY customers.id LIMIT 2) AS anon_1 LEFT OUTER JOIN lines AS lines_1 ON anon_1.id = lines_1.customer ORDER BY anon_1.id, lines_1.line;

INSERT INTO jobs (id, state) SELECT p0::INTEGER, p1::VARCHAR FROM (VALUES (700, 'a', 0), (701, 'b', 1)) AS imp_sen(p0, p1, sen_counter) ORDER BY sen_counter RETURNING jobs.id, jobs.id AS id__1;
DELETE FROM jobs WHERE jobs.id IN (700, 701);

--! values 1|Ada
SELECT customers.id, customers.name, customers.data FROM customers WHERE customers.id = $1::INTEGER AND customers.name = $2::VARCHAR;

SELECT EXISTS (SELECT 1 FROM customers WHERE customers.name LIKE '%' || 'a' || '%' ESCAPE '/') AS anon_1;

SELECT count(*) AS count_1 FROM (SELECT DISTINCT customers.id AS customers_id FROM customers JOIN lines ON lines.customer = customers.id) AS anon_1;

WITH RECURSIVE anon_1(n) AS (SELECT 1 AS n UNION ALL SELECT anon_1.n + 1 AS anon_2 FROM anon_1 WHERE anon_1.n < 3) SELECT anon_1.n FROM anon_1;

SELECT (customers.data ->> 'k') AS k, (customers.data #>> '{a, b}') AS ab, CAST(customers.data -> 'n' AS INTEGER) FROM customers WHERE (customers.data @> '{}') ORDER BY customers.id;

SELECT lines.product, row_number() OVER (PARTITION BY lines.customer ORDER BY lines.line) AS row_number FROM lines ORDER BY lines.customer, lines.line;

SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace WHERE pg_catalog.pg_class.relname = 'alembic_version' AND pg_catalog.pg_class.relkind = ANY (ARRAY['r', 'p', 'f', 'v', 'm']) AND pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid) AND pg_catalog.pg_namespace.nspname != 'pg_catalog';

SELECT pg_catalog.pg_index.indrelid::regclass::text, cls_idx.relname AS relname_index, pg_catalog.pg_index.indisunique, pg_catalog.pg_am.amname, CASE WHEN (pg_catalog.pg_index.indpred IS NOT NULL) THEN pg_catalog.pg_get_expr(pg_catalog.pg_index.indpred, pg_catalog.pg_index.indrelid) END AS filter_definition, pg_catalog.pg_index.indnkeyatts, idx_cols.elements, idx_cols.elements_is_expr FROM pg_catalog.pg_index JOIN pg_catalog.pg_class AS cls_idx ON pg_catalog.pg_index.indexrelid = cls_idx.oid JOIN pg_catalog.pg_am ON cls_idx.relam = pg_catalog.pg_am.oid LEFT OUTER JOIN (SELECT idx_attr.indexrelid AS indexrelid, array_agg(CAST(idx_attr.element AS TEXT) ORDER BY idx_attr.ord) AS elements, array_agg(idx_attr.is_expr ORDER BY idx_attr.ord) AS elements_is_expr FROM (SELECT idx.indexrelid AS indexrelid, idx.ord AS ord, CASE WHEN (idx.attnum = 0) THEN pg_catalog.pg_get_indexdef(idx.indexrelid, idx.ord + 1, true) ELSE CAST(pg_catalog.pg_attribute.attname AS TEXT) END AS element, idx.attnum = 0 AS is_expr FROM (SELECT pg_catalog.pg_index.indexrelid AS indexrelid, pg_catalog.pg_index.indrelid AS indrelid, unnest(pg_catalog.pg_index.indkey) AS attnum, generate_subscripts(pg_catalog.pg_index.indkey, 1) AS ord FROM pg_catalog.pg_index WHERE NOT pg_catalog.pg_index.indisprimary AND pg_catalog.pg_index.indrelid = 'lines'::regclass) AS idx LEFT OUTER JOIN pg_catalog.pg_attribute ON pg_catalog.pg_attribute.attnum = idx.attnum AND pg_catalog.pg_attribute.attrelid = idx.indrelid) AS idx_attr GROUP BY idx_attr.indexrelid) AS idx_cols ON pg_catalog.pg_index.indexrelid = idx_cols.indexrelid ORDER BY cls_idx.relname;

SELECT pg_catalog.pg_sequence.seqincrement, pg_catalog.pg_sequence.seqstart FROM pg_catalog.pg_sequence WHERE pg_catalog.pg_sequence.seqrelid = 'tickets'::regclass;

-- Django: the models of an application, its cache, sessions and admin.

SELECT "customers"."id", "customers"."name" FROM "customers" WHERE ("customers"."name" ILIKE '%a%' AND NOT ("customers"."id" IN (SELECT U0."customer" FROM "lines" U0 WHERE U0."product" = 'rope'))) ORDER BY "customers"."name" ASC LIMIT 21;

SELECT COUNT(*) AS "__count" FROM "customers";

SELECT "customers"."id", COUNT("lines"."product") FILTER (WHERE "lines"."price" > 5) AS "n", COALESCE(SUM("lines"."total"), 0) AS "sum" FROM "customers" LEFT OUTER JOIN "lines" ON ("customers"."id" = "lines"."customer") GROUP BY "customers"."id" HAVING COUNT("lines"."product") >= 0 ORDER BY 1;

SELECT 1 AS "a" FROM "customers" WHERE "customers"."id" = 1 LIMIT 1;

UPDATE "jobs" SET "state" = (CASE WHEN ("jobs"."id" = 1) THEN 'new' WHEN ("jobs"."id" = 2) THEN 'new' ELSE NULL END)::text WHERE "jobs"."id" IN (1, 2);

INSERT INTO "jobs" ("id", "state") VALUES (702, 'x'), (703, 'y') ON CONFLICT("id") DO UPDATE SET "state" = EXCLUDED."state" RETURNING "jobs"."id";
DELETE FROM "jobs" WHERE "jobs"."id" IN (702, 703);

SELECT DISTINCT EXTRACT('year' FROM "customers"."created" AT TIME ZONE 'UTC') AS "datefield", (DATE_TRUNC('month', "customers"."created" AT TIME ZONE 'Europe/Vienna'))::date AS "m" FROM "customers" WHERE "customers"."created" IS NOT NULL ORDER BY 1 ASC;

SELECT "customers"."id", (SELECT U0."product" FROM "lines" U0 WHERE U0."customer" = ("customers"."id") ORDER BY U0."line" DESC LIMIT 1) AS "latest" FROM "customers" ORDER BY "customers"."id" ASC;

SELECT "customers"."id", ts_rank(to_tsvector('english'::regconfig, COALESCE("customers"."name", '')), (plainto_tsquery('english'::regconfig, 'ada'))) AS "rank" FROM "customers" WHERE to_tsvector('english'::regconfig, COALESCE("customers"."name", '')) @@ (plainto_tsquery('english'::regconfig, 'ada')) ORDER BY 2 DESC;

BEGIN;
SAVEPOINT "s140234567890_x1";
UPDATE "jobs" SET "state" = 'new' WHERE "jobs"."id" = 1;
RELEASE SAVEPOINT "s140234567890_x1";
SAVEPOINT "s140234567890_x2";
ROLLBACK TO SAVEPOINT "s140234567890_x2";
RELEASE SAVEPOINT "s140234567890_x2";
COMMIT;

-- Rails.

SET client_min_messages TO 'warning';

SET SESSION timezone TO 'UTC';

SET intervalstyle = iso_8601;

SHOW max_identifier_length;

SELECT c.relname FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY (current_schemas(false)) AND c.relname = 'schema_migrations' AND c.relkind IN ('r','p');

SELECT "schema_migrations"."version" FROM (SELECT 'x' AS version) "schema_migrations" ORDER BY "schema_migrations"."version" ASC;

SELECT t.oid, t.typname FROM pg_type as t WHERE t.typname IN ('int2', 'int4', 'int8', 'oid', 'float4', 'float8', 'numeric', 'bool', 'timestamp', 'timestamptz');

SELECT type.typname AS name, type.typelem > 0, n.nspname = ANY (current_schemas(false)), array_agg(enum.enumlabel ORDER BY enum.enumsortorder) AS value FROM pg_enum AS enum JOIN pg_type AS type ON (type.oid = enum.enumtypid) JOIN pg_namespace n ON type.typnamespace = n.oid GROUP BY type.oid, n.nspname, type.typname, type.typelem;

SELECT distinct i.relname, d.indisunique, d.indkey::text, pg_get_indexdef(d.indexrelid), pg_catalog.obj_description(i.oid, 'pg_class') AS comment, d.indisvalid, ARRAY(SELECT pg_get_indexdef(d.indexrelid, k + 1, true) FROM generate_subscripts(d.indkey, 1) AS k ORDER BY k) AS columns FROM pg_class t INNER JOIN pg_index d ON t.oid = d.indrelid INNER JOIN pg_class i ON d.indexrelid = i.oid LEFT JOIN pg_namespace n ON n.oid = t.relnamespace WHERE i.relkind IN ('i', 'I') AND d.indisprimary = 'f' AND t.relname = 'lines' AND n.nspname = ANY (current_schemas(false)) ORDER BY i.relname;

SELECT t2.oid::regclass::text AS to_table, a1.attname AS column, a2.attname AS primary_key, c.conname AS name, c.confupdtype AS on_update, c.confdeltype AS on_delete, c.convalidated AS valid, c.condeferrable AS deferrable FROM pg_constraint c JOIN pg_class t1 ON c.conrelid = t1.oid JOIN pg_class t2 ON c.confrelid = t2.oid JOIN pg_attribute a1 ON a1.attnum = c.conkey[1] AND a1.attrelid = t1.oid JOIN pg_attribute a2 ON a2.attnum = c.confkey[1] AND a2.attrelid = t2.oid WHERE c.contype = 'f' AND t1.relname = 'lines' ORDER BY c.conname;

SELECT 1 AS one FROM "customers" WHERE "customers"."email" = 'ada@example.com' LIMIT 1;

SELECT "customers".* FROM "customers" WHERE "customers"."id" = 1 LIMIT 1 /*application:Shop,controller:customers,action:show*/;

INSERT INTO "jobs" ("id","state") VALUES (704, 'x') ON CONFLICT DO NOTHING RETURNING "id";
UPDATE "jobs" SET "state" = COALESCE("jobs"."state", '') || 'y' WHERE "jobs"."id" = 704;
DELETE FROM "jobs" WHERE "jobs"."id" = 704;

SELECT CASE pg_extension.extnamespace WHEN 2200 THEN '' END || extname FROM pg_extension WHERE extname = 'plpgsql';

BEGIN;
SELECT pg_advisory_xact_lock(2053462845);
SELECT "jobs".* FROM "jobs" WHERE "jobs"."id" = 1 LIMIT 1 FOR UPDATE;
COMMIT;

-- Queues on tables: GoodJob, Solid Queue, Que's reading, graphile-worker, Oban, River, pg-boss, Procrastinate, Hangfire.

WITH "rows" AS MATERIALIZED (SELECT "jobs"."id" FROM "jobs" WHERE "jobs"."state" = 'new' ORDER BY "jobs"."id" ASC LIMIT 1) SELECT "jobs".* FROM "jobs" WHERE "jobs"."id" IN (SELECT "id" FROM "rows" WHERE pg_try_advisory_xact_lock(('x' || substr(md5('good_jobs' || '-' || "rows"."id"::text), 1, 16))::bit(64)::bigint)) ORDER BY "jobs"."id";

UPDATE "jobs" AS o0 SET "state" = 'executing' FROM (SELECT so0."id" AS "id" FROM "jobs" AS so0 WHERE (so0."state" = 'new') ORDER BY so0."id" LIMIT 1 FOR UPDATE SKIP LOCKED) AS f1 WHERE (o0."id" = f1."id") RETURNING o0."id", o0."state";
UPDATE jobs SET state = 'new' WHERE state = 'executing';

with j as (select jobs.id as id from jobs where jobs.state = 'new' and now() >= '2020-01-01' order by id asc limit 1 for update skip locked) update jobs set state = 'locked' from j where jobs.id = j.id returning jobs.id, jobs.state;
UPDATE jobs SET state = 'new' WHERE state = 'locked';

SELECT pg_notify('oban_insert', payload) FROM json_array_elements_text('["{\"queue\": \"default\"}"]'::json) AS payload;

WITH locked_job AS (SELECT id FROM jobs WHERE id IN (1) FOR UPDATE), updated AS (UPDATE jobs SET state = 'new' FROM locked_job WHERE jobs.id = locked_job.id RETURNING jobs.*) SELECT * FROM updated UNION SELECT * FROM jobs WHERE id IN (1) AND state IN ('cancelled');

DELETE FROM "jobs" WHERE "id" = any(array(select "id" from "jobs" where state = 'done' order by "id" for update skip locked limit 100));

-- Sequelize, Prisma, Drizzle, TypeORM, Knex, MikroORM, Objection.

SELECT "order"."id", "order"."note", "lines"."line" AS "lines.line" FROM "orders" AS "order" LEFT OUTER JOIN "lines" AS "lines" ON "order"."id" = "lines"."customer" WHERE "order"."note" = 'anvil' ORDER BY "order"."id", 3;

SELECT i.relname AS name, ix.indisprimary AS primary, ix.indisunique AS unique, ix.indkey::text AS indkey, array_agg(a.attnum) as column_indexes, array_agg(a.attname) AS column_names, pg_get_indexdef(ix.indexrelid) AS definition FROM pg_class t, pg_class i, pg_index ix, pg_attribute a, pg_namespace s WHERE t.oid = ix.indrelid AND i.oid = ix.indexrelid AND a.attrelid = t.oid AND t.relkind = 'r' and t.relname = 'jobs' AND s.oid = t.relnamespace AND s.nspname = 'public' AND a.attnum = ANY(ix.indkey) GROUP BY i.relname, ix.indexrelid, ix.indisprimary, ix.indisunique, ix.indkey ORDER BY i.relname;

SELECT "public"."customers"."id", "public"."customers"."name", "public"."customers"."feeling"::text FROM "public"."customers" WHERE ("public"."customers"."id" = 1 AND 1=1) LIMIT 1 OFFSET 0;

SELECT "t0"."id", "t0"."name", "t0_lines"."__prisma_data__" AS "lines" FROM "public"."customers" AS "t0" LEFT JOIN LATERAL (SELECT COALESCE(JSONB_AGG("__prisma_data__"), '[]') AS "__prisma_data__" FROM (SELECT "t2"."__prisma_data__" FROM (SELECT JSONB_BUILD_OBJECT('line', "t1"."line", 'product', "t1"."product") AS "__prisma_data__" FROM (SELECT "t1".* FROM "public"."lines" AS "t1" WHERE "t0"."id" = "t1"."customer" /* root select */) AS "t1" /* inner select */) AS "t2" /* middle select */) AS "t3" /* outer select */) AS "t0_lines" ON TRUE ORDER BY "t0"."id";

select "id", "name", "feeling" from "customers" where ("customers"."id" = 1 and "customers"."name" is not null) order by "customers"."id" desc limit 10;

select "customers"."id", "customers_lines"."data" as "lines" from "customers" left join lateral (select coalesce(json_agg(json_build_array("customers_lines"."line", "customers_lines"."product")), '[]'::json) as "data" from "lines" "customers_lines" where "customers_lines"."customer" = "customers"."id") "customers_lines" on true order by 1;

insert into "jobs" ("id", "state") values (705, default) on conflict ("id") do update set "state" = excluded.state where "jobs"."state" <> 'done' returning "id", "state";
delete from "jobs" where "jobs"."id" = 705;

SELECT "Customer"."id" AS "Customer_id", "Customer"."name" AS "Customer_name" FROM "customers" "Customer" WHERE (("Customer"."id" = 1)) LIMIT 1;

SELECT DISTINCT "distinctAlias"."Customer_id" AS "ids_Customer_id" FROM (SELECT "Customer"."id" AS "Customer_id" FROM "customers" "Customer" LEFT JOIN "lines" "l" ON "l"."customer"="Customer"."id") "distinctAlias" ORDER BY "Customer_id" ASC LIMIT 5;

SELECT * FROM current_schema();

SELECT "columns".*, ('"' || "udt_schema" || '"."' || "udt_name" || '"')::"regtype"::text AS "regtype" FROM "information_schema"."columns" WHERE ("table_schema" = 'public' AND "table_name" = 'jobs') ORDER BY ordinal_position;

SELECT "con"."conname" AS "constraint_name", CASE "con"."contype" WHEN 'p' THEN 'PRIMARY' WHEN 'u' THEN 'UNIQUE' WHEN 'c' THEN 'CHECK' WHEN 'x' THEN 'EXCLUDE' END AS "constraint_type" FROM "pg_constraint" "con" INNER JOIN "pg_namespace" "ns" ON "ns"."oid" = "con"."connamespace" INNER JOIN "pg_class" "cls" ON "cls"."oid" = "con"."conrelid" WHERE "cls"."relname" = 'lines' AND "con"."contype" IN ('p', 'u', 'c', 'x') ORDER BY 1;

select * from "customers" where "data" #>> '{settings,theme}' is null and "tags" @> '{}' order by "id" asc;

select max("id") as "a", "feeling" as "f" from "customers" group by "f" having count(*) > 0 order by "f" nulls last;

update "jobs" set "state" = coalesce(NULL, "state") where "id" = 1 returning *;

begin transaction isolation level repeatable read read only;
select "id" from "customers" order by "id";
commit;

begin;
savepoint trx2;
release trx2;
savepoint trx3;
rollback to trx3;
commit;

-- Hibernate, jOOQ, EclipseLink, Exposed, Spring.

select c1_0.id,c1_0.name,l1_0.customer,l1_0.line,l1_0.product from customers c1_0 left join lines l1_0 on c1_0.id=l1_0.customer where c1_0.id=1 order by l1_0.line fetch first 10 rows only;

select c1_0.id from customers c1_0 where c1_0.id=1 for no key update of c1_0 skip locked;

select count(c1_0.id) from customers c1_0 where lower(c1_0.name) like '%a%' escape '\';

select next_val from (select nextval('tickets') > 0 as next_val) t;

select (extract(epoch from localtimestamp)) > 0, localtimestamp(3) is not null;

select "public"."customers"."id", (select coalesce(jsonb_agg(jsonb_build_array("v0")), jsonb_build_array()) from (select "public"."lines"."product" as "v0" from "public"."lines" where "public"."lines"."customer" = "public"."customers"."id") as "t") as "multiset" from "public"."customers" order by 1;

insert into jobs (state,id) values ('new',706) on conflict on constraint jobs_pkey do nothing;
delete from jobs where id=706;

merge into jobs as t using (select 707 as id,'x' as state) as s on (t.id=s.id) when not matched then insert (id,state) values (s.id,s.state) when matched then update set state=s.state;
delete from jobs j1_0 where j1_0.id=707;

SELECT SESSION_ID FROM (SELECT 'x' AS session_id) SPRING_SESSION WHERE SESSION_ID = 'y';

-- Ecto, GORM, go-pg, Bun, sqlc, sqlx, Diesel, SeaORM, ActiveJDBC, Eloquent, Doctrine, Entity Framework, Dapper.

SELECT c0."id", c0."name" FROM "customers" AS c0 WHERE (c0."id" = ANY('{1,2}')) ORDER BY c0."id";

SELECT c0."id", s1."n" FROM "customers" AS c0 INNER JOIN (SELECT sl0."customer" AS "customer", count('*') AS "n" FROM "lines" AS sl0 GROUP BY sl0."customer") AS s1 ON s1."customer" = c0."id" ORDER BY 1;

SELECT TRUE FROM "jobs" AS j0 WHERE (j0."id" = 1) LIMIT 1;

UPDATE "jobs" AS j0 SET "state" = 'new' WHERE (j0."id" = 1);

INSERT INTO "jobs" ("id","state") VALUES (708,'a') ON CONFLICT ("id") DO UPDATE SET "state"="excluded"."state" RETURNING "id";
DELETE FROM "jobs" WHERE "jobs"."id" = 708 RETURNING "id";

SELECT * FROM "customers" WHERE "customers"."id" = 1 AND "customers"."email" IS NOT NULL ORDER BY "customers"."id" LIMIT 1;

SELECT "customer"."id", "customer"."name" FROM "customers" AS "customer" WHERE ("customer".id = 1);

-- name: GetCustomer :one
SELECT id, name FROM customers WHERE id = 1 LIMIT 1;

SELECT CURRENT_DATABASE(), CURRENT_SCHEMA(), CAST(a.attnum AS int), description FROM pg_catalog.pg_description d JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid WHERE a.attrelid = 'customers'::regclass ORDER BY 3;

SELECT count(*) FROM information_schema.tables WHERE table_schema = CURRENT_SCHEMA() AND table_name = 'jobs' AND table_type = 'BASE TABLE';

SELECT "customers"."id" FROM "customers" WHERE ("customers"."id" IN (SELECT "lines"."customer" FROM "lines" WHERE "lines"."price" > 0)) ORDER BY "customers"."id" ASC LIMIT 1 OFFSET 0 -- binds: []
;

select exists (select 1 from pg_class c, pg_namespace n where n.nspname = 'public' and c.relname = 'migrations' and c.relkind in ('r', 'p') and n.oid = c.relnamespace);

select a.attname as name, t.typname as type_name, format_type(a.atttypid, a.atttypmod) as type, (select tc.collcollate from pg_catalog.pg_collation tc where tc.oid = a.attcollation) as collation, not a.attnotnull as nullable, (select pg_get_expr(adbin, adrelid) from pg_attrdef where c.oid = pg_attrdef.adrelid and pg_attrdef.adnum = a.attnum) as default, a.attgenerated as generated, col_description(c.oid, a.attnum) as comment from pg_attribute a, pg_class c, pg_type t, pg_namespace n where c.relname = 'jobs' and n.nspname = 'public' and a.attnum > 0 and a.attrelid = c.oid and a.atttypid = t.oid and n.oid = c.relnamespace order by a.attnum;

select * from "jobs" where "state" = 'x' and "id" in (1, 2) order by "id" asc limit 1 for update skip locked;

insert into "settings" ("name", "value") values ('k', 'v') on conflict ("name") do update set "value" = "excluded"."value";
delete from "settings" where "name" = 'k';

SELECT t0.id AS id_1, t0.name AS name_2 FROM customers t0 WHERE t0.id = 1 LIMIT 1;

SELECT quote_ident(table_name) AS table_name, table_schema AS schema_name FROM information_schema.tables WHERE table_schema NOT LIKE 'pg\_%' AND table_schema != 'information_schema' AND table_name != 'geometry_columns' AND table_type != 'VIEW' ORDER BY 1;

SELECT sequence_name AS relname, sequence_schema AS schemaname, minimum_value AS min_value, increment AS increment_by FROM information_schema.sequences WHERE sequence_catalog = 'shop' AND sequence_schema NOT LIKE 'pg\_%' ORDER BY 1;

SELECT c."id", c."name", (SELECT count(*)::int FROM "lines" AS l WHERE c."id" = l."customer") AS "Count" FROM "customers" AS c WHERE c."name" LIKE 'A%' ESCAPE '' OR c."created" > now() AT TIME ZONE 'UTC' ORDER BY c."id" LIMIT 1;

--! values {1,2}
SELECT c."id" FROM "customers" AS c WHERE c."id" = ANY ($1) ORDER BY c."id";

UPDATE "jobs" SET "state" = 'new' WHERE "id" = 1 AND xmin::text <> '0' RETURNING xmin IS NOT NULL;

SELECT "MigrationId", "ProductVersion" FROM (SELECT 'a' AS "MigrationId", '8' AS "ProductVersion") AS "__EFMigrationsHistory" ORDER BY "MigrationId";

SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname='public' AND c.relname='__EFMigrationsHistory');

-- Flyway, Liquibase, Atlas, golang-migrate, dbmate: what they only look at.

SELECT COUNT(*) FROM pg_namespace WHERE nspname='public';

SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relname = 'flyway_schema_history' AND c.relkind = 'r');

SELECT rolsuper FROM pg_roles WHERE rolname = current_user;

SELECT "installed_rank","version","description","type","script","checksum","success" FROM (SELECT 1 AS installed_rank, '1' AS version, 'create table orders' AS description, 'SQL' AS type, 'V1__create.sql' AS script, 0 AS checksum, true AS success) AS "flyway_schema_history" WHERE "installed_rank" > -1 ORDER BY "installed_rank";

SELECT setting, pg_catalog.current_setting('server_version_num') FROM pg_catalog.pg_settings WHERE name IN ('lc_ctype', 'server_encoding') ORDER BY name;

SELECT nspname AS schema_name, pg_catalog.obj_description(oid) AS comment FROM pg_catalog.pg_namespace WHERE nspname NOT LIKE 'pg_%' AND nspname <> 'information_schema' ORDER BY nspname;

SELECT CURRENT_DATABASE(), CURRENT_SCHEMA(), current_setting('search_path'), COALESCE(current_setting('no.such', true), 'none');
