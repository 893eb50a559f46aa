"""Forgotten passwords: a mail brings a token for another one, and nothing tells whether there is such an account."""

import asyncio
import hashlib
from typing import Protocol

from ...clients import network_of
from ...db import Database, DatabaseBusy, DatabaseFailed, DatabaseFull, Tx
from ...errors import ChangeRefused, Denied, FieldInvalid, RegistryError, TooManyRequests
from ...names import account_name
from ..accounts import accounts, profiles
from ..audit import Actor
from .one_time import INVITE, RESET, OneTimeTokens
from .throttle import Throttle

# Requests in an hour: of one network, for one name or address, and mails to one address, which anybody may have given.
FROM_NETWORK, FOR_ACCOUNT, TO_ADDRESS, SECONDS = 10, 3, 10, 3600
# Mails of this process that wait to be sent, and accounts with one address that one mail is about.
_QUEUE, _MOST_ACCOUNTS = 100, 5
_LONGEST = 254
# The pages where a token is used, and where programs send it.
_PAGES = {RESET: "/reset", INVITE: "/invitation"}
_PATH = "/api/v1/password-resets/confirm"
_BY_NAME = "SELECT name, email FROM users WHERE state = 'active' AND email IS NOT NULL AND name = ?"
_BY_EMAIL = (
    "SELECT name, email FROM users WHERE state = 'active' AND email IS NOT NULL AND LOWER(email) = ? ORDER BY name"
    " LIMIT ?"
)
_TEXT = """\
Hello {name},

{why}
This token sets a password for the account {name}, once, within an hour:

    {token}

{how}
{otherwise}
"""
_WHY = {
    RESET: "somebody, probably you, asked for another password at {place}.",
    INVITE: "there is an account for you at {place}.",
}
_OTHERWISE = {
    RESET: "If it was not you, do nothing: the password stays as it is.",
    INVITE: "If you do not know why, do nothing.",
}


class Mailer(Protocol):
    async def send(self, to: str, subject: str, text: str) -> None: ...


class PasswordResets:
    """mailer: None if no mail is sent. external_url: where the registry is reached, or empty. pages: whether people
    find pages there.
    """

    def __init__(
        self,
        db: Database,
        one_time: OneTimeTokens,
        throttle: Throttle,
        mailer: Mailer | None,
        external_url: str,
        pages: bool = True,
    ):
        self._db = db
        self._one_time = one_time
        self._throttle = throttle
        self._mailer = mailer
        self._external_url = external_url
        self._pages = pages
        self._background: set[asyncio.Future] = set()

    @property
    def sends_mail(self) -> bool:
        return self._mailer is not None

    async def ask(self, address: str, who: str) -> None:
        """Send a mail with a token if there is an account of this name or e-mail address.

        It does the same work and returns the same whether or not there is. Raises Denied if no mail is sent,
        FieldInvalid, TooManyRequests.
        """
        if self._mailer is None:
            raise Denied(
                "this registry sends no mail", "ask an administrator of the registry for a token that sets a password"
            )
        if not 0 < len(who) <= _LONGEST:
            raise FieldInvalid("the name or e-mail address is empty or too long", "give the one that the account has")
        await self._throttle.spend(f"reset {network_of(address)}", FROM_NETWORK, SECONDS)
        await self._throttle.spend(f"reset {_hashed(who)}", FOR_ACCOUNT, SECONDS)
        if len(self._background) >= _QUEUE:
            raise TooManyRequests("too many mails wait to be sent", headers={"Retry-After": "60"})
        work = asyncio.ensure_future(self._answer(Actor("mail", address), who))
        self._background.add(work)
        work.add_done_callback(self._background.discard)

    async def settled(self, seconds: float) -> None:
        """Wait until the mails that were asked for are sent or given up, for at most so many seconds."""
        if self._background:
            await asyncio.wait(set(self._background), timeout=seconds)

    async def _answer(self, actor: Actor, who: str) -> None:
        """Nobody is told of a failure here. The mailer has logged it, and the user asks again."""
        try:
            for name, email in await self._db.scan(lambda tx: _found(tx, who)):
                await self._throttle.spend(f"mail {_hashed(email)}", TO_ADDRESS, SECONDS)
                await self._mail(actor, name, email, RESET)
        except (RegistryError, DatabaseBusy, DatabaseFull, DatabaseFailed):
            return

    def require_mailer(self) -> None:
        """Raises ChangeRefused."""
        if self._mailer is None:
            raise ChangeRefused("no mail server is configured", "set mail.host, or leave out --mail to print the token")

    async def send(self, actor: Actor, name: str, purpose: str) -> None:
        """Send a token by mail for an administrator, and wait until it is sent.

        Raises AccountUnknown, ChangeRefused, MailFailed.
        """
        self.require_mailer()
        person = await self._db.scan(lambda tx: accounts.find(tx, name))
        if not person.email:
            raise ChangeRefused(
                f"{name} has no e-mail address", "set one first, or leave out --mail to print the token"
            )
        await self._mail(actor, name, person.email, purpose)

    async def _mail(self, actor: Actor, name: str, email: str, purpose: str) -> None:
        token = await self._one_time.make(actor, name, purpose)
        place = self._external_url or "the container registry"
        how = f"Send it, and the password, to {self._external_url}{_PATH}"
        if self._pages and self._external_url:
            how = f"Open {self._external_url}{_PAGES[purpose]}?token={token}"
        text = _TEXT.format(
            name=name, why=_WHY[purpose].format(place=place), token=token, how=how, otherwise=_OTHERWISE[purpose]
        )
        await self._mailer.send(email, "Your password for the registry", text)


def _hashed(who: str) -> str:
    return hashlib.sha256(who.lower().encode("utf-8", "replace")).hexdigest()


def _found(tx: Tx, who: str) -> list[tuple[str, str]]:
    """(name, address) of the accounts that may be meant."""
    if "@" in who:
        return tx.all(_BY_EMAIL, who.lower(), _MOST_ACCOUNTS) if profiles.is_email(who) else []
    try:
        return tx.all(_BY_NAME, account_name(who))
    except FieldInvalid:
        return []
