"""Which process of all nodes runs a periodic job.

A row for each job says when it is due; the process that moves the time on runs the job.
"""

from collections.abc import Callable

from ..db import Database, Tx, now


async def due(db: Database) -> Callable[[str], bool]:
    """Whether each job is due now, by name. One statement for all of them."""
    at, known = now(), dict(await db.read(lambda tx: tx.all("SELECT name, due_at FROM jobs")))
    return lambda name: known.get(name, at) <= at


async def claim(db: Database, name: str, interval: float, holder: str) -> bool:
    """True for the one process that is to run the job now. The job is due again after `interval` seconds; 0: never."""
    if not interval:
        return False
    at = now()
    next_at = at + int(interval * 1000)
    row = await db.read(lambda tx: tx.one("SELECT due_at FROM jobs WHERE name = ?", name))
    if row and row[0] > at:
        return False

    def change(tx: Tx) -> bool:
        if row is None:
            return tx.insert("INSERT INTO jobs (name, due_at, claimed_by) VALUES (?, ?, ?)", name, next_at, holder)
        return (
            tx.run(
                "UPDATE jobs SET due_at = ?, claimed_by = ? WHERE name = ? AND due_at = ?",
                next_at,
                holder,
                name,
                row[0],
            )
            > 0
        )

    return await db.write(change, durable=False, brings=0)


async def again(db: Database, name: str, seconds: float) -> None:
    """The job failed: it is due again after so many seconds, if that is sooner."""
    at = now() + int(seconds * 1000)
    await db.write(
        lambda tx: tx.run("UPDATE jobs SET due_at = ? WHERE name = ? AND due_at > ?", at, name, at),
        durable=False,
        brings=0,
    )
