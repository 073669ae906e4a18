-- What programs with a window and reporting tools send over a connection: TablePlus, Beekeeper, Postico, HeidiSQL, Azure Data
-- Studio, pgcli, Tableau, Power BI, Looker, Redash, Retool, and more of pgAdmin, DBeaver, DataGrip, Metabase, Grafana, Superset.

-- pgAdmin 4: SQL editor, properties, search, ERD, schema diff.

--! simple
SET DateStyle=ISO; SET client_min_messages=notice; SELECT set_config('bytea_output','hex',false) FROM pg_show_all_settings() WHERE name = 'bytea_output'; SET client_encoding='utf-8';

SELECT CASE WHEN usesuper THEN pg_catalog.pg_is_in_recovery() ELSE FALSE END as inrecovery, CASE WHEN usesuper AND pg_catalog.pg_is_in_recovery() THEN pg_is_wal_replay_paused() ELSE FALSE END as isreplaypaused FROM pg_catalog.pg_user WHERE usename=current_user;

SELECT roles.oid as id, roles.rolname as name, roles.rolsuper as is_superuser, CASE WHEN roles.rolsuper THEN true ELSE roles.rolcreaterole END as can_create_role, CASE WHEN roles.rolsuper THEN true ELSE roles.rolcreatedb END as can_create_db, CASE WHEN 'pg_signal_backend'=ANY(ARRAY(WITH RECURSIVE cte AS (SELECT pg_roles.oid,pg_roles.rolname FROM pg_roles WHERE pg_roles.oid = roles.oid UNION ALL SELECT m.roleid, pgr.rolname FROM cte cte_1 JOIN pg_auth_members m ON m.member = cte_1.oid JOIN pg_roles pgr ON pgr.oid = m.roleid) SELECT rolname FROM cte)) THEN True ELSE False END as can_signal_backend FROM pg_catalog.pg_roles as roles WHERE rolname = current_user;

SELECT db.oid as did, db.datname as name, ta.spcname as spcname, db.datallowconn, db.datistemplate AS is_template, pg_catalog.has_database_privilege(db.oid, 'CREATE') as cancreate, datdba as owner, descr.description FROM pg_catalog.pg_database db LEFT OUTER JOIN pg_catalog.pg_tablespace ta ON db.dattablespace = ta.oid LEFT OUTER JOIN pg_catalog.pg_shdescription descr ON (db.oid=descr.objoid AND descr.classoid='pg_database'::regclass) WHERE db.datname = 'shop' ORDER BY datname;

SELECT db.oid AS did, db.oid, db.datname AS name, db.dattablespace AS spcoid, spcname, datallowconn, pg_catalog.pg_encoding_to_char(encoding) AS encoding, pg_catalog.pg_get_userbyid(datdba) AS datowner, datcollate is not null, datconnlimit, pg_catalog.has_database_privilege(db.oid, 'CREATE') AS cancreate, pg_catalog.current_setting('default_tablespace') AS default_tablespace, descr.description AS comments, datistemplate AS is_template, (SELECT pg_catalog.array_to_string(ARRAY(SELECT array_to_string(defaclacl::text[], ', ') FROM pg_catalog.pg_default_acl WHERE defaclobjtype = 'r' AND defaclnamespace = 0::OID), ', ')) AS tblacl, (SELECT pg_catalog.array_agg(provider || '=' || label) FROM pg_catalog.pg_shseclabel sl1 WHERE sl1.objoid=db.oid) AS seclabels FROM pg_catalog.pg_database db LEFT OUTER JOIN pg_catalog.pg_tablespace ta ON db.dattablespace=ta.OID LEFT OUTER JOIN pg_catalog.pg_shdescription descr ON (db.oid=descr.objoid AND descr.classoid='pg_database'::regclass) WHERE db.datname = 'shop';

SELECT 'aclitem' AS t, COALESCE(gt.rolname, 'PUBLIC') AS grantee, g.rolname AS grantor, pg_catalog.array_agg(privilege_type ORDER BY privilege_type) as privileges, pg_catalog.array_agg(is_grantable ORDER BY privilege_type) as grantable FROM (SELECT d.grantee, d.grantor, d.is_grantable, CASE d.privilege_type WHEN 'CONNECT' THEN 'c' WHEN 'CREATE' THEN 'C' WHEN 'DELETE' THEN 'd' WHEN 'EXECUTE' THEN 'X' WHEN 'INSERT' THEN 'a' WHEN 'REFERENCES' THEN 'x' WHEN 'SELECT' THEN 'r' WHEN 'TEMPORARY' THEN 'T' WHEN 'TRIGGER' THEN 't' WHEN 'TRUNCATE' THEN 'D' WHEN 'UPDATE' THEN 'w' WHEN 'USAGE' THEN 'U' ELSE 'UNKNOWN' END AS privilege_type FROM (SELECT (d).grantee AS grantee, (d).grantor AS grantor, (d).is_grantable AS is_grantable, (d).privilege_type AS privilege_type FROM (SELECT pg_catalog.aclexplode(relacl) as d FROM pg_catalog.pg_class WHERE relname = 'jobs') a) d) d LEFT JOIN pg_catalog.pg_roles g ON (d.grantor = g.oid) LEFT JOIN pg_catalog.pg_roles gt ON (d.grantee = gt.oid) GROUP BY g.rolname, gt.rolname ORDER BY 2, 3;

