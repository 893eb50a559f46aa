"""Accounts of a running registry: made by its commands, used as clients use them."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

from tests.support.http import Client, Response

PASSWORD = "correct horse"
# Of that password; the registry takes such hashes over, and makes a slow one of it at the first login.
QUICK_HASH = "{SHA}L55TUjtiq8FBorTWAZ0jy6g129A="
# Of the same, as htpasswd -B writes it.
BCRYPT = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.WrAwgFxicHZ3kL7zMvXYXHKosDn8ot2"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def basic(name: str, password: str = PASSWORD) -> dict[str, str]:
    """The header that shows them."""
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def without_libcrypt(directory: Path) -> dict[str, str]:
    """The environment for a program that finds no libcrypt on this machine: what it finds first is no library."""
    for name in ("libcrypt.so.1", "libcrypt.so.2"):
        (directory / name).write_text("nothing")
    return {**os.environ, "LD_LIBRARY_PATH": str(directory)}


class As(Client):
    """A client that shows the same credentials with each request."""

    def __init__(self, address: str, shown: Mapping[str, str]) -> None:
        super().__init__(address)
        self._shown = dict(shown)

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = {},
        body: bytes | Iterable[bytes] | None = None,
    ) -> Response:
        return super().request(method, path, {**dict(headers), **self._shown}, body)


class People:
    """The commands on accounts of one registry. Who is added has PASSWORD."""

    def __init__(self, registry) -> None:
        self.registry = registry

    def command(self, *words: str) -> str:
        """What a command prints that has to go well."""
        done = self.registry.prepare(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def add(self, *names: str) -> None:
        file = self.registry.root.parent / f"people-{secrets.token_hex(4)}"
        file.write_text("".join(f"{name}:{QUICK_HASH}\n" for name in names))
        self.command("user", "import", "--htpasswd", str(file))

    def shown(self, name: str) -> dict[str, str]:
        """A header with a new access token of this account. Unlike a password it takes no time to check."""
        return basic(name, self.command("token", "add", name, "--name", f"shown-{secrets.token_hex(4)}"))

    def set_password(self, name: str, password: str) -> None:
        self.told(password, "user", "passwd", name, "--password-stdin")

    def told(self, text: str, *words: str, status: int = 0) -> bytes:
        """All that a command says that gets this on its standard input."""
        done = self.registry.prepare(*words, given=text)
        assert done.returncode == status, f"{words}: {done.stdout!r}{done.stderr!r}"
        return (done.stdout + done.stderr).encode()

    def as_user(self, name: str, password: str = PASSWORD) -> As:
        return As(self.registry.address, basic(name, password))

    def token(self, shown: Mapping[str, str], *scopes: str, **more: str) -> Response:
        """What the token server answers to who shows this header."""
        query = urlencode([*(("scope", scope) for scope in scopes), *more.items()])
        with Client(self.registry.address) as client:
            return client.get(f"/token?{query}", dict(shown))

    def bearer(self, shown: Mapping[str, str], *scopes: str) -> dict[str, str]:
        """The header with a token for these scopes."""
        return bearer(self.token(shown, *scopes).expect(200).json()["token"])

    def form(self, **fields: str) -> Response:
        """What the token server answers to a form."""
        with Client(self.registry.address) as client:
            return client.request("POST", "/token", FORM, urlencode(fields).encode())
