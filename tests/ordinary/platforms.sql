-- Servers that speak for others, and drivers that look types up: PostgREST, Hasura, Supabase, PostGraphile, pgjdbc, Npgsql and more.

-- PostgREST: a transaction for each request.

BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
select set_config('search_path', '"public", "extensions"', true), set_config('request.jwt.claims', '{"role":"web_anon","sub":"drop table"}', true), set_config('request.method', 'GET', true), set_config('request.path', '/customers', true), set_config('request.headers', '{"host":"localhost","user-agent":"curl"}', true), set_config('request.cookies', '{}', true);
WITH pgrst_source AS (SELECT "public"."customers"."id", "public"."customers"."name", row_to_json("customers_lines_1".*)::jsonb AS "lines" FROM "public"."customers" LEFT JOIN LATERAL (SELECT json_agg("customers_lines_1")::jsonb AS "customers_lines_1" FROM (SELECT "lines_1".* FROM "public"."lines" AS "lines_1" WHERE "lines_1"."customer" = "public"."customers"."id") AS "customers_lines_1") AS "customers_lines_1" ON TRUE WHERE "public"."customers"."id" >= 1 LIMIT 100 OFFSET 0) SELECT null::bigint AS total_result_set, pg_catalog.count(_postgrest_t) AS page_total, coalesce(json_agg(_postgrest_t), '[]') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM (SELECT * FROM pgrst_source) _postgrest_t;
COMMIT;

BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
--! shape
WITH pgrst_source AS (WITH pgrst_payload AS (SELECT '[{"id": 710, "state": "x"}]'::json AS json_data), pgrst_body AS (SELECT CASE WHEN json_typeof(json_data) = 'array' THEN json_data ELSE json_build_array(json_data) END AS val FROM pgrst_payload) INSERT INTO "public"."jobs"("id", "state") SELECT "pgrst_body"."id", "pgrst_body"."state" FROM (SELECT val FROM pgrst_body) AS pgrst_uniform_json, LATERAL (SELECT "id", "state" FROM json_to_recordset(pgrst_uniform_json.val) AS _("id" integer, "state" text)) pgrst_body RETURNING "public"."jobs".*) SELECT '' AS total_result_set, pg_catalog.count(_postgrest_t) AS page_total, coalesce(json_agg(_postgrest_t), '[]') AS body FROM (SELECT "jobs".* FROM "pgrst_source" AS "jobs") _postgrest_t;
WITH pgrst_source AS (WITH pgrst_payload AS (SELECT '{"state": "y"}'::json AS json_data), pgrst_body AS (SELECT CASE WHEN json_typeof(json_data) = 'array' THEN json_data ELSE json_build_array(json_data) END AS val FROM pgrst_payload) UPDATE "public"."jobs" SET "state" = pgrst_update_body."state" FROM (SELECT * FROM json_populate_recordset(null::"public"."jobs", (SELECT val FROM pgrst_body)) LIMIT 1) pgrst_update_body WHERE "public"."jobs"."id" = 710 RETURNING 1) SELECT count(*) FROM pgrst_source;
WITH pgrst_source AS (DELETE FROM "public"."jobs" WHERE "public"."jobs"."id" = 710 RETURNING "public"."jobs"."id") SELECT coalesce(json_agg(_postgrest_t), '[]') AS body FROM (SELECT * FROM pgrst_source) _postgrest_t;
COMMIT;

WITH pgrst_source AS (SELECT "pgrst_call".* FROM "public"."create_order"('x') pgrst_call) SELECT json_agg(_postgrest_t)->0 AS body FROM (SELECT "create_order" FROM pgrst_source AS create_order) _postgrest_t;

select setting from (select current_setting('server_version_num')::integer as setting) x where setting >= 90600;