SELECT rel.oid > 0, rel.relname AS name, (SELECT count(*) FROM pg_catalog.pg_trigger WHERE tgrelid=rel.oid AND tgisinternal = FALSE) AS triggercount, (SELECT count(*) FROM pg_catalog.pg_trigger WHERE tgrelid=rel.oid AND tgisinternal = FALSE AND tgenabled = 'O') AS has_enable_triggers, (CASE WHEN rel.relkind = 'p' THEN true ELSE false END) AS is_partitioned, (SELECT count(1) FROM pg_catalog.pg_inherits WHERE inhrelid=rel.oid LIMIT 1) as is_inherits FROM pg_catalog.pg_class rel WHERE rel.relkind IN ('r','s','t','p') AND rel.relnamespace = 'public'::regnamespace AND NOT rel.relispartition ORDER BY rel.relname;

SELECT rel.relname AS name, rel.reltablespace AS spcoid, rel.relacl IS NULL AS relacl_str, (CASE WHEN length(spc.spcname::text) > 0 OR rel.relkind = 'p' THEN spc.spcname ELSE (SELECT sp.spcname FROM pg_catalog.pg_database dtb JOIN pg_catalog.pg_tablespace sp ON dtb.dattablespace=sp.oid WHERE dtb.datname = current_database()) END) as spcname, (select nspname from pg_catalog.pg_namespace where oid = rel.relnamespace) as parent_schema, pg_catalog.pg_get_userbyid(rel.relowner) AS relowner, rel.relkind, rel.relispartition, con.conname, con.conkey, EXISTS(select 1 FROM pg_catalog.pg_trigger JOIN pg_catalog.pg_proc pt ON pt.oid=tgfoid AND pt.proname='logtrigger' JOIN pg_catalog.pg_proc pc ON pc.pronamespace=pt.pronamespace AND pc.proname='slonyversion' WHERE tgrelid=rel.oid) AS isrepl, substring(pg_catalog.array_to_string(rel.reloptions, ',') FROM 'fillfactor=([0-9]*)') AS fillfactor, (CASE WHEN (substring(pg_catalog.array_to_string(rel.reloptions, ',') FROM 'autovacuum_enabled=([a-z|0-9]*)') = 'true') THEN true WHEN (substring(pg_catalog.array_to_string(rel.reloptions, ',') FROM 'autovacuum_enabled=([a-z|0-9]*)') = 'false') THEN false ELSE null END) AS autovacuum_enabled, substring(pg_catalog.array_to_string(rel.reloptions, ',') FROM 'autovacuum_vacuum_cost_delay=([0-9]*[.]?[0-9]*)') AS autovacuum_vacuum_cost_delay, typ.typname, rel.relrowsecurity as rlspolicy, rel.relforcerowsecurity as forcerlspolicy FROM pg_catalog.pg_class rel LEFT OUTER JOIN pg_catalog.pg_tablespace spc on spc.oid=rel.reltablespace LEFT OUTER JOIN pg_catalog.pg_constraint con ON con.conrelid=rel.oid AND con.contype='p' LEFT OUTER JOIN pg_catalog.pg_class tst ON tst.oid = rel.reltoastrelid LEFT JOIN pg_catalog.pg_type typ ON rel.reloftype=typ.oid WHERE rel.relkind IN ('r','s','t','p') AND rel.relname = 'customers';

