"""The lines between the data of a chunked body (RFC 9112 section 7.1).

Extensions and trailers are skipped, up to a limit.
"""

import re

_EXTENSION, _TEXT = rb"(?:[ \t]*;[\t -~\x80-\xff]*)?", rb"[\t -~\x80-\xff]*"
_NAME = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SIZE = rb"(?P<size>[0-9A-Fa-f]{1,15})" + _EXTENSION + rb"\r\n"
_SIZE_PART = rb"(?:[0-9A-Fa-f]{1,15}(?:[ \t]*|[ \t]*;" + _TEXT + rb")\r?)?"
_TRAILER = rb"(?P<end>\r\n)|" + _NAME + rb":" + _TEXT + rb"\r\n"

# What may come next, complete and as a beginning.
FIRST = re.compile(_SIZE), re.compile(_SIZE_PART)
LATER = re.compile(rb"\r\n" + _SIZE), re.compile(rb"\r?|\r\n" + _SIZE_PART)
TRAILER = re.compile(_TRAILER), re.compile(rb"\r?|" + _NAME + rb"(?::" + _TEXT + rb"\r?)?")
LINE_LIMIT = 4 << 10
# Bytes of lines beyond what senders need, in the whole body.
_MOST = 16 << 10
# Bytes that a line may always have, in addition to one for each byte of its data.
_PLAIN_LINE = 16


def is_plain(line: int, data: int) -> bool:
    """Whether a line of this length is in proportion to the data after it."""
    return line <= _PLAIN_LINE + data


class ChunkOverhead:
    """Counts the bytes of needlessly long lines in a body.

    Without a limit each byte of data could bring a thousand of them.
    """

    def __init__(self) -> None:
        self._size = 0

    def is_too_much(self, line: int, data: int) -> bool:
        """Count a line of this length before so much data."""
        self._size = max(self._size + line - _PLAIN_LINE - data, 0)
        return self._size > _MOST

    def is_too_much_behind(self, line: int) -> bool:
        """The same after all data. Short lines count too; otherwise there could be any number of them."""
        self._size += _PLAIN_LINE + line
        return self._size > _MOST