with base_types as (with recursive recurse as (select oid, typbasetype, typnamespace as base_namespace, coalesce(nullif(typbasetype, 0), oid) as base_type from pg_type union select t.oid, b.typbasetype, b.typnamespace as base_namespace, coalesce(nullif(b.typbasetype, 0), b.oid) as base_type from recurse t join pg_type b on t.typbasetype = b.oid) select oid, base_namespace, base_type from recurse where typbasetype = 0), arguments as (select oid, array_agg((coalesce(name, ''), type::regtype::text, idx <= (pronargs - pronargdefaults), coalesce(mode = 'v', false)) order by idx) as args from pg_proc, unnest(proargnames, proargtypes, proargmodes) with ordinality as _ (name, type, mode, idx) where type is not null group by oid) select pn.nspname as proc_schema, p.proname as proc_name, d.description as proc_description, tn.nspname as schema, p.proretset as rettype_is_setof, (p.provolatile = 'v'), lower((regexp_split_to_array((regexp_split_to_array(iso_config, '='))[2], ','))[1]) as transaction_isolation_level, coalesce(func_settings.kvs, '{}') as kvs from pg_proc p left join arguments a on a.oid = p.oid join pg_namespace pn on pn.oid = p.pronamespace join base_types bt on bt.oid = p.prorettype join pg_type t on t.oid = bt.base_type join pg_namespace tn on tn.oid = t.typnamespace left join pg_description as d on d.objoid = p.oid left join lateral unnest(proconfig) iso_config on iso_config like 'default_transaction_isolation%' left join lateral (select array_agg(row(substr(setting, 1, strpos(setting, '=') - 1), substr(setting, strpos(setting, '=') + 1))) as kvs from unnest(proconfig) setting where setting ~ '^work_mem') func_settings on true where t.oid <> 'trigger'::regtype and pn.nspname = any('{public}') and prokind = 'f' order by 2;

select c.name, current_setting(c.name, true) from pg_catalog.pg_settings c where c.name ~ '^(work_mem|search_path)$' order by 1;

select name from pg_timezone_names where name in ('UTC', 'Europe/Vienna') order by 1;

WITH role_setting AS (SELECT r.rolname, unnest(r.rolconfig) as setting FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE m.member = current_user::regrole::oid), kv_settings AS (SELECT rolname, substr(setting, 1, strpos(setting, '=') - 1) as key, lower(substr(setting, strpos(setting, '=') + 1)) as value FROM role_setting), iso_setting AS (SELECT rolname, value FROM kv_settings WHERE key = 'default_transaction_isolation') SELECT kv.rolname, i.value AS iso_lvl, coalesce(array_agg(row(kv.key, kv.value)) FILTER (WHERE key <> 'default_transaction_isolation'), '{}') AS role_settings FROM kv_settings kv LEFT JOIN iso_setting i ON i.rolname = kv.rolname GROUP BY kv.rolname, i.value;

-- Hasura, PostGraphile, pg_graphql behind a server of one's own.

SELECT coalesce(json_agg("root"), '[]') AS "root" FROM (SELECT row_to_json((SELECT "_e" FROM (SELECT "_root.base"."id" AS "id", "_root.base"."name" AS "name", "_root.ar.root.lines"."lines" AS "lines") AS "_e")) AS "root" FROM (SELECT * FROM "public"."customers" WHERE (("public"."customers"."id") = (('1')::integer))) AS "_root.base" LEFT OUTER JOIN LATERAL (SELECT coalesce(json_agg("lines"), '[]') AS "lines" FROM (SELECT row_to_json((SELECT "_e" FROM (SELECT "_root.ar.root.lines.base"."product" AS "product") AS "_e")) AS "lines" FROM (SELECT * FROM "public"."lines" WHERE (("_root.base"."id") = ("customer")) ORDER BY "line") AS "_root.ar.root.lines.base") AS "_root.ar.root.lines") AS "_root.ar.root.lines" ON ('true')) AS "_root";

WITH "jobs__mutation_result_alias" AS (UPDATE "public"."jobs" SET "state" = 'new' WHERE ("public"."jobs"."id") = (('1')::integer) RETURNING *, ('true')::boolean AS "check__constraint"), "jobs__all_columns_alias" AS (SELECT "id", "state" FROM "jobs__mutation_result_alias") SELECT json_build_object('affected_rows', (SELECT COUNT(*) FROM "jobs__all_columns_alias"), 'returning', (SELECT coalesce(json_agg("root"), '[]') FROM (SELECT row_to_json("jobs__all_columns_alias".*) AS "root" FROM "jobs__all_columns_alias") AS "_root")), coalesce((SELECT bool_and("check__constraint") FROM "jobs__mutation_result_alias"), 'true');

select to_json(__local_0__."id") as "id", to_json((__local_0__."name")) as "name", (select json_agg(to_json(__local_1__."product")) from "public"."lines" as __local_1__ where __local_1__."customer" = __local_0__."id") as "@lines" from "public"."customers" as __local_0__ where (TRUE) and (TRUE) order by __local_0__."id" ASC limit 10;

with __local_0__ as (select (str::"public"."jobs").* from unnest(('{"(1,new)"}')::text[]) str) select json_build_object('id', __local_0__."id") from __local_0__;

