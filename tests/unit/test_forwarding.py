"""What the headers of proxies mean, in all the spellings that proxies give them."""

from ipaddress import ip_address, ip_network

import pytest

from dockboard_registry.http.forwarding import client, says_https
from dockboard_registry.http.headers import Headers

PEER = "10.0.0.1"
NETWORK = ip_network("10.0.0.0/8")


def trusted(address: str) -> bool:
    found = ip_address(address)
    return found.version == 4 and found in NETWORK


def forwarded(*lines: tuple[str, str]) -> Headers:
    return Headers(lines)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:5000", "198.51.100.7"),
        ('"198.51.100.7"', "198.51.100.7"),
        ('"198.51.100.7:5000"', "198.51.100.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("2001:DB8:0:0::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:5000", "2001:db8::7"),
        ('"[2001:db8::7]:5000"', "2001:db8::7"),
        ("2001:db8:1:2:3:4:5:6:5000", "2001:db8:1:2:3:4:5:6"),
        ("fe80::7%eth0", "fe80::7"),
        ("[fe80::7%25eth0]:5000", "fe80::7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("[::ffff:198.51.100.7]:5000", "198.51.100.7"),
        # Nothing that is an address, or nothing that can be read: the peer stands for its clients.
        ("", PEER), (",", PEER), ("unknown", PEER), ("_hidden", PEER), ("junk", PEER), ("198.51.100.7.example", PEER),
        ("1.2.3.256:80", PEER), (":5000", PEER), ("[]", PEER),
        # Of several the nearest that is no trusted proxy.
        ("192.0.2.1, 198.51.100.7", "198.51.100.7"),
        ("192.0.2.1,198.51.100.7:1,10.0.0.2:2, 10.0.0.3", "198.51.100.7"),
        ("192.0.2.1, [2001:db8::7]:5000, 10.0.0.2", "2001:db8::7"),
        ("10.0.0.9, 10.0.0.2", "10.0.0.9"),
        ("198.51.100.7, ::ffff:10.0.0.2", "198.51.100.7"),
        # A proxy that hides its client, or leaves its place empty, is passed over; what can't be read is not.
        ("unknown, 198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, unknown", "198.51.100.7"),
        ("198.51.100.7, Unknown, , 10.0.0.2", "198.51.100.7"),
        ("198.51.100.7,,", "198.51.100.7"),
        ("198.51.100.7, junk", PEER),
        ("198.51.100.7, junk, 10.0.0.2", "10.0.0.2"),
        # Who is behind a made-up name has written what stands on the left of it.
        ("198.51.100.7, _abc", PEER),
        ("198.51.100.7, _abc, unknown, 10.0.0.2", "10.0.0.2"),
        ("192.0.2.1," * 3000 + "198.51.100.7", "198.51.100.7"),
    ],
)  # fmt: skip
def test_who_a_trusted_proxy_speaks_for(value, found):
    assert client(forwarded(("X-Forwarded-For", value)), PEER, trusted) == found


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([], PEER),
        ([("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-For", "198.51.100.7")], "198.51.100.7"),
        ([("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-For", "10.0.0.2:80")], "198.51.100.7"),
        ([("Forwarded", "for=198.51.100.7;proto=https;by=10.0.0.1")], "198.51.100.7"),
        ([("Forwarded", 'proto=https;For="[2001:db8::7]:5000"')], "2001:db8::7"),
        ([("Forwarded", "for=192.0.2.1, for=198.51.100.7"), ("Forwarded", "for=10.0.0.2")], "198.51.100.7"),
        ([("Forwarded", "for=198.51.100.7, for=unknown")], "198.51.100.7"),
        ([("Forwarded", 'for=198.51.100.7, for="_gazonk"')], PEER),
        ([("Forwarded", "proto=https")], PEER),
        # A quote that a client left open on the left hides nothing that a proxy adds on the right.
        ([("Forwarded", 'for=192.0.2.1;by="'), ("Forwarded", 'for="[2001:db8::7]:80"')], "2001:db8::7"),
        ([("Forwarded", "for=192.0.2.1"), ("X-Forwarded-For", "198.51.100.7")], "198.51.100.7"),
    ],
)
def test_lines_and_headers(lines, found):
    assert client(forwarded(*lines), PEER, trusted) == found


@pytest.mark.parametrize(
    "lines",
    [
        *(
            [("X-Forwarded-Proto", value)]
            for value in (
                "https",
                "HTTPS",
                "Https",
                "https , http",
                '"https"',
                "https,https",
                "https, http",
                "https,http",
                "http, https",
                ",https",
            )
        ),
        [("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "https")],
        [("X-Forwarded-Proto", "http"), ("X-Forwarded-Proto", "https")],
        [("x-forwarded-proto", "https")],
        [("X-Forwarded-Ssl", "on")],
        *(
            [("Forwarded", value)]
            for value in (
                "proto=https",
                "for=192.0.2.1;proto=https",
                'for=192.0.2.1;Proto="HTTPS";by=_a',
                "for=a;proto=http, for=b;proto=https",
                "for=a, proto=https",
            )
        ),
    ],
)
def test_what_says_https(lines):
    assert says_https(forwarded(*lines))


@pytest.mark.parametrize(
    "lines",
    [
        [],
        *([("X-Forwarded-Proto", value)] for value in ("http", "", ",", "httpsx", "xhttps", "https://", "ws")),
        [("X-Forwarded-Ssl", "off")],
        *(
            [("Forwarded", value)]
            for value in ("proto=http", "for=https", "xproto=https", "proto=httpsx", "host=proto.https")
        ),
    ],
)
def test_what_does_not_say_https(lines):
    assert not says_https(forwarded(*lines))
