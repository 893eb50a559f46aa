"""The mailer against a mail server: what arrives, over which connection, and what is said where nothing does."""

import asyncio
import logging
import os
import subprocess
import sys
import time

import pytest

from dockboard_registry.config import MailConfig
from dockboard_registry.errors import MailFailed
from dockboard_registry.outbound.mail import Mailer, composed
from tests.protocol.certificates import make_certificate
from tests.support.server import REPOSITORY
from tests.support.smtp import MailServer

TO = "bob@example.org"


def config(server: MailServer, **more) -> MailConfig:
    return MailConfig(
        **{"host": "127.0.0.1", "port": server.port, "tls": "none", "sender": "registry@example.com", **more}
    )


def send(config: MailConfig, to: str = TO, subject: str = "Word", text: str = "A word,\n.\nwith an ä.\n") -> None:
    async def main() -> None:
        mailer = Mailer(config)
        try:
            await mailer.send(to, subject, text)
        finally:
            mailer.close()

    asyncio.run(main())


def test_a_mail_arrives_as_it_was_written():
    with MailServer() as server:
        send(config(server))
        (mail,) = server.mails
    assert (mail.sender, mail.recipients, mail.encrypted, mail.text.splitlines()) == (
        "registry@example.com",
        [TO],
        False,
        ["A word,", ".", "with an ä."],
    )
    message = mail.message
    assert (message["From"], message["To"], message["Subject"], message["Auto-Submitted"]) == (
        "registry@example.com",
        TO,
        "Word",
        "auto-generated",
    )
    assert message["Date"] and message["Message-ID"].endswith("@example.com>")


@pytest.mark.parametrize(
    "bad",
    [
        "x\r\nBcc: y@example.org",
        "x\nBcc: y@example.org",
        "x\rBcc: y@example.org",
        "x\r\n\r\nbody",
        "x\n.\nMAIL FROM:<y@example.org>",
    ],
)
@pytest.mark.parametrize("field", ["to", "subject"])
def test_no_line_is_put_into_a_header(field, bad):
    with MailServer() as server:
        with pytest.raises(MailFailed):
            send(config(server), **{field: bad})
        assert server.mails == [] and server.connections == 0


def test_the_text_ends_no_message_early():
    with MailServer() as server:
        send(config(server), text="one\r\n.\r\nMAIL FROM:<y@example.org>\r\n..two\n")
        (mail,) = server.mails
    assert mail.text.splitlines() == ["one", ".", "MAIL FROM:<y@example.org>", "..two"]


@pytest.mark.parametrize("implicit", [False, True])
def test_over_tls_with_a_login(tmp_path, implicit):
    certificate, key = make_certificate(tmp_path, "mail")
    secret = tmp_path / "password"
    secret.write_text("the mail password\n")
    program = (
        "import asyncio, sys\nfrom dockboard_registry.config import MailConfig\nfrom dockboard_registry.outbound.mail"
        " import Mailer\nconfig = MailConfig(host='127.0.0.1', port=int(sys.argv[1]), tls=sys.argv[2], user='registry',"
        " password_file=sys.argv[3], sender='registry@example.com')\nasyncio.run(Mailer(config).send('bob@example.org',"
        " 'Word', 'text'))\n"
    )
    with MailServer(certificate, key, implicit, user="registry", password="the mail password") as server:
        command = [sys.executable, "-c", program, str(server.port), "tls" if implicit else "starttls", str(secret)]
        # OpenSSL takes the authorities that it trusts from there.
        trusting = subprocess.run(
            command,
            cwd=REPOSITORY,
            env={**os.environ, "SSL_CERT_FILE": str(certificate)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert trusting.returncode == 0, trusting.stderr
        assert [(mail.encrypted, mail.user) for mail in server.mails] == [(True, "registry")]
        with pytest.raises(MailFailed, match="SSLCertVerificationError"):
            send(config(server, tls="tls" if implicit else "starttls", user="registry", password_file=str(secret)))
        assert len(server.mails) == 1


def test_a_server_without_tls_gets_neither_mail_nor_password(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("the mail password")
    with MailServer(user="registry", password="the mail password") as server:
        with pytest.raises(MailFailed):
            send(config(server, tls="starttls", user="registry", password_file=str(secret)))
        assert server.mails == []


def test_what_fails_is_logged_without_address_and_text(caplog, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("another password")
    with (
        caplog.at_level(logging.DEBUG),
        MailServer(refuse=f"550 no {TO} here") as server,
        MailServer(user="registry", password="right") as closed,
    ):
        with pytest.raises(MailFailed):
            send(config(server), text="the token")
        with pytest.raises(MailFailed, match="535"):
            send(config(closed, user="registry", password_file=str(secret)), text="the token")
    with pytest.raises(MailFailed):
        send(config(server), text="the token")
    written = "".join(record.getMessage() for record in caplog.records if record.name.startswith("dockboard"))
    assert written.count("a mail was not sent") == 3
    for word in (TO, "the token", "another password"):
        assert word not in caplog.text


def test_a_server_that_says_nothing_holds_no_loop_and_is_given_up():
    """Ten seconds for each step; the loop goes on meanwhile."""

    async def main() -> float:
        mailer, longest, before = Mailer(config(server)), 0.0, time.monotonic()
        sending = asyncio.ensure_future(mailer.send(TO, "Word", "text"))
        while not sending.done() and time.monotonic() - before < 45:
            began = time.monotonic()
            await asyncio.sleep(0.05)
            longest = max(longest, time.monotonic() - began)
        with pytest.raises(MailFailed, match="Timeout|Disconnected"):
            await asyncio.wait_for(sending, 1)
        mailer.close()
        return longest

    with MailServer(silent=True) as server:
        assert asyncio.run(main()) < 5


def test_composed_messages_are_ascii_on_the_way():
    assert composed("a@example.org", "b@example.org", "Ä", "ä").as_bytes().isascii()
