"""database.url: which database, where it is and how to reach it.

    sqlite:FILE
    mysql://USER:PASSWORD@HOST:PORT/NAME?tls=verify|off&ca=FILE&socket=PATH&password_file=FILE
User, password and name are percent-encoded where they hold characters that a URL gives a meaning to.
"""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from ..errors import StartError
from ..wording import why

PORT = 3306
_OPTIONS = ("tls", "ca", "socket", "password_file")
_PASSWORD = re.compile(r"(?<=://)([^/?#@:]*):.*@")


class MySQLUrl(NamedTuple):
    """A MySQL or MariaDB database.

    tls: TLS is required and the server's certificate is verified, by the certificates in the PEM file `ca` or by the
    system's.
    """

    host: str
    port: int
    user: str
    password: str
    name: str
    tls: bool
    ca: str
    socket: str
    password_file: str

    def __str__(self) -> str:
        """Without the password, for logs and errors."""
        where = f"?socket={quote(self.socket)}" if self.socket else ""
        return f"mysql://{quote(self.user, safe='')}@{self.host}:{self.port}/{quote(self.name, safe='')}{where}"

    __repr__ = __str__

    def secret(self) -> str:
        """The password. Its file is read at each new connection, so the password may be changed. Raises StartError."""
        if not self.password_file:
            return self.password
        try:
            with open(self.password_file, encoding="utf-8") as file:
                return file.read().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise StartError(
                f"can't read the password_file {self.password_file} of database.url: {why(error)}"
            ) from None


def masked(url: str) -> str:
    """The URL with its password hidden."""
    return _PASSWORD.sub(r"\1:***@", url)


def parse_mysql(url: str, is_loopback) -> MySQLUrl:
    """Parse a mysql:

    URL. TLS may be left out where is_loopback(host). ValueError completes the sentence "database.url ...".
    """
    try:
        parts = urlsplit(url)
        port = parts.port or PORT
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ValueError(
            "must be mysql://USER:PASSWORD@HOST:PORT/NAME; percent-encode special characters of user and password"
        ) from None
    name = unquote(parts.path[1:])
    if not name or "/" in name or not parts.username or parts.fragment:
        raise ValueError("must name user, host and database: mysql://USER:PASSWORD@HOST:PORT/NAME")
    for option in options:
        if option not in _OPTIONS:
            raise ValueError(f"has no option {option!r}; there are {', '.join(_OPTIONS)}")
    host = parts.hostname or "localhost"
    near = bool(options.get("socket")) or is_loopback(host)
    return MySQLUrl(
        host,
        port,
        unquote(parts.username),
        unquote(parts.password or ""),
        name,
        _tls(options, near),
        options.get("ca", ""),
        options.get("socket", ""),
        options.get("password_file", ""),
    )


def _tls(options: dict[str, str], near: bool) -> bool:
    wanted = options.get("tls", "off" if near and not options.get("ca") else "verify")
    if wanted not in ("verify", "off"):
        raise ValueError("has another tls than verify or off")
    if wanted == "off" and options.get("ca"):
        raise ValueError("has ca beside tls=off, which uses none")
    if wanted == "verify" and options.get("socket"):
        raise ValueError("has TLS on a socket of this machine: leave out tls and ca")
    return wanted == "verify"
