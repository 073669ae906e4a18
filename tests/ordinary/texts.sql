-- How texts are written: blanks, comments, hints, literals of every kind, long lists, deep nesting, names from everywhere.

-- Blanks, semicolons and comments alone.

--! simple
   ;

--! simple
;;;;

--! simple
 ; SELECT 1 ;; ; SELECT 2; ;

--! simple
-- nothing but a comment
;

--! simple
/* nothing */ -- but
/* comments */;

--! simple
SELECT 1; -- and a last word;

SELECT 1 /* ; DROP TABLE x; */ ;

/* a */ /* b /* c */ d */ -- e
SELECT /* f */ 1 -- g
+ /* h */ 2;

SELECT 1 -- trailing comment without an end
;

SELECT	1 AS	tabs,
2 AS lines;

/**************************************************************************************************
 * A banner.   =====================================================================================
 * @author  DROP TABLE x; -- '  "  $$
 **************************************************************************************************/
SELECT 1;

-- ------------------------------------------------------------------------------------------------
-- ################################################################################################
-- =========================================================== <<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<
SELECT 2;

-- sqlcommenter, marginalia, Rails' query logs, Datadog, pganalyze, hints.

SELECT * FROM jobs WHERE id = 1 /*action='%2Fparam*d',controller='index,',framework='spring',traceparent='00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01',tracestate='congo%3Dt61rcWkgMzE%2Crojo%3D00f067aa0ba902b7'*/;

SELECT "jobs".* FROM "jobs" /*application:Shop,controller:jobs,action:index,line:/app/models/job.rs:12:in `find_by'*/;

/*dddbs='postgres',dde='prod',ddps='shop',ddpv='1.2.3',ddprs='drop'*/ SELECT 1;

SELECT 1 /*application='shop',job='DropTableJob',sql='%27%3B%20DROP%20TABLE'*/;

/*+ SeqScan(c) Leading((c l)) Set(random_page_cost 2.0) Rows(c l #10) */ SELECT c.id FROM customers c JOIN lines l ON l.customer = c.id ORDER BY 1;

EXPLAIN (COSTS off) /*+ IndexScan(jobs jobs_pkey) Parallel(jobs 0) */ SELECT * FROM jobs WHERE id = 1;

SELECT /*+ NO_INDEX */ 1;

/* ApplicationName=DBeaver 24.2.0 - SQLEditor <Script-1.sql> */ SELECT 1;

/* ApplicationName=IntelliJ IDEA 2024.2 */ SELECT 1;

/*pga4dash*/
SELECT 'session_stats' AS chart_name;

/* service='api', pg_hint='x' */ INSERT INTO jobs (id) VALUES (301);
/* {"app": "dbt", "dbt_version": "1.8.2", "profile_name": "shop", "node_id": "model.shop.drop"} */ DELETE FROM jobs WHERE id = 301;

-- Literals.

