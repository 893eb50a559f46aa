"""The fields of a request: the same from a block of text and from Tornado's parser, by names in any case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders

from dockboard_registry.http.headers import Headers

NAMES = ["X-Dockboard-CSRF", "x-dockboard-csrf", "X-DOCKBOARD-CSRF", "x-Dockboard-Csrf"]
LINES = st.lists(
    st.tuples(
        st.sampled_from(["Host", "hOST", "range", "Range", "X-Dockboard-CSRF", "ETag", "www-authenticate"]),
        st.text("abc, :=-09", max_size=8).map(str.strip),
    ),
    max_size=12,
)


@pytest.mark.parametrize("sent", NAMES)
@pytest.mark.parametrize("asked", NAMES)
def test_a_name_is_found_in_any_case(sent, asked):
    headers = Headers([("Host", "x"), (sent, "secret")])
    assert (headers.get(asked), headers[asked], asked in headers) == ("secret", "secret", True)
    assert dict(headers) == {"host": "x", "x-dockboard-csrf": "secret"}


def test_what_is_not_there():
    headers = Headers([("Host", "x")])
    assert headers.get("Range") is None and headers.get("Range", "") == "" and "Range" not in headers
    with pytest.raises(KeyError):
        headers["Range"]


@given(LINES)
def test_both_parsers_give_the_same(lines):
    block = "".join(f"{name}: {value}\r\n" for name, value in lines) + "\r\n"
    tornado = HTTPHeaders.parse(block[:-2])
    read, taken = Headers.parse(block.encode()), Headers(tornado.get_all())
    assert dict(read) == dict(taken) == {name.lower(): value for name, value in tornado.items()}
    assert (read.lines, read.size) == (taken.lines, taken.size)
    assert (read.lines, read.size) == (len(lines), sum(len(name) + len(value) for name, value in lines))


def test_what_is_asked_for_with_each_request():
    lines = [("authorization", "Bearer a"), ("USER-AGENT", "docker"), ("connection", "CLOSE"), ("x-Forwarded-For", "y")]
    headers = Headers(lines)
    assert (headers.authorization, headers.agent, headers.closes, headers.forwarded) == (
        "Bearer a",
        "docker",
        True,
        True,
    )
    headers = Headers([("Connection", "keep-alive")])
    assert (headers.authorization, headers.agent, headers.closes, headers.forwarded) == (None, "-", False, False)


def test_another_value_for_one_name():
    headers = Headers([("HOST", "x"), ("Range", "bytes=0-1")])
    other = headers.with_field("Host", "y")
    assert dict(other) == {"host": "y", "range": "bytes=0-1"} and dict(headers)["host"] == "x"
    assert (other.lines, other.size) == (headers.lines, headers.size)
