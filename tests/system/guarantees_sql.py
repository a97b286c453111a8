"""guarantees_sql.py GUIDE - runs the SQL of docs/guarantees.md as two activations of one key would.

Would catch: statements that do not parse, a predecessor that can still write, and a successor that is
refused or overwrites what it has not read."""

import re
import sqlite3
import sys

with open(sys.argv[1], encoding="utf-8") as guide:
    create, take_over, write = re.findall(r"```sql\n(.*?)```", guide.read(), re.DOTALL)

database = sqlite3.connect(":memory:")
database.execute(create)


def rows_changed(statement, **values):
    return database.execute(statement, {"key": "room 7", **values}).rowcount


def check(what, is_so):
    if not is_so:
        sys.exit(f"guarantees_sql: {what}")


def state():
    return database.execute("SELECT token, state FROM room").fetchall()


check("the first activation is refused", rows_changed(take_over, token=100) == 1)
check("its write is refused", rows_changed(write, token=100, state="one") == 1)
check("taking over again loses it", rows_changed(take_over, token=100) == 1)
# It sleeps; its successor starts and reads.
check("the successor is refused", rows_changed(take_over, token=200) == 1)
check("the successor does not read what was written", state() == [(200, "one")])
# It wakes up before the successor has written anything.
check("the predecessor still writes", rows_changed(write, token=100, state="late") == 0)
check("the predecessor takes over", rows_changed(take_over, token=100) == 0)
check("the successor's write is refused", rows_changed(write, token=200, state="two") == 1)
check("something else stands there", state() == [(200, "two")])
