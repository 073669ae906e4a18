-- What belongs to a session or a transaction, and the strings that drivers send when a connection
-- goes back to its pool.

-- The number of a row, asked for where it was inserted.

BEGIN;
INSERT INTO orders (note) VALUES ('numbered');
SELECT lastval() = currval(pg_get_serial_sequence('orders', 'id'));
ROLLBACK;

-- Harmless settings for one transaction.

BEGIN;
SET LOCAL statement_timeout = '5s';
SHOW statement_timeout;
SET LOCAL lock_timeout TO 1000;
SET LOCAL search_path = public, pg_catalog;
SET LOCAL TIME ZONE 'Europe/Vienna';
SELECT current_setting('TimeZone'), '2026-01-01 12:00+00'::timestamptz;
SET LOCAL DateStyle = 'ISO, DMY';
SET LOCAL IntervalStyle = iso_8601;
SET LOCAL "enable_seqscan" TO off;
SET LOCAL extra_float_digits = 1;
SET LOCAL bytea_output = 'escape';
SET LOCAL application_name = 'DROP TABLE x';
SET LOCAL my.own = 'x';
SHOW my.own;
COMMIT;

BEGIN;
SELECT set_config('statement_timeout', '5s', true), pg_catalog.set_config('my.request_id', 'abc', true);
SELECT set_config('TimeZone', 'UTC', true);
SELECT current_setting('my.request_id');
COMMIT;

BEGIN;
SET LOCAL work_mem = '8MB';
SHOW work_mem;
SET LOCAL jit = off;
SET LOCAL plan_cache_mode = force_custom_plan;
SET LOCAL default_statistics_target TO DEFAULT;
SET LOCAL idle_in_transaction_session_timeout = '1min';
COMMIT;

BEGIN;
SET LOCAL client_encoding = 'UTF8';
SET LOCAL standard_conforming_strings = on;
SET LOCAL client_min_messages TO warning;
SET LOCAL row_security = on;
SET LOCAL synchronous_commit TO off;
COMMIT;

BEGIN;
SET TRANSACTION READ ONLY;
SHOW transaction_read_only;
ROLLBACK;

-- Locks that end with their transaction.

SELECT pg_advisory_xact_lock(42);

BEGIN;
SELECT pg_advisory_xact_lock(42, 43), pg_try_advisory_xact_lock(44), pg_advisory_xact_lock_shared(45);
SELECT pg_try_advisory_xact_lock_shared(46), pg_try_advisory_xact_lock(hashtext('x'));
COMMIT;

-- Settings that PgBouncer keeps for each client.

SET client_encoding TO 'UTF8';

SET NAMES 'UTF8';

SET application_name = 'shop';
SHOW application_name;

SET TIME ZONE 'UTC';

SET timezone TO 'UTC';

SET datestyle TO 'ISO, MDY';

SET standard_conforming_strings = on;

SELECT set_config('TimeZone', 'UTC', false);

SELECT set_config('client_encoding', 'UTF8', false);

SET SESSION TIME ZONE LOCAL;

-- Settings that drivers make when they connect.

SET extra_float_digits = 3;
SET extra_float_digits = 1;

SET client_min_messages TO notice;

SET bytea_output = 'hex';

SET intervalstyle = 'postgres';

SET search_path TO "$user", public;

SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;

SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE;

SET default_transaction_isolation TO 'read committed';

SET jit TO off;
SET jit TO on;

RESET statement_timeout;

RESET TIME ZONE;

RESET search_path;

-- Reset strings: asyncpg, Npgsql, psycopg, SQLAlchemy, PgBouncer itself.

--! simple
SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;

DISCARD ALL;

RESET ALL;

--! simple
SET CONSTRAINTS ALL IMMEDIATE; SELECT 1;

BEGIN;
--! simple
SET CONSTRAINTS ALL DEFERRED; SELECT count(*) FROM customers;
COMMIT;

--! simple
SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();DISCARD SEQUENCES;DISCARD TEMP;

--! simple
RESET ALL; SET SESSION AUTHORIZATION DEFAULT;

--! simple
CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD SEQUENCES; DISCARD TEMP;

SELECT pg_advisory_unlock_all();

CLOSE ALL;

UNLISTEN *;

DEALLOCATE ALL;

DISCARD SEQUENCES;

DISCARD TEMP;

DISCARD PLANS;

ROLLBACK;

COMMIT;

RESET SESSION AUTHORIZATION;

SET SESSION AUTHORIZATION DEFAULT;

RESET ROLE;

