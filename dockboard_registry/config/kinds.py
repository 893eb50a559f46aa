"""Kinds of configuration values: how each is spelled in text, checked, and written as TOML.

`of_text` turns what the environment or a flag says into what the file would hold; `check` turns that into the value the
program uses. Both raise ValueError with words that complete the sentence "KEY ...".
"""

import json
import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .. import durations
from .database_url import masked, parse_mysql
from .store_url import StoreUrl, parse_store

HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
MAIL_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}", re.A
)
_URL_PATH = re.compile(r"/?|(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){1,8}/?", re.A)
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_HOSTS = re.compile(r"(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)+")


def described(value: object) -> str:
    """A value as an error shows it, cut at 100 characters."""
    text = json.dumps(value, default=str, ensure_ascii=True)
    return text if len(text) <= 100 else text[:100] + "..."


@dataclass(frozen=True)
class Text:
    """A string without control characters; the base of the kinds that are written as one."""

    def of_text(self, text: str) -> Any:
        return text

    def check(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError(f"must be text in quotes, not {described(value)}")
        if not value.isprintable():
            raise ValueError(f"must not hold control characters or bytes that are not UTF-8: {described(value)}")
        return self.parse(value)

    def parse(self, value: str) -> Any:
        return value

    def toml(self, value: Any) -> str:
        return json.dumps(str(value))


@dataclass(frozen=True)
class Choice(Text):
    """One of a few texts."""

    choices: tuple[str, ...]

    def parse(self, value: str) -> str:
        if value not in self.choices:
            raise ValueError(
                f"must be one of {', '.join(choice or '(empty)' for choice in self.choices)}, not {described(value)}"
            )
        return value


@dataclass(frozen=True)
class Directory(Text):
    """A directory. A relative path counts from the directory in which the command was started."""

    def parse(self, value: str) -> Path:
        if not value:
            raise ValueError("must name a directory")
        return Path(value).absolute()


@dataclass(frozen=True)
class Listen(Text):
    """HOST:PORT or [IPv6]:PORT; empty only where the listener may be off."""

    may_be_off: bool = False

    def parse(self, value: str) -> str:
        if value == "" and self.may_be_off:
            return value
        split_address(value)
        return value


def split_address(value: str) -> tuple[str, int]:
    """`127.0.0.1:5000` or `[::1]:5000` -> (host without brackets, port). Raises ValueError."""
    host, colon, port = value.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    right = _is_host(host, bracketed) and port.isascii() and port.isdigit() and len(port) <= 5
    if not colon or not right or int(port) > 65535:
        raise ValueError(
            f"must be HOST:PORT, such as 127.0.0.1:5000, 0.0.0.0:5000 or [::1]:5000, not {described(value)}"
        )
    return host, int(port)


def _is_host(host: str, bracketed: bool) -> bool:
    try:
        return (ip_address(host).version == 6) == bracketed
    except ValueError:
        return not bracketed and HOST_NAME.fullmatch(host) is not None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host. Of the names only localhost counts."""
    try:
        address = ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


@dataclass(frozen=True)
class BaseUrl(Text):
    """Empty, or a URL without query: https://registry.example.com, https://example.com/registry."""

    def parse(self, value: str) -> str:
        if value == "":
            return value
        try:
            parts = urlsplit(value)
            right = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            right = False
        if not right or not _URL_PATH.fullmatch(parts.path) or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(
                "must be http:// or https:// with a host, such as https://hub.example or https://example.com/hub, not"
                f" {described(value)}"
            )
        return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


@dataclass(frozen=True)
class MailAddress(Text):
    """Empty, or user@host."""

    def parse(self, value: str) -> str:
        if value and not MAIL_ADDRESS.fullmatch(value):
            raise ValueError(f"must be an e-mail address such as registry@example.org, not {described(value)}")
        return value


@dataclass(frozen=True)
class DatabaseUrl(Text):
    """Empty, sqlite:FILE, or the URL of a MySQL database; its password is not shown."""

    def parse(self, value: str) -> str:
        scheme, _, rest = value.partition(":")
        if scheme == "mysql":
            parse_mysql(value, is_loopback)
        elif value and (scheme != "sqlite" or rest in ("", ":memory:")):
            raise ValueError(
                f"must be sqlite:FILE or mysql://USER:PASSWORD@HOST:PORT/NAME, not {described(masked(value))}"
            )
        return value

    def toml(self, value: str) -> str:
        return super().toml(masked(value))


@dataclass(frozen=True)
class ObjectStoreUrl(Text):
    """Empty, or the URL of an object store; kept as its parts, None if it is empty."""

    def parse(self, value: str) -> StoreUrl | None:
        return parse_store(value, is_loopback) if value else None

    def toml(self, value: StoreUrl | None) -> str:
        return super().toml(value or "")


@dataclass(frozen=True)
class Secret(Text):
    """A text that is never shown."""

    def check(self, value: Any) -> str:
        if not isinstance(value, str) or not value.isprintable():
            raise ValueError("must be text in quotes without control characters")
        return value

    def toml(self, value: str) -> str:
        return super().toml("***" if value else "")


@dataclass(frozen=True)
class Number:
    """A whole number from `minimum` to `maximum`."""

    minimum: int = 0
    maximum: int = 2**53

    def of_text(self, text: str) -> Any:
        if WHOLE_NUMBER.fullmatch(text):
            return int(text)
        raise ValueError(self._words(text))

    def check(self, value: Any) -> int | float:
        found = self._number(value)
        # NaN is not between any two numbers.
        if found is None or not self.minimum <= found <= self.maximum:
            raise ValueError(self._words(value))
        return found

    def _number(self, value: Any) -> int | float | None:
        """The number that the value stands for, or None."""
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def toml(self, value: int | float) -> str:
        return str(value)

    def _words(self, value: object) -> str:
        return f"must be a whole number {self._between()}, not {described(value)}"

    def _between(self) -> str:
        return f"from {self.minimum} to {self.maximum}" if self.maximum < 2**53 else f"of {self.minimum} or more"


@dataclass(frozen=True)
class Duration(Number):
    """A number of `unit`, or a text such as "90d". Only seconds may have a fraction."""

    unit: str = "seconds"

    def of_text(self, text: str) -> Any:
        return text

    def _number(self, value: Any) -> int | float | None:
        """A text need not have a letter, because the environment gives numbers as texts."""
        if self.unit == "seconds" and isinstance(value, float):
            return value
        if not isinstance(value, str):
            return super()._number(value)
        if WHOLE_NUMBER.fullmatch(value):
            return int(value)
        try:
            found = durations.seconds(value)
        except ValueError:
            return None
        if self.unit == "seconds":
            return found
        return int(found) // 86400 if found % 86400 == 0 else None

    def _words(self, value: object) -> str:
        return (
            f"must be a number {self._between()} ({self.unit}), or a duration such as {durations.DURATION_EXAMPLES},"
            f" not {described(value)}"
        )


@dataclass(frozen=True)
class Size(Number):
    """A number of bytes, or a text such as "10GiB"; kept as that number."""

    def of_text(self, text: str) -> Any:
        return text

    def _number(self, value: Any) -> int | float | None:
        if not isinstance(value, str):
            return super()._number(value)
        if WHOLE_NUMBER.fullmatch(value):
            return int(value)
        try:
            return durations.size(value)
        except ValueError:
            return None

    def _words(self, value: object) -> str:
        return (
            f"must be a whole number {self._between()} (bytes), or a size such as {durations.SIZE_EXAMPLES}, not"
            f" {described(value)}"
        )


def seconds(minimum: int = 0) -> Duration:
    """A duration of at most ten years."""
    return Duration(minimum, 10 * 365 * 86400)


def days() -> Duration:
    """Whole days, at most a hundred years. A number without a letter is days."""
    return Duration(0, 36500, "whole days")


@dataclass(frozen=True)
class Switch:
    """true or false."""

    def of_text(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise ValueError(f"must be true or false, not {described(text)}")
        return text == "true"

    def check(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false, not {described(value)}")
        return value

    def toml(self, value: bool) -> str:
        return "true" if value else "false"


@dataclass(frozen=True)
class Several:
    """A list of some of a few words, separated by commas in the environment."""

    choices: tuple[str, ...]

    def of_text(self, text: str) -> list[str]:
        return [item.strip() for item in text.split(",") if item.strip()]

    def check(self, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not set(map(str, value)) <= set(self.choices):
            raise ValueError(f"must be a list of some of {', '.join(self.choices)}, not {described(value)}")
        return tuple(value)

    def toml(self, value: tuple[str, ...]) -> str:
        return json.dumps(list(value))


@dataclass(frozen=True)
class Hosts:
    """A list of names of hosts, separated by commas in the environment. *.example.org stands for all below it."""

    def of_text(self, text: str) -> list[str]:
        return [item.strip() for item in text.split(",") if item.strip()]

    def check(self, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) and _HOSTS.fullmatch(item) for item in value):
            raise ValueError(f'must be a list such as ["img.example.org", "*.example.org"], not {described(value)}')
        return tuple(value)

    def toml(self, value: tuple[str, ...]) -> str:
        return json.dumps(list(value))


@dataclass(frozen=True)
class Networks:
    """A list of addresses and networks in CIDR notation, separated by commas in the environment."""

    def of_text(self, text: str) -> list[str]:
        return [item.strip() for item in text.split(",") if item.strip()]

    def check(self, value: Any) -> tuple[IPv4Network | IPv6Network, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError(f'must be a list such as ["10.0.0.0/8", "::1"], not {described(value)}')
        return tuple(self._network(item) for item in value)

    @staticmethod
    def _network(item: str) -> IPv4Network | IPv6Network:
        try:
            return ip_network(item)
        except ValueError as error:
            raise ValueError(f"must hold addresses and networks such as 10.0.0.0/8: {error}") from None

    def toml(self, value: tuple[IPv4Network | IPv6Network, ...]) -> str:
        return json.dumps([str(network) for network in value])
