-- Introspection by ORMs, migration tools and GUI tools.

-- Django: introspection and inspectdb.

SELECT c.relname, CASE WHEN c.relispartition THEN 'p' WHEN c.relkind IN ('m', 'v') THEN 'v' ELSE 't' END, obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND n.nspname NOT IN ('pg_catalog', 'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1;

SELECT a.attname AS column_name, NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable, pg_get_expr(ad.adbin, ad.adrelid) AS column_default, CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation, a.attidentity != '' AS is_autofield, col_description(a.attrelid, a.attnum) AS column_comment FROM pg_attribute a LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum LEFT JOIN pg_collation co ON a.attcollation = co.oid JOIN pg_type t ON a.atttypid = t.oid JOIN pg_class c ON a.attrelid = c.oid JOIN pg_namespace n ON c.relnamespace = n.oid WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND c.relname = 'customers' AND n.nspname NOT IN ('pg_catalog', 'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY a.attnum;

SELECT * FROM "customers" LIMIT 1;

SELECT c.conname, array(SELECT attname FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx) JOIN pg_attribute AS ca ON cols.colid = ca.attnum WHERE ca.attrelid = c.conrelid ORDER BY cols.arridx), c.contype, (SELECT fkc.relname || '.' || fka.attname FROM pg_attribute AS fka JOIN pg_class AS fkc ON fka.attrelid = fkc.oid WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]), cl.reloptions FROM pg_constraint AS c JOIN pg_class AS cl ON c.conrelid = cl.oid WHERE cl.relname = 'lines' AND pg_catalog.pg_table_is_visible(cl.oid) ORDER BY 1;

SELECT indexname, array_agg(attname ORDER BY arridx), indisunique, indisprimary, array_agg(ordering ORDER BY arridx), amname, exprdef, s2.attoptions FROM (SELECT c2.relname as indexname, idx.*, attr.attname, am.amname, CASE WHEN idx.indexprs IS NOT NULL THEN pg_get_indexdef(idx.indexrelid) END AS exprdef, CASE am.amname WHEN 'btree' THEN CASE (option & 1) WHEN 1 THEN 'DESC' ELSE 'ASC' END END as ordering, c2.reloptions as attoptions FROM (SELECT * FROM pg_index i, unnest(i.indkey, i.indoption) WITH ORDINALITY koi(key, option, arridx)) idx LEFT JOIN pg_class c ON idx.indrelid = c.oid LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid LEFT JOIN pg_am am ON c2.relam = am.oid LEFT JOIN pg_attribute attr ON attr.attrelid = c.oid AND attr.attnum = idx.key WHERE c.relname = 'lines' AND pg_catalog.pg_table_is_visible(c.oid)) s2 GROUP BY indexname, indisunique, indisprimary, amname, exprdef, attoptions ORDER BY 1;

SELECT s.relname AS sequence_name, a.attname AS colname FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass JOIN pg_attribute a ON d.refobjid = a.attrelid AND d.refobjsubid = a.attnum JOIN pg_class tbl ON tbl.oid = d.refobjid AND tbl.relname = 'audit' AND pg_catalog.pg_table_is_visible(tbl.oid) WHERE s.relkind = 'S';

SELECT "orders"."id", "orders"."tenant_id", "orders"."note" FROM "orders" WHERE "orders"."note" LIKE '%' || REPLACE(REPLACE(REPLACE(("orders"."note"), E'\\', E'\\\\'), E'%', E'\\%'), E'_', E'\\_') || '%' ORDER BY "orders"."id" ASC LIMIT 21;

SELECT "django"."id" FROM (SELECT 1 AS "id") "django" WHERE EXISTS(SELECT 1 AS "a" FROM "jobs" U0 WHERE U0."id" = ("django"."id") LIMIT 1);

SELECT UPPER("orders"."note"::text) FROM "orders" WHERE UPPER("orders"."note"::text) LIKE UPPER('%an%') ORDER BY 1;

-- Prisma.

SELECT namespace.nspname as namespace_name, description.description FROM pg_namespace AS namespace LEFT JOIN pg_description AS description ON description.objoid = namespace.oid WHERE namespace.nspname = ANY (ARRAY['public']);

