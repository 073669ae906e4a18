-- Words of the policy's own world as names, literals and comments.

-- Columns that are called as guarded functions are.

INSERT INTO requests (id, http) VALUES (1, 'https://example.com') RETURNING requests.http, id;
INSERT INTO requests (id, http) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET http = excluded.http || '!' WHERE requests.http <> excluded.http RETURNING http;
UPDATE requests SET http = requests.http, dblink = 'y' WHERE requests.id = 1;
SELECT requests.http, c.dblink, public.requests.http FROM requests, public.requests c WHERE false;
DELETE FROM requests USING customers c WHERE c.id = requests.id AND requests.http IS NOT NULL RETURNING requests.http;

SELECT "c"."http" AS "http", count("c"."http") FROM "requests" AS "c" GROUP BY "c"."http" HAVING count("c"."http") > 1 ORDER BY "c"."http";

WITH added AS (INSERT INTO requests (id, dblink) SELECT 2, 'z' RETURNING id, dblink) SELECT added.dblink FROM added;
MERGE INTO requests USING (VALUES (2, 'w')) AS v (id, http) ON v.id = requests.id WHEN MATCHED THEN UPDATE SET http = v.id::text WHEN NOT MATCHED THEN INSERT (id) VALUES (v.id);
DELETE FROM public.requests WHERE id = 2 RETURNING requests.http;

SELECT dblink, crosstab, set_limit, http_get, lo_unlink, nextval FROM links;

SELECT (links).* FROM links;

SELECT links.*, l FROM links, links AS l;

SELECT row_to_json(l), jsonb_build_object('dblink', l.dblink, 'http_get', l.http_get) FROM links l;

SELECT max(l.crosstab), array_agg(l.dblink), l.crosstab IS NULL FROM links l GROUP BY l.crosstab ORDER BY l.crosstab;

SELECT n.pg_terminate_backend FROM (SELECT 1 AS pg_terminate_backend) AS n WHERE n.pg_terminate_backend = 1;

WITH pg_ls_dir AS (SELECT 1 AS pg_read_file) SELECT pg_ls_dir.pg_read_file FROM pg_ls_dir;

SELECT x.connectby FROM (VALUES ('a')) AS x (connectby) ORDER BY x.connectby;

-- Words of SQL as names.

SELECT update, delete, insert, merge, copy, comment, lock, listen, notify, vacuum, truncate, load, "call", "do", cluster, refresh, prepare, execute, reset, "grant", revoke FROM (SELECT 1 AS update, 2 AS delete, 3 AS insert, 4 AS merge, 5 AS copy, 6 AS comment, 7 AS lock, 8 AS listen, 9 AS notify, 10 AS vacuum, 11 AS truncate, 12 AS load, 13 AS "call", 14 AS "do", 15 AS cluster, 16 AS refresh, 17 AS prepare, 18 AS execute, 19 AS reset, 20 AS "grant", 21 AS revoke) AS words;

SELECT p.update, p.delete, p.insert FROM (VALUES (true, false, true)) AS p (update, delete, insert) WHERE p.insert AND NOT p.delete;

SELECT t.into, t.table, t.create, t.select, t.user, t.order, t.grant, t.all FROM (SELECT 1 AS into, 2 AS table, 3 AS create, 4 AS select, 5 AS user, 6 AS order, 7 AS grant, 8 AS all) t;

SELECT share, key, no, of, nowait, skip, locked FROM (SELECT 1 AS share, 2 AS key, 3 AS no, 4 AS of, 5 AS nowait, 6 AS skip, 7 AS locked) x ORDER BY share;

SELECT substring('update' FOR 3), substring('for update' FROM 1 FOR 3), overlay('drop' PLACING 'x' FROM 1 FOR 2);

SELECT role.name, role.grant FROM (SELECT 'admin' AS name, true AS grant) AS role;

SELECT zone, tenant, session, local, global, temp, temporary, program, server, extension, trigger, type, function, procedure, routine, view, schema, database, index, policy, publication, subscription, statistics, storage, tablespace, transform, trusted, owned, owner, password, valid, until, replication FROM (VALUES (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33)) AS w (zone, tenant, session, local, global, temp, temporary, program, server, extension, trigger, type, function, procedure, routine, view, schema, database, index, policy, publication, subscription, statistics, storage, tablespace, transform, trusted, owned, owner, password, valid, until, replication);

SELECT 1 AS begin, 2 AS commit, 3 AS rollback, 4 AS savepoint, 5 AS transaction, 6 AS chain, 7 AS prepared, 8 AS work, 9 AS isolation;

WITH create_table AS (SELECT 1 AS drop_table), alter AS (SELECT 2 AS "alter"), copy AS (SELECT 3 AS program), vacuum AS (TABLE create_table) SELECT * FROM create_table, alter, copy, vacuum;

WITH "SET" AS (SELECT 1 AS "ROLE"), "role" AS (SELECT 2 AS "SET ROLE postgres") SELECT "SET"."ROLE", "role"."SET ROLE postgres" FROM "SET", "role";

SELECT "customers"."name" AS "; DROP TABLE customers; --" FROM "customers" ORDER BY "; DROP TABLE customers; --";

SELECT 1 AS "a""b", 2 AS "a'b", 3 AS "a\b", 4 AS "$$", 5 AS "/*", 6 AS "--", 7 AS "?", 8 AS "%s", 9 AS ":name", 10 AS "@x", 11 AS "{}";

-- Literals.

