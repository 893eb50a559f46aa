"""How numbers, times, quoted texts and the system's errors are written for people, the same everywhere."""

import re
import time

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_NUMBER = re.compile(r"\[Errno -?[0-9]+\] ")


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 problem`, `2 problems`, `1,024 bytes`. plural: where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def sized(count: int) -> str:
    """Bytes with three significant digits: 999 B, 1.00 KiB, 47.2 MiB, 131 MiB."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    if unit == 0:
        return f"{count} B"
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {_UNITS[unit]}"


def quoted(text: str, longest: int = 60) -> str:
    """The beginning of a text that somebody sent, for an error that names it.

    ASCII only, and no character that HTML gives a meaning to.
    """
    return ascii(text[:longest]).replace("<", r"\x3c") + ("..." if len(text) > longest else "")


def sentence(text: str) -> str:
    """A cause or a next step as a whole sentence: with a capital letter and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


# 9999-12-31T00:00:00Z in milliseconds since 1970. Later times can't be shown in every zone: years have four figures.
LATEST_SHOWN = 253_402_214_400_000


def moment(milliseconds: int) -> str:
    """A time of the database (milliseconds since 1970) in UTC: `2026-11-23T16:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(milliseconds / 1000))


def why(error: Exception) -> str:
    """What went wrong, and with which file. Without the numbers and names that Python and OpenSSL put before it."""
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    reason = getattr(error, "reason", None)
    if isinstance(error, OSError) and isinstance(reason, str):
        return reason.lower().replace("_", " ")
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return _NUMBER.sub("", str(error)) or type(error).__name__
