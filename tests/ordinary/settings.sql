-- Every spelling of SET, SHOW, RESET and of transactions that PostgreSQL's grammar has, with harmless values.

-- What the server reports, and what PgBouncer follows.

SET SESSION client_encoding = UTF8;
SET CLIENT_ENCODING TO "UTF8";
SET LOCAL NAMES 'UTF8';
SHOW client_encoding;

SET SESSION NAMES 'UTF8';

SET Session timezone TO 'UTC';
SET TimeZone = utc;
SET time zone 'America/New_York';
SHOW TIME ZONE;
SET TIME ZONE -7;
SHOW TimeZone;
SET TIME ZONE 3.5;
SHOW timezone;
SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE;
SHOW TIME ZONE;
SET TIME ZONE INTERVAL '1' HOUR;
SET TIME ZONE "Europe/Berlin";
SET TIME ZONE UTC;
SET LOCAL TIME ZONE DEFAULT;
SET SESSION TIME ZONE DEFAULT;
SET TIME ZONE LOCAL;
SHOW TIMEZONE;

SET TIME ZONE '<+0530>-05:30';
SHOW timezone;
SET timezone TO DEFAULT;

SET datestyle = ISO, YMD;
SHOW datestyle;
SET DateStyle TO "ISO, DMY";
SET DATESTYLE TO 'German';
SET "datestyle" TO 'ISO', 'MDY';
SET SESSION datestyle TO iso;
RESET datestyle;
SHOW DateStyle;

SET application_name TO shop;
SET application_name TO "Shop Worker 1";
SHOW application_name;
SET application_name = 'worker: it''s $1; DROP TABLE x';
SHOW "application_name";
SET application_name = '';
SET APPLICATION_NAME = 4711;
SHOW application_name;
SET application_name TO DEFAULT;
RESET application_name;

SET standard_conforming_strings TO on;
SET standard_conforming_strings = 'on';
SET standard_conforming_strings TO true;
SHOW standard_conforming_strings;

SET intervalstyle TO postgres_verbose;
SELECT interval '1 day 02:00';
SET IntervalStyle = 'sql_standard';
SELECT interval '1 day 02:00';
RESET INTERVALSTYLE;

SET default_transaction_read_only TO off;
SET SESSION default_transaction_read_only = 'false';
SHOW default_transaction_read_only;

-- Others.

SET SCHEMA 'public';
SHOW search_path;
SET SESSION SCHEMA 'public';
SET LOCAL SCHEMA 'public';
SET search_path = public;
SET search_path TO 'public', "$user";
SET search_path TO public, "Some Schema", pg_catalog;
SHOW search_path;
SET search_path = '';
SELECT public.create_order('x');
SET search_path TO '$user','public';
SET search_path TO DEFAULT;
SHOW search_path;

SET XML OPTION DOCUMENT;
SHOW xmloption;
SET XML OPTION CONTENT;
SET xmloption TO content;
SET xmlbinary = base64;
RESET xmlbinary;
RESET xmloption;

SET enable_seqscan = off;
SET enable_seqscan = 0;
SET enable_hashjoin = f;
SET enable_mergejoin TO 'no';
SHOW enable_hashjoin;
SET enable_seqscan = on;
SET enable_hashjoin = 1;
SET enable_mergejoin TO 'yes';
SET enable_nestloop = TRUE;
RESET enable_nestloop;

SET random_page_cost = 1.1;
SET random_page_cost TO '1.25';
SHOW random_page_cost;
SET cpu_tuple_cost = 1e-2;
SET seq_page_cost = +1;
SET from_collapse_limit = 12;
SET join_collapse_limit TO 12;
SET geqo = off;
SET geqo_threshold = 14;
SET effective_cache_size = '4GB';
SET effective_io_concurrency = 0;
SHOW effective_cache_size;
RESET random_page_cost;
RESET cpu_tuple_cost;
RESET seq_page_cost;
RESET ALL;

SET work_mem = '16MB';
SET work_mem TO 8192;
SHOW work_mem;
SET work_mem = '64 MB';
SET LOCAL work_mem TO '32MB';
SET SESSION maintenance_work_mem = 65536;
SET hash_mem_multiplier = 1.5;
RESET temp_buffers;
SET temp_buffers TO DEFAULT;
SHOW temp_buffers;
SET max_parallel_workers_per_gather = 0;
SET max_parallel_workers_per_gather TO '2';
RESET work_mem;
RESET ALL;

