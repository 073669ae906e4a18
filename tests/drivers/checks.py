"""What the Python clients share: named checks, one line of output for each.

A program prints `ok NAME` or `not ok NAME: reason` for each check. What a check of a name does in every
language is said in tests/drivers/matrix.rs, which knows the names that must come and looks at the
database from a connection of its own afterwards.
"""

import os
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

# Without it: a connection straight to PostgreSQL, which has no certificate here.
TLS = os.environ["PGSSLMODE"] != "disable"
CA = os.environ["PGSSLROOTCERT"]
OTHER_CA = os.environ.get("DRIVER_OTHER_CA")
HOST, PORT = os.environ["PGHOST"], int(os.environ["PGPORT"])
USER, PASSWORD = os.environ["PGUSER"], os.environ["PGPASSWORD"]
DATABASE = os.environ["PGDATABASE"]

# Connections open at once, transactions in each of them, executions of prepared statements.
CLIENTS = 20
ROUNDS = 5
EXECUTIONS = 200

INSERT = "INSERT INTO orders (note) VALUES (%s)"

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
    name = function.__name__.strip("_").replace("_", "-")
    try:
        function()
        passed(name)
    except Exception:
        report(name)


def same(found, expected):
    assert found == expected, f"expected {expected!r}, found {found!r}"


def fails(error_class, sqlstate_of, sqlstate, function):
    """`function` must raise an `error_class` of that SQLSTATE."""
    try:
        function()
    except error_class as error:
        same(sqlstate_of(error), sqlstate)
    else:
        raise AssertionError(f"no error, expected {sqlstate}")


def together(work):
    """Runs `work(number, barrier)` in CLIENTS threads; nobody passes the barrier before all are there."""
    barrier = threading.Barrier(CLIENTS, timeout=60)
    with ThreadPoolExecutor(CLIENTS) as threads:
        list(threads.map(lambda number: work(number, barrier), range(CLIENTS)))


def cancelled(query, cancel):
    """Runs `query` and asks again and again for its cancellation: the first request may come too early."""
    ended = threading.Event()

    def ask():
        while not ended.wait(0.3):
            cancel()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        query()
    finally:
        ended.set()
        asking.join()


def finish():
    sys.exit(1 if failed else 0)
