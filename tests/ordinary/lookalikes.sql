-- Names, literals and comments that spell what is forbidden.

SELECT 'DROP TABLE orders';

SELECT 'it''s; CREATE TABLE x (id int); --';

SELECT E'\'; DROP TABLE orders; --';

SELECT $$CREATE TABLE made (id int); DROP TABLE orders$$;

SELECT $sql$ SELECT set_config('app.tenant_id', 'globex', false) $sql$ AS text;

SELECT U&'\0044ROP TABLE orders', U&'d!0061t' UESCAPE '!';

SELECT B'1010', X'1F', N'x';

SELECT 1 AS "DROP TABLE orders; --";

SELECT 1 /* DROP TABLE orders; */ AS x -- ; CREATE TABLE y (id int)
;

/* set role postgres */ SELECT 1;

-- COPY x TO PROGRAM 'rm -rf /'
SELECT 2;

/* outer /* inner; DROP TABLE x */ still */ SELECT 3;

/*!40101 SET NAMES utf8 */ SELECT 4;

/*+ SeqScan(orders) */ SELECT count(*) FROM orders;

SELECT/**/1/**/AS/**/a;

SELECT 1 AS "select", 2 AS "table", 3 AS "into", 4 AS "from";

SELECT * FROM "table";

SELECT "select", "drop", "create", "from", "into", "set" FROM "table" WHERE "drop" = 'DROP TABLE x' ORDER BY "select";

SELECT t."into" AS "into", t."set" "set" FROM "table" t;

INSERT INTO "table" ("select", "drop", "create", "from", "into", "set") VALUES (2, 'x', 'y', 1, 1, 'z') RETURNING "into";
UPDATE "table" SET "set" = 'SET ROLE postgres', "into" = 5 WHERE "select" = 2;
DELETE FROM "table" WHERE "select" = 2 RETURNING "set";

SELECT * FROM "drop table orders";

SELECT set_config_x('app.tenant_id', 'globex', true);

SELECT public.xcrosstab('SELECT 1'), "xcrosstab"('x');

SELECT create_order('grant'), grant_total(1);

SELECT name, value FROM settings WHERE name = 'search_path';

UPDATE settings SET value = 'globex' WHERE name = 'app.tenant_id';

UPDATE public.settings AS pg_settings SET value = value WHERE pg_settings.name = 'search_path';

SELECT setting FROM pg_settings WHERE name = 'max_connections' AND false;

SELECT current_setting('app.tenant_id'), current_setting('app.tenant_id', true), current_setting('no.such', true);

SHOW app.tenant_id;

SHOW search_path;

SHOW server_version_num;

SHOW TIME ZONE;

SHOW transaction_isolation;

SHOW TRANSACTION ISOLATION LEVEL;

SHOW standard_conforming_strings;

SHOW client_encoding;

SHOW session_authorization;

SHOW is_superuser;

--! shape
SHOW ALL;

SELECT 1 AS role, 2 AS zone, 3 AS local, 4 AS session, 5 AS reset, 6 AS set;

SELECT role, set FROM (VALUES (1, 2)) AS role (role, set);

SELECT insert.execute, insert.prepare FROM (VALUES (1, 2)) AS insert (execute, prepare);

SELECT 1 execute, 2 vacuum, 3 copy, 4 cluster, 5 truncate, 6 comment, 7 lock, 8 load, 9 listen;

SELECT copy.program FROM (VALUES ('x')) AS copy (program);

SELECT name AS owner, id AS drop, 1 AS alter, 2 AS truncate FROM customers ORDER BY id;

WITH "drop" AS (SELECT 1 AS "table"), truncate AS (SELECT 2 AS vacuum) SELECT * FROM "drop", truncate;

WITH insert AS (SELECT 1 AS id), delete AS (SELECT 2 AS id), update AS (SELECT 3 AS id) SELECT insert.id, delete.id, update.id FROM insert, delete, update;

SELECT create_order FROM create_order('DROP') AS create_order;

SELECT 'continued'
'; DROP TABLE orders';

SELECT '\', '; DROP TABLE x; --';

