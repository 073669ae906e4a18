-- What tools with a window ask of the catalogs: psql's completion, pgAdmin, DBeaver, DataGrip, Metabase, Grafana, Superset.

-- psql: completion of what has been typed.

SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND (c.relname) LIKE 'cust%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog')
UNION ALL
SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'cust%' AND n.nspname NOT LIKE E'pg\\_%'
LIMIT 1000;

SELECT a.attname FROM pg_catalog.pg_attribute a, pg_catalog.pg_class c WHERE c.oid = a.attrelid and a.attnum > 0 and not a.attisdropped AND (a.attname) LIKE 'n%' AND ((c.relname) = ('customers') AND pg_catalog.pg_table_is_visible(c.oid)) LIMIT 1000;

SELECT pg_catalog.lower(name) FROM pg_catalog.pg_settings WHERE context IN ('user', 'superuser') AND pg_catalog.lower(name) LIKE pg_catalog.lower('ti%') ORDER BY 1 LIMIT 1000;

SELECT pg_catalog.quote_literal(name) FROM pg_catalog.pg_timezone_names() WHERE pg_catalog.quote_literal(pg_catalog.lower(name)) LIKE pg_catalog.lower('''Europe/Vi%') ORDER BY 1 LIMIT 1000;

SELECT pg_catalog.quote_literal(enumlabel) FROM pg_catalog.pg_enum e, pg_catalog.pg_type t WHERE t.oid = e.enumtypid AND (pg_catalog.quote_literal(enumlabel)) LIKE '''%' AND ((t.typname) = ('mood') AND pg_catalog.pg_type_is_visible(t.oid)) ORDER BY 1 LIMIT 1000;

SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE slot_name LIKE '%' LIMIT 1000;

SELECT name FROM pg_catalog.pg_available_extensions WHERE name LIKE 'pg%' AND installed_version IS NULL ORDER BY 1 LIMIT 1000;

SELECT name FROM pg_catalog.pg_prepared_statements WHERE name LIKE 'none%' LIMIT 1000;

SELECT name FROM pg_catalog.pg_cursors WHERE name LIKE 'none%' LIMIT 1000;

SELECT setting FROM (SELECT CAST('DEFAULT' AS pg_catalog.text) UNION ALL SELECT pg_catalog.unnest(enumvals) FROM pg_catalog.pg_settings WHERE pg_catalog.lower(name) = pg_catalog.lower('bytea_output')) ss (setting) WHERE setting LIKE '%' ORDER BY 1;

SELECT pg_catalog.oidvectortypes(p.proargtypes)||')' FROM pg_catalog.pg_proc p WHERE (p.proname) = ('grant_total') AND pg_catalog.pg_function_is_visible(p.oid) LIMIT 1000;

SELECT pg_catalog.quote_ident(channel) FROM pg_catalog.pg_listening_channels() AS channel WHERE pg_catalog.substring(pg_catalog.quote_ident(channel),1,1)='x';

SELECT rolname FROM pg_catalog.pg_roles WHERE rolname LIKE 'shop%' UNION ALL SELECT 'PUBLIC' UNION ALL SELECT 'CURRENT_ROLE' ORDER BY 1;

SELECT datname FROM pg_catalog.pg_database WHERE datname LIKE 'sh%' LIMIT 1000;

SELECT tmplname FROM pg_catalog.pg_ts_template WHERE tmplname LIKE 's%' ORDER BY 1 LIMIT 1000;

-- psql: \d of older versions, \ef, \sv, \gdesc, \dconfig.

SELECT oid FROM pg_catalog.pg_proc WHERE oid = 'create_order'::pg_catalog.regproc::pg_catalog.oid ORDER BY oid LIMIT 1;

--! shape
SELECT pg_catalog.pg_get_functiondef(p.oid), pg_catalog.pg_get_function_arguments(p.oid), pg_catalog.pg_get_function_result(p.oid), pg_catalog.pg_get_function_sqlbody(p.oid) FROM pg_catalog.pg_proc p WHERE proname = 'create_order';

SELECT nspname, relname, relkind, pg_catalog.pg_get_viewdef(c.oid, true), pg_catalog.array_remove(pg_catalog.array_remove(c.reloptions,'check_option=local'),'check_option=cascaded') AS reloptions, CASE WHEN 'check_option=local' = ANY (c.reloptions) THEN 'LOCAL'::text WHEN 'check_option=cascaded' = ANY (c.reloptions) THEN 'CASCADED'::text ELSE NULL END AS checkoption FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON c.relnamespace = n.oid WHERE c.oid = 'totals'::pg_catalog.regclass;

SELECT name AS "Column", pg_catalog.format_type(tp, tpm) AS "Type" FROM (VALUES ('a', '23'::pg_catalog.oid,-1),('b', '25'::pg_catalog.oid,-1)) s(name, tp, tpm);

SELECT s.name AS "Parameter", pg_catalog.current_setting(s.name) AS "Value" FROM pg_catalog.pg_settings s WHERE s.source <> 'default' AND s.setting IS DISTINCT FROM s.boot_val AND pg_catalog.lower(s.name) OPERATOR(pg_catalog.~) '^(work_mem)$' COLLATE pg_catalog.default ORDER BY 1;

SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relname OPERATOR(pg_catalog.~) '^(customers)$' COLLATE pg_catalog.default AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3;

--! shape
SELECT c.relchecks, c.relkind, c.relhasindex, c.relhasrules, c.relhastriggers, c.relrowsecurity, c.relforcerowsecurity, false AS relhasoids, c.relispartition, pg_catalog.array_to_string(c.reloptions || array(select 'toast.' || x from pg_catalog.unnest(tc.reloptions) x), ', '), c.reltablespace, CASE WHEN c.reloftype = 0 THEN '' ELSE c.reloftype::pg_catalog.regtype::pg_catalog.text END, c.relpersistence, c.relreplident, am.amname FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_class tc ON (c.reltoastrelid = tc.oid) LEFT JOIN pg_catalog.pg_am am ON (c.relam = am.oid) WHERE c.oid = 'orders'::regclass;

SELECT pol.polname, pol.polpermissive, CASE WHEN pol.polroles = '{0}' THEN NULL ELSE pg_catalog.array_to_string(array(select rolname from pg_catalog.pg_roles where oid = any (pol.polroles) order by 1),',') END, pg_catalog.pg_get_expr(pol.polqual, pol.polrelid), pg_catalog.pg_get_expr(pol.polwithcheck, pol.polrelid), CASE pol.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' END AS cmd FROM pg_catalog.pg_policy pol WHERE pol.polrelid = 'orders'::regclass ORDER BY 1;

SELECT true as sametable, conname, pg_catalog.pg_get_constraintdef(r.oid, true) as condef, conrelid::pg_catalog.regclass AS ontable FROM pg_catalog.pg_constraint r WHERE r.conrelid = 'lines'::regclass AND r.contype = 'f' AND conparentid = 0 ORDER BY conname;

SELECT oid::pg_catalog.regclass, stxrelid::pg_catalog.regclass, stxnamespace::pg_catalog.regnamespace::pg_catalog.text AS nsp, stxname, pg_catalog.pg_get_statisticsobjdef_columns(oid) AS columns, 'd' = any(stxkind) AS ndist_enabled FROM pg_catalog.pg_statistic_ext WHERE stxrelid = 'customers'::regclass ORDER BY nsp, stxname;

SELECT pubname, NULL, NULL FROM pg_catalog.pg_publication p JOIN pg_catalog.pg_publication_namespace pn ON p.oid = pn.pnpubid JOIN pg_catalog.pg_class pc ON pc.relnamespace = pn.pnnspid WHERE pc.oid ='orders'::regclass and pg_catalog.pg_relation_is_publishable('orders') UNION SELECT pubname, pg_get_expr(pr.prqual, c.oid), NULL FROM pg_catalog.pg_publication p JOIN pg_catalog.pg_publication_rel pr ON p.oid = pr.prpubid JOIN pg_catalog.pg_class c ON c.oid = pr.prrelid WHERE pr.prrelid = 'orders'::regclass ORDER BY 1;

SELECT t.tgname, pg_catalog.pg_get_triggerdef(t.oid, true), t.tgenabled, t.tgisinternal, CASE WHEN t.tgparentid != 0 THEN (SELECT u.tgrelid::pg_catalog.regclass FROM pg_catalog.pg_trigger AS u, pg_catalog.pg_partition_ancestors(t.tgrelid) WITH ORDINALITY AS a(relid,depth) WHERE u.tgname = t.tgname AND u.tgrelid = a.relid AND u.tgparentid = 0 ORDER BY a.depth LIMIT 1) END AS parent FROM pg_catalog.pg_trigger t WHERE t.tgrelid = 'audit'::regclass AND (NOT t.tgisinternal) ORDER BY 1;

SELECT inhrelid::pg_catalog.regclass, pg_catalog.pg_get_partkeydef(inhparent), pg_catalog.pg_get_expr(c.relpartbound, inhrelid), pg_catalog.pg_get_partition_constraintdef(inhrelid) FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'events'::regclass;

-- pgAdmin 4: on connecting, its browser, its dashboard.

--! simple
SET DateStyle=ISO; SET client_min_messages=notice; SELECT set_config('bytea_output','hex',false) FROM pg_show_all_settings() WHERE name = 'bytea_output'; SET client_encoding='UTF8';

--! shape
SELECT db.oid as did, db.datname, db.datallowconn, pg_encoding_to_char(db.encoding) AS serverencoding, has_database_privilege(db.oid, 'CREATE') as cancreate, datistemplate FROM pg_catalog.pg_database db WHERE db.datname = current_database();

SELECT roles.rolname IS NOT NULL as name, roles.rolsuper as is_superuser, CASE WHEN roles.rolsuper THEN true ELSE roles.rolcreaterole END as can_create_role, CASE WHEN roles.rolsuper THEN true ELSE roles.rolcreatedb END as can_create_db, CASE WHEN 'pg_signal_backend'=ANY(ARRAY(WITH RECURSIVE cte AS (SELECT pg_roles.oid,pg_roles.rolname FROM pg_catalog.pg_roles WHERE pg_roles.oid = roles.oid UNION ALL SELECT m.roleid,pgr.rolname FROM cte cte_1 JOIN pg_catalog.pg_auth_members m ON m.member = cte_1.oid JOIN pg_catalog.pg_roles pgr ON pgr.oid = m.roleid) SELECT rolname FROM cte)) THEN True ELSE False END as can_signal_backend FROM pg_catalog.pg_roles as roles WHERE rolname = current_user;

SELECT usesuper, CASE WHEN gss_authenticated IS NULL THEN false ELSE gss_authenticated END, encrypted IS NULL FROM pg_catalog.pg_user u LEFT JOIN pg_catalog.pg_stat_gssapi g ON g.pid = pg_backend_pid() WHERE usename = current_user;

--! shape
SELECT 'session_stats' AS chart_name, pg_catalog.row_to_json(t) AS chart_data FROM (SELECT (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = (SELECT datname FROM pg_catalog.pg_database WHERE oid = 5)) AS "Total", (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE state = 'active') AS "Active", (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE state = 'idle') AS "Idle") t UNION ALL SELECT 'tps_stats' AS chart_name, pg_catalog.row_to_json(t) AS chart_data FROM (SELECT (SELECT sum(xact_commit) + sum(xact_rollback) FROM pg_catalog.pg_stat_database) AS "Transactions") t UNION ALL SELECT 'ti_stats' AS chart_name, row_to_json(t) AS chart_data FROM (SELECT (SELECT sum(tup_inserted) FROM pg_catalog.pg_stat_database) AS "Inserts", (SELECT sum(tup_updated) FROM pg_catalog.pg_stat_database) AS "Updates") t;

--! shape
SELECT pid, datname, usename, application_name, client_addr, pg_catalog.to_char(backend_start, 'YYYY-MM-DD HH24:MI:SS TZ') AS backend_start, state, wait_event_type || ': ' || wait_event AS wait_event, array_to_string(pg_catalog.pg_blocking_pids(pid), ', ') AS blocking_pids, query, pg_catalog.to_char(state_change, 'YYYY-MM-DD HH24:MI:SS TZ') AS state_change, pg_catalog.to_char(query_start, 'YYYY-MM-DD HH24:MI:SS TZ') AS query_start, pg_catalog.to_char(xact_start, 'YYYY-MM-DD HH24:MI:SS TZ') AS xact_start, backend_type, CASE WHEN state = 'active' THEN ROUND((extract(epoch from now() - query_start) / 60)::numeric, 2) ELSE 0 END AS active_since FROM pg_catalog.pg_stat_activity WHERE datname = current_database() ORDER BY pid;

--! shape
SELECT locktype, locks.database, locks.relation::regclass, locks.page, locks.tuple, locks.virtualxid, locks.transactionid, locks.classid::regclass, locks.objid, locks.objsubid, locks.virtualtransaction, locks.pid, locks.mode, locks.granted, locks.fastpath FROM pg_catalog.pg_locks locks LEFT JOIN pg_catalog.pg_database db ON locks.database = db.oid ORDER BY locks.pid, locks.locktype;

SELECT git.name, git.transaction, gid FROM (SELECT gid, 1 AS name, transaction FROM pg_catalog.pg_prepared_xacts) git;

SELECT nsp.oid IS NOT NULL, nsp.nspname as name, pg_catalog.has_schema_privilege(nsp.oid, 'CREATE') as can_create, pg_catalog.has_schema_privilege(nsp.oid, 'USAGE') as has_usage, des.description FROM pg_catalog.pg_namespace nsp LEFT OUTER JOIN pg_catalog.pg_description des ON (des.objoid=nsp.oid AND des.classoid='pg_namespace'::regclass) WHERE nspname NOT LIKE 'pg!_%' escape '!' AND NOT ((nsp.nspname = 'pg_catalog' AND EXISTS (SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'pg_class' AND relnamespace = nsp.oid LIMIT 1)) OR (nsp.nspname = 'information_schema')) ORDER BY nspname;

SELECT rel.relname AS name, (SELECT count(*) FROM pg_catalog.pg_trigger WHERE tgrelid=rel.oid AND tgisinternal = FALSE) AS triggercount, (SELECT count(*) FROM pg_catalog.pg_inherits WHERE inhrelid=rel.oid LIMIT 1) as is_inherits, rel.relpersistence = 'u' AS unlogged, substring(array_to_string(rel.reloptions, ',') FROM 'fillfactor=([0-9]*)') AS fillfactor, substring(array_to_string(rel.reloptions, ',') FROM 'autovacuum_analyze_threshold=([0-9]*)') AS autovacuum_analyze_threshold, (CASE WHEN rel.relkind = 'p' THEN true ELSE false END) AS is_partitioned FROM pg_catalog.pg_class rel WHERE rel.relkind IN ('r','s','t','p') AND rel.relnamespace = 'public'::regnamespace AND NOT rel.relispartition ORDER BY rel.relname;

--! shape
SELECT pg_catalog.pg_size_pretty(pg_catalog.pg_relation_size(stat.relid)) AS "Table size", CASE WHEN cl.reltoastrelid = 0 THEN 'none' ELSE pg_catalog.pg_size_pretty(pg_catalog.pg_relation_size(cl.reltoastrelid)) END AS "Toast table size", pg_catalog.pg_size_pretty(pg_catalog.pg_indexes_size(stat.relid)) AS "Indexes size", seq_scan AS "Sequential scans", n_tup_ins AS "Tuples inserted", n_dead_tup AS "Dead tuples", last_vacuum AS "Last vacuum", vacuum_count AS "Vacuum counter", analyze_count AS "Analyze counter" FROM pg_catalog.pg_stat_all_tables stat JOIN pg_catalog.pg_statio_all_tables statio ON stat.relid = statio.relid JOIN pg_catalog.pg_class cl ON cl.oid=stat.relid WHERE stat.relid = 'orders'::regclass;

--! shape
SELECT stats.*, pg_stat_get_db_conflict_all(5), pg_catalog.pg_database_size(current_database()) FROM pg_catalog.pg_stat_database stats WHERE datname = current_database();

SELECT count(*) FROM pg_catalog.pg_proc WHERE proname = 'plpgsql_oid_debug' OR proname LIKE 'pldbg\_%' OR proname = 'pg_read_file';

SELECT x.name, installed_version IS NULL, comment FROM pg_catalog.pg_available_extensions x WHERE x.name IN ('dblink', 'postgres_fdw', 'adminpack') ORDER BY name;

SELECT name, version, superuser, trusted, relocatable, requires FROM pg_catalog.pg_available_extension_versions WHERE name = 'pgcrypto' ORDER BY version DESC;

SELECT r.oid > 0, r.rolname, r.rolcanlogin, r.rolconnlimit, r.rolvaliduntil, r.rolconfig, ARRAY(SELECT CASE WHEN am.admin_option THEN '1' ELSE '0' END || rm.rolname FROM (SELECT * FROM pg_catalog.pg_auth_members WHERE member = r.oid) am LEFT JOIN pg_catalog.pg_roles rm ON (rm.oid = am.roleid) ORDER BY rm.rolname) rolmembership, pg_catalog.shobj_description(r.oid, 'pg_authid') AS description FROM pg_catalog.pg_roles r WHERE rolname LIKE 'shop%' ORDER BY r.rolcanlogin, r.rolname;

SELECT name, setting, unit, category, short_desc, context, vartype, min_val, max_val, enumvals, pending_restart FROM pg_catalog.pg_settings WHERE name IN ('work_mem', 'search_path', 'session_replication_role') ORDER BY category, name;

SELECT (aclexplode(relacl)).grantor::regrole::text, (aclexplode(relacl)).grantee::regrole::text, (aclexplode(relacl)).privilege_type, (aclexplode(relacl)).is_grantable FROM pg_catalog.pg_class WHERE oid = 'jobs'::regclass ORDER BY 2, 3;

SELECT 'relacl' as deftype, COALESCE(gt.rolname, 'PUBLIC') grantee, g.rolname grantor, array_agg(privilege_type ORDER BY privilege_type) as privileges, array_agg(is_grantable) as grantable FROM (SELECT d.grantee, d.grantor, d.is_grantable, CASE d.privilege_type WHEN 'CONNECT' THEN 'c' WHEN 'CREATE' THEN 'C' WHEN 'DELETE' THEN 'd' WHEN 'EXECUTE' THEN 'X' WHEN 'INSERT' THEN 'a' WHEN 'SELECT' THEN 'r' WHEN 'TRUNCATE' THEN 'D' WHEN 'UPDATE' THEN 'w' ELSE 'UNKNOWN - ' || d.privilege_type END AS privilege_type FROM (SELECT (d).grantee AS grantee, (d).grantor AS grantor, (d).is_grantable AS is_grantable, (d).privilege_type AS privilege_type FROM (SELECT aclexplode(rel.relacl) as d FROM pg_catalog.pg_class rel WHERE rel.oid = 'orders'::regclass) acl) d) d LEFT JOIN pg_catalog.pg_roles g ON (d.grantor = g.oid) LEFT JOIN pg_catalog.pg_roles gt ON (d.grantee = gt.oid) GROUP BY g.rolname, gt.rolname ORDER BY 2;

-- DBeaver.

SET application_name = 'DBeaver 24.3.0 - Main <shop>';

SELECT current_schema(),session_user = current_user;

SELECT n.nspname,d.description FROM pg_catalog.pg_namespace n LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=n.oid AND d.objsubid=0 AND d.classoid='pg_namespace'::regclass ORDER BY nspname;

SELECT db.datname,db.datistemplate,shobj_description(db.oid, 'pg_database') FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate OR db.datname = 'shop' ORDER BY db.datname;

--! shape
SELECT t.oid,t.*,c.relkind,format_type(nullif(t.typbasetype, 0), t.typtypmod) as base_type_name, d.description FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid=t.typelem LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid=t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid=d.objoid WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C');

--! shape
SELECT c.oid,c.*,d.description,pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr, pg_catalog.pg_get_partkeydef(c.oid) as partition_key FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_class'::regclass WHERE c.relnamespace='public'::regnamespace AND c.relkind not in ('i','I','c');

--! shape
SELECT c.relname,a.*,pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value,dsc.description,dep.objid FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON (a.attrelid=c.oid) LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid=ad.adrelid AND a.attnum = ad.adnum) LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = dsc.objsubid) LEFT OUTER JOIN pg_depend dep on dep.refobjid = a.attrelid AND dep.deptype = 'i' and dep.refobjsubid = a.attnum and dep.classid = dep.refclassid WHERE NOT a.attisdropped AND c.oid='customers'::regclass ORDER BY a.attnum;

