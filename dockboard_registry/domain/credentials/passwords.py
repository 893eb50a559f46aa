"""Passwords: which ones may be chosen, how they are stored, and the threads that do the slow work for a bounded queue.

New hashes are those of scrypt.py: 245 ms and 32 MiB each, among those that OWASP's password storage cheat sheet
recommends. Hashes of htpasswd files count too and are replaced at the next login. Only these need passlib; `prepare`
loads it, or the first of them.
"""

import asyncio
import hashlib
import os
import re
import string
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import NamedTuple

from ...clients import current_client
from ...db.turns import Turns
from ...errors import FieldInvalid, TooManyRequests
from . import imported_hashes, scrypt
from .imported_hashes import MOST_BYTES

SHORTEST = 12
_QUEUE, _RETRY_SECONDS = 64, 2
# So many quarters of what others leave of these places one client may have.
_OWN = 3
# How much the threads give way to those that serve requests (nice of setpriority(2), on Linux for each thread).
_GIVE_WAY = 10
# A faster hash can't be noticed by its time beside the scrypt of 0.25 s that each login computes.
_UNSEEN_SECONDS = 0.001
# Characters that a password needs besides names, common words and sequences.
_OWN_CHARACTERS = 6
_WORDS = re.compile(
    "password|passwort|passwd|passphrase|secret|welcome|letmein|changeme|default|administrator|admin|root|login"
    "|guest|master|access|docker|registry|container"
    "|qwertyuiop|qwertzuiop|qwerty|qwertz|azerty|asdfghjkl|asdf|zxcvbnm|yxcvbnm|1q2w3e4r5t|1q2w3e4r|1qaz2wsx"
    "|iloveyou|dragon|monkey|football|baseball|sunshine"
    "|princess|superman|batman|shadow|michael|jordan|summer|winter|spring|autumn|hello|freedom|whatever|trustno"
    "|starwars|computer|internet|test|user|pass|love"
    "|abcdefghijklm|abcdefgh|abcdef|abcd|abc|the"
)
_PLAIN = str.maketrans("013457@$!", "oleastasi")
_COUNTING = "0123456789" * 103 + "9876543210" * 103


class Verdict(NamedTuple):
    """better: a hash to store instead, if the stored one is not of the current kind.

    computed: whether this machine could compute the stored hash.
    """

    right: bool
    better: str | None = None
    computed: bool = True


def check_choice(password: str, *names: str) -> str:
    """The password, if a user with these names may choose it. Raises FieldInvalid."""
    data = password.encode("utf-8", "surrogatepass")
    if len(password) < SHORTEST:
        raise FieldInvalid(
            "the password is too short", f"use {SHORTEST} characters or more; several words are easy to remember"
        )
    if len(data) > MOST_BYTES:
        raise FieldInvalid("the password is too long", f"use at most {MOST_BYTES} bytes")
    if "\0" in password or data != password.encode("utf-8", "replace"):
        raise FieldInvalid("the password has characters that are not text", "leave them out")
    if _own_characters(password, names) < _OWN_CHARACTERS or len(set(password)) < 5:
        raise FieldInvalid(
            "the password is one of those that are guessed first",
            "use several words that have nothing to do with each other",
        )
    return password


def _own_characters(password: str, names: tuple[str, ...]) -> int:
    """How many characters are left without names, common words, and digits and punctuation at the ends.

    Digits alone count, unless they are a sequence.
    """
    figures = re.sub("[^0-9]", "", password)
    if not re.search("[^0-9]", password):
        return 0 if figures in _COUNTING else len(figures)
    known = [name.casefold() for name in names if len(name) > 2]
    texts = password.casefold(), password.casefold().translate(_PLAIN)
    return min(len(_without(text, known)) for text in texts)


def _without(text: str, known: list[str]) -> str:
    for name in known:
        text = text.replace(name, "")
    return _WORDS.sub("", text).strip(string.digits + string.punctuation + " ")


def fingerprint(stored: str | None) -> str:
    """What a one-time token is bound to. It changes with the hash of the password, and tells nothing about it."""
    return hashlib.sha256(f"password {stored}".encode()).hexdigest()