SELECT at.attname, at.attnum, ty.typname, pg_catalog.format_type(ty.oid, at.atttypmod) AS displaytypname, CASE WHEN ty.typelem > 0 THEN ty.typelem ELSE ty.oid END as elemoid, pg_catalog.pg_get_expr(def.adbin, def.adrelid) AS defval, description, (SELECT count(1) FROM pg_catalog.pg_type t2 WHERE t2.typname=ty.typname) > 1 AS isdup, CASE WHEN (indkey IS NULL OR at.attnum = ANY(indkey)) THEN true ELSE false END AS is_pk, (CASE WHEN at.attidentity in ('a', 'd') THEN 'i' WHEN at.attgenerated in ('s') THEN 'g' ELSE 'n' END) AS colconstype, at.attoptions, at.attstattarget FROM pg_catalog.pg_attribute at LEFT JOIN pg_catalog.pg_type ty ON ty.oid=at.atttypid LEFT OUTER JOIN pg_catalog.pg_attrdef def ON adrelid=at.attrelid AND adnum=at.attnum LEFT OUTER JOIN pg_catalog.pg_description des ON (des.objoid=at.attrelid AND des.objsubid=at.attnum AND des.classoid='pg_class'::regclass) LEFT OUTER JOIN pg_catalog.pg_index pi ON pi.indrelid=at.attrelid AND indisprimary WHERE at.attrelid = 'customers'::regclass AND at.attnum > 0 AND at.attisdropped IS FALSE ORDER BY at.attnum;

SELECT x.obj_type, x.obj_name FROM (SELECT 'table' obj_type, relname obj_name, '/x' obj_path FROM pg_catalog.pg_class WHERE relkind = 'r' UNION SELECT 'event_trigger', evtname, '/e' FROM pg_catalog.pg_event_trigger UNION SELECT 'extension', extname, '' FROM pg_catalog.pg_extension UNION SELECT 'foreign_server', srvname, '' FROM pg_catalog.pg_foreign_server UNION SELECT 'user_mapping', usename, '' FROM pg_catalog.pg_user_mappings UNION SELECT 'subscription', subname::text, '' FROM pg_catalog.pg_stat_subscription UNION SELECT 'pga_job', 'x', '') x WHERE x.obj_name ILIKE '%lines%' ORDER BY 1, 2;

--! shape
SELECT 'session_stats' AS chart_name, pg_catalog.row_to_json(t) AS chart_data FROM (SELECT (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = 'shop') AS "Total", (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE state = 'active' AND datname = 'shop') AS "Active", (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE state = 'idle') AS "Idle") t UNION ALL SELECT 'tps_stats' AS chart_name, pg_catalog.row_to_json(t) AS chart_data FROM (SELECT (SELECT sum(xact_commit) + sum(xact_rollback) FROM pg_catalog.pg_stat_database) AS "Transactions", (SELECT sum(xact_commit) FROM pg_catalog.pg_stat_database) AS "Commits") t;

--! shape
SELECT pid, 'cancel' AS cancel, 'terminate' AS terminate, datname, usename, application_name, client_addr, pg_catalog.to_char(backend_start, 'YYYY-MM-DD HH24:MI:SS TZ') AS backend_start, pg_catalog.to_char(xact_start, 'YYYY-MM-DD HH24:MI:SS TZ') AS xact_start, state, CASE WHEN wait_event_type = '' THEN wait_event_type ELSE wait_event_type || ': ' || wait_event END AS wait_event, pg_catalog.pg_blocking_pids(pid) AS blocking_pids, query, backend_type, CASE WHEN state = 'active' THEN ROUND((extract(epoch from now() - query_start) / 60)::numeric, 2) ELSE 0 END AS active_since FROM pg_catalog.pg_stat_activity WHERE datname = (SELECT datname FROM pg_catalog.pg_database WHERE oid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = 'shop')) ORDER BY pid LIMIT 1;

--! shape
SELECT pid, locktype, datname, relation::regclass, page, tuple, virtualxid, transactionid, classid::regclass, objid, objsubid, virtualtransaction, mode, granted, fastpath FROM pg_catalog.pg_locks l LEFT OUTER JOIN pg_catalog.pg_database d ON (l.database = d.oid) ORDER BY pid, locktype LIMIT 1;

SELECT name, category, setting, unit, short_desc FROM pg_catalog.pg_settings WHERE name = 'work_mem' ORDER BY category;

SELECT gid, database, owner, transaction, prepared FROM pg_catalog.pg_prepared_xacts ORDER BY gid, database, owner;

EXPLAIN (FORMAT JSON, ANALYZE false, VERBOSE false, COSTS false, BUFFERS false, SETTINGS false) SELECT * FROM jobs WHERE id = 1;

BEGIN;
SELECT * FROM public.jobs ORDER BY id ASC LIMIT 1000;
END;

-- DBeaver.

SET extra_float_digits = 3;
SET application_name = 'DBeaver 24.2.0 - Main <shop>';
SHOW search_path;
SELECT current_schema(),session_user;
SELECT n.oid > 0,n.nspname,d.description FROM pg_catalog.pg_namespace n LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=n.oid AND d.objsubid=0 AND d.classoid='pg_namespace'::regclass WHERE n.nspname = 'public' ORDER BY nspname;
SELECT n.nspname = ANY(current_schemas(true)) as s, t.typname, t.typtype FROM pg_catalog.pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typname = 'mood' AND t.typtype IS NOT NULL;

