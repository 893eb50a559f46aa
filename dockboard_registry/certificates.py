"""When a certificate ends, read from its PEM file (RFC 5280, section 4.1; X.690)."""

import base64
import binascii
import re
from datetime import UTC, datetime
from pathlib import Path

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.S)
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_VERSION = 0xA0


def ends_at(path: str | Path) -> int | None:
    """The end of the first certificate in the file, in milliseconds since 1970. None where it can't be read."""
    try:
        found = _PEM.search(Path(path).read_bytes())
        return _not_after(base64.b64decode(found[1])) if found else None
    except (OSError, ValueError, IndexError, binascii.Error):
        return None


def _not_after(der: bytes) -> int:
    _, certificate, _ = _element(der)
    _, signed, _ = _element(certificate)
    tag, _, rest = _element(signed)
    # Serial number, algorithm and issuer come before the validity; a version may come before them.
    for _ in range(3 if tag == _VERSION else 2):
        _, _, rest = _element(rest)
    _, validity, _ = _element(rest)
    _, _, rest = _element(validity)
    tag, text, _ = _element(rest)
    return _moment(tag, text.decode("ascii"))


def _element(der: bytes) -> tuple[int, bytes, bytes]:
    """(tag, content, what follows) of the first element."""
    tag, length, start = der[0], der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start])
    return tag, der[start : start + length], der[start + length :]


def _moment(tag: int, text: str) -> int:
    """Years of two figures below 50 are those after 2000 (RFC 5280, section 4.1.2.5.1)."""
    if tag == _UTC_TIME:
        text = ("20" if int(text[:2]) < 50 else "19") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError(f"no time has the tag {tag}")
    return int(datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp() * 1000)