def hash_now(password: str) -> str:
    """The hash to store, computed at once, for callers without an event loop."""
    return scrypt.hash(password.encode())


def _give_way() -> None:
    """Many logins are seconds of work, which should not slow pulls."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _GIVE_WAY)


class Passwords:
    """The threads of one process that compute hashes. Each takes 32 MiB while it does."""

    def __init__(self, threads: int = 2) -> None:
        self._threads = ThreadPoolExecutor(threads, "password", _give_way)
        self._turns = [Turns() for _ in range(threads)]
        # Of each client.
        self._waiting: Counter[str] = Counter()
        self._no_password = scrypt.hash_of_no_password()
        self._measured = 0.0

    def require_room(self) -> None:
        """Raise TooManyRequests if too many wait already, in all or of this client.

        Asked before anything else, so that a refusal costs little.
        """
        own = self._waiting[current_client.get().owner]
        others = self._waiting.total() - own
        if own + others >= _QUEUE or own >= max((_QUEUE - others) * _OWN // 4, 1):
            raise TooManyRequests("too many logins at once", headers={"Retry-After": str(_RETRY_SECONDS)})

    @asynccontextmanager
    async def slot(self):
        """A place for one computation, by turns of the clients. Raises TooManyRequests if too many wait."""
        self.require_room()
        owner, waits = current_client.get().owner, True
        self._waiting[owner] += 1
        try:
            async with min(self._turns, key=len).take():
                self._leave(owner)
                waits = False
                yield
        finally:
            if waits:
                self._leave(owner)

    def _leave(self, owner: str) -> None:
        self._waiting[owner] -= 1
        if not self._waiting[owner]:
            del self._waiting[owner]

    async def prepare(self) -> None:
        """Load the modules for imported hashes, so that no login waits for that."""
        await self._run(imported_hashes.load)

    async def hash(self, password: str) -> str:
        """The hash to store of a password that may be chosen."""
        return await self._run(lambda: hash_now(password))

    async def verify(self, password: str, stored: str | None) -> Verdict:
        """Whether this is the password. Call it within `slot`. Without a stored hash it is false and takes as long."""
        return await self._run(lambda: self._verify(password, stored))

    def _verify(self, password: str, stored: str | None) -> Verdict:
        """Compute one scrypt in every case, so that the time does not tell an unknown user, or a faster hash."""
        data = password.encode("utf-8", "replace")
        usable = b"\0" not in data and len(data) <= MOST_BYTES and stored is not None
        if usable and stored.startswith(scrypt.PREFIX):
            right = scrypt.verify(data, stored)
            return Verdict(right, scrypt.hash(data) if right and scrypt.is_outdated(stored) else None)
        right = usable and imported_hashes.verify(data, stored)
        if right:
            return Verdict(True, scrypt.hash(data))
        scrypt.verify(data[:MOST_BYTES], self._no_password)
        return Verdict(False, computed=right is not None)

    async def imported(self, stored: str) -> float:
        """The seconds that each failed login has to take while an account has this imported hash, so that the time
        tells nothing.

        It is twice what the hash takes here, because a login may have to wait for the processor. Raises FieldInvalid if
        the hash can't be taken over.
        """
        return await self._run(lambda: self._imported(stored))

    def _imported(self, stored: str) -> float:
        if why := imported_hashes.refusal(stored):
            raise FieldInvalid(why)
        return self._hiding(imported_hashes.seconds(stored))

    async def least_seconds(self, hashes: list[str]) -> float:
        """The same for several hashes that were taken over before."""
        return await self._run(lambda: self._hiding(imported_hashes.slowest(hashes)))

    def _hiding(self, seconds: float) -> float:
        return 0.0 if seconds < _UNSEEN_SECONDS else 2 * (seconds + self._scrypt_seconds())

    def _scrypt_seconds(self) -> float:
        if not self._measured:
            begun = time.perf_counter()
            scrypt.verify(b"", self._no_password)
            self._measured = time.perf_counter() - begun
        return self._measured

    async def _run(self, work):
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        self._threads.shutdown()
