"""SQLAlchemy over psycopg 3: Core, a session with mapped objects, its pool."""

import datetime
import decimal
import uuid

import sqlalchemy as sa
from checks import CLIENTS, EXECUTIONS, ROUNDS, TLS, check, fails, finish, same, together
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(server_default=sa.text("current_setting('app.tenant_id', true)"))
    note: Mapped[str | None]


engine = sa.create_engine(
    "postgresql+psycopg://",
    connect_args={"application_name": "driver", "prepare_threshold": 2},
    pool_size=CLIENTS,
    pool_pre_ping=True,
)


def fails_with(sqlstate, function):
    fails(sa.exc.DBAPIError, lambda error: error.orig.sqlstate, sqlstate, function)


def autocommit():
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def note(connection, text):
    connection.execute(sa.insert(Order).values(note=text))


@check
def connect():
    with engine.connect() as connection:
        same(connection.scalar(sa.text("SELECT current_setting('application_name')")), "driver")
        same(connection.connection.driver_connection.pgconn.ssl_in_use, TLS)
        same(connection.get_isolation_level(), "READ COMMITTED")


@check
def types():
    with engine.connect() as connection:
        for kind, given in [
            (sa.Boolean, True),
            (sa.SmallInteger, -32768),
            (sa.BigInteger, 2**63 - 1),
            (sa.Double, 0.1),
            (sa.Numeric, decimal.Decimal("12345678901234567890.123456789")),
            (sa.Text, "it's \\ ü €\n"),
            (sa.Text, None),
            (sa.LargeBinary, b"\0\xff'\\"),
            (sa.Date, datetime.date(2026, 2, 28)),
            (sa.DateTime(timezone=True), datetime.datetime(2026, 2, 28, 12, 0, 0, 123456, datetime.UTC)),
            (sa.Interval, datetime.timedelta(days=3, seconds=7)),
            (sa.Uuid, uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")),
            (JSONB, {"a": [1, None, "ü"]}),
            (ARRAY(sa.Integer), [1, None, 3]),
            (ARRAY(sa.Text), ["a", "b,\"c'", None]),
        ]:
            same(connection.scalar(sa.select(sa.cast(sa.literal(given, kind), kind))), given)


@check
def ddl():
    table = sa.Table("driver_ddl", sa.MetaData(), sa.Column("id", sa.Integer))
    table.create(engine)
    table.drop(engine)


@check
def listen():
    with autocommit() as connection:
        connection.execute(sa.text("LISTEN driver"))
        connection.execute(sa.text("UNLISTEN driver"))


@check
def zone():
    with Session(engine) as session:
        same(session.scalars(sa.select(Order.tenant_id).distinct()).all(), ["acme"])
        same(session.scalar(sa.select(sa.func.count()).where(Order.tenant_id == "globex")), 0)
        order = Order(note="driver insert")
        session.add(order)
        session.commit()
        same(order.tenant_id, "acme")
        order.note = "driver update"
        session.commit()


@check
def prepared():
    with engine.connect() as connection:
        for number in range(EXECUTIONS // 2):
            same(connection.scalar(sa.text("SELECT :n * 2"), {"n": number}), number * 2)
            tenant = sa.select(Order.tenant_id + sa.literal(str(number))).limit(1)
            same(connection.scalar(tenant), f"acme{number}")
            connection.commit()


@check
def savepoints():
    with engine.connect() as connection:
        with connection.begin():
            note(connection, "driver before")
            inner = connection.begin_nested()
            note(connection, "driver undone")
            inner.rollback()
            note(connection, "driver after")
            with connection.begin_nested():
                note(connection, "driver released")
        note(connection, "driver rollback")
        connection.rollback()
        with connection.begin():
            inner = connection.begin_nested()
            fails_with("22012", lambda: connection.execute(sa.text("SELECT 1 / :n"), {"n": 0}))
            inner.rollback()
            note(connection, "driver mended")


@check
def recovery():
    with autocommit() as connection:
        fails_with("22012", lambda: connection.execute(sa.text("SELECT 1 / :n"), {"n": 0}))
        fails_with("42P01", lambda: connection.execute(sa.text("SELECT 1 FROM driver_nothing")))
        fails_with("42601", lambda: connection.execute(sa.text("SELEC 1")))
        fails_with("23505", lambda: connection.execute(sa.insert(Order).values(id=1, note="driver lost")))
    with engine.connect() as connection:
        note(connection, "driver lost")
        fails_with("22012", lambda: connection.execute(sa.text("SELECT 1 / :n"), {"n": 0}))
        fails_with("25P02", lambda: connection.execute(sa.text("SELECT 1")))
        connection.rollback()
        same(connection.scalar(sa.text("SELECT 1")), 1)


@check
def settings():
    zone = sa.text("SELECT current_setting('TimeZone')")
    with autocommit() as connection:
        before = connection.scalar(zone)
        connection.execute(sa.text("SET TimeZone TO 'Asia/Tokyo'"))
        for _ in range(3):
            same(connection.scalar(zone), "Asia/Tokyo")
        connection.execute(sa.text("RESET TimeZone"))
        same(connection.scalar(zone), before)
    with engine.connect().execution_options(isolation_level="SERIALIZABLE", postgresql_readonly=True) as connection:
        same(connection.scalar(sa.text("SELECT current_setting('transaction_isolation')")), "serializable")
        fails_with("25006", lambda: note(connection, "driver lost"))
    with engine.connect() as connection:
        same(connection.scalar(sa.text("SELECT current_setting('transaction_isolation')")), "read committed")


@check
def batch():
    with Session(engine) as session:
        orders = [Order(note="driver batch") for _ in range(500)]
        session.add_all(orders)
        session.commit()
        same({order.tenant_id for order in orders}, {"acme"})
        session.execute(sa.insert(Order), [{"note": "driver many"} for _ in range(500)])
        session.commit()


@check
def concurrent():
    def work(number, barrier):
        with engine.connect() as connection:
            barrier.wait()
            for round in range(ROUNDS):
                with connection.begin():
                    note(connection, "driver concurrent")
                    same(connection.scalar(sa.text("SELECT :a + :b"), {"a": number, "b": round}), number + round)

    together(work)


engine.dispose()
finish()
