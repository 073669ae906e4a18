"""psycopg 3, pipeline mode included.

Before PgBouncer 1.21: prepare_threshold=None, which keeps every statement unnamed.
"""

import threading
import time

import psycopg
from checks import OTHER_CA, PREPARED, check, finish, same


def connect(**options):
    options.setdefault("prepare_threshold", 3 if PREPARED else None)
    return psycopg.connect("", **options)


connection = connect(autocommit=True)


def fails_with(sqlstate, function):
    try:
        function()
    except psycopg.Error as error:
        same(error.sqlstate, sqlstate)
    else:
        raise AssertionError(f"no error, expected {sqlstate}")


@check
def tls():
    assert connection.pgconn.ssl_in_use
    try:
        connect(sslrootcert=OTHER_CA).close()
    except psycopg.OperationalError as error:
        assert "certificate verify failed" in str(error), error
    else:
        raise AssertionError("another authority's certificate was accepted")


@check
def parameters():
    row = connection.execute("SELECT %s::int + %s, %s::text, %s::text", (40, 2, "it's \\ ü", None)).fetchone()
    same(row, (42, "it's \\ ü", None))
    binary = connection.cursor(binary=True).execute("SELECT %s::bytea", (b"\0\xff",)).fetchone()
    same(binary, (b"\0\xff",))


@check
def zone():
    same(connection.execute("SELECT DISTINCT tenant_id FROM orders").fetchall(), [("acme",)])
    same(connection.execute("SELECT count(*) FROM orders WHERE tenant_id = %s", ("globex",)).fetchone(), (0,))


@check
def insert():
    row = connection.execute("INSERT INTO orders (note) VALUES (%s) RETURNING tenant_id", ("driver insert",)).fetchone()
    same(row, ("acme",))


@check
def transactions():
    with connection.transaction():
        connection.execute("INSERT INTO orders (note) VALUES (%s)", ("driver commit",))
        with connection.transaction(force_rollback=True):
            connection.execute("INSERT INTO orders (note) VALUES (%s)", ("driver savepoint",))
    with connection.transaction(force_rollback=True):
        connection.execute("INSERT INTO orders (note) VALUES (%s)", ("driver rollback",))


@check
def error_in_transaction():
    with connect() as other:
        other.execute("INSERT INTO orders (note) VALUES ('driver lost')")
        fails_with("22012", lambda: other.execute("SELECT 1 / %s", (0,)))
        fails_with("25P02", lambda: other.execute("SELECT 1"))
        other.rollback()
        same(other.execute("SELECT 1").fetchone(), (1,))


@check
def copy_in():
    with connection.cursor().copy("COPY imports (id, note) FROM STDIN") as copy:
        for number in range(1000):
            copy.write_row((number, "driver copy"))


@check
def copy_out():
    with connection.cursor().copy("COPY (SELECT id, note FROM imports ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["int4", "text"])
        same(sum(1 for _ in copy.rows()), 1000)


@check
def ddl_refused():
    fails_with("42501", lambda: connection.execute("CREATE TABLE driver_ddl (id int)"))
    fails_with("42501", lambda: connection.execute("CREATE TABLE driver_ddl (id int)", prepare=PREPARED))
    same(connection.execute("SELECT %s::int", (1,)).fetchone(), (1,))


@check
def cancel():
    timer = threading.Timer(0.5, connection.cancel_safe)
    timer.start()
    start = time.monotonic()
    fails_with("57014", lambda: connection.execute("SELECT pg_sleep(30)"))
    assert time.monotonic() - start < 10
    timer.join()


@check
def pipeline():
    with connect(autocommit=True) as other, other.pipeline() as pipeline:
        cursors = [other.execute("SELECT %s::int", (number,)) for number in range(50)]
        pipeline.sync()
        other.execute("INSERT INTO orders (note) VALUES (%s)", ("driver pipeline",))
        pipeline.sync()
        broken = other.execute("SELECT 1 / %s", (0,))
        fails_with("22012", pipeline.sync)
        same([cursor.fetchone() for cursor in cursors], [(number,) for number in range(50)])
        fails_with("42501", lambda: other.execute("CREATE TABLE driver_pipeline (id int)") and pipeline.sync())
        del broken
        same(other.execute("SELECT 7").fetchone(), (7,))


@check
def prepared():
    for number in range(12):
        same(connection.execute("SELECT %s::int * 2", (number,)).fetchone(), (number * 2,))


connection.close()
finish()
