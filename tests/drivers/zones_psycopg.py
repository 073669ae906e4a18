"""psycopg 3: the ways in which services say for which tenant they work."""

import psycopg

SEEN = "SELECT DISTINCT tenant_id FROM orders"


def seen(connection, zone, **how):
    rows = connection.execute(SEEN + " WHERE %s", [True], **how).fetchall()
    assert rows == [(zone,)], rows


def refused(function, guard):
    try:
        function()
    except psycopg.Error as error:
        assert guard in str(error) or error.diag.source_function == guard, error
    else:
        raise AssertionError(f"not refused by {guard}")


def options():
    with psycopg.connect("", options="-c statement_timeout=30s -c app.tenant_id=globex") as db:
        seen(db, "globex")
    refused(lambda: psycopg.connect("", options="-c app.tenant_id=*"), "is not granted")


def session():
    with psycopg.connect("", autocommit=True) as db:
        refused(lambda: db.execute(SEEN), "zone-required")
        db.execute("SET app.tenant_id = 'acme'")
        for _ in range(8):
            seen(db, "acme", prepare=True)
        refused(lambda: db.execute("SET app.tenant_id = '*'"), "zone-not-granted")
        seen(db, "acme")
        db.execute("SELECT set_config('app.tenant_id', %s, false)", ["globex"])
        seen(db, "globex", prepare=True)
        db.execute("SELECT set_config('app.tenant_id', %b, false)", ["acme"])
        seen(db, "acme", prepare=True)
        for zone in ["globex", "acme"] * 4:
            # Prepared, and bound anew each time: as text and in binary.
            for text in ["SELECT set_config(%s, %s, false)", "SELECT set_config(%b, %b, false)"]:
                db.execute(text, ["app.tenant_id", zone], prepare=True)
                seen(db, zone, prepare=True)
                told = "zone-not-granted"
                refused(lambda: db.execute(text, ["app.tenant_id", "*"], prepare=True), told)
        seen(db, "acme")


def request():
    with psycopg.connect("") as db:
        for zone in ["acme", "globex", "acme"]:
            for text, values in [
                ("SELECT set_config('app.tenant_id', %s, true)", [zone]),
                ("SELECT set_config(%s, %s, true)", ["app.tenant_id", zone]),
            ]:
                with db.transaction():
                    db.execute(text, values, prepare=True)
                    seen(db, zone, prepare=True)
                    try:
                        with db.transaction():
                            db.execute("SELECT 1/0")
                    except psycopg.errors.DivisionByZero:
                        pass
                    seen(db, zone)
        refused(lambda: db.execute(SEEN), "zone-required")
        db.rollback()
        with db.pipeline():
            with db.transaction():
                db.execute("SELECT set_config('app.tenant_id', %s, true)", ["acme"])
                rows = db.execute(SEEN)
            assert rows.fetchall() == [("acme",)]


for check in [options, session, request]:
    check()
    print("ok", check.__name__)