SELECT c.conname,c.contype,c.conkey,c.confkey,t.relname as tabrelname,rt.relnamespace::regnamespace as refnamespace,d.description, case when c.contype='c' then substring(pg_get_constraintdef(c.oid), 7) else null end consrc_copy FROM pg_catalog.pg_constraint c INNER JOIN pg_catalog.pg_class t ON t.oid=c.conrelid LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid=c.confrelid LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_constraint'::regclass WHERE c.conrelid='lines'::regclass ORDER BY c.conname;

SELECT i.indkey::text,c.relname,a.amname,tsc.description,pg_catalog.pg_get_expr(i.indpred, i.indrelid) as pred_expr,pg_catalog.pg_get_expr(i.indexprs, i.indrelid, true) as expr,(select pg_catalog.string_agg(pg_catalog.pg_get_indexdef(i.indexrelid, g, true), ',' order by g) from pg_catalog.generate_series(1, i.indnkeyatts) g) as keys FROM pg_catalog.pg_index i INNER JOIN pg_catalog.pg_class c ON c.oid=i.indexrelid INNER JOIN pg_catalog.pg_am a ON a.oid=c.relam LEFT OUTER JOIN pg_catalog.pg_description tsc ON i.indexrelid=tsc.objoid WHERE i.indrelid='lines'::regclass ORDER BY tsc.description NULLS FIRST, c.relname;