SET statement_timeout TO 30000;
SET statement_timeout = '30s';
SET statement_timeout TO '2 min';
SET SESSION statement_timeout = 10000;
SHOW statement_timeout;
SET lock_timeout = '5s';
SET lock_timeout TO '500ms';
SET idle_in_transaction_session_timeout = '1 min';
SET idle_in_transaction_session_timeout TO 60000;
SET LOCAL statement_timeout = 1000;
SET statement_timeout TO DEFAULT;
SET lock_timeout TO DEFAULT;
SHOW lock_timeout;
RESET ALL;

SET idle_session_timeout = '1h';
RESET idle_session_timeout;

SET client_min_messages TO warning;
SET CLIENT_MIN_MESSAGES = 'ERROR';
SET SESSION client_min_messages TO "notice";
SET client_min_messages = debug1;
SHOW client_min_messages;
RESET client_min_messages;

SET synchronous_commit TO off;
SET synchronous_commit = 'local';
SET synchronous_commit = on;

SET check_function_bodies = false;
SET row_security = on;
SET default_tablespace = '';
SET default_table_access_method = heap;
SET default_toast_compression = 'pglz';
SET gin_fuzzy_search_limit = 0;
SET constraint_exclusion = partition;
SET cursor_tuple_fraction = 0.2;
SET array_nulls = on;
SET transform_null_equals = off;
SET quote_all_identifiers = off;
SET backslash_quote = safe_encoding;
SET escape_string_warning = on;
SET default_text_search_config = 'pg_catalog.english';
SET lc_time TO 'C';
SET plan_cache_mode = auto;
SET jit_above_cost = -1;
RESET ALL;

SET default_transaction_isolation TO 'read committed';
SET default_transaction_deferrable = off;
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SHOW default_transaction_isolation;
SHOW TRANSACTION ISOLATION LEVEL;
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE;
SHOW transaction_isolation;
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE, NOT DEFERRABLE;
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ UNCOMMITTED READ WRITE;
SHOW default_transaction_isolation;
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;
RESET default_transaction_isolation;
RESET default_transaction_read_only;
RESET default_transaction_deferrable;

-- One's own.

SET myapp.user_id = '42';
SELECT current_setting('myapp.user_id');
SET myapp.user_id TO 42;
SET SESSION "myapp.user_id" = 'x y';
SET MyApp.User_ID TO abc;
SHOW myapp.user_id;
SELECT current_setting('myapp.missing', true) IS NULL, coalesce(nullif(current_setting('myapp.user_id', true), ''), 'none');
SET myapp.user_id TO '';
RESET myapp.user_id;
SELECT current_setting('MYAPP.user_id', true);

SET audit.actor = 'Björn; DROP TABLE x';
SET audit.request.id = '0af3-77';
SHOW audit.request.id;
SELECT set_config('audit.actor', 'system', false), set_config('audit.request.id', NULL, false);
RESET audit.actor;
RESET audit.request.id;

BEGIN;
SET LOCAL jwt.claims.role = 'editor';
SELECT set_config('jwt.claims.user_id', '7', true), set_config('request.jwt.claims', '{"sub": "7", "role": "drop"}', true), set_config('request.method', 'GET', true), set_config('request.path', '/rpc/drop', true), set_config('request.headers', '{"user-agent": "x"}', true), set_config('request.cookies', '{}', true);
SELECT current_setting('request.jwt.claims', true)::json ->> 'sub', current_setting('jwt.claims.role');
COMMIT;

--! values 42
SELECT set_config('myapp.user_id', $1, false);

--! values 42
SELECT set_config('myapp.user_id', $1, true);

--! values myapp.user_id|43
SELECT set_config($1, $2, true);

--! values myapp.user_id|43
SELECT set_config($1, $2, false);

--! values 43|abc
SELECT set_config('myapp.user_id', $1, true), set_config('myapp.request_id', $2::text, true);

--! values 43
SELECT pg_catalog.set_config('myapp.user_id', $1::int::text, true);

SELECT set_config('search_path', 'public', false);
SELECT pg_catalog.set_config('search_path', '', false);
SELECT public.create_order('x');
SELECT set_config('search_path', '"$user", public', false);

SELECT set_config('statement_timeout', '30s', false), set_config('work_mem', '8MB', false);
RESET ALL;

-- As who binds what SET does not take.