SELECT '', '''', '''''';

SELECT $a$ $b$ $a$, $b$ $a$ $b$;

SELECT a.b FROM (SELECT 1 AS b) a WHERE a.b < 2 AND a.b >-1 AND a.b<>0;

SELECT 1 WHERE 'x' ~ '^x$' AND 'x' !~* 'Y' AND 'x' LIKE 'x' ESCAPE '!';

SELECT 2 */* ; DROP TABLE x */ 3;

SELECT 1 --1;
;

SELECT 'ÄÖÜ 漢字 😀 \u0041', "name" FROM customers WHERE name LIKE 'Č%';

SELECT 1 AS "Ä", 2 AS ä;

SELECT chr(59) || 'DROP TABLE x', quote_literal('x''; DROP'), quote_ident('drop table'), format('CREATE TABLE %I', 'x');

SELECT 'select pg_read_file(''/etc/passwd'')', 'set_config(''role'', ''postgres'', false)', 'dblink(''x'')';

SELECT pg_read_file FROM (SELECT 1 AS pg_read_file) t;

SELECT set_config, dblink FROM (VALUES (1, 2)) AS t (set_config, dblink);

-- The alias with its columns looks like a call.
SELECT crosstab AS query_to_xml FROM (VALUES ('x')) crosstab (crosstab);

-- Columns of rows, which look like calls, too.

SELECT links.dblink, l.crosstab, l.set_limit, public.links.http_get FROM links, links l WHERE NOT l.lo_unlink AND l.nextval > 0 ORDER BY l.crosstab, links.dblink;

SELECT "l"."dblink", "l"."http_get" FROM "public"."links" AS "l" WHERE "l"."crosstab" = ANY (ARRAY[1, 2]);

WITH query AS (SELECT id, dblink AS ts_stat FROM links) SELECT q.ts_stat, count(DISTINCT query.ts_stat) FROM query q JOIN query USING (id) GROUP BY q.ts_stat;

UPDATE links SET crosstab = links.crosstab + 1 WHERE links.dblink = 'x' RETURNING links.dblink, links.lo_unlink;
UPDATE links SET crosstab = 2 WHERE id = 1;

INSERT INTO links (id, dblink) VALUES (1, 'y') ON CONFLICT (id) DO UPDATE SET dblink = links.dblink WHERE excluded.dblink <> links.dblink;

EXPLAIN (COSTS off) SELECT l.dblink FROM links l WHERE l.crosstab = 2;

COPY (SELECT l.dblink, l.pgr_cost, l.query_to_xml FROM (SELECT dblink, 1 AS pgr_cost, 2 AS query_to_xml FROM links) l) TO STDOUT;

SELECT l.dblink, g.g, u.n FROM links l, generate_series(1, 2) g, unnest(ARRAY[1, 2]) WITH ORDINALITY u (n, o) WHERE u.o = g.g ORDER BY g.g;

SELECT x.dblink, j.crosstab FROM unnest(ARRAY['a']) WITH ORDINALITY AS x (dblink, n), jsonb_to_recordset('[{"crosstab": 1}]') AS j (crosstab int);

WITH dblink (a) AS (SELECT 1) SELECT a FROM dblink;

SELECT s.set_config, s.pg_notify, s.pg_reload_conf FROM (SELECT 1 AS set_config, 2 AS pg_notify, 3 AS pg_reload_conf) s;

INSERT INTO settings (name, value) VALUES ('set_config', 'query_to_xml'), ('DO $$', 'BEGIN END') ON CONFLICT DO NOTHING;
DELETE FROM settings WHERE name IN ('set_config', 'DO $$');

SELECT 'PREPARE TRANSACTION ''x''', 'LISTEN x', 'DISCARD ALL';

SELECT * FROM customers WHERE name = 'Čapek; DROP TABLE x';

SELECT 1 AS temp, 2 AS temporary, 3 AS unlogged;

SELECT temp.temporary FROM (SELECT 1 AS temporary) AS temp;

SELECT 1 AS a WHERE (TRUE) AND NOT (FALSE) OR NULL IS NULL;

select   *
  from   orders
 where   note in ('anvil', 'bird seed')
 order   by id
;

SELECT "public"."orders"."note" FROM "public"."orders" ORDER BY "public"."orders"."id" ASC;

SELECT U&"n\0061me" FROM customers ORDER BY id;

SELECT 1.5e3, .5, 5., 1e-3, -1, +1, - -1;

SELECT 10 - -1, 3-(-1), 2*-1, 1::int8, '1'::int::text, CAST('1' AS int), int '5', interval '1' day;

SELECT OPERATOR(pg_catalog.-) 1, 1 OPERATOR(pg_catalog.+) 2;

SELECT (ARRAY[1, 2, 3])[2], (ARRAY[1, 2, 3])[2:], '{1,2}'::int[];