SELECT x.tgname, t.relname as tabrelname, p.proname, pg_catalog.pg_get_triggerdef(x.oid) FROM pg_catalog.pg_trigger x LEFT OUTER JOIN pg_catalog.pg_class t ON t.oid=x.tgrelid LEFT OUTER JOIN pg_catalog.pg_proc p ON p.oid=x.tgfoid WHERE t.relname='audit' AND NOT tgisinternal;

SELECT p.proname,l.lanname,pg_catalog.pg_get_function_identity_arguments(p.oid),format_type(p.prorettype, NULL),p.provolatile,p.prosecdef,a.aggtransfn FROM pg_catalog.pg_proc p LEFT OUTER JOIN pg_catalog.pg_language l ON l.oid=p.prolang LEFT OUTER JOIN pg_catalog.pg_aggregate a ON a.aggfnoid=p.oid WHERE p.pronamespace='public'::regnamespace ORDER BY p.proname;

SELECT pg_catalog.pg_get_functiondef('create_order'::regproc), pg_get_viewdef('totals'::regclass, true), pg_get_ruledef((SELECT min(oid) FROM pg_rewrite WHERE ev_class = 'totals'::regclass));

SELECT string_agg(word, ',') > '' FROM pg_catalog.pg_get_keywords() WHERE word <> ALL ('{a,abs,action,ada,add}'::text[]);

