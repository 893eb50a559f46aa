"""Sends mail through the configured server, in threads of its own and with limits on time.

SMTP is RFC 5321; TLS is as in RFC 8314.
"""

import asyncio
import contextlib
import logging
import smtplib
import ssl
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

from ..config.options import MailConfig
from ..errors import MailFailed

_THREADS = 2
# Seconds for each step of the conversation.
_SECONDS = 10.0
_log = logging.getLogger("dockboard.mail")


class Mailer:
    def __init__(self, config: MailConfig):
        self._config = config
        self._threads = ThreadPoolExecutor(_THREADS, "mail")

    async def send(self, to: str, subject: str, text: str) -> None:
        """Returns when the server has taken the mail. Raises MailFailed."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._send, to, subject, text)

    def _send(self, to: str, subject: str, text: str) -> None:
        try:
            message = composed(self._config.sender, to, subject, text)
            with self._connected() as server:
                if self._config.user:
                    server.login(self._config.user, Path(self._config.password_file).read_text("utf-8").strip())
                server.send_message(message, self._config.sender, [to])
        except (OSError, ValueError, smtplib.SMTPException) as error:
            # The text of these errors may hold the address, or parts of the message that the server repeats.
            code = getattr(error, "smtp_code", "")
            _log.warning("a mail was not sent through %s: %s %s", self._config.host, type(error).__name__, code)
            raise MailFailed(f"the mail could not be sent ({type(error).__name__} {code})".replace(" )", ")")) from None

    @contextlib.contextmanager
    def _connected(self):
        name = self._config.sender.rpartition("@")[2]
        if self._config.tls == "tls":
            server = smtplib.SMTP_SSL(self._config.host, self._config.port, name, timeout=_SECONDS, context=_tls())
        else:
            server = smtplib.SMTP(self._config.host, self._config.port, name, timeout=_SECONDS)
        with server:
            if self._config.tls == "starttls":
                server.starttls(context=_tls())
            yield server

    def close(self) -> None:
        """Give up mails that wait. A mail that is under way takes the time that its server takes."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def composed(sender: str, to: str, subject: str, text: str) -> EmailMessage:
    """The message. Raises ValueError for a line break in any field, which the library refuses to write."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=sender.rpartition("@")[2])
    # RFC 3834: nobody answers that they are on holiday.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text, charset="utf-8", cte="quoted-printable")
    return message


def _tls() -> ssl.SSLContext:
    """Verifies the server's certificate and name."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