SELECT t.oid > 0,t.typname,c.relkind,format_type(nullif(t.typbasetype, 0), t.typtypmod) as base_type_name, d.description FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid=t.typelem LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid=t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid=d.objoid WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C') AND t.typname = 'quantity';

SELECT c.relname,d.description,pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr, pg_catalog.pg_get_partkeydef(c.oid) as partition_key FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_class'::regclass WHERE c.relnamespace='public'::regnamespace AND c.relkind not in ('i','I','c') AND relname LIKE 'events%' ORDER BY 1;

SELECT c.relname,a.attname,pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value,dsc.description,dep.objid IS NOT NULL FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON (a.attrelid=c.oid) LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid=ad.adrelid AND a.attnum = ad.adnum) LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = dsc.objsubid) LEFT OUTER JOIN pg_depend dep on dep.refobjid = a.attrelid AND dep.deptype = 'i' and dep.refobjsubid = a.attnum and dep.classid = dep.refclassid WHERE NOT a.attisdropped AND c.relname = 'audit' AND a.attnum > 0 ORDER BY a.attnum;

--! shape
select c.relname, case when c.relkind='r' then pg_catalog.pg_total_relation_size(c.oid) else 0 end as total_rel_size, case when c.relkind = 'r' then pg_catalog.pg_relation_size(c.oid) else 0 end as rel_size FROM pg_class c WHERE c.relnamespace='public'::regnamespace ORDER BY 1;

SELECT i.indisprimary, c.relname, pg_catalog.pg_get_expr(i.indexprs, i.indrelid) as expr, pg_catalog.pg_get_indexdef(i.indexrelid) FROM pg_catalog.pg_index i INNER JOIN pg_catalog.pg_class c ON c.oid=i.indexrelid WHERE i.indrelid = 'lines'::regclass ORDER BY c.relname;

SELECT x.tgname, p.proname FROM pg_catalog.pg_trigger x LEFT OUTER JOIN pg_catalog.pg_proc p ON p.oid=x.tgfoid WHERE x.tgrelid = 'audit'::regclass;

SELECT x.* FROM public.jobs x ORDER BY x.id LIMIT 200;

SELECT COUNT(*) FROM (SELECT * FROM jobs) dbvrcnt;

EXPLAIN (FORMAT XML, COSTS FALSE, BUFFERS FALSE) SELECT id FROM jobs WHERE id = 1;

select * from public.jobs x where x.ctid = '(0,1)'::tid and x.xmin is not null order by x.id limit 200 offset 0;

BEGIN;
UPDATE public.jobs SET state='edited' WHERE id=1 AND state='new';
INSERT INTO public.jobs (id,state) VALUES(901,'new');
DELETE FROM public.jobs WHERE id=901;
SELECT state FROM public.jobs WHERE id=1;
ROLLBACK;

--! simple
SELECT version();SELECT typname FROM pg_catalog.pg_type WHERE oid = 23;

SELECT * FROM pg_catalog.pg_get_keywords() WHERE word = 'select';

-- DataGrip.

set application_name = 'DataGrip 2024.2.2';
set extra_float_digits = 3;
select current_database() as a, current_schemas(false) as b;
SHOW TRANSACTION ISOLATION LEVEL;

select round(extract(epoch from pg_postmaster_start_time() at time zone 'UTC')) > 0 as startup_time;

select L.transactionid::varchar::bigint as transaction_id from pg_catalog.pg_locks L where L.transactionid is not null order by pg_catalog.age(L.transactionid) desc limit 0;

select case when pg_catalog.pg_is_in_recovery() then null else (pg_catalog.txid_current() % (2^32)::bigint)::varchar::bigint end > 0 as current_txid;

select T.oid::bigint > 0 as id, T.spcname as name, T.xmin IS NOT NULL as state_number, pg_catalog.pg_get_userbyid(T.spcowner) is not null as owner, pg_catalog.pg_tablespace_location(T.oid) as location, T.spcoptions as options, D.description as comment from pg_catalog.pg_tablespace T left join pg_catalog.pg_shdescription D on D.objoid = T.oid order by 2;

select member id, roleid role_id, admin_option from pg_catalog.pg_auth_members order by id, roleid::text limit 0;

with T as (select T.oid as table_id, T.relname as table_name from pg_catalog.pg_class T, pg_catalog.pg_namespace N where N.nspname = 'public' and T.relnamespace = N.oid and T.relkind in ('r', 'm', 'v', 'f', 'p')) select T.table_name, C.attnum as column_position, C.attname as column_name, pg_catalog.format_type(C.atttypid, C.atttypmod) as type_spec, C.attnotnull, coalesce(pg_catalog.pg_get_expr(D.adbin, T.table_id), '') as column_default_expression, C.attidentity, C.attgenerated from T join pg_catalog.pg_attribute C on T.table_id = C.attrelid left outer join pg_catalog.pg_attrdef D on (C.attrelid, C.attnum) = (D.adrelid, D.adnum) where attnum > 0 and T.table_name in ('lines', 'audit') order by T.table_name, attnum;