SELECT x.* FROM "public"."customers" x ORDER BY x.id LIMIT 200;

SELECT count(*) FROM (SELECT * FROM customers WHERE name = 'DROP') dbvrcnt;

SELECT rolname, rolsuper, rolbypassrls FROM pg_catalog.pg_roles a LEFT JOIN pg_catalog.pg_shdescription d ON d.objoid = a.oid WHERE rolname = current_user;

--! shape
SELECT sa.* FROM pg_catalog.pg_stat_activity sa WHERE sa.datname = current_database();

-- DataGrip.

SELECT pg_catalog.current_database() as current, N.oid::bigint > 0 as id, datname as name, D.description, datistemplate as is_template, datallowconn as allow_connections, pg_catalog.pg_get_userbyid(N.datdba) as "owner" FROM pg_catalog.pg_database N LEFT JOIN pg_catalog.pg_shdescription D ON N.oid = D.objoid WHERE datname IN ('shop', 'postgres') ORDER BY case when datname = pg_catalog.current_database() then -1::bigint else 1::bigint end, datname;

--! shape
SELECT case when pg_catalog.pg_is_in_recovery() then null else pg_catalog.txid_current() % 4294967296::pg_catalog.int8 end as current_txid, pg_catalog.age(datfrozenxid), version() FROM pg_catalog.pg_database WHERE datname = current_database();

