"""Times as readers see them: in their zone, and how long ago."""

import functools
import time
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ...wording import LATEST_SHOWN

_STEPS = ((60, 1, "seconds"), (3600, 60, "minutes"), (86400, 3600, "hours"), (60 * 86400, 86400, "days"))
_MONTH, _YEAR = 30 * 86400, 365 * 86400


class Zone(NamedTuple):
    """name: as pages show it."""

    name: str
    info: tzinfo


UTC_ZONE = Zone("UTC", UTC)


@functools.lru_cache(64)
def zone(name: str) -> Zone:
    """The zone of that name in the time zone database; UTC where there is none of that name."""
    try:
        return Zone(name, ZoneInfo(name)) if name else UTC_ZONE
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC_ZONE


def shown(ms: int, where: Zone, seconds: bool = False) -> str:
    """2026-11-28 09:14, of milliseconds since 1970. A later time than can be shown is the last one that can."""
    return _at(ms, where.info).isoformat(" ")[: 19 if seconds else 16]


def machine(ms: int) -> str:
    """The value of a datetime attribute."""
    return f"{_at(ms, UTC).isoformat()[:19]}Z"


def _at(ms: int, where: tzinfo) -> datetime:
    return datetime.fromtimestamp(min(ms, LATEST_SHOWN) / 1000, where)


def ago(ms: int) -> tuple[str, int]:
    """The unit in which the time since then is told, and how many of it: ("hours", 2)."""
    passed = time.time() - ms / 1000
    if passed < -60:
        return "later", 0
    for limit, unit, name in _STEPS:
        if passed < limit:
            return name, max(int(passed // unit), 0)
    return ("months", int(passed // _MONTH)) if passed < 2 * _YEAR else ("years", int(passed // _YEAR))
