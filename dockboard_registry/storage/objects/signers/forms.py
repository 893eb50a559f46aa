"""Where a signed request goes, and how names are encoded."""

import base64
import re
import time
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote

Query = tuple[tuple[str, str], ...]


class Place(NamedTuple):
    """Where a request goes. host: as the field Host has it. path: not encoded yet. query: pairs, not encoded yet."""

    host: str
    path: str
    query: Query = ()


# Texts that stay as they are. quote() would take longer to find that out.
_PLAIN, _PLAIN_PATH = re.compile(r"[A-Za-z0-9_.~-]*"), re.compile(r"[A-Za-z0-9_.~/-]*")


def encoded(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else quote(text, safe="-_.~")


def encoded_path(path: str) -> str:
    return path if _PLAIN_PATH.fullmatch(path) else quote(path, safe="-_.~/")


def encoded_query(query: Iterable[tuple[str, str]]) -> str:
    return "&".join(
        f"{name}={value}" for name, value in sorted((encoded(name), encoded(value)) for name, value in query)
    )


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def url_base64(data: bytes) -> str:
    """The alphabet for URLs, with the padding."""
    return base64.urlsafe_b64encode(data).decode()


def compact_date(at: float | None) -> str:
    """A time such as 20231114T221320Z; None = now."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
