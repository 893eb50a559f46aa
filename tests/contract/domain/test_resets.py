"""Forgotten passwords by mail: one token to whom it belongs, and one answer to everyone who asks."""

import re

import pytest

from dockboard_registry.config import MailConfig
from dockboard_registry.domain.accounts.profiles import Profile
from dockboard_registry.domain.credentials.resets import FOR_ACCOUNT, FROM_NETWORK, PasswordResets
from dockboard_registry.domain.credentials.throttle import Throttle
from dockboard_registry.errors import (
    AccountUnknown,
    ChangeRefused,
    Denied,
    FieldInvalid,
    MailFailed,
    TooManyRequests,
    Unauthorized,
)
from dockboard_registry.outbound.mail import Mailer
from tests.contract.aio import asynchronous
from tests.contract.domain.test_credentials import everything
from tests.contract.domain.world import OPERATOR
from tests.support.smtp import MailServer

ME = OPERATOR
HERE = "192.0.2.7"
PASSWORD = "staple battery horse"
TOKEN = re.compile(r"^    ([A-Za-z0-9_-]{43})\s*$", re.M)


@pytest.fixture
def server():
    with MailServer() as server:
        yield server


class Counted:
    """A Database that counts how often it is asked, and for what."""

    def __init__(self, db):
        self._db, self.calls = db, []

    def __getattr__(self, name: str):
        self.calls.append(name)
        return getattr(self._db, name)


def resets(process, server, url: str = "", db=None) -> PasswordResets:
    mailer = (
        Mailer(MailConfig(host="127.0.0.1", port=server.port, tls="none", sender="registry@example.com"))
        if server
        else None
    )
    return PasswordResets(db or process.db, process.one_time, Throttle(db or process.db), mailer, url)


async def bob(process) -> None:
    await process.people("bob")
    await process.accounts.set_profile(ME, "bob", Profile(email="Bob@example.org"))


async def sent(made: PasswordResets) -> None:
    """Whatever was asked for has been done."""
    await made.settled(30)


@asynchronous
async def test_a_token_comes_by_mail_and_sets_a_password_once(process, server):
    await bob(process)
    made = resets(process, server, "https://registry.example.com")
    for who in ("bob", "bob@EXAMPLE.org"):
        await made.ask(HERE, who)
        await sent(made)
    assert [(mail.recipients, mail.sender) for mail in server.mails] == [
        (["Bob@example.org"], "registry@example.com")
    ] * 2
    first, second = [TOKEN.findall(mail.text)[0] for mail in server.mails]
    assert f"https://registry.example.com/reset?token={first}" in server.mails[0].text
    assert "account bob" in server.mails[0].text
    assert first not in await everything(process) and second not in await everything(process)
    with pytest.raises(Unauthorized):
        await process.one_time.redeem(HERE, first, None, PASSWORD)
    assert await process.one_time.redeem(HERE, second, None, PASSWORD) == "bob"
    assert await process.logins.check("bob", PASSWORD, HERE)
    with pytest.raises(Unauthorized):
        await process.one_time.redeem(HERE, second, None, PASSWORD)


@asynchronous
async def test_nobody_learns_whether_there_is_such_an_account(process, server):
    await bob(process)
    await process.people("addressless", "disabled")
    await process.accounts.set_profile(ME, "disabled", Profile(email="disabled@example.org"))
    await process.accounts.set_state(ME, "disabled", False)
    counted = Counted(process.db)
    made, work = resets(process, server, db=counted), []
    for number, who in enumerate(
        (
            "bob",
            "nobody",
            "addressless",
            "disabled",
            "disabled@example.org",
            "Bob",
            "x@y\r\nBcc: z@example.org",
            "b\0b",
            "\ud800",
            "%@%",
        )
    ):
        before = len(counted.calls)
        assert await made.ask(f"192.0.2.{number}", who) is None
        work.append(counted.calls[before:])
        await sent(made)
    assert work == [["write", "write"]] * 10
    assert [mail.recipients for mail in server.mails] == [["Bob@example.org"]]


@asynchronous
async def test_only_so_many_mails(process, server):
    await bob(process)
    made = resets(process, server)
    for number in range(FOR_ACCOUNT):
        await made.ask(f"192.0.2.{number}", "bob")
        await sent(made)
    for who in ("bob", "BOB"):
        with pytest.raises(TooManyRequests):
            await made.ask("192.0.2.99", who)
    for number in range(FROM_NETWORK):
        await made.ask(HERE, f"nobody{number}")
    with pytest.raises(TooManyRequests):
        await made.ask(HERE, "nobody")
    await sent(made)
    assert len(server.mails) == FOR_ACCOUNT


@asynchronous
async def test_accounts_with_one_address_are_told_of_together(process, server):
    await bob(process)
    await process.people("robert")
    await process.accounts.set_profile(ME, "robert", Profile(email="bob@example.org"))
    made = resets(process, server)
    await made.ask(HERE, "bob@example.org")
    await sent(made)
    assert sorted(re.findall("account (bob|robert),", "".join(mail.text for mail in server.mails))) == ["bob", "robert"]


@asynchronous
async def test_administrators_send_tokens_and_hear_what_fails(process, server):
    await process.people("ann")
    await process.accounts.add(ME, "bob", None, Profile(email="bob@example.org"))
    made = resets(process, server)
    await made.send(ME, "bob", "invite")
    assert await process.one_time.redeem(HERE, TOKEN.findall(server.mails[0].text)[0], None, PASSWORD) == "bob"
    server.refuse = "550 no"
    for name, purpose, kind in (
        ("bob", "reset", MailFailed),
        ("bob", "invite", ChangeRefused),
        ("ann", "reset", ChangeRefused),
        ("nobody", "reset", AccountUnknown),
    ):
        with pytest.raises(kind):
            await made.send(ME, name, purpose)
    await made.ask(HERE, "bob")
    await sent(made)
    assert len(server.mails) == 1


@asynchronous
async def test_without_a_mail_server_everyone_is_told_so(process):
    made = resets(process, None)
    for who in ("bob", ""):
        with pytest.raises(Denied):
            await made.ask(HERE, who)
    with pytest.raises(ChangeRefused):
        await made.send(ME, "bob", "reset")


@asynchronous
async def test_what_is_no_name_and_no_address_is_refused(process, server):
    for who in ("", "x" * 255):
        with pytest.raises(FieldInvalid):
            await resets(process, server).ask(HERE, who)


@asynchronous
async def test_only_so_many_mails_wait(process):
    names = [f"user{number}" for number in range(34)]
    await process.people(*names)
    for name in names:
        await process.accounts.set_profile(ME, name, Profile(email=f"{name}@example.org"))
    with MailServer(silent=True) as server:
        mailer = Mailer(MailConfig(host="127.0.0.1", port=server.port, tls="none", sender="registry@example.com"))
        made = PasswordResets(process.db, process.one_time, Throttle(process.db), mailer, "")
        asked = [(number, name) for number in range(3) for name in names]
        for at, (_, name) in enumerate(asked[:100]):
            await made.ask(f"192.0.2.{at}", name)
        with pytest.raises(TooManyRequests) as refused:
            await made.ask("192.0.2.200", asked[100][1])
        assert int(refused.value.headers["Retry-After"]) > 0
        mailer.close()
