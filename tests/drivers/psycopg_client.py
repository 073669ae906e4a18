"""psycopg 3, pipeline mode included."""

import datetime
import decimal
import uuid

import psycopg
from checks import EXECUTIONS, INSERT, OTHER_CA, ROUNDS, TLS, cancelled, check, fails, finish, same, together
from psycopg.types.json import Jsonb


def connect(**options):
    return psycopg.connect("", **{"prepare_threshold": 3, "application_name": "driver", **options})


connection = connect(autocommit=True)


def fails_with(sqlstate, function):
    fails(psycopg.Error, lambda error: error.sqlstate, sqlstate, function)


def value(sql, *values, **options):
    return connection.execute(sql, values, **options).fetchone()[0]


@check
def connect_():
    same(value("SELECT current_setting('application_name')"), "driver")
    same(connection.pgconn.ssl_in_use, TLS)
    if TLS:
        try:
            connect(sslrootcert=OTHER_CA).close()
        except psycopg.OperationalError as error:
            assert "certificate verify failed" in str(error), error
        else:
            raise AssertionError("another authority's certificate was accepted")


@check
def types():
    for sql, given in [
        ("SELECT %s::bool", True),
        ("SELECT %s::int2", -32768),
        ("SELECT %s::int8", 2**63 - 1),
        ("SELECT %s::float8", 0.1),
        ("SELECT %s::numeric", decimal.Decimal("12345678901234567890.123456789")),
        ("SELECT %s::text", "it's \\ ü €\n"),
        ("SELECT %s::text", ""),
        ("SELECT %s::text", None),
        ("SELECT %s::bytea", b"\0\xff'\\"),
        ("SELECT %s::date", datetime.date(2026, 2, 28)),
        ("SELECT %s::timestamptz", datetime.datetime(2026, 2, 28, 12, 0, 0, 123456, datetime.UTC)),
        ("SELECT %s::interval", datetime.timedelta(days=3, seconds=7)),
        ("SELECT %s::uuid", uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")),
        ("SELECT %s::int[]", [1, None, 3]),
        ("SELECT %s::text[]", ["a", "b,\"c'", None]),
    ]:
        for binary in [False, True]:
            same(connection.cursor(binary=binary).execute(sql, (given,)).fetchone(), (given,))
    same(value("SELECT %s", Jsonb({"a": [1, None, "ü"]})), {"a": [1, None, "ü"]})


@check
def ddl():
    connection.execute("CREATE TABLE driver_ddl (id int)")
    connection.execute("DROP TABLE driver_ddl")


@check
def listen():
    connection.execute("LISTEN driver")
    connection.execute("UNLISTEN driver")


@check
def zone():
    same(connection.execute("SELECT DISTINCT tenant_id FROM orders").fetchall(), [("acme",)])
    same(value("SELECT count(*) FROM orders WHERE tenant_id = %s", "globex"), 0)
    same(value("INSERT INTO orders (note) VALUES (%s) RETURNING tenant_id", "driver insert"), "acme")


@check
def prepared():
    for number in range(EXECUTIONS // 2):
        same(value("SELECT %s::int * 2", number, prepare=True), number * 2)
        same(value("SELECT tenant_id || %s FROM orders LIMIT 1", str(number)), f"acme{number}")


@check
def savepoints():
    with connection.transaction():
        connection.execute(INSERT, ("driver before",))
        with connection.transaction(force_rollback=True):
            connection.execute(INSERT, ("driver undone",))
        connection.execute(INSERT, ("driver after",))
        with connection.transaction():
            connection.execute(INSERT, ("driver released",))
    with connection.transaction(force_rollback=True):
        connection.execute(INSERT, ("driver rollback",))
    with connection.transaction():
        with connection.transaction(force_rollback=True):
            fails_with("22012", lambda: connection.execute("SELECT 1 / %s", (0,)))
        connection.execute(INSERT, ("driver mended",))


@check
def recovery():
    fails_with("22012", lambda: value("SELECT 1 / %s", 0))
    fails_with("42P01", lambda: value("SELECT 1 FROM driver_nothing"))
    fails_with("42601", lambda: value("SELEC 1"))
    fails_with("23505", lambda: value("INSERT INTO orders (id, note) VALUES (1, %s)", "driver lost"))
    with connect() as other:
        other.execute(INSERT, ("driver lost",))
        fails_with("22012", lambda: other.execute("SELECT 1 / %s", (0,)))
        fails_with("25P02", lambda: other.execute("SELECT 1"))
        other.rollback()
        same(other.execute("SELECT 1").fetchone(), (1,))
    same(value("SELECT %s::int", 2), 2)


@check
def settings():
    before = value("SELECT current_setting('TimeZone')")
    connection.execute("SET TimeZone TO 'Asia/Tokyo'")
    same(connection.info.parameter_status("TimeZone"), "Asia/Tokyo")
    for _ in range(3):
        same(value("SELECT current_setting('TimeZone')"), "Asia/Tokyo")
    with connection.transaction(force_rollback=True):
        connection.execute("SET TimeZone TO 'Asia/Tbilisi'")
        same(value("SELECT current_setting('TimeZone')"), "Asia/Tbilisi")
    same(value("SELECT current_setting('TimeZone')"), "Asia/Tokyo")
    connection.execute("RESET TimeZone")
    same(value("SELECT current_setting('TimeZone')"), before)
    with connect() as other:
        other.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        same(other.execute("SELECT current_setting('transaction_isolation')").fetchone(), ("serializable",))


@check
def copy():
    with connection.cursor().copy("COPY imports (id, note) FROM STDIN") as copy:
        for number in range(1000):
            copy.write_row((number, "driver copy"))
    with connection.cursor().copy("COPY (SELECT id, note FROM imports ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["int4", "text"])
        same(sum(1 for _ in copy.rows()), 1000)


@check
def cancel():
    with connect(autocommit=True) as other:
        fails_with("57014", lambda: cancelled(lambda: other.execute("SELECT pg_sleep(30)"), other.cancel_safe))
        same(other.execute("SELECT 1").fetchone(), (1,))


@check
def pipeline():
    with connect(autocommit=True) as other, other.pipeline() as pipeline:
        cursors = [other.execute("SELECT %s::int", (number,)) for number in range(50)]
        pipeline.sync()
        other.execute(INSERT, ("driver pipeline",))
        pipeline.sync()
        other.execute("SELECT 1 / %s", (0,))
        fails_with("22012", pipeline.sync)
        same([cursor.fetchone() for cursor in cursors], [(number,) for number in range(50)])
        same(other.execute("SELECT 7").fetchone(), (7,))


@check
def cursor():
    with connection.transaction(), connection.cursor("driver") as cursor:
        cursor.itersize = 100
        same(sum(1 for _ in cursor.execute("SELECT generate_series(1, 1000)")), 1000)


@check
def concurrent():
    def work(number, barrier):
        with connect(autocommit=True) as other:
            barrier.wait()
            for round in range(ROUNDS):
                with other.transaction():
                    other.execute(INSERT, ("driver concurrent",))
                    same(other.execute("SELECT %s::int + %s", (number, round)).fetchone(), (number + round,))

    together(work)


connection.close()
finish()
