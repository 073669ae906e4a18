"""Django's ORM over psycopg 3, with its own way of opening connections and transactions."""

import datetime
import decimal
import os
import uuid

import django
from checks import DATABASE, EXECUTIONS, HOST, PASSWORD, PORT, ROUNDS, TLS, USER, check, fails, finish, same, together
from django.conf import settings as django_settings

django_settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": HOST,
            "PORT": PORT,
            "USER": USER,
            "PASSWORD": PASSWORD,
            "NAME": DATABASE,
            "OPTIONS": {
                "application_name": "driver",
                "prepare_threshold": 2,
                "server_side_binding": True,
                "sslmode": os.environ["PGSSLMODE"],
            },
        }
    },
    INSTALLED_APPS=["django.contrib.postgres"],
    TIME_ZONE="Europe/Vienna",
    USE_TZ=True,
)
django.setup()

from django.contrib.postgres.fields import ArrayField  # noqa: E402
from django.db import DatabaseError, connection, models, transaction  # noqa: E402
from django.db.models import Value  # noqa: E402
from django.db.models.functions import Cast, Concat  # noqa: E402


class Order(models.Model):
    id = models.BigAutoField(primary_key=True)
    tenant_id = models.TextField(db_default=models.Func(Value("app.tenant_id"), function="current_setting"))
    note = models.TextField(null=True)

    class Meta:
        app_label = "shop"
        managed = False
        db_table = "orders"


def fails_with(sqlstate, function):
    fails(DatabaseError, lambda error: error.__cause__.sqlstate, sqlstate, function)


def execute(sql, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else None


def note(text):
    return Order.objects.create(note=text)


@check
def connect():
    same(execute("SELECT current_setting('application_name'), current_setting('TimeZone')"), [("driver", "UTC")])
    same(connection.connection.pgconn.ssl_in_use, TLS)
    assert connection.is_usable()


@check
def types():
    for field, given in [
        (models.BooleanField(), True),
        (models.SmallIntegerField(), -32768),
        (models.BigIntegerField(), 2**63 - 1),
        (models.FloatField(), 0.1),
        (models.DecimalField(max_digits=40, decimal_places=9), decimal.Decimal("12345678901234567890.123456789")),
        (models.TextField(), "it's \\ ü €\n"),
        (models.TextField(), None),
        (models.DateField(), datetime.date(2026, 2, 28)),
        (models.DateTimeField(), datetime.datetime(2026, 2, 28, 12, 0, 0, 123456, datetime.UTC)),
        (models.DurationField(), datetime.timedelta(days=3, seconds=7)),
        (models.UUIDField(), uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")),
        (models.JSONField(), {"a": [1, None, "ü"]}),
        (ArrayField(models.IntegerField()), [1, None, 3]),
    ]:
        found = Order.objects.annotate(found=Cast(Value(given, output_field=field), field)).values_list("found")
        same(found[0][0], given)
    same(bytes(execute("SELECT %s::bytea", b"\0\xff'\\")[0][0]), b"\0\xff'\\")


@check
def ddl():
    with connection.schema_editor() as editor:
        editor.execute("CREATE TABLE driver_ddl (id int)")
        editor.execute("DROP TABLE driver_ddl")


@check
def listen():
    execute("LISTEN driver")
    execute("UNLISTEN driver")


@check
def zone():
    same(set(Order.objects.values_list("tenant_id", flat=True)), {"acme"})
    same(Order.objects.filter(tenant_id="globex").count(), 0)
    same(note("driver insert").tenant_id, "acme")
    same(Order.objects.get(note="driver insert").tenant_id, "acme")


@check
def prepared():
    for number in range(EXECUTIONS // 2):
        same(execute("SELECT %s::int * 2", number), [(number * 2,)])
        same(Order.objects.annotate(found=Concat("tenant_id", Value(str(number), output_field=models.TextField()))).first().found, f"acme{number}")


@check
def savepoints():
    with transaction.atomic():
        note("driver before")
        with transaction.atomic():
            note("driver undone")
            transaction.set_rollback(True)
        note("driver after")
        with transaction.atomic():
            note("driver released")
    with transaction.atomic():
        note("driver rollback")
        transaction.set_rollback(True)

    def inner():
        with transaction.atomic():
            execute("SELECT 1 / %s", 0)

    with transaction.atomic():
        fails_with("22012", inner)
        note("driver mended")


@check
def recovery():
    fails_with("22012", lambda: execute("SELECT 1 / %s", 0))
    fails_with("42P01", lambda: execute("SELECT 1 FROM driver_nothing"))
    fails_with("42601", lambda: execute("SELEC 1"))
    fails_with("23505", lambda: Order.objects.create(id=1, note="driver lost"))
    connection.set_autocommit(False)
    note("driver lost")
    fails_with("22012", lambda: execute("SELECT 1 / %s", 0))
    fails_with("25P02", lambda: execute("SELECT 1"))
    connection.rollback()
    connection.set_autocommit(True)
    same(execute("SELECT %s::int", 2), [(2,)])


@check
def settings():
    same(execute("SELECT current_setting('TimeZone')"), [("UTC",)])
    execute("SET TimeZone TO 'Asia/Tokyo'")
    for _ in range(3):
        same(execute("SELECT current_setting('TimeZone')"), [("Asia/Tokyo",)])
    with transaction.atomic():
        execute("SET TimeZone TO 'Asia/Tbilisi'")
        transaction.set_rollback(True)
    same(execute("SELECT current_setting('TimeZone')"), [("Asia/Tokyo",)])
    # As Django itself sets it.
    execute("SELECT set_config('TimeZone', %s, false)", "UTC")
    same(execute("SELECT current_setting('TimeZone')"), [("UTC",)])


@check
def batch():
    made = Order.objects.bulk_create([Order(note="driver batch") for _ in range(500)], batch_size=100)
    same(len({order.id for order in made}), 500)
    same(Order.objects.filter(note="driver batch").update(note="driver updated"), 500)


@check
def cursor():
    with transaction.atomic():
        same(sum(1 for _ in Order.objects.all().iterator(chunk_size=2)) > 3, True)


@check
def hold():
    # Outside of a transaction Django's server-side cursors are WITH HOLD; DISABLE_SERVER_SIDE_CURSORS avoids them.
    same(sum(1 for _ in Order.objects.all().iterator(chunk_size=2)) > 3, True)


@check
def concurrent():
    def work(number, barrier):
        connection.ensure_connection()
        barrier.wait()
        for round in range(ROUNDS):
            with transaction.atomic():
                note("driver concurrent")
                same(execute("SELECT %s::int + %s::int", number, round), [(number + round,)])
        connection.close()

    together(work)


connection.close()
finish()
