"""The fields of a request, by names in any case: one type for requests that Tornado parsed and for those it did not."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Self

from .forwarding import HEADERS as PROXIES


class Headers(Mapping[str, str]):
    """Fields that nobody changes, because many requests may share them.

    A name is found in any case; the names themselves come in lower case. The values of several lines with one name are
    joined by a comma (RFC 9110 section 5.3). lines: how many there were; size: the bytes of their names and values.

    What is asked for with each request is looked up once: authorization, agent (of User-Agent), closes (whether the
    client wants no other answer on the connection), forwarded (whether a proxy reports something).
    """

    __slots__ = ("_fields", "lines", "size", "authorization", "agent", "closes", "forwarded")

    def __init__(self, lines: Iterable[tuple[str, str]] = ()):
        values: dict[str, list[str]] = {}
        self.lines = self.size = 0
        for name, value in lines:
            self.lines += 1
            self.size += len(name) + len(value)
            values.setdefault(name.lower(), []).append(value)
        self._set({name: several[0] if len(several) == 1 else ",".join(several) for name, several in values.items()})

    def _set(self, fields: dict[str, str]) -> None:
        self._fields = fields
        self.authorization = fields.get("authorization")
        self.agent = fields.get("user-agent", "-")
        self.closes = fields.get("connection", "").lower() == "close"
        self.forwarded = not PROXIES.isdisjoint(fields)

    @classmethod
    def parse(cls, block: bytes) -> Self:
        """The fields of a well-formed block of lines, which ends with an empty one."""
        lines = (line.partition(":") for line in block.decode("latin1").split("\r\n")[:-2])
        return cls((name, value.strip(" \t")) for name, _, value in lines)

    def with_field(self, name: str, value: str) -> "Headers":
        """The same fields, but this value for this name. The limits count what the client sent."""
        other = Headers()
        other._set({**self._fields, name.lower(): value})
        other.lines, other.size = self.lines, self.size
        return other

    def get(self, name: str, default: str | None = None) -> str | None:
        return self._fields.get(name.lower(), default)

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)