SELECT tbl.relname AS table_name, namespace.nspname as namespace, (tbl.relhassubclass and tbl.relkind = 'p') as is_partition, (tbl.relhassubclass and tbl.relkind = 'r') as has_subclass, tbl.relrowsecurity as has_row_level_security, reloptions, obj_description(tbl.oid, 'pg_class') as description FROM pg_class AS tbl INNER JOIN pg_namespace AS namespace ON namespace.oid = tbl.relnamespace WHERE ( tbl.relkind = 'r' OR tbl.relkind = 'p') AND namespace.nspname = ANY ( ARRAY['public'] ) ORDER BY namespace, table_name;

SELECT oid.namespace, info.table_name, info.column_name, format_type(att.atttypid, att.atttypmod) as formatted_type, info.numeric_precision, info.numeric_scale, info.numeric_precision_radix, info.datetime_precision, info.data_type, info.udt_schema as type_schema_name, info.udt_name as full_data_type, pg_get_expr(attdef.adbin, attdef.adrelid) AS column_default, info.is_nullable, info.is_identity, info.character_maximum_length, col_description(att.attrelid, ordinal_position) AS description FROM information_schema.columns info JOIN pg_attribute att ON att.attname = info.column_name JOIN ( SELECT pg_class.oid, relname, pg_namespace.nspname as namespace FROM pg_class JOIN pg_namespace on pg_namespace.oid = pg_class.relnamespace AND pg_namespace.nspname = ANY ( ARRAY['public'] ) WHERE reltype > 0 ) as oid on oid.oid = att.attrelid AND relname = info.table_name AND namespace = info.table_schema LEFT JOIN pg_attrdef attdef ON attdef.adrelid = att.attrelid AND attdef.adnum = att.attnum AND table_schema = namespace WHERE table_schema = ANY ( ARRAY['public'] ) ORDER BY namespace, table_name, ordinal_position;

WITH rawindex AS (SELECT indrelid, indexrelid, indisunique, indisprimary, unnest(indkey) AS indkeyid, generate_subscripts(indkey, 1) AS indkeyidx, unnest(indclass) AS indclass, unnest(indoption) AS indoption FROM pg_index WHERE indpred IS NULL AND NOT indisexclusion) SELECT schemainfo.nspname AS namespace, indexinfo.relname AS index_name, tableinfo.relname AS table_name, columninfo.attname AS column_name, rawindex.indisunique AS is_unique, rawindex.indisprimary AS is_primary_key, rawindex.indkeyidx AS column_index, opclass.opcname AS opclass, indexaccess.amname AS index_algo, CASE rawindex.indoption & 1 WHEN 1 THEN 'DESC' ELSE 'ASC' END AS column_order FROM rawindex INNER JOIN pg_class AS tableinfo ON tableinfo.oid = rawindex.indrelid INNER JOIN pg_class AS indexinfo ON indexinfo.oid = rawindex.indexrelid INNER JOIN pg_namespace AS schemainfo ON schemainfo.oid = tableinfo.relnamespace LEFT JOIN pg_attribute AS columninfo ON columninfo.attrelid = tableinfo.oid AND columninfo.attnum = rawindex.indkeyid INNER JOIN pg_am AS indexaccess ON indexaccess.oid = indexinfo.relam LEFT JOIN pg_opclass AS opclass ON opclass.oid = rawindex.indclass WHERE schemainfo.nspname = ANY (ARRAY['public']) ORDER BY namespace, table_name, index_name, column_index;

SELECT "public"."orders"."id", "public"."orders"."note" FROM "public"."orders" WHERE 1=1 ORDER BY "public"."orders"."id" ASC OFFSET 0;

SELECT COUNT(*) FROM (SELECT "public"."orders"."id" FROM "public"."orders" WHERE 1=1 OFFSET 0) AS "sub";

SELECT EXISTS(SELECT 1 FROM pg_namespace WHERE nspname = 'public'), version(), current_setting('server_version_num')::integer as numeric_version;