--! shape
select T.oid as table_id, T.relkind as table_kind, T.relname as table_name, T.relnamespace as schema_id, T.xmin::varchar::bigint as state_number, (case when relpersistence = 'p' then '' else relpersistence end) as persistence, pg_catalog.pg_get_userbyid(T.relowner) as "owner", pg_catalog.array_to_string(T.reloptions, ',') from pg_catalog.pg_class T where T.relnamespace = 'public'::regnamespace and T.relkind in ('r', 'm', 'v', 'f', 'p') and pg_catalog.age(T.xmin) >= 0 order by table_kind, table_id;

--! shape
with T as (select distinct T.oid as table_id, T.relname as table_name from pg_catalog.pg_class T, pg_catalog.pg_attribute A where T.relnamespace = 'public'::regnamespace and T.relkind in ('r', 'm', 'v', 'f', 'p', 'c') and A.attrelid = T.oid) select T.table_id, C.attnum as column_position, C.attname as column_name, C.xmin as column_state_number, C.atttypmod as type_mod, C.attndims as dimensions_number, pg_catalog.format_type(C.atttypid, C.atttypmod) as type_spec, C.attnotnull as mandatory, D.adbin is not null, pg_catalog.pg_get_expr(D.adbin, T.table_id) as column_default_expression, C.attidentity, C.attgenerated, C.attisdropped as column_is_dropped from T join pg_catalog.pg_attribute C on T.table_id = C.attrelid left outer join pg_catalog.pg_attrdef D on (C.attrelid, C.attnum) = (D.adrelid, D.adnum) where attnum > 0 order by table_id, attnum;

