"""Conditional requests and ranges, against a reading of RFC 9110 that is as plain as it can be."""

import email
import email.policy
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dockboard_registry.errors import RangeInvalid
from dockboard_registry.http.headers import Headers
from dockboard_registry.http.messages import Request
from dockboard_registry.web.conditions import MOST_RANGES, byte_ranges, multipart, not_modified

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32
OCTETS = "application/octet-stream"
NUMBERS = st.one_of(
    st.just(""),
    st.integers(0, 30).map(str),
    st.integers(0, 10**18).map(str),
    st.sampled_from(["00", "007", "0" * 19, "9" * 19, "9" * 18]),
)


def request(**headers: str) -> Request:
    fields = Headers((name.replace("_", "-"), value) for name, value in headers.items())
    return Request("GET", "/", "HTTP/1.1", fields, "127.0.0.1", "id")


def asked(text: str, size: int, **more: str):
    """(start, stop), or a list of several, None for the whole, or "refused" with the size that the refusal tells."""
    try:
        found = byte_ranges(request(Range=text, **more), size, DIGEST)
        return found[0] if found is not None and len(found) == 1 else found
    except RangeInvalid as error:
        assert error.status == 416
        assert error.headers == {"Content-Range": f"bytes */{size}"}
        return "refused"


def meant(first: str, last: str, size: int):
    """RFC 9110 section 14.1.2, by listing the bytes."""
    if first == last == "" or size == 0:
        return None
    if first == "":
        chosen = range(size)[-int(last) :] if int(last) else range(0)
    else:
        stop = int(last) + 1 if last else size
        chosen = range(size)[min(int(first), size) : min(stop, size)]
    return (chosen.start, chosen.stop) if len(chosen) else "refused"


@given(NUMBERS, NUMBERS, st.integers(0, 30))
@example("0", "0", 0)
@example("", "5", 0)
@example("0", "", 0)
def test_every_single_range_is_what_the_rfc_means(first, last, size):
    assert asked(f"bytes={first}-{last}", size) == meant(first, last, size)


@given(NUMBERS, NUMBERS, st.integers(0, 2**40))
def test_a_range_never_leaves_the_content(first, last, size):
    found = asked(f"bytes={first}-{last}", size)
    if isinstance(found, tuple):
        assert 0 <= found[0] < found[1] <= size


@pytest.mark.parametrize(
    "text",
    ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=0-1,x", "bytes=0-1,-", "bytes=,", "bytes=0-1;3-4",
     "bytes=0-1,bytes=3-4", "lines=0-1", "bytes:0-1", "0-1", "bytes=0-1x", "bytes=+0-1",
     "bytes=0--1", "bytes=--1", "bytes=0x0-1", "bytes=٣-٤", "bytes=1_0-20", "bytes=0-1\n", "bytes=" + "1" * 20 + "-",
     "bytes=0-" + "1" * 20,
     "bytes=-" + "1" * 4400, "none", "bytes=*-1", "bytes 0-1/10"],
)  # fmt: skip
def test_what_is_not_of_the_grammar_is_answered_with_the_whole(text):
    assert asked(text, 10) is None


@pytest.mark.parametrize("text", ["bytes=1 0-20", "bytes=1-2 0", "by tes=0-1", "bytes=0 - 1"])
def test_a_space_inside_makes_no_number(text):
    """Reading `1 0` as 10 would send other bytes than another reader on the way expects."""
    assert asked(text, 30) is None