SELECT 'a''b', '''', '', 'a
b', 'con' 
'catenated', 'com' -- between
'mented';

SELECT E'\v', E'a\vb' = E'a\x0bb', set_config('my.own', E'a\vb', true);

SELECT E'', E'\'', E'a\\', E'\\\'', e'\x41\101\u0041\U00000041', E'it''s', E'\b\f\n\r\t';

SELECT 'C:\temp\', 'regexp \d+\', '\\server\share';

SELECT U&'d\0061t\+000061', U&'d!0061t!+000061' UESCAPE '!', u&'\\', U&"d\0061t\+000061" FROM (SELECT 1 AS data) x;

SELECT U&"\0064\0072\006f\0070" FROM "table";

SELECT N'national', n'x', B'1010', b'0', X'1F', x'dead', N'it''s';

SELECT $$a$$, $x$a$y$a$x$, $fn$SELECT '$$'; DROP TABLE x$fn$, $tag_1$ $tag_2$ $tag_1$, $ä$ü$ä$, $$$$, $q$it's "x" \ /* -- $q$;

SELECT 1.5e10, .5, 5., 1e-3;

SELECT 123456789012345678901234567890, -9223372036854775808, 1::bigint, 'Infinity'::float8, '-inf'::numeric, 'NaN'::float4;

SELECT date '2026-01-01', time '12:00', timestamp with time zone '2026-01-01 00:00+00' AT TIME ZONE 'UTC', interval '1' day, interval(3) '1.23456 s', bit '1', bit varying(3) '101', national character varying(3) 'abc', character(3) 'ab', char 'x', double precision '1', dec '1.5', boolean 'on', json '{}', pg_catalog.int4 '5', numeric(4, 2) '1.234', time(0) without time zone '12:00:01.6';

SELECT 'x'::"char", 'x'::char, '{"a":"b"}'::json::text, CAST('5' AS pg_catalog.int4), int4 '5' + 1, (-1)::int2, - 1::int2;

SELECT true, TRUE, 't'::bool, NULL, null::text, DEFAULT_ FROM (SELECT 1 AS default_) x;

SELECT 'ünïcödé 日本語 🐘 ‮rtl‬ ' AS "Ünïcödé 日本語 🐘", 'é' = 'é', E'\U0001F418';

SELECT "имя", таблица."цена" FROM (SELECT 'x' AS "имя", 5 AS "цена") AS таблица;

SELECT a$b, _c, "D e", "f""g", "h;i", "--j", "/*k*/", "$l$", "select" FROM (SELECT 1 AS a$b, 2 AS _c, 3 AS "D e", 4 AS "f""g", 5 AS "h;i", 6 AS "--j", 7 AS "/*k*/", 8 AS "$l$", 9 AS "select") x;

SELECT x."DROP TABLE y;", x."pg_sleep(10)", x."set_config" FROM (SELECT 1 AS "DROP TABLE y;", 2 AS "pg_sleep(10)", 3 AS set_config) x;

SELECT 1 AS set_config, 2 AS pg_sleep, 3 AS dblink, 4 AS lo_import, 5 AS "drop", 6 AS copy, 7 AS listen, 8 AS vacuum, 9 AS "do", 10 AS call, 11 AS load, 12 AS prepare, 13 AS execute, 14 AS truncate, 15 AS reindex, 16 AS cluster, 17 AS "grant", 18 AS revoke, 19 AS setseed, 20 AS currval, 21 AS pg_advisory_lock;

SELECT set_config.pg_sleep FROM (SELECT 1 AS pg_sleep) AS set_config;

SELECT "set_config".id, "pg_read_file"."name" FROM customers AS "set_config", customers "pg_read_file" WHERE "set_config".id = "pg_read_file".id ORDER BY 1;

WITH dblink AS (SELECT 1 AS id), pg_advisory_lock AS (SELECT 2 AS id), "lo_import" (a, b) AS (VALUES (1, 2)) SELECT dblink.id, pg_advisory_lock.id, lo_import.a FROM dblink, pg_advisory_lock, lo_import;

INSERT INTO requests (id, http, dblink) VALUES (90, 'GET', 'x') ON CONFLICT (id) DO UPDATE SET http = excluded.http, dblink = requests.dblink || excluded.dblink RETURNING requests.http, dblink;
UPDATE requests AS r SET http = r.http || '!', dblink = upper(r.dblink) WHERE r.id = 90 AND r.http = 'GET' RETURNING r.*, r.dblink AS set_config;
DELETE FROM requests WHERE id = 90;

SELECT l.dblink, l.crosstab, l.lo_unlink, "l"."http_get", l . nextval FROM links l WHERE l.lo_unlink IS FALSE;

SELECT role, "user", session, cascade, trigger, owner, type, schema, "grant", policy, function, procedure, index, view, sequence, "table", extension, publication, rule, domain, language, operator, server, tablespace FROM (SELECT 1 AS role, 2 AS "user", 3 AS session, 4 AS cascade, 5 AS trigger, 6 AS owner, 7 AS type, 8 AS schema, 9 AS "grant", 10 AS policy, 11 AS function, 12 AS procedure, 13 AS index, 14 AS view, 15 AS sequence, 16 AS "table", 17 AS extension, 18 AS publication, 19 AS rule, 20 AS domain, 21 AS language, 22 AS operator, 23 AS server, 24 AS tablespace) x;

SELECT e.name, e.value FROM (VALUES ('a', 1)) AS e (name, value) GROUP BY e.name, e.value;

UPDATE settings SET value = value WHERE settings.name = 'role' OR name IN ('session_authorization', 'app.tenant_id', 'search_path');

SELECT "role" FROM (SELECT 'admin' AS "role") s WHERE s.role = 'admin' AND role <> 'SET ROLE';

INSERT INTO settings (name, value) VALUES ('ALTER TABLE x', $json${"sql": "DROP TABLE x; --", "set": {"role": "postgres"}}$json$), ('it''s; SET ROLE postgres', E'\';COMMIT;--') ON CONFLICT DO NOTHING;
DELETE FROM settings WHERE name LIKE 'ALTER TABLE%' OR name LIKE 'it''s; SET ROLE%';

-- Operators without blanks, and comments that touch.

SELECT 1+-1,2*-3,4--5
,6/7, 8<>-9, -(-1), +-+1, 1-(-1);

SELECT 1<2 AND 2>=1,3!=4, 5<>6, 1=+1, ~ -1, @ -5, |/4, '{1}'::int[]@>'{1}', 'a'||'b', 2^ -1, '{"a":-1}'::jsonb->>'a', 'a'~*'A', 'a'!~~*'B';

SELECT 1/**/+/**/1, 'a'/*x*/||/*y*/'b', count(*)/*z*/FROM/**/jobs/**/WHERE/**/true;

SELECT*FROM jobs WHERE(id)=(1)AND(state)IS NOT NULL;

SELECT(1)AS a,(2)b,'c'AS c,"d"FROM(SELECT 1 AS"d")x;

SELECT 1 OPERATOR(pg_catalog.+) 2, 1 OPERATOR ( pg_catalog . = ) 1, 'a' OPERATOR(~~) 'a', OPERATOR(pg_catalog.-) 5;

SELECT (ARRAY[1,2])[1:2], (ARRAY[[1],[2]])[2][1], x.a[1:], x.a[:1], x.a[:] FROM (SELECT ARRAY[1,2] AS a) x;

SELECT 'a' IS NORMALIZED, normalize('a', NFC), 'a' IS NFD NORMALIZED, unistr('\0441'), 1 IN (1, 2), (1, 2) IN ((1, 2)), 'a' BETWEEN SYMMETRIC 'b' AND 'a', 1 NOT BETWEEN 2 AND 3, 'x' LIKE 'x!%' ESCAPE '!', true IS NOT UNKNOWN;

SELECT CURRENT_DATE = CURRENT_DATE, CURRENT_TIME(0) IS NOT NULL, CURRENT_TIMESTAMP(3) IS NOT NULL, LOCALTIME IS NOT NULL, LOCALTIMESTAMP(0) IS NOT NULL, CURRENT_USER = USER, SESSION_USER = CURRENT_ROLE, CURRENT_CATALOG, CURRENT_SCHEMA;

SELECT CAST(ROW(1, 'new') AS jobs), (ROW(1, 'new')::jobs).state, (jobs.*)::text, jobs.*::jobs IS NOT NULL, jobs IS DISTINCT FROM NULL FROM jobs WHERE id = 1;

SELECT extract(epoch from timestamp '2026-01-01'), extract('dow' from date '2026-01-01'), position('a' in 'ba'), substring('abc' from 2), substring('abc' for 2), trim(leading 'x' from 'xa'), trim('xax', 'x'), trim(from ' a '), overlay('abc' placing 'z' from 1), treat_ FROM (SELECT 1 AS treat_) x;

SELECT cast(1 as text), coalesce(null, 1), greatest(1, null), nullif(1, 2), xmlforest(1 AS "a"), grouping(id) FROM jobs WHERE id = 1 GROUP BY id;

-- Long ones.

SELECT count(*) FROM customers WHERE id IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143, 144, 145, 146, 147, 148, 149, 150, 151, 152, 153, 154, 155, 156, 157, 158, 159, 160, 161, 162, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 174, 175, 176, 177, 178, 179, 180, 181, 182, 183, 184, 185, 186, 187, 188, 189, 190, 191, 192, 193, 194, 195, 196, 197, 198, 199, 200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212, 213, 214, 215, 216, 217, 218, 219, 220, 221, 222, 223, 224, 225, 226, 227, 228, 229, 230, 231, 232, 233, 234, 235, 236, 237, 238, 239, 240, 241, 242, 243, 244, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254, 255, 256, 257, 258, 259, 260, 261, 262, 263, 264, 265, 266, 267, 268, 269, 270, 271, 272, 273, 274, 275, 276, 277, 278, 279, 280, 281, 282, 283, 284, 285, 286, 287, 288, 289, 290, 291, 292, 293, 294, 295, 296, 297, 298, 299, 300, 301, 302, 303, 304, 305, 306, 307, 308, 309, 310, 311, 312, 313, 314, 315, 316, 317, 318, 319, 320, 321, 322, 323, 324, 325, 326, 327, 328, 329, 330, 331, 332, 333, 334, 335, 336, 337, 338, 339, 340, 341, 342, 343, 344, 345, 346, 347, 348, 349, 350, 351, 352, 353, 354, 355, 356, 357, 358, 359, 360, 361, 362, 363, 364, 365, 366, 367, 368, 369, 370, 371, 372, 373, 374, 375, 376, 377, 378, 379, 380, 381, 382, 383, 384, 385, 386, 387, 388, 389, 390, 391, 392, 393, 394, 395, 396, 397, 398, 399, 400);

SELECT count(*) FROM customers WHERE (id = 0 AND name <> 'n0') OR (id = 1 AND name <> 'n1') OR (id = 2 AND name <> 'n2') OR (id = 3 AND name <> 'n3') OR (id = 4 AND name <> 'n4') OR (id = 5 AND name <> 'n5') OR (id = 6 AND name <> 'n6') OR (id = 7 AND name <> 'n7') OR (id = 8 AND name <> 'n8') OR (id = 9 AND name <> 'n9') OR (id = 10 AND name <> 'n10') OR (id = 11 AND name <> 'n11') OR (id = 12 AND name <> 'n12') OR (id = 13 AND name <> 'n13') OR (id = 14 AND name <> 'n14') OR (id = 15 AND name <> 'n15') OR (id = 16 AND name <> 'n16') OR (id = 17 AND name <> 'n17') OR (id = 18 AND name <> 'n18') OR (id = 19 AND name <> 'n19') OR (id = 20 AND name <> 'n20') OR (id = 21 AND name <> 'n21') OR (id = 22 AND name <> 'n22') OR (id = 23 AND name <> 'n23') OR (id = 24 AND name <> 'n24') OR (id = 25 AND name <> 'n25') OR (id = 26 AND name <> 'n26') OR (id = 27 AND name <> 'n27') OR (id = 28 AND name <> 'n28') OR (id = 29 AND name <> 'n29') OR (id = 30 AND name <> 'n30') OR (id = 31 AND name <> 'n31') OR (id = 32 AND name <> 'n32') OR (id = 33 AND name <> 'n33') OR (id = 34 AND name <> 'n34') OR (id = 35 AND name <> 'n35') OR (id = 36 AND name <> 'n36') OR (id = 37 AND name <> 'n37') OR (id = 38 AND name <> 'n38') OR (id = 39 AND name <> 'n39') OR (id = 40 AND name <> 'n40') OR (id = 41 AND name <> 'n41') OR (id = 42 AND name <> 'n42') OR (id = 43 AND name <> 'n43') OR (id = 44 AND name <> 'n44') OR (id = 45 AND name <> 'n45') OR (id = 46 AND name <> 'n46') OR (id = 47 AND name <> 'n47') OR (id = 48 AND name <> 'n48') OR (id = 49 AND name <> 'n49') OR (id = 50 AND name <> 'n50') OR (id = 51 AND name <> 'n51') OR (id = 52 AND name <> 'n52') OR (id = 53 AND name <> 'n53') OR (id = 54 AND name <> 'n54') OR (id = 55 AND name <> 'n55') OR (id = 56 AND name <> 'n56') OR (id = 57 AND name <> 'n57') OR (id = 58 AND name <> 'n58') OR (id = 59 AND name <> 'n59') OR (id = 60 AND name <> 'n60') OR (id = 61 AND name <> 'n61') OR (id = 62 AND name <> 'n62') OR (id = 63 AND name <> 'n63') OR (id = 64 AND name <> 'n64') OR (id = 65 AND name <> 'n65') OR (id = 66 AND name <> 'n66') OR (id = 67 AND name <> 'n67') OR (id = 68 AND name <> 'n68') OR (id = 69 AND name <> 'n69') OR (id = 70 AND name <> 'n70') OR (id = 71 AND name <> 'n71') OR (id = 72 AND name <> 'n72') OR (id = 73 AND name <> 'n73') OR (id = 74 AND name <> 'n74') OR (id = 75 AND name <> 'n75') OR (id = 76 AND name <> 'n76') OR (id = 77 AND name <> 'n77') OR (id = 78 AND name <> 'n78') OR (id = 79 AND name <> 'n79') OR (id = 80 AND name <> 'n80') OR (id = 81 AND name <> 'n81') OR (id = 82 AND name <> 'n82') OR (id = 83 AND name <> 'n83') OR (id = 84 AND name <> 'n84') OR (id = 85 AND name <> 'n85') OR (id = 86 AND name <> 'n86') OR (id = 87 AND name <> 'n87') OR (id = 88 AND name <> 'n88') OR (id = 89 AND name <> 'n89') OR (id = 90 AND name <> 'n90') OR (id = 91 AND name <> 'n91') OR (id = 92 AND name <> 'n92') OR (id = 93 AND name <> 'n93') OR (id = 94 AND name <> 'n94') OR (id = 95 AND name <> 'n95') OR (id = 96 AND name <> 'n96') OR (id = 97 AND name <> 'n97') OR (id = 98 AND name <> 'n98') OR (id = 99 AND name <> 'n99') OR (id = 100 AND name <> 'n100') OR (id = 101 AND name <> 'n101') OR (id = 102 AND name <> 'n102') OR (id = 103 AND name <> 'n103') OR (id = 104 AND name <> 'n104') OR (id = 105 AND name <> 'n105') OR (id = 106 AND name <> 'n106') OR (id = 107 AND name <> 'n107') OR (id = 108 AND name <> 'n108') OR (id = 109 AND name <> 'n109') OR (id = 110 AND name <> 'n110') OR (id = 111 AND name <> 'n111') OR (id = 112 AND name <> 'n112') OR (id = 113 AND name <> 'n113') OR (id = 114 AND name <> 'n114') OR (id = 115 AND name <> 'n115') OR (id = 116 AND name <> 'n116') OR (id = 117 AND name <> 'n117') OR (id = 118 AND name <> 'n118') OR (id = 119 AND name <> 'n119') OR (id = 120 AND name <> 'n120') OR (id = 121 AND name <> 'n121') OR (id = 122 AND name <> 'n122') OR (id = 123 AND name <> 'n123') OR (id = 124 AND name <> 'n124') OR (id = 125 AND name <> 'n125') OR (id = 126 AND name <> 'n126') OR (id = 127 AND name <> 'n127') OR (id = 128 AND name <> 'n128') OR (id = 129 AND name <> 'n129') OR (id = 130 AND name <> 'n130') OR (id = 131 AND name <> 'n131') OR (id = 132 AND name <> 'n132') OR (id = 133 AND name <> 'n133') OR (id = 134 AND name <> 'n134') OR (id = 135 AND name <> 'n135') OR (id = 136 AND name <> 'n136') OR (id = 137 AND name <> 'n137') OR (id = 138 AND name <> 'n138') OR (id = 139 AND name <> 'n139') OR (id = 140 AND name <> 'n140') OR (id = 141 AND name <> 'n141') OR (id = 142 AND name <> 'n142') OR (id = 143 AND name <> 'n143') OR (id = 144 AND name <> 'n144') OR (id = 145 AND name <> 'n145') OR (id = 146 AND name <> 'n146') OR (id = 147 AND name <> 'n147') OR (id = 148 AND name <> 'n148') OR (id = 149 AND name <> 'n149');

SELECT ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1)))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))) AS deep;

SELECT count(*) FROM customers WHERE (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT (NOT id = 1))))))))))))))))))))))))))))))))))))))))))))))))))))))))))));

SELECT CASE WHEN 0 = 99 THEN 0 ELSE CASE WHEN 1 = 99 THEN 1 ELSE CASE WHEN 2 = 99 THEN 2 ELSE CASE WHEN 3 = 99 THEN 3 ELSE CASE WHEN 4 = 99 THEN 4 ELSE CASE WHEN 5 = 99 THEN 5 ELSE CASE WHEN 6 = 99 THEN 6 ELSE CASE WHEN 7 = 99 THEN 7 ELSE CASE WHEN 8 = 99 THEN 8 ELSE CASE WHEN 9 = 99 THEN 9 ELSE CASE WHEN 10 = 99 THEN 10 ELSE CASE WHEN 11 = 99 THEN 11 ELSE CASE WHEN 12 = 99 THEN 12 ELSE CASE WHEN 13 = 99 THEN 13 ELSE CASE WHEN 14 = 99 THEN 14 ELSE CASE WHEN 15 = 99 THEN 15 ELSE CASE WHEN 16 = 99 THEN 16 ELSE CASE WHEN 17 = 99 THEN 17 ELSE CASE WHEN 18 = 99 THEN 18 ELSE CASE WHEN 19 = 99 THEN 19 ELSE CASE WHEN 20 = 99 THEN 20 ELSE CASE WHEN 21 = 99 THEN 21 ELSE CASE WHEN 22 = 99 THEN 22 ELSE CASE WHEN 23 = 99 THEN 23 ELSE CASE WHEN 24 = 99 THEN 24 ELSE CASE WHEN 25 = 99 THEN 25 ELSE CASE WHEN 26 = 99 THEN 26 ELSE CASE WHEN 27 = 99 THEN 27 ELSE CASE WHEN 28 = 99 THEN 28 ELSE CASE WHEN 29 = 99 THEN 29 ELSE CASE WHEN 30 = 99 THEN 30 ELSE CASE WHEN 31 = 99 THEN 31 ELSE CASE WHEN 32 = 99 THEN 32 ELSE CASE WHEN 33 = 99 THEN 33 ELSE CASE WHEN 34 = 99 THEN 34 ELSE CASE WHEN 35 = 99 THEN 35 ELSE CASE WHEN 36 = 99 THEN 36 ELSE CASE WHEN 37 = 99 THEN 37 ELSE CASE WHEN 38 = 99 THEN 38 ELSE CASE WHEN 39 = 99 THEN 39 ELSE 0 END END END END END END END END END END END END END END END END END END END END END END END END END END END END END END END END END END END END END END END END  AS steps;

SELECT length('part0' || 'part1' || 'part2' || 'part3' || 'part4' || 'part5' || 'part6' || 'part7' || 'part8' || 'part9' || 'part10' || 'part11' || 'part12' || 'part13' || 'part14' || 'part15' || 'part16' || 'part17' || 'part18' || 'part19' || 'part20' || 'part21' || 'part22' || 'part23' || 'part24' || 'part25' || 'part26' || 'part27' || 'part28' || 'part29' || 'part30' || 'part31' || 'part32' || 'part33' || 'part34' || 'part35' || 'part36' || 'part37' || 'part38' || 'part39' || 'part40' || 'part41' || 'part42' || 'part43' || 'part44' || 'part45' || 'part46' || 'part47' || 'part48' || 'part49' || 'part50' || 'part51' || 'part52' || 'part53' || 'part54' || 'part55' || 'part56' || 'part57' || 'part58' || 'part59' || 'part60' || 'part61' || 'part62' || 'part63' || 'part64' || 'part65' || 'part66' || 'part67' || 'part68' || 'part69' || 'part70' || 'part71' || 'part72' || 'part73' || 'part74' || 'part75' || 'part76' || 'part77' || 'part78' || 'part79' || 'part80' || 'part81' || 'part82' || 'part83' || 'part84' || 'part85' || 'part86' || 'part87' || 'part88' || 'part89' || 'part90' || 'part91' || 'part92' || 'part93' || 'part94' || 'part95' || 'part96' || 'part97' || 'part98' || 'part99' || 'part100' || 'part101' || 'part102' || 'part103' || 'part104' || 'part105' || 'part106' || 'part107' || 'part108' || 'part109' || 'part110' || 'part111' || 'part112' || 'part113' || 'part114' || 'part115' || 'part116' || 'part117' || 'part118' || 'part119' || 'part120' || 'part121' || 'part122' || 'part123' || 'part124' || 'part125' || 'part126' || 'part127' || 'part128' || 'part129' || 'part130' || 'part131' || 'part132' || 'part133' || 'part134' || 'part135' || 'part136' || 'part137' || 'part138' || 'part139' || 'part140' || 'part141' || 'part142' || 'part143' || 'part144' || 'part145' || 'part146' || 'part147' || 'part148' || 'part149');

SELECT sum(n) FROM (SELECT 0 AS n UNION ALL SELECT 1 AS n UNION ALL SELECT 2 AS n UNION ALL SELECT 3 AS n UNION ALL SELECT 4 AS n UNION ALL SELECT 5 AS n UNION ALL SELECT 6 AS n UNION ALL SELECT 7 AS n UNION ALL SELECT 8 AS n UNION ALL SELECT 9 AS n UNION ALL SELECT 10 AS n UNION ALL SELECT 11 AS n UNION ALL SELECT 12 AS n UNION ALL SELECT 13 AS n UNION ALL SELECT 14 AS n UNION ALL SELECT 15 AS n UNION ALL SELECT 16 AS n UNION ALL SELECT 17 AS n UNION ALL SELECT 18 AS n UNION ALL SELECT 19 AS n UNION ALL SELECT 20 AS n UNION ALL SELECT 21 AS n UNION ALL SELECT 22 AS n UNION ALL SELECT 23 AS n UNION ALL SELECT 24 AS n UNION ALL SELECT 25 AS n UNION ALL SELECT 26 AS n UNION ALL SELECT 27 AS n UNION ALL SELECT 28 AS n UNION ALL SELECT 29 AS n UNION ALL SELECT 30 AS n UNION ALL SELECT 31 AS n UNION ALL SELECT 32 AS n UNION ALL SELECT 33 AS n UNION ALL SELECT 34 AS n UNION ALL SELECT 35 AS n UNION ALL SELECT 36 AS n UNION ALL SELECT 37 AS n UNION ALL SELECT 38 AS n UNION ALL SELECT 39 AS n UNION ALL SELECT 40 AS n UNION ALL SELECT 41 AS n UNION ALL SELECT 42 AS n UNION ALL SELECT 43 AS n UNION ALL SELECT 44 AS n UNION ALL SELECT 45 AS n UNION ALL SELECT 46 AS n UNION ALL SELECT 47 AS n UNION ALL SELECT 48 AS n UNION ALL SELECT 49 AS n UNION ALL SELECT 50 AS n UNION ALL SELECT 51 AS n UNION ALL SELECT 52 AS n UNION ALL SELECT 53 AS n UNION ALL SELECT 54 AS n UNION ALL SELECT 55 AS n UNION ALL SELECT 56 AS n UNION ALL SELECT 57 AS n UNION ALL SELECT 58 AS n UNION ALL SELECT 59 AS n UNION ALL SELECT 60 AS n UNION ALL SELECT 61 AS n UNION ALL SELECT 62 AS n UNION ALL SELECT 63 AS n UNION ALL SELECT 64 AS n UNION ALL SELECT 65 AS n UNION ALL SELECT 66 AS n UNION ALL SELECT 67 AS n UNION ALL SELECT 68 AS n UNION ALL SELECT 69 AS n UNION ALL SELECT 70 AS n UNION ALL SELECT 71 AS n UNION ALL SELECT 72 AS n UNION ALL SELECT 73 AS n UNION ALL SELECT 74 AS n UNION ALL SELECT 75 AS n UNION ALL SELECT 76 AS n UNION ALL SELECT 77 AS n UNION ALL SELECT 78 AS n UNION ALL SELECT 79 AS n UNION ALL SELECT 80 AS n UNION ALL SELECT 81 AS n UNION ALL SELECT 82 AS n UNION ALL SELECT 83 AS n UNION ALL SELECT 84 AS n UNION ALL SELECT 85 AS n UNION ALL SELECT 86 AS n UNION ALL SELECT 87 AS n UNION ALL SELECT 88 AS n UNION ALL SELECT 89 AS n UNION ALL SELECT 90 AS n UNION ALL SELECT 91 AS n UNION ALL SELECT 92 AS n UNION ALL SELECT 93 AS n UNION ALL SELECT 94 AS n UNION ALL SELECT 95 AS n UNION ALL SELECT 96 AS n UNION ALL SELECT 97 AS n UNION ALL SELECT 98 AS n UNION ALL SELECT 99 AS n UNION ALL SELECT 100 AS n UNION ALL SELECT 101 AS n UNION ALL SELECT 102 AS n UNION ALL SELECT 103 AS n UNION ALL SELECT 104 AS n UNION ALL SELECT 105 AS n UNION ALL SELECT 106 AS n UNION ALL SELECT 107 AS n UNION ALL SELECT 108 AS n UNION ALL SELECT 109 AS n UNION ALL SELECT 110 AS n UNION ALL SELECT 111 AS n UNION ALL SELECT 112 AS n UNION ALL SELECT 113 AS n UNION ALL SELECT 114 AS n UNION ALL SELECT 115 AS n UNION ALL SELECT 116 AS n UNION ALL SELECT 117 AS n UNION ALL SELECT 118 AS n UNION ALL SELECT 119 AS n) AS all_of_them;

SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (SELECT n FROM (VALUES (1)) AS x (n)) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y) AS y;

SELECT c.name AS "c0_0_", c.name AS "c0_1_", c.name AS "c0_2_", c.name AS "c0_3_", c.name AS "c0_4_", c.name AS "c0_5_", c.name AS "c0_6_", c.name AS "c0_7_", c.name AS "c0_8_", c.name AS "c0_9_", c.name AS "c0_10_", c.name AS "c0_11_", c.name AS "c0_12_", c.name AS "c0_13_", c.name AS "c0_14_", c.name AS "c0_15_", c.name AS "c0_16_", c.name AS "c0_17_", c.name AS "c0_18_", c.name AS "c0_19_", c.name AS "c0_20_", c.name AS "c0_21_", c.name AS "c0_22_", c.name AS "c0_23_", c.name AS "c0_24_", c.name AS "c0_25_", c.name AS "c0_26_", c.name AS "c0_27_", c.name AS "c0_28_", c.name AS "c0_29_", c.name AS "c0_30_", c.name AS "c0_31_", c.name AS "c0_32_", c.name AS "c0_33_", c.name AS "c0_34_", c.name AS "c0_35_", c.name AS "c0_36_", c.name AS "c0_37_", c.name AS "c0_38_", c.name AS "c0_39_", c.name AS "c0_40_", c.name AS "c0_41_", c.name AS "c0_42_", c.name AS "c0_43_", c.name AS "c0_44_", c.name AS "c0_45_", c.name AS "c0_46_", c.name AS "c0_47_", c.name AS "c0_48_", c.name AS "c0_49_", c.name AS "c0_50_", c.name AS "c0_51_", c.name AS "c0_52_", c.name AS "c0_53_", c.name AS "c0_54_", c.name AS "c0_55_", c.name AS "c0_56_", c.name AS "c0_57_", c.name AS "c0_58_", c.name AS "c0_59_", c.name AS "c0_60_", c.name AS "c0_61_", c.name AS "c0_62_", c.name AS "c0_63_", c.name AS "c0_64_", c.name AS "c0_65_", c.name AS "c0_66_", c.name AS "c0_67_", c.name AS "c0_68_", c.name AS "c0_69_", c.name AS "c0_70_", c.name AS "c0_71_", c.name AS "c0_72_", c.name AS "c0_73_", c.name AS "c0_74_", c.name AS "c0_75_", c.name AS "c0_76_", c.name AS "c0_77_", c.name AS "c0_78_", c.name AS "c0_79_", c.name AS "c0_80_", c.name AS "c0_81_", c.name AS "c0_82_", c.name AS "c0_83_", c.name AS "c0_84_", c.name AS "c0_85_", c.name AS "c0_86_", c.name AS "c0_87_", c.name AS "c0_88_", c.name AS "c0_89_", c.name AS "c0_90_", c.name AS "c0_91_", c.name AS "c0_92_", c.name AS "c0_93_", c.name AS "c0_94_", c.name AS "c0_95_", c.name AS "c0_96_", c.name AS "c0_97_", c.name AS "c0_98_", c.name AS "c0_99_", c.name AS "c0_100_", c.name AS "c0_101_", c.name AS "c0_102_", c.name AS "c0_103_", c.name AS "c0_104_", c.name AS "c0_105_", c.name AS "c0_106_", c.name AS "c0_107_", c.name AS "c0_108_", c.name AS "c0_109_", c.name AS "c0_110_", c.name AS "c0_111_", c.name AS "c0_112_", c.name AS "c0_113_", c.name AS "c0_114_", c.name AS "c0_115_", c.name AS "c0_116_", c.name AS "c0_117_", c.name AS "c0_118_", c.name AS "c0_119_" FROM customers c WHERE c.id = 1;

SELECT jsonb_build_object('k0', 0, 'k1', 1, 'k2', 2, 'k3', 3, 'k4', 4, 'k5', 5, 'k6', 6, 'k7', 7, 'k8', 8, 'k9', 9, 'k10', 10, 'k11', 11, 'k12', 12, 'k13', 13, 'k14', 14, 'k15', 15, 'k16', 16, 'k17', 17, 'k18', 18, 'k19', 19, 'k20', 20, 'k21', 21, 'k22', 22, 'k23', 23, 'k24', 24, 'k25', 25, 'k26', 26, 'k27', 27, 'k28', 28, 'k29', 29, 'k30', 30, 'k31', 31, 'k32', 32, 'k33', 33, 'k34', 34, 'k35', 35, 'k36', 36, 'k37', 37, 'k38', 38, 'k39', 39, 'k40', 40, 'k41', 41, 'k42', 42, 'k43', 43, 'k44', 44, 'k45', 45, 'k46', 46, 'k47', 47, 'k48', 48, 'k49', 49);

WITH c0 AS (SELECT 1 AS n), c1 AS (SELECT n + 1 AS n FROM c0), c2 AS (SELECT n + 1 AS n FROM c1), c3 AS (SELECT n + 1 AS n FROM c2), c4 AS (SELECT n + 1 AS n FROM c3), c5 AS (SELECT n + 1 AS n FROM c4), c6 AS (SELECT n + 1 AS n FROM c5), c7 AS (SELECT n + 1 AS n FROM c6), c8 AS (SELECT n + 1 AS n FROM c7), c9 AS (SELECT n + 1 AS n FROM c8), c10 AS (SELECT n + 1 AS n FROM c9), c11 AS (SELECT n + 1 AS n FROM c10), c12 AS (SELECT n + 1 AS n FROM c11), c13 AS (SELECT n + 1 AS n FROM c12), c14 AS (SELECT n + 1 AS n FROM c13), c15 AS (SELECT n + 1 AS n FROM c14), c16 AS (SELECT n + 1 AS n FROM c15), c17 AS (SELECT n + 1 AS n FROM c16), c18 AS (SELECT n + 1 AS n FROM c17), c19 AS (SELECT n + 1 AS n FROM c18), c20 AS (SELECT n + 1 AS n FROM c19), c21 AS (SELECT n + 1 AS n FROM c20), c22 AS (SELECT n + 1 AS n FROM c21), c23 AS (SELECT n + 1 AS n FROM c22), c24 AS (SELECT n + 1 AS n FROM c23), c25 AS (SELECT n + 1 AS n FROM c24), c26 AS (SELECT n + 1 AS n FROM c25), c27 AS (SELECT n + 1 AS n FROM c26), c28 AS (SELECT n + 1 AS n FROM c27), c29 AS (SELECT n + 1 AS n FROM c28), c30 AS (SELECT n + 1 AS n FROM c29), c31 AS (SELECT n + 1 AS n FROM c30), c32 AS (SELECT n + 1 AS n FROM c31), c33 AS (SELECT n + 1 AS n FROM c32), c34 AS (SELECT n + 1 AS n FROM c33), c35 AS (SELECT n + 1 AS n FROM c34), c36 AS (SELECT n + 1 AS n FROM c35), c37 AS (SELECT n + 1 AS n FROM c36), c38 AS (SELECT n + 1 AS n FROM c37), c39 AS (SELECT n + 1 AS n FROM c38) SELECT * FROM c39;

INSERT INTO jobs (id, state) VALUES (5000, 's; DROP TABLE t0'), (5001, 's; DROP TABLE t1'), (5002, 's; DROP TABLE t2'), (5003, 's; DROP TABLE t3'), (5004, 's; DROP TABLE t4'), (5005, 's; DROP TABLE t5'), (5006, 's; DROP TABLE t6'), (5007, 's; DROP TABLE t7'), (5008, 's; DROP TABLE t8'), (5009, 's; DROP TABLE t9'), (5010, 's; DROP TABLE t10'), (5011, 's; DROP TABLE t11'), (5012, 's; DROP TABLE t12'), (5013, 's; DROP TABLE t13'), (5014, 's; DROP TABLE t14'), (5015, 's; DROP TABLE t15'), (5016, 's; DROP TABLE t16'), (5017, 's; DROP TABLE t17'), (5018, 's; DROP TABLE t18'), (5019, 's; DROP TABLE t19'), (5020, 's; DROP TABLE t20'), (5021, 's; DROP TABLE t21'), (5022, 's; DROP TABLE t22'), (5023, 's; DROP TABLE t23'), (5024, 's; DROP TABLE t24'), (5025, 's; DROP TABLE t25'), (5026, 's; DROP TABLE t26'), (5027, 's; DROP TABLE t27'), (5028, 's; DROP TABLE t28'), (5029, 's; DROP TABLE t29'), (5030, 's; DROP TABLE t30'), (5031, 's; DROP TABLE t31'), (5032, 's; DROP TABLE t32'), (5033, 's; DROP TABLE t33'), (5034, 's; DROP TABLE t34'), (5035, 's; DROP TABLE t35'), (5036, 's; DROP TABLE t36'), (5037, 's; DROP TABLE t37'), (5038, 's; DROP TABLE t38'), (5039, 's; DROP TABLE t39'), (5040, 's; DROP TABLE t40'), (5041, 's; DROP TABLE t41'), (5042, 's; DROP TABLE t42'), (5043, 's; DROP TABLE t43'), (5044, 's; DROP TABLE t44'), (5045, 's; DROP TABLE t45'), (5046, 's; DROP TABLE t46'), (5047, 's; DROP TABLE t47'), (5048, 's; DROP TABLE t48'), (5049, 's; DROP TABLE t49'), (5050, 's; DROP TABLE t50'), (5051, 's; DROP TABLE t51'), (5052, 's; DROP TABLE t52'), (5053, 's; DROP TABLE t53'), (5054, 's; DROP TABLE t54'), (5055, 's; DROP TABLE t55'), (5056, 's; DROP TABLE t56'), (5057, 's; DROP TABLE t57'), (5058, 's; DROP TABLE t58'), (5059, 's; DROP TABLE t59'), (5060, 's; DROP TABLE t60'), (5061, 's; DROP TABLE t61'), (5062, 's; DROP TABLE t62'), (5063, 's; DROP TABLE t63'), (5064, 's; DROP TABLE t64'), (5065, 's; DROP TABLE t65'), (5066, 's; DROP TABLE t66'), (5067, 's; DROP TABLE t67'), (5068, 's; DROP TABLE t68'), (5069, 's; DROP TABLE t69'), (5070, 's; DROP TABLE t70'), (5071, 's; DROP TABLE t71'), (5072, 's; DROP TABLE t72'), (5073, 's; DROP TABLE t73'), (5074, 's; DROP TABLE t74'), (5075, 's; DROP TABLE t75'), (5076, 's; DROP TABLE t76'), (5077, 's; DROP TABLE t77'), (5078, 's; DROP TABLE t78'), (5079, 's; DROP TABLE t79'), (5080, 's; DROP TABLE t80'), (5081, 's; DROP TABLE t81'), (5082, 's; DROP TABLE t82'), (5083, 's; DROP TABLE t83'), (5084, 's; DROP TABLE t84'), (5085, 's; DROP TABLE t85'), (5086, 's; DROP TABLE t86'), (5087, 's; DROP TABLE t87'), (5088, 's; DROP TABLE t88'), (5089, 's; DROP TABLE t89'), (5090, 's; DROP TABLE t90'), (5091, 's; DROP TABLE t91'), (5092, 's; DROP TABLE t92'), (5093, 's; DROP TABLE t93'), (5094, 's; DROP TABLE t94'), (5095, 's; DROP TABLE t95'), (5096, 's; DROP TABLE t96'), (5097, 's; DROP TABLE t97'), (5098, 's; DROP TABLE t98'), (5099, 's; DROP TABLE t99'), (5100, 's; DROP TABLE t100'), (5101, 's; DROP TABLE t101'), (5102, 's; DROP TABLE t102'), (5103, 's; DROP TABLE t103'), (5104, 's; DROP TABLE t104'), (5105, 's; DROP TABLE t105'), (5106, 's; DROP TABLE t106'), (5107, 's; DROP TABLE t107'), (5108, 's; DROP TABLE t108'), (5109, 's; DROP TABLE t109'), (5110, 's; DROP TABLE t110'), (5111, 's; DROP TABLE t111'), (5112, 's; DROP TABLE t112'), (5113, 's; DROP TABLE t113'), (5114, 's; DROP TABLE t114'), (5115, 's; DROP TABLE t115'), (5116, 's; DROP TABLE t116'), (5117, 's; DROP TABLE t117'), (5118, 's; DROP TABLE t118'), (5119, 's; DROP TABLE t119'), (5120, 's; DROP TABLE t120'), (5121, 's; DROP TABLE t121'), (5122, 's; DROP TABLE t122'), (5123, 's; DROP TABLE t123'), (5124, 's; DROP TABLE t124'), (5125, 's; DROP TABLE t125'), (5126, 's; DROP TABLE t126'), (5127, 's; DROP TABLE t127'), (5128, 's; DROP TABLE t128'), (5129, 's; DROP TABLE t129'), (5130, 's; DROP TABLE t130'), (5131, 's; DROP TABLE t131'), (5132, 's; DROP TABLE t132'), (5133, 's; DROP TABLE t133'), (5134, 's; DROP TABLE t134'), (5135, 's; DROP TABLE t135'), (5136, 's; DROP TABLE t136'), (5137, 's; DROP TABLE t137'), (5138, 's; DROP TABLE t138'), (5139, 's; DROP TABLE t139'), (5140, 's; DROP TABLE t140'), (5141, 's; DROP TABLE t141'), (5142, 's; DROP TABLE t142'), (5143, 's; DROP TABLE t143'), (5144, 's; DROP TABLE t144'), (5145, 's; DROP TABLE t145'), (5146, 's; DROP TABLE t146'), (5147, 's; DROP TABLE t147'), (5148, 's; DROP TABLE t148'), (5149, 's; DROP TABLE t149');
DELETE FROM jobs WHERE id >= 5000;

SELECT /* ----------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------****************************************************************************************************************************************************************************************************************************************************************************************************************************************************************************************************************================================================================================================================================================================================================================================================================================================================================================================================================================ */ 1;

SELECT '=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?=+-*/<>~!@#%^&|`?' = '';

UPDATE customers SET data = data || '{}' WHERE id = ANY (ARRAY[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143, 144, 145, 146, 147, 148, 149, 150, 151, 152, 153, 154, 155, 156, 157, 158, 159, 160, 161, 162, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 174, 175, 176, 177, 178, 179, 180, 181, 182, 183, 184, 185, 186, 187, 188, 189, 190, 191, 192, 193, 194, 195, 196, 197, 198, 199, 200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212, 213, 214, 215, 216, 217, 218, 219, 220, 221, 222, 223, 224, 225, 226, 227, 228, 229, 230, 231, 232, 233, 234, 235, 236, 237, 238, 239, 240, 241, 242, 243, 244, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254, 255, 256, 257, 258, 259, 260, 261, 262, 263, 264, 265, 266, 267, 268, 269, 270, 271, 272, 273, 274, 275, 276, 277, 278, 279, 280, 281, 282, 283, 284, 285, 286, 287, 288, 289, 290, 291, 292, 293, 294, 295, 296, 297, 298, 299]::int[]) AND id < 0;