select member id, roleid::regrole::text role_id, admin_option from pg_catalog.pg_auth_members order by id, roleid::text limit 0;

select pg_catalog.pg_get_serial_sequence('public.orders', 'id'), pg_catalog.col_description('customers'::regclass, 2), lower(rolname::text) from pg_catalog.pg_roles where rolname = 'shop_acme';

-- Metabase, Grafana, Superset: what they wrap around a question.

SET SESSION TIMEZONE TO 'Europe/Vienna';

-- Metabase:: userID: 1 queryType: MBQL queryHash: 0af3
SELECT DATE_TRUNC('month', "public"."customers"."created") AS "created", COUNT(*) AS "count" FROM "public"."customers" WHERE ("public"."customers"."created" >= DATE_TRUNC('month', (NOW() + INTERVAL '-600 month'))) GROUP BY DATE_TRUNC('month', "public"."customers"."created") ORDER BY DATE_TRUNC('month', "public"."customers"."created") ASC;

SELECT "source"."product" AS "product", SUM("source"."total") AS "sum" FROM (SELECT "public"."lines"."product" AS "product", "public"."lines"."total" AS "total", CAST("public"."lines"."price" AS float) / NULLIF(CAST("public"."lines"."amount" AS float), 0) AS "ratio" FROM "public"."lines") AS "source" GROUP BY "source"."product" ORDER BY "sum" DESC, "source"."product" ASC LIMIT 10000;

