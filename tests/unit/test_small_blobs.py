"""Small blobs in memory: what is kept, what is not, and how much of it."""

import pytest

from dockboard_registry.domain.content.small_blobs import HeldSource, SmallBlobs
from dockboard_registry.names import digest_of
from dockboard_registry.storage import StorageFailed


class Given(HeldSource):
    """A source that tells whether it was closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


def keep(small: SmallBlobs, key: str, data: bytes, of: bytes | None = None):
    given = Given(data)
    return given, small.keep(key, digest_of("sha256", data if of is None else of), given)


def test_what_was_kept_is_read_again_without_the_store():
    small = SmallBlobs()
    given, held = keep(small, "k", b"0123456789")
    assert given.closed and small.get("k") is held
    assert (held.size, held.read_now(2, 3), held.fileno()) == (10, b"234", None)
    held.close()
    assert held.read_now(0, 10) == b"0123456789"
    assert small.get("another") is None


def test_damaged_and_large_ones_are_not_kept():
    small = SmallBlobs()
    given, source = keep(small, "k", bytes(32769))
    assert source is given and not given.closed and small.get("k") is None
    with pytest.raises(StorageFailed):
        keep(small, "k", b"damaged", b"as pushed")
    assert small.get("k") is None
    keep(small, "k", bytes(32768))
    assert small.get("k").size == 32768


def test_those_read_longest_ago_go_first():
    small = SmallBlobs()
    for number in range(128):
        keep(small, str(number), number.to_bytes(4, "big") * 8192)
    small.get("0")
    keep(small, "0", bytes(32768))
    keep(small, "128", b"\1" * 32768)
    assert small.get("0") and small.get("128") and small.get("1") is None
    assert sum(small.get(str(number)) is not None for number in range(129)) == 128
