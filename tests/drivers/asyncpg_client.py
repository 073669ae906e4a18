"""asyncpg, and its pool, which tidies up by RESET ALL and the like at each release."""

import asyncio
import datetime
import decimal
import ssl
import uuid

import asyncpg
from checks import CA, CLIENTS, DATABASE, EXECUTIONS, HOST, OTHER_CA, PASSWORD, PORT, ROUNDS, TLS, USER, finish, passed, report, same

INSERT = "INSERT INTO orders (note) VALUES ($1)"


def options(authority=CA):
    return {
        "host": HOST,
        "port": PORT,
        "user": USER,
        "password": PASSWORD,
        "database": DATABASE,
        "ssl": ssl.create_default_context(cafile=authority) if TLS else False,
        "server_settings": {"application_name": "driver"},
    }


async def fails_with(sqlstate, awaitable):
    try:
        await awaitable
    except asyncpg.PostgresError as error:
        same(error.sqlstate, sqlstate)
    else:
        raise AssertionError(f"no error, expected {sqlstate}")


async def connect(db):
    same(await db.fetchval("SELECT current_setting('application_name')"), "driver")
    if TLS:
        assert db._transport.get_extra_info("ssl_object").version().startswith("TLSv1.")
        try:
            await asyncpg.connect(**options(OTHER_CA))
        except ssl.SSLCertVerificationError:
            return
        raise AssertionError("another authority's certificate was accepted")