@given(st.text(max_size=30))
def test_any_text_is_answered(text):
    found = asked("bytes=" + text, 10)
    if found is not None:
        assert re.fullmatch(r"[\t ,]*(\d*-\d*[\t ,]*)+", text)


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("0-1,3-4", [(0, 2), (3, 5)]),
        ("3-4,0-1", [(3, 5), (0, 2)]),
        ("0-1,\t3-4 , -2", [(0, 2), (3, 5), (98, 100)]),
        (",0-1,,3-4,", [(0, 2), (3, 5)]),
        ("0-49,50-99", [(0, 50), (50, 100)]),
        ("0-10,5-20", (0, 21)),
        ("90-95,0-10,5-20,91-", [(90, 100), (0, 21)]),
        ("5-20,30-40,0-99", (0, 100)),
        ("0-,0-,0-", (0, 100)),
        ("0-1,100-", (0, 2)),
        ("200-,0-1,300-400,98-500", [(0, 2), (98, 100)]),
        ("7-5,1-2", (1, 3)),
        ("-0,1-2", (1, 3)),
        ("100-,200-", "refused"),
    ],
)
def test_several_ranges(text, ranges):
    assert asked("bytes=" + text, 100) == ranges


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=8), st.integers(1, 30))
def test_several_ranges_send_each_wanted_byte_once(pairs, size):
    found = asked("bytes=" + ",".join(f"{first}-{last}" for first, last in pairs), size)
    wanted = {at for first, last in pairs for at in range(first, min(last + 1, size))}
    sent = (
        [at for start, stop in ([found] if type(found) is tuple else found) for at in range(start, stop)]
        if wanted
        else found
    )
    assert sent == "refused" if not wanted else sorted(sent) == sorted(wanted)


def test_more_ranges_than_the_limit_are_answered_with_the_whole():
    texts = [f"{at}-{at}" for at in range(0, 2 * MOST_RANGES + 2, 2)]
    assert len(asked("bytes=" + ",".join(texts[:MOST_RANGES]), 10**6)) == MOST_RANGES
    assert asked("bytes=" + ",".join(texts), 10**6) is None


@pytest.mark.parametrize("text", ["0-", "0-0", "-5", "-0", "5-", "0-1,3-4"])
def test_what_is_empty_is_answered_with_the_whole(text):
    assert asked("bytes=" + text, 0) is None


@pytest.mark.parametrize("digest", [DIGEST, "sha512:" + "cd" * 64])
def test_several_parts_are_what_a_mail_program_reads(digest):
    data = bytes(range(100))
    content_type, pieces = multipart([(50, 60), (0, 3)], len(data), digest)
    body = b"".join(before + data[start:stop] for start, stop, before in pieces)
    message = email.message_from_bytes(
        f"Content-Type: {content_type}\r\n\r\n".encode() + body, policy=email.policy.HTTP
    )
    parts = [
        (part["Content-Range"], part["Content-Type"], part.get_payload(decode=True)) for part in message.iter_parts()
    ]
    assert parts == [("bytes 50-59/100", OCTETS, data[50:60]), ("bytes 0-2/100", OCTETS, data[:3])]


def test_units_are_compared_without_case():
    assert asked("BYTES=1-2", 10) == (1, 3)


def test_no_header_is_the_whole():
    assert byte_ranges(request(), 10, DIGEST) is None


def test_if_range_lets_only_the_same_content_be_cut():
    assert asked("bytes=1-2", 10, If_Range=f'"{DIGEST}"') == (1, 3)
    for other in (f'"{OTHER}"', f'W/"{DIGEST}"', "Sun, 06 Nov 1994 08:49:37 GMT", '""', "*"):
        assert asked("bytes=1-2", 10, If_Range=other) is None
        assert asked("bytes=20-", 10, If_Range=other) is None


@pytest.mark.parametrize(
    "given",
    [f'"{DIGEST}"', f'W/"{DIGEST}"', "*", f'"{OTHER}", "{DIGEST}"', f'"{OTHER}",W/"{DIGEST}"  ', f' "{DIGEST}" '],
)
def test_a_known_digest_is_not_modified(given):
    assert not_modified(request(If_None_Match=given), DIGEST)


@pytest.mark.parametrize(
    "given",
    ["", '""', f'"{OTHER}"', f'"{DIGEST}x"', f'"{DIGEST[:-1]}"', DIGEST.upper(), f'"{OTHER}", W/"{OTHER}"', "**"],
)
def test_another_digest_is(given):
    assert not not_modified(request(If_None_Match=given), DIGEST)


def test_without_the_header_everything_is_modified():
    assert not not_modified(request(), DIGEST)
    assert not not_modified(request(If_Match=f'"{DIGEST}"'), DIGEST)
