"""People who make their own accounts: who may, what an invitation brings, and what strangers learn, which is little."""

import pytest

from dockboard_registry.db import now
from dockboard_registry.domain.accounts.profiles import Profile
from dockboard_registry.domain.accounts.registration import MOST, MOST_PENDING, Registrations
from dockboard_registry.errors import AccountUnknown, ChangeRefused, Denied, FieldInvalid, TooManyRequests, Unauthorized
from tests.contract.aio import asynchronous, gathered
from tests.contract.domain.test_overlap import overlapping
from tests.contract.domain.world import LONG, OPERATOR, image

ME = OPERATOR
PASSWORD = "staple battery horse"
HERE = "192.0.2.7"


@asynchronous
async def test_by_default_nobody_makes_an_account_and_never_the_first_one(process):
    for mode, kind in (("off", Denied), ("open", ChangeRefused), ("approval", ChangeRefused), ("invitation", Denied)):
        with pytest.raises(kind):
            await process.registrations(mode).register(HERE, "bob", PASSWORD)
    assert await process.principals.access_version() == 0 and await process.accounts.list() == []


@asynchronous
async def test_open_makes_an_account_that_counts_at_once(process, other):
    await process.people("ann")
    state = await process.registrations("open").register(HERE, "bob", PASSWORD, "bob@example.org", "Bob B.")
    person = await other.accounts.get("bob")
    assert (state, person.state, person.email, person.administrator) == ("active", "active", "bob@example.org", False)
    assert await other.logins.check("bob", PASSWORD, HERE)
    assert await other.may("user:bob", "push", "bob/app") and not await other.may("user:bob", "push", "ann/app")
    (event,) = await process.audit.list(object="user bob")
    assert (event.action, event.actor, event.address, event.detail["state"]) == (
        "user.register",
        "user bob",
        HERE,
        "active",
    )


@asynchronous
async def test_approval_comes_first_where_it_is_asked_for(process, other):
    await process.people("ann")
    registrations = process.registrations("approval")
    for name in ("bob", "cid"):
        assert await registrations.register(HERE, name, PASSWORD, f"{name}@example.org") == "pending"
    assert [waiting.name for waiting in await registrations.waiting()] == ["bob", "cid"]
    assert [waiting.name for waiting in await registrations.waiting("bob", 1)] == ["cid"]
    for action in ("pull", "push", "create"):
        decision = await other.asked("user:bob", action, "bob/app")
        assert not decision.allowed and "approve" in decision.reason
    with pytest.raises(Unauthorized, match="approve"):
        await other.logins.check("bob", PASSWORD, HERE)
    with pytest.raises(Unauthorized, match="name or password"):
        await other.logins.check("bob", PASSWORD + "?", HERE)
    await registrations.approve(ME, "bob")
    assert await other.logins.check("bob", PASSWORD, HERE) and await other.may("user:bob", "push", "bob/app")
    await registrations.reject(ME, "cid")
    assert [person.name for person in await process.accounts.list()] == ["ann", "bob"]
    assert await registrations.register(HERE, "cid", PASSWORD) == "pending"
    for name in ("ann", "bob", "nobody"):
        for change in (registrations.approve, registrations.reject):
            with pytest.raises(AccountUnknown):
                await change(ME, name)


@asynchronous
async def test_a_name_that_can_not_be_had_is_not_free_whatever_the_reason(process):
    await process.people("ann", "gone")
    await process.organizations.add(ME, "acme", "ann")
    await process.accounts.delete(ME, "gone")
    await process.push(b"config", "held/app")
    await process.put(image(b"config"), "v1", repository="held/app")
    answers = set()
    for name in ("ann", "acme", "gone", "held"):
        with pytest.raises(ChangeRefused) as refused:
            await process.registrations("open").register(HERE, name, PASSWORD, "ann@example.org")
        answers.add((refused.value.cause.replace(name, "NAME"), refused.value.next))
    assert len(answers) == 1
    for name, password, email, kind in (
        ("token", PASSWORD, None, FieldInvalid),
        ("Bob", PASSWORD, None, FieldInvalid),
        ("bob", "short", None, FieldInvalid),
        ("bob", PASSWORD, "bob", FieldInvalid),
        ("bob", PASSWORD, "bob@example.org\r\nBcc: x@example.org", FieldInvalid),
    ):
        with pytest.raises(kind):
            await process.registrations("open").register("198.51.100.1", name, password, email)


@asynchronous
async def test_a_known_address_tells_nothing(process):
    await process.accounts.add(ME, "ann", PASSWORD, Profile(email="ann@example.org"))
    assert await process.registrations("open").register(HERE, "bob", PASSWORD, "ann@example.org") == "active"


