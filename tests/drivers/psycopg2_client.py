"""psycopg2: libpq's simple protocol; values are written into the text by the client."""

import datetime
import decimal
import io
import uuid

import psycopg2
import psycopg2.extras
from checks import INSERT, OTHER_CA, ROUNDS, TLS, cancelled, check, fails, finish, same, together

psycopg2.extras.register_uuid()


def connect(autocommit=False, **options):
    connection = psycopg2.connect("", **{"application_name": "driver", **options})
    connection.autocommit = autocommit
    return connection


connection = connect(autocommit=True)


def fails_with(sqlstate, function):
    fails(psycopg2.Error, lambda error: error.pgcode, sqlstate, function)


def execute(sql, *values, on=None):
    with (on or connection).cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else None


def value(sql, *values, on=None):
    return execute(sql, *values, on=on)[0][0]


@check
def connect_():
    same(value("SELECT current_setting('application_name')"), "driver")
    same(connection.info.ssl_in_use, TLS)
    if TLS:
        try:
            connect(sslrootcert=OTHER_CA).close()
        except psycopg2.OperationalError as error:
            assert "certificate verify failed" in str(error), error
        else:
            raise AssertionError("another authority's certificate was accepted")


@check
def types():
    for sql, given in [
        ("SELECT %s::bool", True),
        ("SELECT %s::int8", 2**63 - 1),
        ("SELECT %s::float8", 0.1),
        ("SELECT %s::numeric", decimal.Decimal("12345678901234567890.123456789")),
        ("SELECT %s::text", "it's \\ ü €\n"),
        ("SELECT %s::text", None),
        ("SELECT %s::date", datetime.date(2026, 2, 28)),
        ("SELECT %s::timestamptz", datetime.datetime(2026, 2, 28, 12, 0, 0, 123456, datetime.UTC)),
        ("SELECT %s::interval", datetime.timedelta(days=3, seconds=7)),
        ("SELECT %s::uuid", uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")),
        ("SELECT %s::int[]", [1, None, 3]),
        ("SELECT %s::text[]", ["a", "b,\"c'", None]),
    ]:
        same(value(sql, given), given)
    same(bytes(value("SELECT %s::bytea", b"\0\xff'\\")), b"\0\xff'\\")
    same(value("SELECT %s::jsonb", psycopg2.extras.Json({"a": [1, None, "ü"]})), {"a": [1, None, "ü"]})


@check
def ddl():
    execute("CREATE TABLE driver_ddl (id int)")
    execute("DROP TABLE driver_ddl")


@check
def listen():
    execute("LISTEN driver")
    execute("UNLISTEN driver")


@check
def zone():
    same(execute("SELECT DISTINCT tenant_id FROM orders"), [("acme",)])
    same(value("SELECT count(*) FROM orders WHERE tenant_id = %s", "globex"), 0)
    same(value("INSERT INTO orders (note) VALUES (%s) RETURNING tenant_id", "driver insert"), "acme")


@check
def savepoints():
    with connect() as other:
        execute(INSERT, "driver before", on=other)
        execute("SAVEPOINT a", on=other)
        execute(INSERT, "driver undone", on=other)
        execute("ROLLBACK TO a", on=other)
        execute(INSERT, "driver after", on=other)
        execute("SAVEPOINT b", on=other)
        execute(INSERT, "driver released", on=other)
        execute("RELEASE b", on=other)
        other.commit()
        execute(INSERT, "driver rollback", on=other)
        other.rollback()
        execute("SAVEPOINT c", on=other)
        fails_with("22012", lambda: execute("SELECT 1 / %s", 0, on=other))
        execute("ROLLBACK TO c", on=other)
        execute(INSERT, "driver mended", on=other)
    other.close()


@check
def recovery():
    fails_with("22012", lambda: value("SELECT 1 / %s", 0))
    fails_with("42P01", lambda: value("SELECT 1 FROM driver_nothing"))
    fails_with("42601", lambda: value("SELEC 1"))
    fails_with("23505", lambda: execute("INSERT INTO orders (id, note) VALUES (1, %s)", "driver lost"))
    other = connect()
    execute(INSERT, "driver lost", on=other)
    fails_with("22012", lambda: value("SELECT 1 / %s", 0, on=other))
    fails_with("25P02", lambda: value("SELECT 1", on=other))
    other.rollback()
    same(value("SELECT 1", on=other), 1)
    other.close()
    same(value("SELECT %s::int", 2), 2)


@check
def settings():
    before = value("SELECT current_setting('TimeZone')")
    execute("SET TimeZone TO 'Asia/Tokyo'")
    same(connection.get_parameter_status("TimeZone"), "Asia/Tokyo")
    for _ in range(3):
        same(value("SELECT current_setting('TimeZone')"), "Asia/Tokyo")
    execute("BEGIN")
    execute("SET TimeZone TO 'Asia/Tbilisi'")
    same(value("SELECT current_setting('TimeZone')"), "Asia/Tbilisi")
    execute("ROLLBACK")
    same(value("SELECT current_setting('TimeZone')"), "Asia/Tokyo")
    execute("RESET TimeZone")
    same(value("SELECT current_setting('TimeZone')"), before)
    # For the session: SET SESSION CHARACTERISTICS, or default_transaction_isolation.
    connection.set_session(isolation_level="SERIALIZABLE", readonly=True)
    same(value("SELECT current_setting('transaction_isolation')"), "serializable")
    same(value("SELECT current_setting('transaction_read_only')"), "on")
    fails_with("25006", lambda: execute(INSERT, "driver lost"))
    connection.set_session(isolation_level="DEFAULT", readonly="DEFAULT")
    same(value("SELECT current_setting('transaction_isolation')"), "read committed")


@check
def copy():
    with connection.cursor() as cursor:
        rows = io.StringIO("".join(f"{number}\tdriver copy\n" for number in range(1000)))
        cursor.copy_expert("COPY imports (id, note) FROM STDIN", rows)
        received = io.StringIO()
        cursor.copy_expert("COPY (SELECT id, note FROM imports ORDER BY id) TO STDOUT", received)
        same(received.getvalue().count("driver copy\n"), 1000)


@check
def cancel():
    other = connect(autocommit=True)
    fails_with("57014", lambda: cancelled(lambda: value("SELECT pg_sleep(30)", on=other), other.cancel))
    same(value("SELECT 1", on=other), 1)
    other.close()


@check
def cursor():
    with connect() as other, other.cursor("driver") as cursor:
        cursor.itersize = 100
        cursor.execute("SELECT generate_series(1, 1000)")
        same(sum(1 for _ in cursor), 1000)
    other.close()


@check
def concurrent():
    def work(number, barrier):
        other = connect()
        barrier.wait()
        for round in range(ROUNDS):
            execute(INSERT, "driver concurrent", on=other)
            same(value("SELECT %s + %s", number, round, on=other), number + round)
            other.commit()
        other.close()

    together(work)


connection.close()
finish()
