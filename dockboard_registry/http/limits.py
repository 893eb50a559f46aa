"""How large a request's head may be, and the content codings that are read."""

from ..errors import HeadersTooLarge, MediaUnsupported, UriTooLong
from ..wording import quoted
from .headers import Headers

_HEADER_BYTES, _RANGE_BYTES, _HEADER_FIELDS, _URL_BYTES = 16 << 10, 32 << 10, 100, 8 << 10


def check_limits(target: str, headers: Headers) -> None:
    """Raises UriTooLong, HeadersTooLarge, MediaUnsupported."""
    if len(target) > _URL_BYTES:
        raise UriTooLong("the URL has more than 8 KiB")
    # podman asks for a thousand ranges of a large blob, which are 20 KiB of text.
    size = headers.size - min(len(headers.get("Range", "")), _RANGE_BYTES)
    if headers.lines > _HEADER_FIELDS or size > _HEADER_BYTES:
        raise HeadersTooLarge(f"the header has {headers.lines} fields and {size} bytes")
    coding = headers.get("Content-Encoding", "identity")
    if coding.lower() != "identity":
        raise MediaUnsupported(f"Content-Encoding: {quoted(coding)} is not read")
