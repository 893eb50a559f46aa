"""What changes write: nothing where everything is so already, and a new access version only where somebody's rights
change.
"""

import pytest

from dockboard_registry.domain.changes import access_version
from dockboard_registry.domain.credentials.throttle import Rate
from dockboard_registry.errors import ChangeRefused, TooManyRequests
from tests.contract.aio import asynchronous
from tests.contract.domain.world import OPERATOR as ME


async def counted(process) -> tuple[int, int]:
    """The access version, and how many rows the audit has."""
    return await process.db.read(lambda tx: (access_version(tx), tx.one("SELECT COUNT(*) FROM audit")[0]))


@asynchronous
async def test_what_changes_nothing_writes_nothing(process, other):
    await process.people("bob", "ann")
    await process.organizations.add(ME, "acme", "ann")
    await process.teams.add(ME, "acme", "devs")
    await process.robots.add(ME, "acme/ci")
    await process.push(b"layer", "acme/app")
    same = (
        lambda: process.accounts.change(ME, "bob", {"full_name": "Bob", "email": "bob@example.org"}),
        lambda: process.accounts.change(ME, "bob", {"avatar_hash": "a" * 64}),
        lambda: process.accounts.set_administrator(ME, "bob", True),
        lambda: process.accounts.set_state(ME, "ann", False),
        lambda: process.accounts.set_state(ME, "ann", True),
        lambda: process.organizations.set_member(ME, "acme", "bob", "member"),
        lambda: process.teams.add_member(ME, "acme", "devs", "bob"),
        lambda: process.grants.add(ME, "acme/*", "user:bob", "write"),
        lambda: process.robots.set_state(ME, "acme/ci", False),
        lambda: process.repository_settings.set(ME, "acme/app", visibility="public", description="an app"),
        lambda: process.repository_settings.set_default(ME, "acme", "public"),
    )
    for change in same:
        before = await counted(process)
        await change()
        after = await counted(process)
        assert after[1] > before[1]
        await change()
        assert await counted(other) == after


@asynchronous
async def test_what_nobody_remembers_leaves_the_access_version_alone(process, other):
    """At a new access version every worker reads everybody's rights again."""
    await process.people("bob")
    before, _ = await counted(process)
    await process.accounts.change(ME, "bob", {"company": "Acme"})
    secret = await process.tokens.add(ME, "bob", "ci")
    await process.one_time.make(ME, "bob", "reset")
    assert (await counted(process))[0] == before
    found_at, token = await other.tokens.find(secret)
    assert found_at == before and token is not None
    # What ends has to be seen by who remembers it, and so has a right that is given.
    await process.tokens.revoke(ME, "bob", "ci")
    assert (await counted(process))[0] == before + 1 and (await other.tokens.find(secret))[1] is None
    await process.accounts.set_administrator(ME, "bob", True)
    assert (await counted(process))[0] == before + 2


@asynchronous
async def test_a_user_has_a_thousand_access_tokens_at_most(process):
    await process.people("bob")
    await process.tokens.add(ME, "bob", "first")

    def fill(tx) -> None:
        row = tx.one("SELECT holder_kind, holder_id, hint, created_at FROM access_tokens")
        for number in range(999):
            names = (
                "INSERT INTO access_tokens (id, holder_kind, holder_id, name, digest, hint, created_at) VALUES (?, ?,"
                " ?, ?, ?, ?, ?)"
            )
            tx.run(names, number + 1, row[0], row[1], f"t{number}", f"{number:064x}", row[2], row[3])

    await process.db.write(fill)
    with pytest.raises(ChangeRefused, match="1,000 valid access tokens"):
        await process.tokens.add(ME, "bob", "next")
    await process.tokens.revoke(ME, "bob", "t7")
    await process.tokens.add(ME, "bob", "next")
    assert len(await process.tokens.list("bob")) == 1000


def test_so_many_at_once_and_then_one_in_so_many_seconds():
    rate = Rate(3, 1000.0)
    for _ in range(3):
        rate.take("bob")
    with pytest.raises(TooManyRequests) as refused:
        rate.take("bob")
    assert 900 < int(refused.value.headers["Retry-After"]) <= 1000
    rate.take("ann")
