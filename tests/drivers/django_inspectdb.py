"""What Django finds out about a schema: inspectdb, and its introspection by itself."""

import os

import django
from checks import DATABASE, HOST, PASSWORD, PORT, USER
from django.conf import settings

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": HOST,
            "PORT": PORT,
            "USER": USER,
            "PASSWORD": PASSWORD,
            "NAME": DATABASE,
            # Cursors WITH HOLD do not go with transaction mode.
            "OPTIONS": {"prepare_threshold": 5, "sslmode": os.environ["PGSSLMODE"]},
            "DISABLE_SERVER_SIDE_CURSORS": True,
        }
    },
    INSTALLED_APPS=[],
    TIME_ZONE="Europe/Vienna",
    USE_TZ=True,
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402

call_command("inspectdb", "--include-views", "--include-partitions")

introspection = connection.introspection
with connection.cursor() as cursor:
    for table in sorted(introspection.table_names(cursor, include_views=True)):
        print(table, introspection.get_table_description(cursor, table))
        print(" ", introspection.get_relations(cursor, table))
        print(" ", introspection.get_sequences(cursor, table))
        for name, constraint in sorted(introspection.get_constraints(cursor, table).items()):
            print(" ", name, constraint)
    cursor.execute("SELECT current_setting('TimeZone'), %s::timestamptz", ["2026-01-01 12:00+00"])
    print(cursor.fetchone())

with transaction.atomic():
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO jobs (id) VALUES (%s) RETURNING state", [78])
        print(cursor.fetchone())
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")
    except django.db.utils.DataError as error:
        print(error)
    transaction.set_rollback(True)