-- Drizzle, Kysely, TypeORM, Sequelize, Knex, node-pg-migrate.

select nspname from pg_namespace order by nspname;

SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1;

SELECT c.table_name, c.column_name, c.is_nullable, c.data_type, c.column_default, c.is_generated, c.generation_expression, c.identity_generation FROM information_schema.columns c WHERE table_schema = 'public' ORDER BY 1, ordinal_position;

SELECT tc.constraint_name, tc.table_name, kcu.column_name, ccu.table_name AS foreign_table, rc.delete_rule, rc.update_rule FROM information_schema.table_constraints tc JOIN information_schema.key_column_usage kcu ON tc.constraint_name = kcu.constraint_name LEFT JOIN information_schema.constraint_column_usage ccu ON ccu.constraint_name = tc.constraint_name LEFT JOIN information_schema.referential_constraints rc ON rc.constraint_name = tc.constraint_name WHERE tc.table_schema = 'public' ORDER BY 1, 2, 3, 4;

SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' UNION SELECT matviewname, definition FROM pg_matviews ORDER BY 1;

SELECT * FROM "information_schema"."tables" WHERE "table_schema" = 'public' AND "table_name" = 'drizzle_migrations';

SELECT i.relname AS name, ix.indisprimary AS primary, ix.indisunique AS unique, ix.indkey AS indkey, array_agg(a.attnum ORDER BY a.attnum) AS column_indexes, array_agg(a.attname ORDER BY a.attnum) AS column_names, pg_get_indexdef(ix.indexrelid) AS definition FROM pg_class t, pg_class i, pg_index ix, pg_attribute a WHERE t.oid = ix.indrelid AND i.oid = ix.indexrelid AND a.attrelid = t.oid AND t.relkind = 'r' AND t.relname = 'customers' GROUP BY i.relname, ix.indexrelid, ix.indisprimary, ix.indisunique, ix.indkey ORDER BY i.relname;

SELECT t.typname enum_name, array_agg(e.enumlabel ORDER BY enumsortorder) enum_value FROM pg_type t JOIN pg_enum e ON t.oid = e.enumtypid JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = 'public' GROUP BY 1;

select "o"."id", "o"."note", coalesce(json_agg(json_build_array("l"."product")) filter (where "l"."product" is not null), '[]'::json) as "lines" from "orders" "o" left join lateral (select "product" from "lines" where "customer" = "o"."id" limit 3) "l" on true group by "o"."id" order by "o"."id";

SELECT policyname, tablename, permissive, roles, cmd, qual, with_check FROM pg_policies ORDER BY 1;

-- Hibernate and Liquibase.

select sequence_catalog, sequence_schema, sequence_name, start_value, minimum_value, maximum_value, increment from information_schema.sequences order by 3;

select c1_0.id,c1_0.name from customers c1_0 where c1_0.id=1 for no key update;

select nextval('tickets') > 0;

select o1_0.id,o1_0.note from orders o1_0 where (o1_0.note like '%a%' escape '') order by o1_0.id offset 0 rows fetch first 10 rows only;

SELECT c.relname FROM pg_class c WHERE c.relname ilike 'databasechangelog%';

-- ActiveRecord.

SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull, a.atttypid, a.atttypmod, c.collname, col_description(a.attrelid, a.attnum) AS comment, attidentity AS identity, attgenerated as attgenerated FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum LEFT JOIN pg_type t ON a.atttypid = t.oid LEFT JOIN pg_collation c ON a.attcollation = c.oid AND a.attcollation <> t.typcollation WHERE a.attrelid = '"customers"'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;

SELECT a.attname FROM ( SELECT indrelid, indkey, generate_subscripts(indkey, 1) idx FROM pg_index WHERE indrelid = '"lines"'::regclass AND indisprimary ) i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[i.idx] ORDER BY i.idx;

SELECT t.oid, t.typname, t.typelem, t.typdelim, t.typinput, r.rngsubtype, t.typtype, t.typbasetype FROM pg_type as t LEFT JOIN pg_range as r ON oid = rngtypid WHERE t.typname IN ('int2', 'int4', 'int8', 'oid', 'float4', 'float8', 'numeric', 'bool') ORDER BY 1;

