"""Durations and sizes as people write them, the same in the configuration and in commands: 90d, 1h, 30m; 10GiB, 10G."""

import re
import time

from .errors import FieldInvalid

# The form that the API takes. It needs a letter, because plain numbers of the API are milliseconds.
DURATION_GRAMMAR = "[0-9]{1,6}[smhdw]"
DURATION_EXAMPLES = "90d, 12h, 30m or 45s"
SIZE_EXAMPLES = "500MiB, 10GiB or 10G"
_DURATION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?[smhdw]?", re.A)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
# Read as by coreutils: 10G is 10GiB, and 10GB is a power of ten.
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?)(?:([KMGTP])(IB|I|B)?|B)?", re.A | re.I)
_POWERS = "KMGTP"
_LONGEST = 100 * 366 * 86400


def seconds(text: str) -> int | float:
    """The seconds of 90d, 12h, 30m, 45s or 2w. A number alone is seconds. Raises ValueError."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text[:60]!a} is not a duration")
    unit = text[-1] if text[-1] in _SECONDS else ""
    amount, parts = _product(text.removesuffix(unit), _SECONDS[unit or "s"])
    return amount / parts if amount % parts else amount // parts


def size(text: str) -> int:
    """The bytes of 10GiB, 10G, 1.5GiB, 10GB or 512. A number alone is bytes. Raises ValueError."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:60]!a} is not a size")
    number, letter, rest = found.groups("")
    base = 1000 if rest.upper() == "B" else 1024
    amount, parts = _product(number, base ** (_POWERS.index(letter.upper()) + 1 if letter else 0))
    return amount // parts


def _product(number: str, unit: int) -> tuple[int, int]:
    """A decimal number times the unit, as a fraction of whole numbers: (numerator, denominator)."""
    whole, _, decimals = number.partition(".")
    return int(whole + decimals) * unit, 10 ** len(decimals)


def duration(text: str) -> int | float:
    """The same for a value of a command or a request. Raises FieldInvalid."""
    try:
        found = seconds(text)
    except ValueError as error:
        raise FieldInvalid(
            str(error),
            f"write a number with s, m, h, d or w, such as {DURATION_EXAMPLES}; without a letter it is seconds",
        ) from None
    if found > _LONGEST:
        raise FieldInvalid(
            f"{text!a} is more than a hundred years", "write a shorter time, or leave the flag out for no limit"
        )
    return found


def in_future(text: str | None) -> int | None:
    """The time that is so far away, in milliseconds since 1970; None stays None.

    Raises FieldInvalid, also for a duration of 0: what would end at once is a mistake.
    """
    if text is None:
        return None
    seconds = duration(text)
    if not seconds:
        raise FieldInvalid("it would have expired at once", "write how long it counts, such as 90d, or leave that out")
    return int((time.time() + seconds) * 1000)
