"""Checksums and hashes of whole objects from those of their parts."""

import random
import zlib

import pytest

from dockboard_registry.storage.objects.vendors import checksums, qetag
from dockboard_registry.storage.objects.vendors.checksums import CRC32, CRC64

# From liblzma 5.4, but for the last one: the check value of CRC-64/XZ, and of Alibaba Cloud's library.
OF_1234, OF_56789, OF_ALL = 0xCE4E879366B8C328, 0x6971A807C348604B, 0x995DC9BBDF1939FA


@pytest.mark.parametrize("sizes", [(9,), (1, 8), (100, 5 << 20, 3), (0, 7, 0), ()])
def test_crc_32_of_parts_is_that_of_zlib(sizes):
    pieces = [random.Random(size).randbytes(size) for size in sizes]
    assert CRC32.of_parts([(zlib.crc32(each), len(each)) for each in pieces]) == zlib.crc32(b"".join(pieces))


def test_crc_64_of_parts_is_that_of_the_whole():
    assert CRC64.of_parts([(OF_1234, 4), (OF_56789, 5)]) == OF_ALL
    assert CRC64.of_parts([(0, 0), (OF_ALL, 9), (0, 0)]) == OF_ALL


def test_tags_keep_the_checksum_beside_the_etag():
    tags = [checksums.with_checksum("a", OF_1234), checksums.with_checksum("b", str(OF_56789))]
    assert checksums.etags(tags) == ("a", "b")
    assert checksums.of_whole(CRC64, tags, (4, 5)) == OF_ALL
    assert checksums.of_whole(CRC64, ["a:0", "b:0"], (0, 0)) == 0
    assert (checksums.with_checksum("a", None), checksums.with_checksum("a", "none")) == ("a", "a")
    assert checksums.of_whole(CRC64, [tags[0], "b"], (4, 5)) is None


def filled(size: int) -> bytes:
    """The files of the tests of Qiniu's libraries."""
    return (b"A" + b"b" * 4093 + b"\r\n") * (size // 4096)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "Fto5o-5ea0sNMlW_75VgGJCv2AcJ"),
        (b"etag", "FpLiADEaVoALPkdb8tJEJyRTXoe_"),
        (filled(4 << 20), "FicHOveBNs5Kn9d74M3b9tI4D-8r"),
        (filled(9 << 20), "ljgVjMtyMsOgIySv79U8Qz4TrUO4"),
    ],
)
def test_hashes_of_kodo_are_those_of_its_libraries(data, expected):
    assert qetag.of_bytes(data) == expected
    assert qetag.of_bytes(memoryview(data)) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((b"hello", b"world"), "ns56DcSIfBFUENXjdhsJTIvl3Rcu"),
        ((filled(1 << 19), filled(1 << 23)), "nt82yvMNHlNgZ4H8_A_4de84mr2f"),
        ((b"one",), ""),
    ],
)
def test_hashes_of_parts_are_those_of_kodo_s_libraries(parts, expected):
    assert qetag.of_parts(tuple(qetag.of_bytes(each) for each in parts)) == expected


def test_what_is_no_hash_of_kodo_tells_nothing():
    assert qetag.of_parts(("not a hash", "x")) == qetag.of_parts(("YQ==", "YQ==")) == ""