async def types(db):
    for sql, given in [
        ("SELECT $1::bool", True),
        ("SELECT $1::int2", -32768),
        ("SELECT $1::int8", 2**63 - 1),
        ("SELECT $1::float8", 0.1),
        ("SELECT $1::numeric", decimal.Decimal("12345678901234567890.123456789")),
        ("SELECT $1::text", "it's \\ ü €\n"),
        ("SELECT $1::text", None),
        ("SELECT $1::bytea", b"\0\xff'\\"),
        ("SELECT $1::date", datetime.date(2026, 2, 28)),
        ("SELECT $1::timestamptz", datetime.datetime(2026, 2, 28, 12, 0, 0, 123456, datetime.UTC)),
        ("SELECT $1::interval", datetime.timedelta(days=3, seconds=7)),
        ("SELECT $1::uuid", uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")),
        ("SELECT $1::jsonb", '{"a": [1, null, "ü"]}'),
        ("SELECT $1::int[]", [1, None, 3]),
        ("SELECT $1::text[]", ["a", "b,\"c'", None]),
        # It asks the catalogs for types that it does not know.
        ("SELECT $1::int4range", asyncpg.Range(1, 5)),
        ("SELECT $1::information_schema.sql_identifier", "domain"),
    ]:
        same(await db.fetchval(sql, given), given)


async def ddl(db):
    await db.execute("CREATE TABLE driver_ddl (id int)")
    await db.execute("DROP TABLE driver_ddl")


async def listen(db):
    await db.add_listener("driver", print)
    await db.remove_listener("driver", print)


async def zone(db):
    same(await db.fetch("SELECT DISTINCT tenant_id FROM orders"), [("acme",)])
    same(await db.fetchval("SELECT count(*) FROM orders WHERE tenant_id = $1", "globex"), 0)
    same(await db.fetchval("INSERT INTO orders (note) VALUES ($1) RETURNING tenant_id", "driver insert"), "acme")


async def prepared(db):
    twice = await db.prepare("SELECT $1::int * 2")
    same([str(attribute.type.name) for attribute in twice.get_attributes()], ["int4"])
    for number in range(EXECUTIONS // 2):
        same(await twice.fetchval(number), number * 2)
        same(await db.fetchval("SELECT tenant_id || $1 FROM orders LIMIT 1", str(number)), f"acme{number}")


class Undo(Exception):
    pass


async def savepoints(db):
    async with db.transaction():
        await db.execute(INSERT, "driver before")
        try:
            async with db.transaction():
                await db.execute(INSERT, "driver undone")
                raise Undo
        except Undo:
            pass
        await db.execute(INSERT, "driver after")
        async with db.transaction():
            await db.execute(INSERT, "driver released")
    transaction = db.transaction()
    await transaction.start()
    await db.execute(INSERT, "driver rollback")
    await transaction.rollback()
    async with db.transaction():
        savepoint = db.transaction()
        await savepoint.start()
        await fails_with("22012", db.fetchval("SELECT 1 / $1::int", 0))
        await savepoint.rollback()
        await db.execute(INSERT, "driver mended")


async def recovery(db):
    await fails_with("22012", db.fetchval("SELECT 1 / $1::int", 0))
    await fails_with("42P01", db.fetchval("SELECT 1 FROM driver_nothing"))
    await fails_with("42601", db.execute("SELEC 1"))
    await fails_with("23505", db.execute("INSERT INTO orders (id, note) VALUES (1, $1)", "driver lost"))
    transaction = db.transaction()
    await transaction.start()
    await db.execute("INSERT INTO orders (note) VALUES ('driver lost')")
    await fails_with("22012", db.fetchval("SELECT 1 / $1::int", 0))
    await fails_with("25P02", db.fetchval("SELECT 1"))
    await transaction.rollback()
    same(await db.fetchval("SELECT $1::int", 2), 2)


async def settings(db):
    zone = "SELECT current_setting('TimeZone')"
    before = await db.fetchval(zone)
    await db.execute("SET TimeZone TO 'Asia/Tokyo'")
    same(db.get_settings().TimeZone, "Asia/Tokyo")
    for _ in range(3):
        same(await db.fetchval(zone), "Asia/Tokyo")
    transaction = db.transaction(isolation="serializable", readonly=True)
    await transaction.start()
    same(await db.fetchval("SELECT current_setting('transaction_isolation')"), "serializable")
    await db.execute("SET TimeZone TO 'Asia/Tbilisi'")
    same(await db.fetchval(zone), "Asia/Tbilisi")
    await transaction.rollback()
    same(await db.fetchval(zone), "Asia/Tokyo")
    await db.execute("RESET TimeZone")
    same(await db.fetchval(zone), before)


async def copy(db):
    rows = [(number, "driver copy") for number in range(1000)]
    same(await db.copy_records_to_table("imports", records=rows, columns=["id", "note"]), "COPY 1000")
    received = bytearray()

    async def keep(data):
        received.extend(data)

    await db.copy_from_query("SELECT id, note FROM imports WHERE id >= $1", 0, output=keep)
    same(received.count(b"driver copy\n"), 1000)


async def cancel(db):
    try:
        # asyncpg cancels at the server when its own time is over, and waits for the answer.
        await db.execute("SELECT pg_sleep(30)", timeout=1)
    except asyncio.TimeoutError:
        pass
    else:
        raise AssertionError("not cancelled")
    same(await db.fetchval("SELECT 2"), 2)


async def pipeline(db):
    # One Bind and Execute for each, one Sync: all or nothing.
    await db.executemany(INSERT, [("driver pipeline",)] * 50)
    await fails_with("22012", db.executemany("SELECT 1 / $1::int", [(1,), (0,), (1,)]))
    same(len(await db.fetchmany("SELECT $1::int", [(number,) for number in range(50)])), 50)


async def cursor(db):
    async with db.transaction():
        same([row[0] async for row in db.cursor("SELECT generate_series(1, 1000)", prefetch=100)], list(range(1, 1001)))


async def pool(_):
    async with asyncpg.create_pool(min_size=2, max_size=4, **options()) as pool:
        for _ in range(3):
            async with pool.acquire() as db:
                await db.execute("SET statement_timeout = '5s'")
                same(await db.fetchval("SELECT current_setting('statement_timeout')"), "5s")
        async with pool.acquire() as db:
            same(await db.fetchval("SELECT current_setting('statement_timeout')"), "0")


async def concurrent(_):
    barrier = asyncio.Barrier(CLIENTS)

    async def work(number):
        db = await asyncpg.connect(**options())
        await asyncio.wait_for(barrier.wait(), 60)
        for round in range(ROUNDS):
            async with db.transaction():
                await db.execute(INSERT, "driver concurrent")
                same(await db.fetchval("SELECT $1::int + $2::int", number, round), number + round)
        await db.close()

    await asyncio.gather(*(work(number) for number in range(CLIENTS)))


async def main():
    connection = await asyncpg.connect(**options())
    checks = [connect, types, ddl, listen, zone, prepared, savepoints, recovery, settings, copy, cancel, pipeline, cursor, pool, concurrent]
    for check in checks:
        try:
            await check(connection)
            passed(check.__name__)
        except Exception:
            report(check.__name__)
    await connection.close()


asyncio.run(main())
finish()