select c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, case when c.relreplident = 'd' then 'DEFAULT' else 'NOTHING' end, pg_total_relation_size(format('%I.%I', nc.nspname, c.relname))::int8 >= 0, coalesce(jsonb_agg(jsonb_build_object('name', a.attname, 'check', 'none') order by a.attnum) filter (where a.attnum > 0), '[]') from pg_namespace nc join pg_class c on nc.oid = c.relnamespace left join pg_attribute a on a.attrelid = c.oid where c.relkind in ('r', 'p') and not pg_is_other_temp_schema(nc.oid) and nc.nspname = 'public' and (pg_has_role(c.relowner, 'USAGE') or has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') or has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')) group by c.oid, nc.nspname, c.relname order by c.relname;

-- pgjdbc.

SET extra_float_digits = 3;
SET application_name = 'PostgreSQL JDBC Driver';

SELECT n.nspname = ANY(current_schemas(true)), n.nspname, t.typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid WHERE t.oid = 1034;

SELECT nspname AS TABLE_SCHEM, current_database() AS TABLE_CATALOG FROM pg_catalog.pg_namespace WHERE nspname <> 'pg_toast' AND (nspname !~ '^pg_temp_' OR nspname = (pg_catalog.current_schemas(true))[1]) AND (nspname !~ '^pg_toast_temp_' OR nspname = replace((pg_catalog.current_schemas(true))[1], 'pg_temp_', 'pg_toast_temp_')) ORDER BY TABLE_SCHEM;

SELECT datname AS TABLE_CAT FROM pg_catalog.pg_database WHERE datallowconn = true AND datname = 'shop' ORDER BY datname;

SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM, c.relname AS TABLE_NAME, a.attname AS COLUMN_NAME, a.attacl IS NULL, c.relkind FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c, pg_catalog.pg_roles r, pg_catalog.pg_attribute a WHERE c.relnamespace = n.oid AND c.relowner = r.oid AND c.oid = a.attrelid AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND c.relname = 'jobs' ORDER BY COLUMN_NAME;

SELECT a.attname, a.atttypid, atttypmod FROM pg_catalog.pg_class ct JOIN pg_catalog.pg_attribute a ON (ct.oid = a.attrelid) JOIN pg_catalog.pg_namespace n ON (ct.relnamespace = n.oid) JOIN (SELECT i.indexrelid, i.indrelid, i.indisprimary, information_schema._pg_expandarray(i.indkey) AS keys FROM pg_catalog.pg_index i) i ON (a.attnum = (i.keys).x AND a.attrelid = i.indrelid) WHERE true AND n.nspname = 'public' AND ct.relname = 'jobs' AND i.indisprimary ORDER BY a.attnum;

SELECT NULL::text AS PKTABLE_CAT, pkn.nspname AS PKTABLE_SCHEM, pkc.relname AS PKTABLE_NAME, pka.attname AS PKCOLUMN_NAME, fkc.relname AS FKTABLE_NAME, fka.attname AS FKCOLUMN_NAME, pos.n AS KEY_SEQ, CASE con.confupdtype WHEN 'c' THEN 0 WHEN 'n' THEN 2 WHEN 'd' THEN 4 WHEN 'r' THEN 1 WHEN 'p' THEN 1 WHEN 'a' THEN 3 ELSE NULL END AS UPDATE_RULE, con.conname AS FK_NAME, CASE WHEN con.condeferrable AND con.condeferred THEN 5 WHEN con.condeferrable THEN 6 ELSE 7 END AS DEFERRABILITY FROM pg_catalog.pg_namespace pkn, pg_catalog.pg_class pkc, pg_catalog.pg_attribute pka, pg_catalog.pg_namespace fkn, pg_catalog.pg_class fkc, pg_catalog.pg_attribute fka, pg_catalog.pg_constraint con, pg_catalog.generate_series(1, 32) pos(n), pg_catalog.pg_class pkic WHERE pkn.oid = pkc.relnamespace AND pkc.oid = pka.attrelid AND pka.attnum = con.confkey[pos.n] AND con.confrelid = pkc.oid AND fkn.oid = fkc.relnamespace AND fkc.oid = fka.attrelid AND fka.attnum = con.conkey[pos.n] AND con.conrelid = fkc.oid AND con.contype = 'f' AND (pkic.relkind = 'i' OR pkic.relkind = 'I') AND pkic.oid = con.conindid AND fkc.relname = 'lines' ORDER BY pkn.nspname, pkc.relname, con.conname, pos.n;

