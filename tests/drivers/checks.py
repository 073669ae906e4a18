"""What the Python clients share: named checks, one line of output for each.

A program prints `ok NAME` or `not ok NAME: reason` for each check; tests/drivers.rs knows which
names must come, and looks at the database from a connection of its own afterwards.
"""

import os
import sys
import traceback

# Named prepared statements need PgBouncer >= 1.21 in transaction mode.
PREPARED = os.environ["DRIVER_PREPARED"] == "1"
CA = os.environ["PGSSLROOTCERT"]
OTHER_CA = os.environ["DRIVER_OTHER_CA"]
HOST, PORT = os.environ["PGHOST"], int(os.environ["PGPORT"])
USER, PASSWORD = os.environ["PGUSER"], os.environ["PGPASSWORD"]
DATABASE = os.environ["PGDATABASE"]

failed = False


def passed(name):
    print(f"ok {name}", flush=True)


def report(name):
    """Reports the exception that is being handled as the failure of check `name`."""
    global failed
    failed = True
    print(f"not ok {name}: {traceback.format_exc()}", flush=True)


def check(function):
    """Runs `function` as a check of its name."""
    name = function.__name__.replace("_", "-")
    try:
        function()
        passed(name)
    except Exception:
        report(name)


def same(found, expected):
    assert found == expected, f"expected {expected!r}, found {found!r}"


def finish():
    sys.exit(1 if failed else 0)
