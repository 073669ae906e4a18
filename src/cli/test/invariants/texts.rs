//! Texts that no policy lets through.

/// Who is tried with a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    /// Everybody outside a migration session.
    Outside,
    /// And migrators inside one.
    Always,
    /// Those that share the connections of a pool.
    Shared,
    /// People.
    People,
    /// Migrators inside an expand session.
    Expand,
    /// Those whose zone is Portcullis's business. `{another}` is a zone that is not theirs.
    Zoned,
    /// Of them those that do not set it themselves.
    Fixed,
    /// Of them those that all zones are not granted to.
    NotAll,
}

/// What a login must not get through: a name, a text, and who is tried with it. `{zone}` becomes the
/// zone parameter.
pub(super) const REFUSED: [(&str, &str, Tried); 45] = {
    use Tried::{Always, Expand, Fixed, NotAll, Outside, People, Shared, Zoned};
    [
        ("CREATE TABLE", "CREATE TABLE t (id int)", Outside),
        ("DROP TABLE", "DROP TABLE orders", Outside),
        ("ALTER TABLE", "ALTER TABLE orders ADD note text", Outside),
        ("TRUNCATE", "TRUNCATE orders", Outside),
        ("SELECT INTO", "SELECT 1 AS id INTO t", Outside),
        (
            "DDL in EXPLAIN ANALYZE",
            "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
            Outside,
        ),
        (
            "DDL in PREPARE",
            "PREPARE p AS CREATE TABLE t AS SELECT 1",
            Outside,
        ),
        ("DDL behind a query", "SELECT 1; DROP TABLE orders", Outside),
        (
            "CREATE FUNCTION",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            Outside,
        ),
        ("CREATE ROLE", "CREATE ROLE r SUPERUSER", Outside),
        ("GRANT", "GRANT ALL ON orders TO PUBLIC", Outside),
        (
            "ALTER ROLE SET",
            "ALTER ROLE CURRENT_USER SET search_path = 'x'",
            Outside,
        ),
        ("ALTER SYSTEM", "ALTER SYSTEM SET work_mem = '1GB'", Outside),
        ("VACUUM FULL", "VACUUM FULL orders", Outside),
        ("DO", "DO $$ BEGIN PERFORM 1; END $$", Outside),
        ("CALL", "CALL p()", Outside),
        ("COPY TO PROGRAM", "COPY orders TO PROGRAM 'true'", Always),
        (
            "COPY FROM PROGRAM",
            "COPY orders FROM PROGRAM 'true'",
            Always,
        ),
        ("COPY TO a file", "COPY orders TO '/tmp/x'", Outside),
        (
            "pg_read_file",
            "SELECT pg_read_file('/etc/passwd')",
            Outside,
        ),
        (
            "query_to_xml",
            "SELECT query_to_xml('DROP TABLE orders', true, true, '')",
            Outside,
        ),
        ("SET ROLE", "SET ROLE postgres", Outside),
        ("SET LOCAL ROLE", "SET LOCAL ROLE postgres", Outside),
        (
            "SET SESSION AUTHORIZATION",
            "SET SESSION AUTHORIZATION postgres",
            Outside,
        ),
        (
            "standard_conforming_strings",
            "SET standard_conforming_strings = off",
            Always,
        ),
        (
            "client_encoding",
            "SELECT set_config('client_encoding', 'SJIS', false)",
            Always,
        ),
        ("not SQL", "SELCT 1", Outside),
        (
            "UPDATE without WHERE",
            "UPDATE orders SET note = 'x'",
            Outside,
        ),
        ("PREPARE TRANSACTION", "PREPARE TRANSACTION 'x'", Outside),
        (
            "INSERT by a person",
            "INSERT INTO orders VALUES (1)",
            People,
        ),
        ("LISTEN", "LISTEN orders", Shared),
        ("PREPARE", "PREPARE p AS SELECT 1", Shared),
        ("LOAD", "LOAD 'auto_explain'", Shared),
        (
            "a lock of the session",
            "SELECT pg_advisory_lock(1)",
            Shared,
        ),
        (
            "a cursor WITH HOLD",
            "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
            Shared,
        ),
        (
            "DROP TABLE in an expand session",
            "DROP TABLE orders",
            Expand,
        ),
        (
            "DROP COLUMN in an expand session",
            "ALTER TABLE orders DROP note",
            Expand,
        ),
        ("SET of the zone", "SET {zone} = '{another}'", Zoned),
        (
            "SET LOCAL of the zone",
            "SET LOCAL {zone} = '{another}'",
            Zoned,
        ),
        ("RESET of the zone", "RESET {zone}", Fixed),
        ("SET of every zone", "SET {zone} = '*'", NotAll),
        (
            "set_config of every zone",
            "SELECT set_config('{zone}', '*', true)",
            NotAll,
        ),
        (
            "set_config of the zone",
            "SELECT set_config('{zone}', '{another}', true)",
            Zoned,
        ),
        (
            "set_config of a computed name",
            "SELECT set_config(n, '{another}', true) FROM t",
            Zoned,
        ),
        (
            "UPDATE pg_settings",
            "UPDATE pg_settings SET setting = '{another}' WHERE name = '{zone}'",
            Zoned,
        ),
    ]
};