SELECT extname FROM pg_extension ORDER BY 1;

BEGIN;
SELECT pg_try_advisory_xact_lock(4385174293);
COMMIT;

-- DBeaver and DataGrip.

SELECT db.oid,db.* FROM pg_catalog.pg_database db WHERE datname='shop';

SELECT n.oid,n.*,d.description FROM pg_catalog.pg_namespace n LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=n.oid AND d.objsubid=0 AND d.classoid='pg_namespace'::regclass ORDER BY nspname;

SELECT c.oid,c.*,d.description,pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr, pg_catalog.pg_get_partkeydef(c.oid) as partition_key FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_class'::regclass WHERE c.relnamespace='public'::regnamespace AND c.relkind not in ('i','I','c') ORDER BY c.oid;

SELECT current_schema(),session_user;

SELECT t.oid,t.*,c.relkind,format_type(nullif(t.typbasetype, 0), t.typtypmod) as base_type_name, d.description FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid=t.typelem LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid=t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid=d.objoid WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C') AND t.typnamespace = 'public'::regnamespace ORDER BY t.oid;

SELECT x.oid,x.*,pg_catalog.pg_get_userbyid(x.relowner) AS owner,pg_catalog.pg_get_viewdef(x.oid,true) AS definition FROM pg_catalog.pg_class x WHERE x.relkind IN ('v', 'm') AND x.relnamespace = 'public'::regnamespace ORDER BY x.oid;

SELECT p.oid,p.proname,pg_catalog.pg_get_functiondef(p.oid) FROM pg_catalog.pg_proc p WHERE p.pronamespace='public'::regnamespace AND p.prokind='f' ORDER BY p.oid;

SELECT x.oid, x.*, pg_catalog.pg_get_triggerdef(x.oid) FROM pg_catalog.pg_trigger x WHERE NOT x.tgisinternal;

select N.oid::bigint as id, N.xmin as state_number, nspname as name, D.description, pg_catalog.pg_get_userbyid(N.nspowner) as "owner" from pg_catalog.pg_namespace N left join pg_catalog.pg_description D on N.oid = D.objoid order by case when nspname = pg_catalog.current_schema() then -1::bigint else N.oid::bigint end;

select T.oid as oid, relnamespace::oid as schemaId, pg_catalog.translate(relkind, 'rmvpfS', 'rmvrfS') as kind from pg_catalog.pg_class T where relnamespace = 'public'::regnamespace and relkind in ('r', 'm', 'v', 'p', 'f', 'S') order by 1;

select round(extract(epoch from pg_catalog.pg_postmaster_start_time() at time zone 'UTC')) > 0 as startup_time;

--! shape
select L.transactionid::varchar::bigint as transaction_id from pg_catalog.pg_locks L where L.transactionid is not null order by pg_catalog.age(L.transactionid) desc limit 1;

-- pgAdmin.

SELECT rolname AS "Username", rolsuper, rolcreaterole, rolcreatedb FROM pg_catalog.pg_roles WHERE rolname = current_user;

SELECT roles.oid as id, roles.rolname as name, roles.rolsuper as is_superuser, CASE WHEN roles.rolsuper THEN true ELSE roles.rolcreaterole END as can_create_role FROM pg_catalog.pg_roles as roles WHERE rolname = current_user;

SELECT db.datname as name, db.dattablespace AS spcoid, spcname, datallowconn, pg_encoding_to_char(encoding) AS serverencoding, pg_catalog.pg_get_userbyid(datdba) AS datowner, has_database_privilege(db.oid, 'CREATE') as cancreate, datcollate, datctype, datconnlimit FROM pg_database db LEFT OUTER JOIN pg_tablespace ta ON db.dattablespace=ta.oid WHERE datname = current_database();

--! shape
SELECT 'session_stats' AS chart_name, pg_catalog.row_to_json(t) AS chart_data FROM (SELECT (SELECT count(*) FROM pg_catalog.pg_stat_activity) AS "Total", (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE state = 'active') AS "Active", (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE state = 'idle') AS "Idle") t UNION ALL SELECT 'tps_stats' AS chart_name, pg_catalog.row_to_json(t) AS chart_data FROM (SELECT (SELECT sum(xact_commit) + sum(xact_rollback) FROM pg_catalog.pg_stat_database) AS "Transactions") t;