BEGIN;
SET LOCAL ROLE NONE;
SELECT current_user = session_user;
COMMIT;

-- Notifications go to others; PgBouncer's transaction mode keeps nobody listening.

NOTIFY changes;

NOTIFY changes, 'payload; DROP TABLE x';

SELECT pg_notify('changes', 'x');

BEGIN;
NOTIFY changes;
COMMIT;

-- A cursor without a transaction: who forgets BEGIN is told so. (In the extended protocol a prefix makes a block of the
-- batch on PostgreSQL 18, as any statement ahead of it does.)

--! simple
--! fails 25P01
DECLARE nowhere CURSOR FOR SELECT * FROM customers ORDER BY id;

-- A cursor that outlives its transaction.

--! pending zone-required
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT * FROM customers ORDER BY id;
COMMIT;

-- Prepared by SQL, and gone before the end of the transaction.

--! pending session-state
BEGIN;
PREPARE p (int) AS SELECT name FROM customers WHERE id = $1;
EXECUTE p (1);
EXPLAIN (COSTS off) EXECUTE p (1);
DEALLOCATE p;
COMMIT;

-- Large objects, as pgjdbc and psycopg use them: functions by text.

BEGIN;
SELECT lo_create(70001);
SELECT lo_open(70001, 131072 | 262144);
SELECT lowrite(0, 'hello');
SELECT lo_lseek(0, 0, 0), lo_tell(0);
SELECT convert_from(loread(0, 5), 'UTF8');
SELECT lo_close(0);
SELECT convert_from(lo_get(70001), 'UTF8');
SELECT lo_unlink(70001);
COMMIT;

BEGIN;
SELECT lo_from_bytea(70002, 'abc');
SELECT lo_put(70002, 1, 'x');
SELECT lo_get(70002, 0, 2);
SELECT lo_unlink(70002);
ROLLBACK;

-- Transaction ids, snapshots, sleeping.

--! shape
SELECT pg_backend_pid(), txid_current(), pg_current_xact_id(), pg_current_snapshot();

SELECT pg_sleep(0.01);

BEGIN ISOLATION LEVEL REPEATABLE READ;
--! shape
SELECT pg_export_snapshot();
COMMIT;

--! shape
SELECT now(), clock_timestamp(), statement_timestamp(), pg_postmaster_start_time(), inet_client_port(), inet_server_addr();

-- Temporary tables that are gone with their transaction. Columns are computed: their table has another number each time.

BEGIN;
CREATE TEMPORARY TABLE tmp_picked (id bigint PRIMARY KEY, note text NOT NULL DEFAULT 'none', n int CHECK (n > 0)) ON COMMIT DROP;
INSERT INTO tmp_picked (id, n) VALUES (1, 2), (2, 3) RETURNING id + 0, upper(note);
INSERT INTO tmp_picked VALUES (1, 'again', 2) ON CONFLICT (id) DO UPDATE SET note = excluded.note;
UPDATE pg_temp.tmp_picked SET n = n + 1 WHERE id = 2;
SELECT p.id + 0, upper(p.note), p.n + 0 FROM tmp_picked p ORDER BY p.id;
CREATE TEMP TABLE IF NOT EXISTS tmp_picked (other int) ON COMMIT DROP;
COPY tmp_picked (id, note) TO STDOUT;
COMMIT;
SELECT to_regclass('tmp_picked') IS NULL;

BEGIN;
CREATE TEMP TABLE tmp_found ON COMMIT DROP AS WITH o AS (SELECT id, note FROM orders WHERE id > 0) SELECT * FROM o;
SELECT count(*) > 0 FROM tmp_found;
ROLLBACK;

BEGIN;
CREATE LOCAL TEMPORARY TABLE tmp_found (a, b) ON COMMIT DROP AS VALUES (1, 'x'), (2, 'y') WITH NO DATA;
SELECT count(*) FROM tmp_found;
SAVEPOINT s;
CREATE TABLE pg_temp.tmp_more (LIKE tmp_found INCLUDING ALL, c int GENERATED ALWAYS AS IDENTITY, d int GENERATED ALWAYS AS (1 + 1) STORED) ON COMMIT DROP;
INSERT INTO tmp_more (a, b) VALUES (7, 'seven') RETURNING c + 0, d + 0;
ROLLBACK TO s;
SELECT to_regclass('tmp_more') IS NULL;
ROLLBACK;

CREATE TEMP TABLE tmp_at_once (id int) ON COMMIT DROP;
SELECT to_regclass('tmp_at_once') IS NULL;
