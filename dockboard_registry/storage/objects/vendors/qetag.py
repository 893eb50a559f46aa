"""The hashes by which Kodo names what it stores, as it publishes them: SHA-1s of blocks, and of these.

Sources: github.com/qiniu/qetag, and etag/src/etag_v2.rs of github.com/qiniu/rust-sdk for objects of parts.
"""

import base64
import hashlib

from ..signers.forms import url_base64

_BLOCK = 4 << 20


def of_bytes(body: bytes | memoryview) -> str:
    """Of an object, or a part, that was written in one request."""
    blocks = [_sha1(body[start : start + _BLOCK]) for start in range(0, max(len(body), 1), _BLOCK)]
    return url_base64(b"\x16" + blocks[0] if len(blocks) == 1 else b"\x96" + _sha1(b"".join(blocks)))


def of_parts(etags: tuple[str, ...]) -> str:
    """Of an object of parts with these hashes, whose first one has not exactly 4 MiB. Empty where one is no hash, and
    for a single part: there the sources differ.
    """
    try:
        hashes = [base64.b64decode(etag, altchars=b"-_", validate=True) for etag in etags]
    except ValueError:
        return ""
    if len(hashes) < 2 or any(len(each) != 21 for each in hashes):
        return ""
    return url_base64(b"\x9e" + _sha1(b"".join(each[1:] for each in hashes)))


def _sha1(data: bytes | memoryview) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()