SELECT rel.oid, rel.relname, rel.reltablespace AS spcoid, spc.spcname, con.conname, con.conkey, pg_catalog.pg_relation_size(rel.oid) >= 0, array_to_string(rel.relacl::text[], ', ') FROM pg_catalog.pg_class rel LEFT OUTER JOIN pg_catalog.pg_tablespace spc on spc.oid=rel.reltablespace LEFT OUTER JOIN pg_catalog.pg_constraint con ON con.conrelid=rel.oid AND con.contype='p' WHERE rel.relkind IN ('r','s','t','p') AND rel.relnamespace = 'public'::regnamespace ORDER BY rel.relname;

SELECT nsp.nspname, c.relname, pg_catalog.pg_get_serial_sequence(nsp.nspname || '.' || quote_ident(c.relname), 'id') FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace nsp ON nsp.oid = c.relnamespace WHERE c.relname = 'audit';

-- What people look at.

--! shape
SELECT pid, usename, state, now() - query_start AS runtime, query FROM pg_stat_activity WHERE state <> 'idle' AND now() - query_start > interval '5 seconds' ORDER BY runtime DESC;

--! shape
SELECT datname, count(*) FROM pg_stat_activity GROUP BY datname ORDER BY 1;

SELECT relname, pg_size_pretty(pg_total_relation_size(relid)) IS NOT NULL FROM pg_catalog.pg_statio_user_tables ORDER BY relname;

--! shape
SELECT schemaname, relname, indexrelname, idx_scan FROM pg_stat_user_indexes ORDER BY idx_scan, indexrelname;

SELECT pg_size_pretty(pg_database_size(current_database())) IS NOT NULL, pg_database_size('shop') > 0;

--! shape
SELECT relname, n_live_tup, n_dead_tup, last_vacuum, last_analyze FROM pg_stat_user_tables ORDER BY relname;

--! shape
SELECT locktype, relation::regclass, mode, granted FROM pg_locks WHERE NOT granted;

SELECT name, setting, unit FROM pg_settings WHERE name IN ('max_connections', 'server_version') ORDER BY name;

SELECT name, source FROM pg_settings WHERE name = 'work_mem';

SELECT spcname FROM pg_tablespace ORDER BY 1;

--! shape
SELECT blocked.pid, blocking.pid FROM pg_stat_activity blocked JOIN pg_stat_activity blocking ON blocking.pid = ANY (pg_blocking_pids(blocked.pid));

SELECT reltuples::bigint FROM pg_class WHERE oid = 'customers'::regclass;

SELECT to_regclass('public.orders'), to_regtype('mood'), to_regproc('create_order'), 'orders'::regclass::oid > 0, to_regnamespace('nowhere');

SELECT grantee, privilege_type FROM information_schema.role_table_grants WHERE table_name = 'orders' ORDER BY 1, 2;

SELECT obj_description('customers'::regclass), col_description('customers'::regclass, 2), shobj_description((SELECT oid FROM pg_database WHERE datname = 'shop'), 'pg_database');

SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'lines'::regclass ORDER BY 1;

SELECT attname, n_distinct, most_common_vals FROM pg_stats WHERE tablename = 'lines' ORDER BY 1;

-- pg_dump asks for these before and between; see programs.rs for the program itself.

BEGIN;
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SELECT set_config('search_path', '', true);
SELECT oid, tgrelid, tgname FROM pg_catalog.pg_trigger t WHERE NOT tgisinternal ORDER BY tgrelid, tgname;
LOCK TABLE public.orders, public.customers IN ACCESS SHARE MODE;
SELECT c.tableoid, c.oid, c.relname FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'S', 'v', 'c', 'm', 'f', 'p') ORDER BY c.oid;
COMMIT;

SELECT pg_catalog.set_config('search_path', '', false);
SELECT pg_catalog.set_config('search_path', '"$user", public', false);
