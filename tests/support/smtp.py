"""A small mail server on a free port of 127.0.0.1, with real sockets (RFC 5321, 4954 AUTH PLAIN and LOGIN, 3207
STARTTLS): it keeps what it takes.
"""

from __future__ import annotations

import base64
import email
import email.policy
import socketserver
import ssl
import threading
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from tests.support.server import wait_for

# Nobody waits longer for a line.
SECONDS = 30


@dataclass
class Mail:
    """What came in one transaction. lines: of the data, without the last one, a dot."""

    sender: str
    recipients: list[str]
    lines: list[bytes]
    encrypted: bool
    user: str

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(b"".join(self.lines), policy=email.policy.default)

    @property
    def text(self) -> str:
        return self.message.get_content()


class MailServer:
    """certificate, key: PEM files, for STARTTLS, or with `implicit` for TLS from the first byte. user, password: must
    be shown where they are given.

    refuse: the answer to RCPT instead of taking the mail; silent: nothing is ever said.
    """

    def __init__(
        self,
        certificate: Any = None,
        key: Any = None,
        implicit: bool = False,
        user: str = "",
        password: str = "",
        refuse: str = "",
        silent: bool = False,
    ) -> None:
        self.mails: list[Mail] = []
        self.connections = 0
        self.user, self.password, self.refuse, self.silent, self.implicit = user, password, refuse, silent, implicit
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate, key)
        self.ended = threading.Event()
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation)
        self._server.daemon_threads, self._server.block_on_close = True, False
        self._server.mail = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def settings(self) -> dict[str, Any]:
        """What a registry has to be told to send by this server, without TLS."""
        return {
            "mail_host": "127.0.0.1",
            "mail_port": self.port,
            "mail_tls": "none",
            "mail_sender": "registry@example.com",
        }

    def wait(self, count: int, seconds: float = 30) -> list[Mail]:
        """The mails when so many have come."""
        wait_for(lambda: len(self.mails) >= count, seconds, f"mail {count}")
        return self.mails

    def __enter__(self) -> MailServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()


class Conversation(socketserver.StreamRequestHandler):
    timeout = SECONDS

    def handle(self) -> None:
        self.server.mail.connections += 1
        self._encrypted, self._user = False, ""
        try:
            if self.server.mail.silent:
                self.server.mail.ended.wait(SECONDS)
                return
            if self.server.mail.implicit:
                self._encrypt()
            self._say("220 mail.test ready")
            while self._answer(self.rfile.readline(2000)):
                pass
        except OSError:
            return  # whoever spoke has gone, or did not like the certificate

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())
        self.wfile.flush()

    def _encrypt(self) -> None:
        self.request = self.server.mail.context.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb")
        self._encrypted = True

    def _answer(self, line: bytes) -> bool:
        """Whether the conversation goes on."""
        verb, _, rest = line.decode("ascii", "replace").strip().partition(" ")
        found = getattr(self, f"_{verb.lower()}", None) if verb.isalpha() else None
        if not line or found is None:
            self._say("500 what?")
            return bool(line)
        return found(rest) is not False

    def _ehlo(self, rest: str) -> None:
        more = ["250-STARTTLS"] if self.server.mail.context and not self._encrypted else []
        self._say("250-mail.test", *more, *(["250-AUTH PLAIN LOGIN"] if self.server.mail.user else []), "250 8BITMIME")

    def _starttls(self, rest: str) -> None:
        self._say("220 go ahead")
        self._encrypt()

    def _auth(self, rest: str) -> None:
        kind, _, given = rest.partition(" ")
        _, user, password = base64.b64decode(given).decode().split("\0") if kind == "PLAIN" else ("", "", "")
        right = (user, password) == (self.server.mail.user, self.server.mail.password)
        self._user = user if right else ""
        self._say("235 welcome" if right else "535 no")

    def _mail(self, rest: str) -> None:
        self._from, self._to = rest.partition("<")[2].partition(">")[0], []
        self._say("250 ok" if self._user == self.server.mail.user else "530 log in first")

    def _rcpt(self, rest: str) -> None:
        self._to.append(rest.partition("<")[2].partition(">")[0])
        self._say(self.server.mail.refuse or "250 ok")

    def _data(self, rest: str) -> None:
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline(2000)) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self.server.mail.mails.append(Mail(self._from, self._to, lines, self._encrypted, self._user))
        self._say("250 taken")

    def _rset(self, rest: str) -> None:
        self._say("250 ok")

    def _quit(self, rest: str) -> bool:
        self._say("221 bye")
        return False
