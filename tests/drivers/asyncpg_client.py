"""asyncpg. Before PgBouncer 1.21: statement_cache_size=0, which keeps every statement unnamed."""

import asyncio
import ssl
import time

import asyncpg
from checks import CA, DATABASE, HOST, OTHER_CA, PASSWORD, PORT, PREPARED, USER, finish, passed, report, same


async def connect(authority=CA):
    return await asyncpg.connect(
        host=HOST,
        port=PORT,
        user=USER,
        password=PASSWORD,
        database=DATABASE,
        ssl=ssl.create_default_context(cafile=authority),
        statement_cache_size=100 if PREPARED else 0,
    )


async def fails_with(sqlstate, awaitable):
    try:
        await awaitable
    except asyncpg.PostgresError as error:
        same(error.sqlstate, sqlstate)
    else:
        raise AssertionError(f"no error, expected {sqlstate}")


async def tls(connection):
    assert connection._transport.get_extra_info("ssl_object").version().startswith("TLSv1.")
    try:
        await connect(OTHER_CA)
    except ssl.SSLCertVerificationError:
        return
    raise AssertionError("another authority's certificate was accepted")


async def parameters(connection):
    row = await connection.fetchrow("SELECT $1::int + $2::int, $3::text, $4::text, $5::bytea", 40, 2, "it's ü", None, b"\0\xff")
    same(tuple(row), (42, "it's ü", None, b"\0\xff"))


async def zone(connection):
    same(await connection.fetch("SELECT DISTINCT tenant_id FROM orders"), [("acme",)])
    same(await connection.fetchval("SELECT count(*) FROM orders WHERE tenant_id = $1", "globex"), 0)


async def insert(connection):
    same(await connection.fetchval("INSERT INTO orders (note) VALUES ($1) RETURNING tenant_id", "driver insert"), "acme")


async def transactions(connection):
    async with connection.transaction():
        await connection.execute("INSERT INTO orders (note) VALUES ($1)", "driver commit")
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("INSERT INTO orders (note) VALUES ($1)", "driver rollback")
    await transaction.rollback()


async def error_in_transaction(connection):
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("INSERT INTO orders (note) VALUES ('driver lost')")
    await fails_with("22012", connection.fetchval("SELECT 1 / $1::int", 0))
    await fails_with("25P02", connection.fetchval("SELECT 1"))
    await transaction.rollback()
    same(await connection.fetchval("SELECT 1"), 1)


async def copy_in(connection):
    rows = [(number, "driver copy") for number in range(1000)]
    same(await connection.copy_records_to_table("imports", records=rows, columns=["id", "note"]), "COPY 1000")


async def copy_out(connection):
    received = bytearray()

    async def keep(data):
        received.extend(data)

    await connection.copy_from_query("SELECT id, note FROM imports", output=keep)
    same(received.count(b"driver copy\n"), 1000)


async def ddl_refused(connection):
    await fails_with("42501", connection.execute("CREATE TABLE driver_ddl (id int)"))
    await fails_with("42501", connection.fetch("CREATE TABLE driver_ddl (id int)"))
    same(await connection.fetchval("SELECT 1"), 1)


async def cancel(connection):
    start = time.monotonic()
    try:
        # asyncpg cancels at the server when its own time is over, and waits for the answer.
        await connection.execute("SELECT pg_sleep(30)", timeout=0.5)
    except asyncio.TimeoutError:
        pass
    else:
        raise AssertionError("not cancelled")
    same(await connection.fetchval("SELECT 2"), 2)
    assert time.monotonic() - start < 10


async def prepared(connection):
    for number in range(12):
        same(await connection.fetchval("SELECT $1::int * 2", number), number * 2)


async def main():
    connection = await connect()
    checks = [tls, parameters, zone, insert, transactions, error_in_transaction, copy_in, copy_out, ddl_refused, cancel, prepared]
    for check in checks:
        name = check.__name__.replace("_", "-")
        try:
            await check(connection)
            passed(name)
        except Exception:
            report(name)
    await connection.close()


asyncio.run(main())
finish()
