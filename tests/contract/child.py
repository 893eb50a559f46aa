"""What other processes do in the suites: `python -m tests.contract.child DRIVER DIRECTORY ROLE ARGUMENTS`."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from dockboard_registry.storage import Saved
from tests.contract.drivers import DATABASES, STORAGES


def say(value: Any) -> None:
    print(json.dumps(value), flush=True)


async def hold_upload(storage: Any, key: str, size: int, text: str) -> None:
    """Append to an upload of `size` bytes and keep the hold until the end of this process, whatever ends it."""
    upload = storage.resume(key, Saved(), size)
    await upload.hold()
    await upload.write(text.encode())
    say("held")
    sys.stdin.readline()


async def finish_upload(storage: Any, key: str, state: str, rest: str, size: int, text: str) -> None:
    """Go on with an upload that another process suspended, and commit it."""
    upload = storage.resume(key, Saved(state, bytes.fromhex(rest)), size)
    await upload.hold()
    await upload.write(text.encode())
    await upload.commit()
    await upload.release()
    say("committed")


async def count_up(db: Any, name: str, times: int) -> None:
    """Add one to a number that all processes share, `times` transactions of several statements, half of them not
    durable.
    """
    say("ready")
    sys.stdin.readline()

    def step(tx: Any) -> int:
        (value,) = tx.lock("SELECT value FROM settings WHERE name = 'shared'")
        return tx.run("UPDATE settings SET value = ? WHERE name = 'shared' AND value = ?", str(int(value) + 1), value)

    for number in range(times):
        changed = await db.write(step, durable=number % 2 == 0)
        inserted = await db.write(
            lambda tx: tx.insert("INSERT INTO settings (name, value) VALUES (?, ?)", f"{name}/{number}", "x")
        )
        assert changed == 1 and inserted
    say(times)


async def values(db: Any) -> None:
    """Answer each line of standard input with all settings, as this process sees them."""
    say("ready")
    while sys.stdin.readline():
        say(await db.read(lambda tx: tx.all("SELECT name, value FROM settings ORDER BY name")))


async def insert_same(db: Any, names: list[str]) -> None:
    """Try to insert rows that others try to insert too; say how many were inserted here."""
    say("ready")
    sys.stdin.readline()
    made = 0
    for name in names:
        made += await db.write(lambda tx: tx.insert("INSERT INTO settings (name, value) VALUES (?, 'x')", name))
    say(made)


def lock(driver: Any) -> None:
    """Hold the database's write lock until told to go on."""

    def hold() -> None:
        say("locked")
        sys.stdin.readline()

    driver.lock(hold)
    say("unlocked")


def main() -> None:
    name, directory, role, arguments = sys.argv[1:]
    drivers = STORAGES if name in STORAGES else DATABASES
    driver = drivers[name](Path(directory))
    if role == "lock":
        lock(driver)
        return
    opened = driver.open()
    asyncio.run(globals()[role](opened, *json.loads(arguments)))
    opened.close()


if __name__ == "__main__":
    main()