--! values 31s
SELECT set_config('statement_timeout', $1, true);

--! values 7MB|32s
SELECT set_config('work_mem', $1, false), set_config('statement_timeout', $2::text, false);

SELECT "set_config"('timezone', 'UTC', false) AS tz, SET_CONFIG('lock_timeout', '1s', true);

SELECT set_config('application_name', 'x', false) WHERE true;

SELECT set_config('myapp.user_id', id::text, true) FROM customers WHERE id = 1;

WITH s AS (SELECT set_config('myapp.user_id', '1', true) AS v) SELECT v FROM s;

-- SHOW.

SHOW ALL;

SHOW server_version_num;
SHOW server_encoding;
SHOW max_connections;
SHOW max_identifier_length;
SHOW block_size;
SHOW integer_datetimes;
SHOW is_superuser;
SHOW session_authorization;
SHOW SESSION AUTHORIZATION;
SHOW role;
SHOW wal_level;
SHOW ssl;
SHOW data_checksums;
SHOW transaction_read_only;
SHOW transaction_deferrable;
SHOW in_hot_standby;
SHOW effective_io_concurrency;
SHOW hot_standby;
SHOW "TimeZone";
SHOW app.tenant_id;

-- Transactions.

BEGIN WORK;
COMMIT WORK;

BEGIN TRANSACTION;
END TRANSACTION;

BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE;
ROLLBACK TRANSACTION;

BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SHOW transaction_isolation;
SHOW transaction_read_only;
ABORT WORK;

BEGIN READ WRITE NOT DEFERRABLE;
END WORK;

begin transaction isolation level read uncommitted read only deferrable;
end;

START TRANSACTION;
COMMIT TRANSACTION;

START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE;
SELECT count(*) FROM customers;
ROLLBACK WORK;

START TRANSACTION READ WRITE, ISOLATION LEVEL READ COMMITTED;
ABORT;

START TRANSACTION READ ONLY;
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SHOW transaction_isolation;
ABORT TRANSACTION;

BEGIN;
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SELECT count(*) FROM customers;
COMMIT;

BEGIN;
SET TRANSACTION READ WRITE, ISOLATION LEVEL READ COMMITTED, NOT DEFERRABLE;
SET LOCAL TRANSACTION READ ONLY;
SET transaction_isolation TO 'read committed';
SET LOCAL transaction_read_only = on;
SHOW transaction_read_only;
COMMIT;

BEGIN;
SELECT set_config('transaction_read_only', 'on', true);
SELECT current_setting('transaction_read_only');
COMMIT;

BEGIN;
COMMIT AND NO CHAIN;

BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT 1;
COMMIT AND CHAIN;
SHOW transaction_isolation;
ROLLBACK AND CHAIN;
SHOW transaction_isolation;
ROLLBACK AND NO CHAIN;

BEGIN;
SAVEPOINT a;
SAVEPOINT "A B";
SAVEPOINT a;
RELEASE a;
ROLLBACK TO SAVEPOINT "A B";
RELEASE SAVEPOINT "A B";
ROLLBACK WORK TO SAVEPOINT a;
ROLLBACK TRANSACTION TO a;
COMMIT;

BEGIN;
SAVEPOINT active_record_1;
SET LOCAL statement_timeout = '3s';
SHOW statement_timeout;
ROLLBACK TO SAVEPOINT active_record_1;
SHOW statement_timeout;
SET work_mem = '5MB';
SAVEPOINT active_record_2;
SET work_mem = '6MB';
RELEASE SAVEPOINT active_record_2;
SHOW work_mem;
ROLLBACK;
SHOW work_mem;

BEGIN;
SET CONSTRAINTS ALL DEFERRED;
SET CONSTRAINTS lines_customer_fkey IMMEDIATE;
ROLLBACK;

BEGIN;
BEGIN;
COMMIT;
COMMIT;

ROLLBACK;
END;
ABORT;

-- The third argument of set_config() as drivers write it that put values into the text.

BEGIN;
SELECT set_config('myapp.user_id', '42', 't'), set_config('myapp.actor', 'Ada', 'true'::boolean), set_config('myapp.c', 'x', CAST('1' AS boolean)), set_config('lock_timeout', '5s', TRUE::bool);
SELECT current_setting('myapp.user_id'), current_setting('myapp.actor'), current_setting('lock_timeout');
COMMIT;
SELECT current_setting('myapp.user_id', true) = '42';