SELECT "public"."customers"."id", SUBSTRING("public"."customers"."name" FROM 1 FOR 1234) AS "substring1" FROM "public"."customers" ORDER BY 1 LIMIT 10000;

with table_privileges as (select NULL as role, t.schemaname as schema, t.objectname as table, pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"', 'update') as update, pg_catalog.has_table_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"', 'DELETE') as delete from (select schemaname, tablename as objectname from pg_catalog.pg_tables union select schemaname, viewname as objectname from pg_views union select schemaname, matviewname as objectname from pg_matviews) t where t.schemaname !~ '^pg_' and t.schemaname <> 'information_schema' and pg_catalog.has_schema_privilege(current_user, t.schemaname, 'usage')) select t.* from table_privileges t order by 2, 3;

SELECT floor(extract(epoch from created)/60)*60 AS "time", count(id) AS "value" FROM customers WHERE created BETWEEN '2025-12-01T00:00:00Z' AND '2026-12-01T00:00:00Z' GROUP BY 1 ORDER BY 1;

SELECT quote_ident(table_name) FROM information_schema.tables WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog', '_timescaledb_cache', '_timescaledb_catalog', '_timescaledb_internal', '_timescaledb_config') AND table_type = 'BASE TABLE' AND quote_ident(table_schema) IN (SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END FROM generate_series(array_lower(string_to_array(current_setting('search_path'),','),1), array_upper(string_to_array(current_setting('search_path'),','),1)) as i, string_to_array(current_setting('search_path'),',') s) ORDER BY 1;

SELECT current_setting('server_version_num')::int/100 AS version, (SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb') AS timescale;

SELECT product AS product, sum(total) AS "SUM(total)" FROM (SELECT * FROM lines WHERE 1 = 1) AS virtual_table WHERE price >= '0' AND ((product IN ('anvil'))) GROUP BY product ORDER BY "SUM(total)" DESC LIMIT 1000;

SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname NOT LIKE 'pg_%%' ORDER BY nspname;

-- Monitoring, as exporters and health checks ask.

--! shape
SELECT pg_is_in_recovery(), pg_current_wal_lsn(), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0'), pg_last_wal_receive_lsn(), pg_last_xact_replay_timestamp(), pg_conf_load_time(), pg_current_wal_insert_lsn();

--! shape
SELECT datname, numbackends, xact_commit, blks_read, blks_hit, deadlocks, temp_files, temp_bytes, checksum_failures FROM pg_stat_database;

--! shape
SELECT * FROM pg_stat_bgwriter, pg_stat_wal, pg_stat_archiver;

--! shape
SELECT relname, n_live_tup, n_dead_tup, last_autovacuum, last_analyze, pg_total_relation_size(relid), pg_table_size(relid) FROM pg_stat_user_tables ORDER BY n_dead_tup DESC;

--! shape
SELECT indexrelname, idx_scan, pg_size_pretty(pg_relation_size(indexrelid)) FROM pg_stat_user_indexes JOIN pg_statio_user_indexes USING (indexrelid, indexrelname) WHERE idx_scan = 0;

--! shape
SELECT blocked.pid, blocking.pid, blocked.query, now() - blocked.query_start FROM pg_stat_activity blocked JOIN pg_stat_activity blocking ON blocking.pid = ANY (pg_blocking_pids(blocked.pid)) WHERE cardinality(pg_blocking_pids(blocked.pid)) > 0;

SELECT slot_name, plugin, active, restart_lsn FROM pg_replication_slots;

SELECT application_name, state, sync_state, replay_lag FROM pg_stat_replication;

--! shape
SELECT pid, phase, heap_blks_total FROM pg_stat_progress_vacuum UNION ALL SELECT pid, phase, blocks_total FROM pg_stat_progress_create_index;

--! shape
SELECT max(age(datfrozenxid)), max(mxid_age(datminmxid)) FROM pg_database;

SELECT count(*) FROM pg_stat_ssl WHERE pid = pg_backend_pid();

SELECT subname FROM pg_stat_subscription;

SELECT spcname, pg_tablespace_location(oid) FROM pg_tablespace ORDER BY 1;

SELECT schemaname, tablename, attname, null_frac, n_distinct, most_common_vals::text FROM pg_stats WHERE tablename = 'jobs' ORDER BY attname;

SELECT name, setting FROM pg_settings WHERE name ~ 'autovacuum|max_connections' AND source = 'default' ORDER BY name;

SELECT * FROM pg_catalog.pg_stat_user_functions;

SELECT has_table_privilege(current_user, 'pg_authid', 'SELECT'), pg_relation_filepath('orders') IS NULL, pg_filenode_relation(0, 0), pg_relation_filenode('orders') IS NOT NULL;