@asynchronous
async def test_one_network_makes_few_accounts_an_hour(process, other):
    await process.people("ann")
    tries = await gathered(
        *(
            each.registrations("open").register("2001:db8::1", "token", PASSWORD)
            for each in (process, other)
            for _ in range(MOST // 2)
        )
    )
    assert {type(error) for error in tries} == {FieldInvalid}
    with pytest.raises(TooManyRequests) as refused:
        await other.registrations("open").register("2001:db8::ffff", "bob", PASSWORD)
    assert 3500 < int(refused.value.headers["Retry-After"]) <= 3600
    assert await other.registrations("open").register("2001:db8:0:1::1", "bob", PASSWORD) == "active"
    await process.db.write(lambda tx: tx.run("UPDATE failures SET last_at = last_at - ?", 3600_000))
    assert await other.registrations("open").register("2001:db8::1", "cid", PASSWORD) == "active"


@asynchronous
async def test_only_so_many_wait(process):
    await process.people("ann")

    def fill(tx) -> None:
        for number in range(MOST_PENDING):
            row = (number + 1, f"waiting{number}", "pending", 0, 0, 0)
            tx.run(
                "INSERT INTO users (id, name, state, administrator, credential_generation, created_at) VALUES (?, ?, ?,"
                " ?, ?, ?)",
                *row,
            )

    await process.db.write(fill)
    with pytest.raises(TooManyRequests):
        await process.registrations("approval").register(HERE, "bob", PASSWORD)
    assert await process.registrations("open").register(HERE, "bob", PASSWORD) == "active"


@asynchronous
async def test_an_invitation_is_for_one_account(process, other):
    await process.people("ann")
    await process.organizations.add(ME, "acme", "ann")
    made = await process.invitations.add(ME, "Bob@example.org", organization="acme")
    registrations = other.registrations("invitation")
    for code, email in (
        ("", None),
        ("x" * 43, "bob@example.org"),
        (made.code, "cid@example.org"),
        (made.code.swapcase(), None),
    ):
        with pytest.raises(Denied):
            await registrations.register(HERE, "bob", PASSWORD, email, code=code)
    assert await registrations.register(HERE, "bob", PASSWORD, "bob@EXAMPLE.org", code=made.code) == "active"
    assert (await process.accounts.get("bob")).email == "Bob@example.org"
    assert [(member.user, member.role) for member in await process.organizations.members("acme")] == [
        ("ann", "owner"),
        ("bob", "member"),
    ]
    assert await process.may("user:bob", "pull", "acme/app")
    with pytest.raises(Denied):
        await registrations.register(HERE, "cid", PASSWORD, code=made.code)
    (found,) = await process.invitations.list()
    assert (found.state, found.used_by, found.organization, found.role) == ("used", "bob", "acme", "member")
    assert made.code not in repr(
        await process.db.scan(lambda tx: [*tx.all("SELECT * FROM invitations"), *tx.all("SELECT * FROM audit")])
    )


@asynchronous
async def test_invitations_end(process):
    await process.people("ann")
    await process.organizations.add(ME, "acme", "ann")
    registrations = process.registrations("approval")
    expired, revoked, gone, kept = [
        await process.invitations.add(ME, organization=name) for name in (None, None, "acme", None)
    ]
    await process.db.write(lambda tx: tx.run("UPDATE invitations SET expires_at = ? WHERE id = ?", now(), expired.id))
    await process.invitations.revoke(ME, revoked.id)
    await process.organizations.delete(ME, "acme")
    for made in (expired, revoked, gone):
        with pytest.raises(Denied):
            await registrations.register(HERE, "bob", PASSWORD, code=made.code)
    assert await registrations.register(HERE, "bob", PASSWORD, code=kept.code) == "active"
    for id in (revoked.id, kept.id, 1):
        with pytest.raises(AccountUnknown):
            await process.invitations.revoke(ME, id)
    assert {found.state for found in await process.invitations.list()} == {"expired", "used"}


@asynchronous
async def test_what_no_invitation_may_be(process):
    with pytest.raises(ChangeRefused):
        await process.invitations.add(ME)
    assert await process.principals.access_version() == 0
    await process.people("ann")
    for given in ({"email": "bob"}, {"expires_at": now()}, {"expires_at": now() + 400 * 86400_000}, {"role": "king"}):
        with pytest.raises(FieldInvalid):
            await process.invitations.add(ME, **given)
    with pytest.raises(AccountUnknown):
        await process.invitations.add(ME, organization="acme")


@asynchronous
async def test_of_two_with_one_invitation_one_gets_the_account(process, other):
    await process.people("ann")
    made = await process.invitations.add(ME)
    outcomes = await overlapping(
        process.db,
        lambda db: Registrations(
            OnlyTheLast(process.db, db), process.passwords, process.throttle, "invitation", LONG
        ).register(HERE, "bob", PASSWORD, code=made.code),
        lambda: other.registrations("invitation").register("198.51.100.2", "cid", PASSWORD, code=made.code),
    )
    assert outcomes[0] == "active" and isinstance(outcomes[1], Denied)
    assert [person.name for person in await process.accounts.list()] == ["ann", "bob"]


class OnlyTheLast:
    """A Database whose reads are those of one, and whose writes those of another."""

    def __init__(self, reads, writes):
        self.scan, self.read, self.write = reads.scan, reads.read, writes.write
