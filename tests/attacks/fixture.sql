
\connect shop
GRANT ALL ON DATABASE shop TO shop_acme;
ALTER SCHEMA public OWNER TO shop_acme;
ALTER ROLE shop_acme CREATEROLE CREATEDB;
CREATE ROLE all_rows BYPASSRLS;
GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO all_rows;
GRANT USAGE ON SCHEMA public TO all_rows;
GRANT all_rows, pg_read_server_files, pg_write_server_files, pg_execute_server_program, pg_signal_backend, pg_monitor TO shop_acme;
GRANT EXECUTE ON FUNCTION pg_read_file(text), pg_read_binary_file(text), pg_ls_dir(text), pg_stat_file(text), lo_import(text), lo_export(oid, text),
    pg_reload_conf(), pg_switch_wal(), pg_stat_reset(), pg_rotate_logfile(), pg_create_restore_point(text), pg_replication_origin_create(text) TO shop_acme;
GRANT ALTER SYSTEM ON PARAMETER work_mem TO shop_acme;
CREATE EXTENSION dblink;
CREATE EXTENSION tablefunc;
CREATE EXTENSION xml2;
GRANT EXECUTE ON FUNCTION dblink_connect_u(text, text) TO shop_acme;
CREATE TABLE auditors (note text);
INSERT INTO auditors VALUES ('the auditor''s secret');
CREATE ROLE auditor;
GRANT SELECT ON auditors TO auditor;
GRANT auditor TO shop_acme;

-- What belongs to the application itself.
SET ROLE shop_acme;
CREATE TABLE owned (id int PRIMARY KEY, note text);
INSERT INTO owned VALUES (1, 'one'), (2, 'two');
CREATE SEQUENCE numbers;
CREATE VIEW owned_view AS SELECT * FROM owned;
CREATE MATERIALIZED VIEW owned_copy AS SELECT * FROM owned;
CREATE FUNCTION owned_function() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE PROCEDURE owned_procedure() LANGUAGE sql AS 'CREATE TABLE made ()';
CREATE TYPE owned_type AS ENUM ('a');
CREATE SCHEMA owned_schema;
RESET ROLE;