SELECT 1 IN (1, 2), 1 NOT IN (2), (1, 2) = (1, 2), (1, 2) IS DISTINCT FROM (1, 3), 1 BETWEEN SYMMETRIC 2 AND 0;

SELECT * FROM (SELECT 1) AS "a;b", (VALUES (2)) AS c ("d--e");

SELECT '--', '/*', '*/', '$$', E'\\', E'\n';

SELECT "a" FROM (SELECT 'x' AS "a") AS "--";

SELECT 1;

SELECT note FROM orders WHERE note = 'x' OR 1=1 ORDER BY id;

SELECT tenant_id FROM orders WHERE tenant_id = 'globex' UNION ALL SELECT 'none';

SELECT (((((((((((((((((((1)))))))))))))))))));

-- A comment where the grammar needs to look ahead.

SELECT id FROM customers WHERE id NOT /* comment */ IN (1) ORDER BY id;

SELECT id FROM customers WHERE id NOT -- comment
 BETWEEN 2 AND 3;

SELECT id FROM customers WHERE email NOT /* once; not twice */ LIKE 'x%' -- why; how
 AND id NOT -- 1; 2
 IN (1, 2) ORDER BY id;

SELECT id FROM customers ORDER BY email NULLS /* comment */ FIRST, id;

SELECT '2026-01-01'::timestamp WITH /* comment */ TIME ZONE;

SELECT * FROM generate_series(1, 2) WITH /* comment */ ORDINALITY;

SELECT 'continued' -- comment
'behind a comment';

SELECT 'one' -- 1
'two' -- 2
'three' -- 3
'four' -- 4
'five' -- 5
'six' -- 6
'seven' -- 7
'eight' -- 8
'nine' -- 9
'ten' -- 10
'eleven';

SELECT U&'d!0061t' /* comment */ UESCAPE '!', U&"d!0061t" -- comment
 UESCAPE /* comment */ '!', U&'a' -- comment
'!0062' /* ' */ UESCAPE E'!' FROM (SELECT 1 AS dat) x;

SELECT id FROM customers WHERE NOT -- comment
 EXISTS (SELECT /* comment */ 1) AND id IS NOT /* comment */ NULL;

WITH /* comment */ x AS (SELECT 1) SELECT * FROM x /* comment */ NATURAL JOIN /* comment */ (SELECT 2) y -- comment
;

-- Relations and functions that sound like PostgreSQL's or an extension's.

SELECT relname FROM pg_class WHERE relname = 'orders';

SELECT e.key, e.value FROM jsonb_each('{"a": 1}') e WHERE e.value IS NOT NULL;

SELECT g.g, x.n FROM generate_series(1, 3) g, unnest(ARRAY[1, 2, 3]) AS x (n) WHERE g.g = x.n;

SELECT 1 OPERATOR(pg_catalog.+) 2, c.name OPERATOR(pg_catalog.=) ANY (ARRAY['Ada']) FROM customers c ORDER BY c.id USING OPERATOR(pg_catalog.<);

SELECT 'cron.schedule', "setval" FROM (SELECT 1 AS setval) x;

SELECT nextval('tickets') > 0 AS next, setval('tickets', 100) AS set;

SELECT name, setting IS NOT NULL AS set FROM pg_settings WHERE name = 'hba_file' OR name = 'port' ORDER BY name;

SELECT TREAT(1 AS float8), TREAT('a'::text AS upper), TREAT('2020-01-01' AS date);

SELECT v.treat, v.lastval, "treat" AS "ts_stat!" FROM (VALUES (1, 2)) v (treat, lastval);

SELECT tablename, attname FROM pg_stats WHERE schemaname = 'nobody' UNION ALL SELECT statistics_name, NULL FROM pg_catalog.pg_stats_ext WHERE false;

SELECT count(*) FROM pg_statistic_ext WHERE stxname = 'pg_toast_1' OR stxname = 'pg_statistic';

SELECT pg_toast_size.n AS pg_toast_n, "pg_toast_" FROM (SELECT 1 AS n, 2 AS pg_toast_) AS pg_toast_size;

-- Names that a database with an encoding of one byte would fold.

SELECT Ürün.É AS İd, GREATEST(Ürün.É, 2) AS "SET_CONFİG" FROM (SELECT 1 AS É) AS Ürün WHERE Ürün IS NOT NULL ORDER BY İd;

SET app.city = Évry;

SHOW app.city;

RESET app.city;

-- Planned, and nothing that somebody has prepared.

EXPLAIN (COSTS off) CREATE TABLE no_table AS SELECT 1 AS id;