select T.relkind as view_kind, T.relname, pg_catalog.pg_get_viewdef(T.oid, true) as source_text from pg_catalog.pg_class T join pg_catalog.pg_namespace N on T.relnamespace = N.oid where N.nspname = 'public' and T.relkind in ('m','v') order by 2;

select PC.oid::regprocedure::text, PC.prosrc, pg_catalog.pg_get_function_sqlbody(PC.oid), PC.proisstrict, PC.provolatile, PC.proparallel, PC.procost, PC.prorows, PC.prosecdef, PC.proleakproof, PC.proconfig, L.lanname from pg_catalog.pg_proc PC join pg_catalog.pg_language L on PC.prolang = L.oid where PC.pronamespace = 'public'::regnamespace and proname = 'create_order';

select t.* from public.jobs t order by t.id limit 501;

select count(*) from (select t.* from public.jobs t) t;

explain (costs false, format json) select * from jobs;

-- TablePlus, Beekeeper Studio, Postico, HeidiSQL, Azure Data Studio.

--! simple
SET statement_timeout = 120000; SELECT pg_backend_pid() > 0; SELECT VERSION();
SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname = 'public';
SELECT ic.relname AS index_name, ix.indisunique AS is_unique, pg_get_expr(ix.indpred, ix.indrelid, TRUE) AS "condition", am.amname AS index_algorithm, CASE WHEN position(' WHERE ' in pg_get_indexdef(ix.indexrelid)) > 0 THEN regexp_replace(pg_get_indexdef(ix.indexrelid), ' WHERE .+', '') ELSE NULL END, (SELECT array_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = ix.indexrelid) AS column_name, obj_description(ic.oid) AS "comment" FROM pg_index ix JOIN pg_class ic ON ic.oid = ix.indexrelid JOIN pg_am am ON am.oid = ic.relam JOIN pg_class t ON t.oid = ix.indrelid WHERE t.relname = 'lines' ORDER BY 1;
SELECT col_description('public.customers'::regclass::oid, 2), obj_description('public.customers'::regclass, 'pg_class');

SELECT ordinal_position AS ordinal_position,column_name AS column_name,udt_name AS data_type,format_type(c.atttypid, c.atttypmod) AS data_type_udt,numeric_precision,datetime_precision,numeric_scale,character_maximum_length AS data_length,is_nullable,column_name AS check_,column_name AS check_constraint,column_default,column_name AS foreign_key,pg_catalog.col_description('public.lines'::regclass::oid, ordinal_position) AS comment FROM information_schema.columns JOIN pg_attribute c ON c.attrelid = 'public.lines'::regclass AND c.attname = column_name WHERE table_name = 'lines' AND table_schema = 'public' ORDER BY 1;

SELECT a.attname AS column_name, i.indisprimary, format_type(a.atttypid, a.atttypmod) AS data_type, a.attnum FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) WHERE i.indrelid = '"public"."jobs"'::regclass AND i.indisprimary ORDER BY a.attnum;

--! values public|jobs
SELECT column_name, data_type, CASE WHEN is_identity = 'YES' THEN 'auto' END AS extra FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position;

SELECT pg_stat_get_live_tuples(c.oid) >= 0 AS estimate, reltuples::bigint >= -1 FROM pg_class c WHERE oid = 'public.jobs'::regclass;

SELECT "DATABASE_NAME" FROM (SELECT datname AS "DATABASE_NAME" FROM pg_database WHERE datallowconn AND NOT datistemplate) d WHERE "DATABASE_NAME" = 'shop';

-- pgcli, usql.

SELECT n.nspname schema_name, p.proname func_name, p.proargnames, COALESCE(proallargtypes::regtype[], proargtypes::regtype[])::text[], p.proargmodes, prorettype::regtype::text return_type, p.prokind = 'a' is_aggregate, p.prokind = 'w' is_window, p.proretset is_set_returning, d.deptype = 'e' is_extension, pg_get_expr(proargdefaults, 0) AS arg_defaults FROM pg_catalog.pg_proc p INNER JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace LEFT JOIN pg_depend d ON d.objid = p.oid and d.deptype = 'e' WHERE p.prorettype::regtype != 'trigger'::regtype AND n.nspname = 'public' ORDER BY 1, 2;

