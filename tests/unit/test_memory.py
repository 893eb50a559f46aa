"""What a worker remembers of requests is bounded, and no password stays in it."""

import base64

import pytest

from dockboard_registry.http.fast_path import FastPath
from dockboard_registry.web.auth.credentials import VerifiedTokens

CREDENTIALS = base64.b64encode(b"bob:correct horse").decode()


def request(authorization: str) -> bytes:
    return f"GET /v2/bob/app/tags/list HTTP/1.1\r\nHost: hub.example\r\nAuthorization: {authorization}\r\n\r\n".encode()


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "Bearerr"])
def test_the_lane_remembers_no_password(scheme):
    fast_path = FastPath(None)
    for _ in range(2):
        assert fast_path.read(request(f"{scheme} {CREDENTIALS}")).fields["Authorization"] == f"{scheme} {CREDENTIALS}"
        assert CREDENTIALS not in repr(vars(fast_path))


def test_the_lane_remembers_other_heads():
    fast_path = FastPath(None)
    assert fast_path.read(request("Bearer a.b.c")) is fast_path.read(request("Bearer a.b.c"))


def test_long_tokens_are_few_and_the_newest_stay():
    tokens = VerifiedTokens()
    headers = [f"{number:010000d}" for number in range(2000)]
    for header in headers:
        tokens.keep(header, header)
        tokens.keep(header, header)
    assert list(tokens) == headers[-len(tokens) :]
    assert 1 << 20 < sum(map(len, tokens)) <= 8 << 20


def test_what_is_forgotten_makes_room():
    tokens = VerifiedTokens()
    for number in range(2000):
        tokens.keep(f"{number:010000d}", number)
        tokens.forget(f"{number:010000d}")
        tokens.forget("what never was there")
    tokens.keep("short", 1)
    assert list(tokens) == ["short"]
