"""Kinds of values in requests and answers. Each checks what was sent, and describes in JSON Schema what it accepts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from ...wording import quoted

# Characters.
_LONG = 64 << 10


class Wrong(Exception):
    """A value is not of its kind. The text goes on after the name of the field."""


_TYPES = {type(None): "null", bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list"}


def _type_of(value: Any) -> str:
    """The JSON type of a value, which may be a secret and is not shown."""
    return _TYPES.get(type(value), "an object")


@dataclass(frozen=True)
class Kind:
    """help: what the value is. nullable: it may be null."""

    help: str = ""
    nullable: bool = False

    def or_null(self) -> Self:
        return replace(self, nullable=True)

    def said(self, help: str) -> Self:
        """The same kind with another help."""
        return replace(self, help=help)

    def check(self, value: Any) -> Any:
        """The value. Raises Wrong."""
        return None if value is None and self.nullable else self.checked(value)

    def checked(self, value: Any) -> Any:
        return value

    def of_text(self, text: str) -> Any:
        """The value of a text in a query. Raises Wrong."""
        return self.check(text)

    def schema(self) -> dict[str, Any]:
        found = self.described()
        if self.nullable:
            found["type"] = [found["type"], "null"]
            if "enum" in found:
                found["enum"] = [*found["enum"], None]
        if self.help:
            found["description"] = self.help
        return found

    def described(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Text(Kind):
    """grammar: a regular expression for the whole text. By default the text may have any character but NUL."""

    longest: int = 255
    shortest: int = 0
    grammar: str = r"[^\x00]*"
    example: str | None = None

    def checked(self, value: Any) -> str:
        if not isinstance(value, str):
            raise Wrong(f"has to be a text, not {_type_of(value)}")
        if not self.shortest <= len(value) <= self.longest:
            raise Wrong(f"has to have {self.shortest} to {self.longest} characters, not {len(value)}")
        if not re.fullmatch(self.grammar, value):
            raise Wrong(f"has to match the regular expression {self.grammar}")
        return value

    def described(self) -> dict[str, Any]:
        found = {"type": "string", "minLength": self.shortest, "pattern": f"^(?:{self.grammar})$"}
        # Of long texts the domain limits the bytes, which JSON Schema can't say.
        found |= {"maxLength": self.longest} if self.longest < _LONG else {}
        return found | ({"examples": [self.example]} if self.example else {})


@dataclass(frozen=True)
class Secret(Text):
    """A secret with which its holder logs in, sets a password or makes an account."""


@dataclass(frozen=True)
class Choice(Kind):
    """One of some texts."""

    choices: tuple[str, ...] = ()
    default: str | None = None

    def checked(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.choices:
            raise Wrong(f"has to be one of {', '.join(self.choices)}")
        return value

    def described(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.choices)} | ({"default": self.default} if self.default else {})


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number."""

    least: int = 0
    most: int = 2**53 - 1
    default: int | None = None

    def checked(self, value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            # JSON Schema counts 1.0 as an integer.
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not self.least <= value <= self.most:
            raise Wrong(f"has to be a whole number from {self.least} to {self.most}")
        return value

    def of_text(self, text: str) -> int:
        return self.check(int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else None)

    def described(self) -> dict[str, Any]:
        found = {"type": "integer", "minimum": self.least, "maximum": self.most}
        return found | ({"default": self.default} if self.default is not None else {})


@dataclass(frozen=True)
class Switch(Kind):
    """true or false."""

    def checked(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise Wrong("has to be true or false")
        return value

    def described(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class ListOf(Kind):
    """kind: of each item. most: how many there may be; None: any number."""

    kind: Kind = Kind()
    most: int | None = None

    def checked(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Wrong(f"has to be a list, not {_type_of(value)}")
        if self.most is not None and len(value) > self.most:
            raise Wrong(f"has to have at most {self.most} items, not {len(value)}")
        return [self._item(item) for item in value]

    def _item(self, value: Any) -> Any:
        try:
            return self.kind.check(value)
        except Wrong as error:
            raise Wrong(f"has an item that {error}") from None

    def described(self) -> dict[str, Any]:
        found = {"type": "array", "items": self.kind.schema()}
        return found | ({"maxItems": self.most} if self.most is not None else {})


@dataclass(frozen=True)
class Anything(Kind):
    """An object with any fields. In answers only."""

    def described(self) -> dict[str, Any]:
        return {"type": "object"}


@dataclass(frozen=True)
class Record(Kind):
    """An object. Fields that are not in `optional` have to be there, and at least `fewest` fields in all.

    name: in the document.
    """

    name: str = ""
    fields: Mapping[str, Kind] = ()  # type: ignore[assignment]
    optional: tuple[str, ...] = ()
    fewest: int = 0

    def checked(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Wrong(f"has to be an object, not {_type_of(value)}")
        for name in value:
            if name not in self.fields:
                raise Wrong(f"has an unknown field {quoted(name)}; the fields are {', '.join(self.fields)}")
        for name in self.fields:
            if name not in value and name not in self.optional:
                raise Wrong(f"lacks the field {name}")
        if len(value) < self.fewest:
            raise Wrong(f"has to have at least one of {', '.join(self.fields)}")
        return {name: self._field(name, given) for name, given in value.items()}

    def _field(self, name: str, given: Any) -> Any:
        try:
            return self.fields[name].check(given)
        except Wrong as error:
            raise Wrong(f"has a field {name} that {error}") from None

    def described(self) -> dict[str, Any]:
        required = [name for name in self.fields if name not in self.optional]
        found: dict[str, Any] = {"type": "object", "additionalProperties": False}
        found["properties"] = {name: kind.schema() for name, kind in self.fields.items()}
        return (
            found
            | ({"required": required} if required else {})
            | ({"minProperties": self.fewest} if self.fewest else {})
        )