SELECT s_p.nspname AS parentschema, t_p.relname AS parenttable, unnest((select array_agg(attname ORDER BY i) from (select unnest(confkey) as attnum, generate_subscripts(confkey, 1) as i) x JOIN pg_catalog.pg_attribute c USING(attnum) WHERE c.attrelid = fk.confrelid)) AS parentcolumn, t_c.relname AS childtable FROM pg_catalog.pg_constraint fk JOIN pg_catalog.pg_class t_p ON t_p.oid = fk.confrelid JOIN pg_catalog.pg_namespace s_p ON s_p.oid = t_p.relnamespace JOIN pg_catalog.pg_class t_c ON t_c.oid = fk.conrelid WHERE fk.contype = 'f';

select setting from pg_settings where name = 'port' and false;

-- Tableau and psqlodbc.

--! simple
SET DateStyle = 'ISO';SET extra_float_digits = 2;show transaction_isolation;

select oid, typbasetype from pg_type where typname = 'lo';

SELECT "COL" FROM (SELECT 1 AS "COL") AS "CHECKTEMP" LIMIT 1;

BEGIN;
declare "SQL_CUR0x55d0c8" cursor for SELECT CAST("customers"."name" AS TEXT) AS "name", SUM(CAST("lines"."amount" AS DOUBLE PRECISION)) AS "sum:amount:ok" FROM "public"."customers" "customers" INNER JOIN "public"."lines" "lines" ON ("customers"."id" = "lines"."customer") GROUP BY 1 HAVING (COUNT(1) > 0) ORDER BY 1;
fetch 100 in "SQL_CUR0x55d0c8";
close "SQL_CUR0x55d0c8";
COMMIT;

--! simple
BEGIN;declare "SQL_CUR01" cursor for select relname from pg_catalog.pg_class where relname = 'jobs';fetch 100 in "SQL_CUR01";
close "SQL_CUR01";commit;

--! simple
BEGIN;
SAVEPOINT _EXEC_SVP_0x55d0c8;
INSERT INTO jobs (id) VALUES (902);
RELEASE _EXEC_SVP_0x55d0c8;
SAVEPOINT _per_query_svp_;DELETE FROM jobs WHERE id = 902;RELEASE _per_query_svp_;
ROLLBACK;

select n.nspname, c.relname, a.attname, a.atttypid, t.typname, a.attnum, a.attlen, a.atttypmod, a.attnotnull, c.relhasrules, c.relkind, pg_get_expr(d.adbin, d.adrelid), case t.typtype when 'd' then t.typbasetype else 0 end > 0, t.typtypmod, 0, attidentity, c.relhassubclass from (((pg_catalog.pg_class c inner join pg_catalog.pg_namespace n on n.oid = c.relnamespace and c.relname like 'jobs' and n.nspname like 'public') inner join pg_catalog.pg_attribute a on (not a.attisdropped) and a.attnum > 0 and a.attrelid = c.oid) inner join pg_catalog.pg_type t on t.oid = a.atttypid) left outer join pg_attrdef d on a.atthasdef and d.adrelid = a.attrelid and d.adnum = a.attnum order by n.nspname, c.relname, attnum;

select ta.attname, ia.attnum, ic.relname, n.nspname, tc.relname from pg_catalog.pg_attribute ta, pg_catalog.pg_attribute ia, pg_catalog.pg_class tc, pg_catalog.pg_index i, pg_catalog.pg_namespace n, pg_catalog.pg_class ic where tc.relname = 'jobs' AND n.nspname = 'public' AND tc.oid = i.indrelid AND n.oid = tc.relnamespace AND i.indisprimary = 't' AND ia.attrelid = i.indexrelid AND ta.attrelid = i.indrelid AND ta.attnum = i.indkey[ia.attnum-1] AND (NOT ta.attisdropped) AND (NOT ia.attisdropped) AND ic.oid = i.indexrelid order by ia.attnum;

SELECT "t0"."product" AS "product", (CASE WHEN ("t0"."price" >= 10) THEN 'high' ELSE 'low' END) AS "Calculation_1", DATE_TRUNC( 'MONTH', CAST("c"."created" AS TIMESTAMP WITHOUT TIME ZONE) ) AS "tmn:created:ok", COUNT(DISTINCT "t0"."customer") AS "ctd:customer:ok" FROM "public"."lines" "t0" LEFT JOIN "public"."customers" "c" ON "c"."id" = "t0"."customer" WHERE (("t0"."product" IN ('anvil', 'rope')) AND (NOT ("c"."name" IS NULL))) GROUP BY 1, 2, 3 ORDER BY 1, 2;

-- Power BI, Excel, Npgsql behind them.

select TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE from INFORMATION_SCHEMA.tables where TABLE_SCHEMA not in ('information_schema', 'pg_catalog') order by TABLE_SCHEMA, TABLE_NAME;

select COLUMN_NAME, ORDINAL_POSITION, IS_NULLABLE, case when (data_type like '%unsigned%') then DATA_TYPE || ' unsigned' else DATA_TYPE end as DATA_TYPE from INFORMATION_SCHEMA.columns where TABLE_SCHEMA = 'public' and TABLE_NAME = 'lines' order by TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION;

select pkcol.COLUMN_NAME as PK_COLUMN_NAME, fkcol.TABLE_SCHEMA AS FK_TABLE_SCHEMA, fkcol.TABLE_NAME AS FK_TABLE_NAME, fkcol.COLUMN_NAME as FK_COLUMN_NAME, fkcol.ORDINAL_POSITION as ORDINAL, fkcon.CONSTRAINT_SCHEMA || '_' || fkcol.TABLE_NAME || '_' || 'customers' || '_' || fkcon.CONSTRAINT_NAME as FK_NAME from (select distinct constraint_catalog, constraint_schema, unique_constraint_schema, constraint_name, unique_constraint_name from INFORMATION_SCHEMA.referential_constraints) fkcon inner join INFORMATION_SCHEMA.key_column_usage fkcol on fkcon.CONSTRAINT_SCHEMA = fkcol.CONSTRAINT_SCHEMA and fkcon.CONSTRAINT_NAME = fkcol.CONSTRAINT_NAME inner join INFORMATION_SCHEMA.key_column_usage pkcol on fkcon.UNIQUE_CONSTRAINT_SCHEMA = pkcol.CONSTRAINT_SCHEMA and fkcon.UNIQUE_CONSTRAINT_NAME = pkcol.CONSTRAINT_NAME where pkcol.TABLE_NAME = 'customers' and pkcol.ORDINAL_POSITION = fkcol.ORDINAL_POSITION order by FK_NAME;

select i.CONSTRAINT_SCHEMA || '_' || i.CONSTRAINT_NAME as INDEX_NAME, ii.COLUMN_NAME, ii.ORDINAL_POSITION, case when i.CONSTRAINT_TYPE = 'PRIMARY KEY' then 'Y' else 'N' end as PRIMARY_KEY from INFORMATION_SCHEMA.table_constraints i inner join INFORMATION_SCHEMA.key_column_usage ii on i.CONSTRAINT_SCHEMA = ii.CONSTRAINT_SCHEMA and i.CONSTRAINT_NAME = ii.CONSTRAINT_NAME and i.TABLE_SCHEMA = ii.TABLE_SCHEMA and i.TABLE_NAME = ii.TABLE_NAME where i.TABLE_NAME = 'jobs' and i.CONSTRAINT_TYPE in ('PRIMARY KEY', 'UNIQUE') order by 1, 3;

select character_set_name from INFORMATION_SCHEMA.character_sets;

select "$Table"."id" as "id", "$Table"."name" as "name" from "public"."customers" "$Table" order by 1 limit 4096;

select "rows"."product" as "product", sum("rows"."amount") as "a0", count(distinct("rows"."customer")) + max( case when "rows"."customer" is null then 1 else 0 end ) as "a1" from (select "_"."product", "_"."amount", "_"."customer" from "public"."lines" "_" where "_"."product" = 'anvil' and "_"."product" is not null) "rows" group by "product" limit 1000001;

-- Looker, Redash, Retool, Mode, Hex, Sigma.

SELECT 1 as x -- Looker Query Context '{"user_id":5,"history_slug":"drop","instance_slug":"x"}'
;

-- generated derived table sql used for pivots
WITH top_n AS (SELECT product AS "lines.product", COALESCE(SUM(lines.amount ), 0) AS "lines.total" FROM public.lines AS lines GROUP BY 1)
SELECT * FROM (
SELECT *, DENSE_RANK() OVER (ORDER BY z___min_rank) as z___pivot_row_rank, RANK() OVER (PARTITION BY z__pivot_col_rank ORDER BY z___min_rank) as z__pivot_col_ordering FROM (
SELECT *, MIN(z___rank) OVER (PARTITION BY "lines.product") as z___min_rank FROM (
SELECT *, RANK() OVER (ORDER BY "lines.total" DESC) AS z___rank, 1 AS z__pivot_col_rank FROM top_n) aa ) bb) xx
ORDER BY z___pivot_row_rank LIMIT 500;

/* Username: ada@example.com, query_id: 12, Queue: queries, Job ID: 0f, Query Hash: aa, Scheduled: False */ SELECT * FROM jobs ORDER BY id LIMIT 1000;

