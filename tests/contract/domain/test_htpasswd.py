"""Accounts from htpasswd files, and what is remembered while they have hashes that other programs made."""

from dockboard_registry.domain import settings
from tests.contract.aio import asynchronous
from tests.contract.domain.world import OPERATOR as ME
from tests.contract.domain.world import QUICK_HASH
from tests.support.people import BCRYPT


@asynchronous
async def test_htpasswd_is_taken_over_line_by_line(process):
    text = f"# people\n\nbob:{QUICK_HASH}\nBob:{QUICK_HASH}\nann\nbob:{QUICK_HASH}\n"
    text += "cid:plain\ndan:$6$rounds=99999999$abc$def\neve:$apr1$Wq0lRzRr$mTjBUHDdUTAjUuhVZVD1O0\n"
    found = await process.htpasswd.take_over(ME, text)
    assert found.added == ["bob", "eve"]
    assert (await process.htpasswd.take_over(ME, f"\ufefffay:{QUICK_HASH}\r\n")).added == ["fay"]
    assert [(number, name) for number, name, _ in found.refused] == [
        (4, "Bob"),
        (5, "ann"),
        (6, "bob"),
        (7, "cid"),
        (8, "dan"),
    ]
    assert all(why for _, _, why in found.refused)


@asynchronous
async def test_failed_logins_take_longer_while_there_are_slow_imported_hashes(process, other):
    """Until the owner's first login, after which the hash is ours."""

    async def least() -> int:
        return await other.db.read(settings.failed_login_ms)

    await process.people("ann")
    assert await least() == 0
    await process.htpasswd.take_over(ME, f"bob:{BCRYPT}\ncid:{'$2y$10$' + BCRYPT[7:]}\n")
    slowest = await least()
    await process.htpasswd.take_over(ME, f"dan:{BCRYPT}\n")
    assert await least() == slowest > 100
    await process.accounts.delete(ME, "cid")
    await process.accounts.delete(ME, "dan")
    await other.htpasswd.tidy()
    assert await least() == slowest
    for name in ("ann", "bob"):
        await other.logins.check(name, "correct horse", "192.0.2.7")
    await other.htpasswd.tidy()
    assert await least() == 0


@asynchronous
async def test_failed_logins_take_longer_for_slow_hashes_that_a_version_before_took_over(process, other):
    """That one remembered nothing of them."""
    await process.htpasswd.take_over(ME, f"bob:{'$2y$10$' + BCRYPT[7:]}\n")
    remembered = await process.db.read(settings.failed_login_ms)
    await process.db.write(settings.forget_failed_login_ms)
    await other.htpasswd.tidy()
    assert 0.5 * remembered < await process.db.read(settings.failed_login_ms) < 2 * remembered
