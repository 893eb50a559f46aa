"""What the driver asks of a bucket of any vendor. All methods block, so they are called in threads.

Names of objects are given without the prefix of the store.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from ...outbound.client import Answer
from .. import StorageFailed
from .parts import Parts

_MISSING = ("NoSuchKey", "404", "NotFound", "612")
_GONE = ("NoSuchUpload", "InvalidPart", "NoSuchKey")


class Refused(StorageFailed):
    """An answer that is an error. code: the vendor's code, or the status. words: what to do about it."""

    def __init__(self, status: int, code: str, words: str = ""):
        super().__init__(f"the object store answered {status} {code}: {words or 'see its documentation'}")
        self.status, self.code = status, code

    @property
    def missing(self) -> bool:
        """There is no such object."""
        return self.status in (404, 612) and self.code in _MISSING

    @property
    def gone(self) -> bool:
        """The upload in parts is not there, or has other parts."""
        return self.code in _GONE


class Found(NamedTuple):
    """One entry of a list. written_at: in milliseconds since 1970. upload: the id of an upload under way. size: of an
    object, in bytes; None for an upload under way.
    """

    name: str
    written_at: int
    upload: str = ""
    size: int | None = None


class Bucket(Protocol):
    """Every method raises Refused for an answer that is an error, and StorageFailed where there is none.

    lists_uploads: whether `uploads` finds what is under way. Otherwise the store drops it itself after a while.
    """

    lists_uploads: bool

    def require(self) -> None:
        """Raises Refused unless the bucket is there."""

    def put(self, name: str, body: bytes | memoryview, if_absent: bool = False) -> str:
        """Returns the ETag. if_absent: raises Refused with 409 or 412 where the object exists, if the store can."""

    def get(self, name: str, start: int = 0, length: int | None = None) -> Answer:
        """A stream from `start`."""

    def size(self, name: str) -> tuple[int, str]:
        """The number of bytes, and the ETag."""

    def delete(self, names: list[str]) -> dict[str, str]:
        """The names that could not be deleted, with the codes. Names without an object are no error."""

    def objects(self, prefix: str, after: str = "") -> Iterator[list[Found]]:
        """The objects below a prefix whose names are greater, in the order of their names, page by page."""

    def uploads(self, prefix: str, after: str = "") -> Iterator[list[Found]]:
        """The same for uploads in parts that the store still keeps something of."""

    def part_size(self, number: int) -> int:
        """How many bytes the part with this number gets, counted from 1; 0 beyond the last one. No I/O."""

    def begin(self, name: str) -> str:
        """Begin an upload in parts. Returns its id."""

    def part(self, name: str, upload: str, number: int, body: memoryview) -> str:
        """Returns the ETag. The same part may be sent again."""

    def complete(self, name: str, upload: str, parts: Parts) -> str:
        """Put the parts together. Returns the ETag of the object."""

    def etag_of(self, body: bytes | memoryview) -> str:
        """The ETag that an object of these bytes has where it was written in one piece; no I/O."""

    def whole_etag(self, parts: Parts) -> str:
        """The ETag that an object of these parts has; empty where nobody can tell."""

    def abort(self, name: str, upload: str) -> None:
        """An upload that is not there is no error."""

    def url(self, name: str) -> str | None:
        """With it everybody may fetch the object for the next 20 minutes. No I/O. Raises StartError."""

    def close(self) -> None: ...


def stream(call: Callable[..., Answer], name: str, start: int, length: int | None) -> Answer:
    """An object, or a part of it, by GET with Range (RFC 9110 section 14.2).

    call: of a vendor's bucket. Raises Refused, and StorageFailed where the store ignores Range.
    """
    if not start and length is None:
        return call("GET", name, stream=True)
    last = "" if length is None else str(start + length - 1)
    found = call("GET", name, fields={"Range": f"bytes={start}-{last}"}, stream=True)
    if found.status != 206:
        found.close()
        raise StorageFailed("the object store does not give parts of objects")
    return found
