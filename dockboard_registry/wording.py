"""How numbers and times are written for people, the same in every list and message."""

import time


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 problem`, `2 problems`, `1,024 bytes`. plural: where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def moment(milliseconds: int) -> str:
    """A time of the database, in milliseconds since 1970, in UTC: `2026-11-23T16:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(milliseconds / 1000))
