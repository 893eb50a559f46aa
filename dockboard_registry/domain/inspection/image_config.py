"""Reads the config of an image: how it is run, and how it was built (image specification 1.1, "Image Configuration").

Configs are blobs, which nobody has checked. What is not as it should be is left out.
"""

import json
import re
from datetime import datetime, timezone
from typing import Any, NamedTuple

from ...wording import LATEST_SHOWN
from ..content import json_limits
from .manifest_content import items, mapping, platform, text, texts

# Longer configs are not read. One of a thousand steps has about 300 KB.
LONGEST = 1 << 20
MOST_STEPS, _MOST_ENTRIES = 1000, 1000
# What builders put before a command.
_SHELL, _NOP = "/bin/sh -c ", "#(nop)"
_BUILDKIT, _RUN = " # buildkit", re.compile(r"RUN (?:\|[0-9]+ (?:[^\s=]+=\S* )*)?/bin/sh -c ")


class Step(NamedTuple):
    """command: as the author wrote it, as far as this is known. empty: the step made no layer. created_at: in
    milliseconds since 1970.
    """

    command: str
    empty: bool
    created_at: int | None = None
    comment: str = ""


class ImageConfig(NamedTuple):
    """created_at: in milliseconds since 1970. layers: how many the config says that there are."""

    platform: str = ""
    created_at: int | None = None
    author: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    healthcheck: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    history: tuple[Step, ...] = ()
    layers: int = 0


def read(data: bytes) -> ImageConfig | None:
    """None if the bytes or their values are too many, or if they are no JSON object. Long ones are read with rests."""
    fields = _object(data)
    return None if fields is None else _config(fields)


def read_summary(data: bytes) -> ImageConfig | None:
    """The same with platform and time alone."""
    fields = _object(data)
    return None if fields is None else ImageConfig(_platform(fields), moment(fields.get("created")))


def _object(data: bytes) -> dict | None:
    if not json_limits.is_readable(data, LONGEST):
        return None
    try:
        fields = json.loads(data, object_pairs_hook=json_limits.pace_for(data).before(dict))
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _platform(fields: dict) -> str:
    return platform(fields.get("os"), fields.get("architecture"), fields.get("variant"))


def _config(fields: dict) -> ImageConfig:
    run = mapping(fields.get("config"))
    return ImageConfig(
        platform=_platform(fields),
        created_at=moment(fields.get("created")),
        author=text(fields.get("author")),
        entrypoint=_words(run.get("Entrypoint")),
        cmd=_words(run.get("Cmd")),
        user=text(run.get("User")),
        working_dir=text(run.get("WorkingDir")),
        ports=_names(run.get("ExposedPorts")),
        volumes=_names(run.get("Volumes")),
        stop_signal=text(run.get("StopSignal")),
        healthcheck=_words(mapping(run.get("Healthcheck")).get("Test")),
        env=tuple(_variable(entry) for entry in _words(run.get("Env"))),
        labels=tuple(sorted(texts(run.get("Labels")).items())[:_MOST_ENTRIES]),
        history=tuple(_step(mapping(entry)) for entry in items(fields.get("history"))[:MOST_STEPS]),
        layers=len(items(mapping(fields.get("rootfs")).get("diff_ids"))),
    )


def moment(value: Any) -> int | None:
    """Milliseconds since 1970 of a time as RFC 3339 writes it. None for no such time, for times before 1970, and for
    those that can't be shown in every zone.
    """
    try:
        found = datetime.fromisoformat(text(value))
        aware = found if found.tzinfo else found.replace(tzinfo=timezone.utc)
        at = int(aware.timestamp() * 1000)
        return at if 0 < at <= LATEST_SHOWN else None
    except (ValueError, OverflowError):
        return None


def _words(value: Any) -> tuple[str, ...]:
    """A list of texts. One text alone is a list of one."""
    if isinstance(value, str):
        return (text(value),)
    return tuple(text(entry) for entry in items(value)[:_MOST_ENTRIES])


def _names(value: Any) -> tuple[str, ...]:
    return tuple(sorted(map(text, mapping(value)))[:_MOST_ENTRIES])


def _variable(entry: str) -> tuple[str, str]:
    name, _, value = entry.partition("=")
    return name, value


def _step(fields: dict) -> Step:
    return Step(
        _command(text(fields.get("created_by"))),
        fields.get("empty_layer") is True,
        moment(fields.get("created")),
        text(fields.get("comment")),
    )


def _command(recorded: str) -> str:
    """Without what builders add: `/bin/sh -c #(nop) CMD ["sh"]` was CMD ["sh"]."""
    command = recorded.strip().removesuffix(_BUILDKIT)
    if not command.startswith(_SHELL):
        return _RUN.sub("RUN ", command, 1)
    command = command.removeprefix(_SHELL).strip()
    return command.removeprefix(_NOP).strip() if command.startswith(_NOP) else f"RUN {command}"