select string_agg(word, ',') <> '' from pg_catalog.pg_get_keywords() where word <> ALL ('{a,abs,absolute,action,create,drop,select,table}'::text[]);

SELECT p.oid > 0 as oid, n.nspname, p.proname, p.prorettype::regtype, p.proargtypes, t.typtype, p.proargnames, p.proargmodes, p.proallargtypes FROM pg_catalog.pg_proc p, pg_catalog.pg_namespace n, pg_catalog.pg_type t WHERE p.pronamespace = n.oid AND p.prorettype = t.oid AND p.prokind = 'f' AND n.nspname LIKE 'public' AND p.proname LIKE 'grant\_total' ORDER BY n.nspname, p.proname, p.oid::text;

SELECT typname, typtype FROM pg_catalog.pg_type WHERE typname = 'mood';

select * from grant_total(1) as result;

-- Npgsql.

--! simple
SELECT version();SELECT ns.nspname, typ.typname, typ.typtype FROM pg_type AS typ JOIN pg_namespace AS ns ON (ns.oid = typ.typnamespace) WHERE typname = 'mood';SELECT typ.typname, att.attname, att.atttypid FROM pg_type AS typ JOIN pg_class AS cls ON (cls.oid = typ.typrelid) JOIN pg_attribute AS att ON (att.attrelid = typ.typrelid) WHERE (typ.typtype = 'c' AND cls.relkind='c') AND attnum > 0 AND NOT attisdropped ORDER BY typ.oid, att.attnum;SELECT enumlabel FROM pg_enum JOIN pg_type ON pg_type.oid=enumtypid WHERE typname = 'mood' ORDER BY pg_enum.enumsortorder;

SELECT cls.relname, attr.attname, attr.attnum, attr.attidentity != '' AS isidentity, ind.indisprimary IS NOT NULL AS pk, pg_get_expr(attrdef.adbin, attrdef.adrelid) AS default, CASE WHEN pg_proc.proname = 'array_recv' THEN typ.typelem ELSE NULL END FROM pg_attribute AS attr JOIN pg_type AS typ ON attr.atttypid = typ.oid JOIN pg_class AS cls ON cls.oid = attr.attrelid JOIN pg_namespace AS ns ON ns.oid = cls.relnamespace LEFT JOIN pg_proc ON pg_proc.oid = typ.typreceive LEFT OUTER JOIN pg_attrdef AS attrdef ON attrdef.adrelid = cls.oid AND attrdef.adnum = attr.attnum LEFT OUTER JOIN pg_index AS ind ON ind.indrelid = cls.oid AND ind.indisprimary AND attr.attnum = ANY(ind.indkey) WHERE atttypid <> 0 AND relkind IN ('r', 'v', 'm') AND NOT attisdropped AND nspname NOT IN ('pg_catalog', 'information_schema') AND attnum > 0 AND cls.relname = 'jobs' ORDER BY attnum;

-- psycopg, postgres.js, pgx, sqlx, tokio-postgres, Postgrex, R, Perl, PDO.

SELECT t.typname AS name, t.oid > 0 AS oid, t.typarray > 0 AS array_oid, t.oid::regtype::text AS regtype, array_agg(e.enumlabel ORDER BY e.enumsortorder) AS labels FROM pg_type t LEFT JOIN pg_enum e ON e.enumtypid = t.oid WHERE t.oid = to_regtype('mood') GROUP BY t.typname, t.oid, t.typarray;

SELECT t.typname AS name, r.rngsubtype AS subtype_oid FROM pg_type t JOIN pg_range r ON t.oid = r.rngtypid WHERE t.oid = to_regtype('int4range');

SELECT t.typname AS name, coalesce(a.fnames, '{}') AS field_names FROM pg_type t LEFT JOIN (SELECT attrelid, array_agg(attname) AS fnames, array_agg(atttypid) AS ftypes FROM (SELECT a.attrelid, a.attname, a.atttypid FROM pg_attribute a JOIN pg_type t ON t.typrelid = a.attrelid WHERE t.oid = to_regtype('jobs') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) x GROUP BY attrelid) a ON a.attrelid = t.typrelid WHERE t.oid = to_regtype('jobs');

select b.typname, b.typelem > 0 as is_array from pg_catalog.pg_type a left join pg_catalog.pg_type b on b.oid = a.typarray where a.typcategory in ('A', 'N') and b.typname in ('_int4', '_numeric') group by b.oid, b.typarray, b.typname, b.typelem order by b.oid;