SELECT s.nspname as table_schema, c.relname as table_name, a.attname as column_name, null as data_type FROM pg_class c JOIN pg_namespace s ON c.relnamespace = s.oid AND s.nspname NOT IN ('pg_catalog', 'information_schema') JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE c.relkind = 'm' AND has_table_privilege(s.nspname || '.' || c.relname, 'select') UNION SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_name = 'jobs' ORDER BY 2, 3;

-- Metabase.

SET SESSION TIMEZONE TO 'Europe/Vienna';
SHOW timezone;
SET SESSION TIMEZONE TO 'UTC';

WITH table_privileges AS (SELECT NULL AS role, t.schemaname AS schema, t.objectname AS table, pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"', 'update') AS update, pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"', 'select') AS select, pg_catalog.has_table_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"', 'delete') AS delete FROM (SELECT schemaname, tablename AS objectname FROM pg_catalog.pg_tables UNION SELECT schemaname, viewname AS objectname FROM pg_catalog.pg_views UNION SELECT schemaname, matviewname AS objectname FROM pg_catalog.pg_matviews) t WHERE t.schemaname !~ '^pg_' AND t.schemaname <> 'information_schema' AND pg_catalog.has_schema_privilege(current_user, t.schemaname, 'usage')) SELECT t.* FROM table_privileges t WHERE t.table = 'jobs';

SELECT "public"."customers"."id" AS "id", "public"."customers"."name" AS "name", "Lines"."product" AS "Lines__product" FROM "public"."customers" LEFT JOIN "public"."lines" AS "Lines" ON "public"."customers"."id" = "Lines"."customer" WHERE (LOWER("public"."customers"."name") LIKE '%ada%') AND ("public"."customers"."created" >= DATE_TRUNC('month', (NOW() + INTERVAL '-12 month'))) ORDER BY "Lines"."line" LIMIT 2000;

SELECT "source"."created" AS "created", COUNT(*) AS "count" FROM (SELECT DATE_TRUNC('week', ("public"."customers"."created" + INTERVAL '1 day')) + INTERVAL '-1 day' AS "created" FROM "public"."customers") AS "source" GROUP BY "source"."created" ORDER BY "source"."created" ASC;

SELECT SUBSTRING("public"."customers"."name", 1, 1234) AS "substring1", CAST("public"."customers"."created" AS date), ("public"."customers"."data"#>>array['a', 'b']::text[])::bigint FROM "public"."customers" ORDER BY 1 LIMIT 10000;

-- Grafana.

SELECT floor(extract(epoch from "created")/3600)*3600 AS "time", avg(id) AS "value", name AS metric FROM customers WHERE "created" BETWEEN '2025-12-31T00:00:00Z' AND '2026-01-02T00:00:00Z' GROUP BY 1, 3 ORDER BY 1, 3;

SELECT to_timestamp(floor((extract('epoch' from created) / 600 )) * 600) AT TIME ZONE 'UTC' as t, count(*) FROM customers WHERE extract(epoch from created) >= 1767139200 AND extract(epoch from created) <= 1767312000 GROUP BY 1 ORDER BY 1;

SELECT column_name, data_type FROM information_schema.columns WHERE quote_ident(table_name) = 'jobs' AND quote_ident(table_schema) IN (SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1), array_upper(string_to_array(current_setting('search_path'), ','), 1)) as i, string_to_array(current_setting('search_path'), ',') s) ORDER BY column_name;

SELECT DISTINCT quote_ident(table_name) FROM information_schema.tables WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog', '_timescaledb_cache', '_timescaledb_catalog', '_timescaledb_internal', '_timescaledb_config', 'timescaledb_information', 'timescaledb_experimental') AND table_type = 'BASE TABLE' AND table_name = 'jobs';

SELECT current_setting('server_version_num')::int/100 >= 1500 AS version, EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'timescaledb') AS timescale;

-- Superset.

SELECT DATE_TRUNC('day', created) AS __timestamp, feeling AS feeling, count(*) AS count FROM public.customers JOIN (SELECT feeling AS feeling__, count(*) AS mme_inner__ FROM public.customers WHERE created >= TO_TIMESTAMP('2025-01-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') GROUP BY feeling ORDER BY mme_inner__ DESC LIMIT 5) AS series_limit ON feeling = feeling__ GROUP BY feeling, DATE_TRUNC('day', created) ORDER BY count DESC LIMIT 10000;

SELECT * FROM (SELECT * FROM jobs) AS virtual_table ORDER BY id LIMIT 1001;

SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace WHERE pg_catalog.pg_class.relkind = ANY (ARRAY['v', 'm']) AND pg_catalog.pg_class.relpersistence != 't' AND pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid) AND pg_catalog.pg_namespace.nspname != 'pg_catalog' ORDER BY 1 LIMIT 2;