SELECT 'SET ROLE postgres; RESET ALL', 'ALTER SYSTEM SET x = 1', 'COPY x FROM PROGRAM ''id''', 'DO $$ BEGIN END $$', 'CALL x()', 'GRANT ALL ON x TO y', 'CREATE EXTENSION dblink', 'VACUUM FULL', 'PREPARE x AS SELECT 1', 'LOAD ''x''', 'BEGIN; COMMIT;';

SELECT 'set_config(''role'', ''x'', false)', 'pg_advisory_lock(1)', 'SELECT * FROM dblink(''x'', ''y'') AS t (a int)', 'query_to_xml(''DROP TABLE x'', true, true, '''')';

INSERT INTO settings (name, value) VALUES ('query', 'CREATE TABLE x AS SELECT * FROM y; DROP TABLE y'), ('it''s', 'E''\'''), ('back\slash', 'a\'), ('tag', '$x$ ; $x$') RETURNING name, value;
UPDATE settings SET value = $sql$CREATE OR REPLACE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN EXECUTE 'DROP TABLE x'; END $f$;$sql$ WHERE name = 'query';
WITH gone AS (DELETE FROM settings WHERE name IN ('query', 'it''s', 'back\slash', 'tag') RETURNING value) SELECT length(value) FROM gone ORDER BY 1;

SELECT $$it's "quoted" -- not a comment /* nor this */ ; DROP TABLE x$$, $_$ $$ $_$, $a1$ $a$ $A1$ $a1$, $é$x$é$;

SELECT E'tab\there', E'\'; DROP TABLE x; --', E'\\', E'\\''; --', E'a\
b', E'\x27\047\u0027\U00000027; DROP TABLE x';

SELECT U&'\0027; DROP TABLE x; --', U&"\0061" FROM (SELECT 1 AS a) x;

SELECT U&'!0027' UESCAPE '!', U&"d!0061t" UESCAPE '!' FROM (SELECT 2 AS dat) x;

SELECT B'0101', X'1FF', x'ab', N'national', 'a' 
'b'
	'c; DROP TABLE x';

SELECT '日本語; DROP TABLE x', 'Ω≈ç√∫', '🙂', 'עברית', 'a' || chr(8232) || 'b', U&'\+01F600', length('é');

SELECT E'line one\nline two', 'real
newline; DROP TABLE x; --
', '	tab';

SELECT 'now'::text, '''', '''''', '''; --', ''';', '";', '*/', '/*', '--', '\', '\''', '\\';

SELECT '1'::int4 AS a,'2'::"int4" AS b,'3'::pg_catalog.int4 AS c,int4'4' AS d,CAST('5'AS int)e;

-- Comments.

SELECT 1 /* plain */, 2 /* with ' a quote */, 3 /* with " another */, 4 /* $$ */, 5 /* ; */, 6 /* -- */, 7 -- /* not opened
, 8 /* nested /* twice /* thrice */ */ */, 9 /**/, 10 /***/, 11 /****/ -- */
;

/* SET ROLE postgres; */ -- DROP TABLE x; --
/* multi
 * line ; CREATE TABLE x (id int); *
 */
SELECT id -- COPY x TO PROGRAM 'y'
FROM customers -- ; DROP
WHERE id = 1 /* ; DELETE FROM customers; */;

SELECT 1--comment
+2--comment; DROP TABLE x
;

SELECT 1 -/* minus */- 1, 2 */* times */ 3, 4 / /* by */ 2, 5 % /* x */ 3;

/* traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',db_driver='psycopg',action='drop' */ SELECT 1;

SELECT 1 /*controller='orders',action='create',framework='rails%3A7.1',route='%2Forders%2F%3Aid'*/;

-- name: DropTable :exec
-- $1: id
/* dialect: postgresql */
SELECT id FROM customers WHERE id = 1;

/*+ HashJoin(c l) Leading((c l)) Set(work_mem "1MB") */ SELECT count(*) FROM customers c JOIN lines l ON l.customer = c.id;

/*NO LOAD BALANCE*/ SELECT 1;

/*FORCE_MASTER*/ SELECT 2;

--! simple
SELECT 1; -- first
/* second */ SELECT 2; -- last
;

-- Operators that look like something else.

SELECT 1 - -1, 1 -(-1), - 1, -(-1), + 1, 2 -1, 3- 1, 4*-1, 5/+1, @ -1, ~ -1, !! 'a'::tsquery, |/ 4, 2 ^ -1;

SELECT '{"a":1}'::jsonb->'a', '{"a":1}'::jsonb->>'a', '{"a":{"b":1}}'::jsonb#>'{a,b}', '{"a":1}'::jsonb@>'{}', '{}'::jsonb<@'{"a":1}', '{"a":1}'::jsonb?'a', '{"a":1}'::jsonb-'a', '{"a":1}'::jsonb#-'{a}', '[1]'::jsonb||'[2]';

SELECT 'a'~'a', 'a'!~'b', 'a'~*'A', 'a'!~*'B', 'a'~~'a', 'a'!~~'b', 'a'~~*'A', 'a'||'b', 1<>2, 1!=2, 1<=2, 2>=1, 1<<2, 8>>1, 5&1, 5|1, 5#1, 'a'^@'a';

SELECT OPERATOR(pg_catalog.@) -1, 1 OPERATOR(pg_catalog.<) 2, 'a' OPERATOR(pg_catalog.||) 'b', 1 = ANY (ARRAY[1]), 1 < ALL ('{2,3}'::int[]), 'a' LIKE ALL (ARRAY['a', '%']);

SELECT (ARRAY[1,2])[1:1], (ARRAY[[1,2],[3,4]])[2][1], ('{a,b}'::text[])[:1], '[0:1]={1,2}'::int[], ARRAY[]::int[], ARRAY(SELECT 1), array[1]||array[2];