--! values 23
select t.typname, t.typtype, t.typelem, t.typbasetype, n.nspname from pg_type t join pg_namespace n on n.oid = t.typnamespace where t.oid = $1;

--! values {23,25}
select oid, typname from pg_type where oid = any($1::oid[]) order by oid;

SELECT typname, typtype, typbasetype, typelem FROM pg_type WHERE typname IN ('quantity', 'mood') ORDER BY 1;

SELECT attr.attname FROM pg_attribute AS attr JOIN pg_type typ ON typ.typrelid = attr.attrelid WHERE typ.oid = 'jobs'::regtype AND NOT attr.attisdropped AND attr.attnum > 0 ORDER BY attr.attnum;

SELECT t.typname, t.typsend::text, t.typreceive::text, t.typoutput::text, t.typinput::text, coalesce(d.typelem, t.typelem), coalesce(r.rngsubtype, 0), ARRAY (SELECT a.atttypid FROM pg_attribute AS a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) FROM pg_type AS t LEFT JOIN pg_type AS d ON t.typbasetype = d.oid LEFT JOIN pg_range AS r ON r.rngtypid = t.oid OR r.rngmultitypid = t.oid OR (t.typbasetype <> 0 AND r.rngtypid = t.typbasetype) WHERE (t.typrelid = 0) AND (t.typelem = 0 OR NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type s WHERE s.typrelid != 0 AND s.oid = t.typelem)) AND t.typname = 'mood';

SELECT NULL::text AS "TABLE_CAT", quote_ident(n.nspname) AS "TABLE_SCHEM", quote_ident(c.relname) AS "TABLE_NAME", CASE WHEN c.relkind = 'v' THEN CASE WHEN quote_ident(n.nspname) ~ '^pg_' THEN 'SYSTEM VIEW' ELSE 'VIEW' END WHEN c.relkind = 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END AS "TABLE_TYPE", d.description AS "REMARKS", NULL::text AS "pg_tablespace_name" FROM pg_catalog.pg_class AS c LEFT JOIN pg_catalog.pg_description AS d ON (c.oid = d.objoid AND c.tableoid = d.classoid AND d.objsubid = 0) LEFT JOIN pg_catalog.pg_namespace n ON (n.oid = c.relnamespace) WHERE c.relkind IN ('r', 'v', 'm') AND n.nspname = 'public' ORDER BY 4, 1, 2, 3;

SELECT pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)) <> '', pg_catalog.has_table_privilege(c.oid, 'INSERT') FROM pg_catalog.pg_class c WHERE c.oid = 'jobs'::regclass;

SELECT RELNAME FROM PG_CLASS WHERE OID = 'jobs'::regclass;

SELECT typname FROM pg_type WHERE oid IN (16, 17, 20, 21, 23, 25, 114, 1700) ORDER BY oid;

SELECT i.indkey, i.indisunique, a.attname FROM pg_index i, pg_attribute a WHERE i.indrelid = 'jobs'::regclass AND i.indisprimary AND a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey);

select current_database(), pg_catalog.current_schema(), pg_catalog.current_setting('server_version'), pg_catalog.pg_client_encoding();

SELECT 'DBD::Pg ping test';

--! simple
/* DBD::Pg ping test v3.16.0 */
;

SELECT * FROM "public"."customers" AS "q01" WHERE (0 = 1);

SELECT count(*) AS "n" FROM (SELECT "id", "name" FROM "customers" WHERE ("id" > 1.0)) "q01";

-- Health checks of pools and load balancers; pgjdbc's isValid() is empty.

--! extended
;

--! extended
/* isValid */
;

SELECT 1 AS ping;

/* ping */ SELECT 1;

SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'replica' ELSE 'primary' END;

SELECT pg_is_in_recovery() AS is_replica, pg_last_wal_replay_lsn(), extract(epoch from now() - pg_last_xact_replay_timestamp())::int;

SHOW server_version;

SHOW default_transaction_read_only;

SHOW in_hot_standby;

SELECT current_setting('is_superuser'), current_setting('transaction_isolation'), current_setting('lc_monetary') <> '';

-- SQLAlchemy's func.set_config, jOOQ's inline casts.

SELECT set_config('TimeZone'::VARCHAR, 'Europe/Vienna'::VARCHAR, false) AS set_config_1;
SELECT '2026-01-01 12:00+00'::timestamptz;
SELECT set_config(CAST('TimeZone' AS varchar), CAST('UTC' AS text), false);

--! values Europe/Vienna
SELECT set_config('TimeZone'::VARCHAR, $1::VARCHAR, true);
