"""Rights that are lost while a request is under way: its body came slowly, and what it asked for is not done."""

from __future__ import annotations

import json
import socket
from http.client import HTTPResponse

import pytest

from tests.protocol.test_api import (
    LONG,
    ann,
    as_user,
    bob,
    registry,
    shown,
)
from tests.support.api import ROOT, Api
from tests.support.people import PASSWORD, basic, bearer

pytestmark = pytest.mark.database

# What the question of rights answers where it is asked once more, or for the first time.
REFUSED = {401, 403, 404}


class Slow:
    """A request whose body is sent only after its rights were asked: the server says when with 100 Continue.

    (A proxy may say it earlier.)
    """

    def __init__(self, registry, method: str, path: str, shown: dict, document: object = None) -> None:
        """Without a document it is a body in chunks, of which there are none."""
        host, _, port = registry.address.rpartition(":")
        self._body = json.dumps(document).encode() if document is not None else b"0\r\n\r\n"
        length = (
            {"Content-Type": "application/json", "Content-Length": len(self._body)}
            if document is not None
            else {"Transfer-Encoding": "chunked"}
        )
        head = {"Host": registry.address, "Expect": "100-continue", **length, **shown}
        self._socket = socket.create_connection((host, int(port)), timeout=60)
        self._socket.sendall(
            "\r\n".join(
                [f"{method} {ROOT}{path} HTTP/1.1", *(f"{key}: {value}" for key, value in head.items()), "", ""]
            ).encode()
        )
        interim = b""
        while not interim.endswith(b"\r\n\r\n"):
            interim += self._socket.recv(1) or pytest.fail(f"the server closed after {interim!r}")
        assert interim.startswith(b"HTTP/1.1 100")

    def end(self) -> int:
        """Send the body; the status."""
        with self._socket, HTTPResponse(self._socket) as answer:
            self._socket.sendall(self._body)
            answer.begin()
            return answer.status


def test_who_is_no_administrator_any_more_makes_no_other(registry, ann):
    ann.call("POST", "/users", {"name": "leo", "password": LONG, "administrator": True}).expect(201)
    requests = [
        Slow(registry, "PATCH", "/users/eve", basic("leo", LONG), {"administrator": True}),
        Slow(registry, "POST", "/users", basic("leo", LONG), {"name": "max", "password": LONG, "administrator": True}),
        Slow(registry, "PUT", "/users/ann/password", basic("leo", LONG), {"password": LONG}),
        Slow(registry, "PATCH", "/repositories/acme%2Fapp", basic("leo", LONG), {"description": "mine"}),
    ]
    ann.call("PATCH", "/users/leo", {"administrator": False}).expect(200)
    assert {request.end() for request in requests} <= REFUSED
    assert ann.call("GET", "/users/eve").json()["administrator"] is False
    ann.call("GET", "/users/max").expect(404)
    assert ann.call("GET", "/repositories/acme%2Fapp").json()["description"] is None


def test_who_is_no_administrator_any_more_deletes_nothing(registry, ann, bob):
    """A DELETE may have a body too, which comes as slowly."""
    ann.call("POST", "/users", {"name": "ute", "password": LONG, "administrator": True}).expect(201)
    upload = bob.start_upload("acme/app").partition("?")[0].rpartition("/")[2]
    paths = [
        f"/uploads/{upload}",
        "/repositories/acme%2Fapp/tags/v1",
        "/repositories/acme%2Fapp",
        "/organizations/acme",
        "/users/eve",
    ]
    requests = [Slow(registry, "DELETE", path, basic("ute", LONG)) for path in paths]
    ann.call("PATCH", "/users/ute", {"administrator": False}).expect(200)
    assert {request.end() for request in requests} <= REFUSED
    bob.call("DELETE", f"/uploads/{upload}").expect(204)
    bob.get("/v2/acme/app/manifests/v1").expect(200)


def test_a_token_that_was_revoked_changes_nothing(registry):
    with Api(registry.address, basic("eve")) as eve:
        secret = eve.call("POST", "/account/tokens", {"name": "leaked"}).expect(201).json()["secret"]
        request = Slow(registry, "PATCH", "/account", bearer(secret), {"company": "kept"})
        eve.call("DELETE", "/account/tokens/leaked").expect(204)
        assert request.end() in REFUSED
        assert eve.call("GET", "/account").json()["user"]["company"] is None


@pytest.mark.parametrize("role", [None, "member"])
def test_who_owns_an_organization_no_longer_gives_no_rights(registry, bob, role):
    bob.call("PUT", "/organizations/acme/members/eve", {"role": "owner"}).expect(204)
    request = Slow(registry, "PUT", "/grants/acme%2F**/user:eve", basic("eve"), {"right": "admin"})
    bob.call("PUT" if role else "DELETE", "/organizations/acme/members/eve", {"role": role} if role else None).expect(
        204
    )
    assert request.end() in REFUSED
    assert bob.call("GET", "/namespaces/acme/grants").json() == {"items": []}
    if role:
        bob.call("DELETE", "/organizations/acme/members/eve").expect(204)


def test_what_changes_for_others_meanwhile_is_no_hindrance(registry, ann, bob):
    request = Slow(registry, "POST", "/organizations/acme/teams", basic("bob", PASSWORD), {"name": "while"})
    ann.call("POST", "/users", {"name": "nat", "password": LONG}).expect(201)
    assert request.end() == 201
    bob.call("DELETE", "/organizations/acme/teams/while").expect(204)
