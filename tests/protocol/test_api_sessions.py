"""Sessions of browsers and preferences, as clients of /api/v1 see them."""

from __future__ import annotations

import sqlite3
import time

import pytest

from tests.support.api import Api
from tests.support.people import People
from tests.support.server import Registry

INSERT = (
    "INSERT INTO browser_sessions (id, digest, user_id, credential_generation, address, browser, made_at, seen_at,"
    " confirmed_at) SELECT ?, ?, id, credential_generation, '192.0.2.7', 'Firefox', ?, ?, 0 FROM users WHERE name = ?"
)
NOTHING = {"zone": None, "language": None, "theme": "auto", "shortcuts": True, "client": None}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with Registry(tmp_path_factory.mktemp("sessions") / "data", 1) as registry:
        people = People(registry)
        people.add("ann", "bob")
        people.command("user", "promote", "ann")
        yield registry


@pytest.fixture(scope="module")
def ann(registry):
    with Api(registry.address, People(registry).shown("ann")) as client:
        yield client


@pytest.fixture(scope="module")
def bob(registry):
    with Api(registry.address, People(registry).shown("bob")) as client:
        yield client


def signed_in(registry: Registry, user: str, *ids: int) -> None:
    at = int(time.time() * 1000)
    with sqlite3.connect(registry.root / "registry.db", timeout=30) as database:
        database.executemany(INSERT, [(id, f"{id:064}", at, at, user) for id in ids])
    database.close()


def ids(client: Api, path: str = "/account/sessions") -> list[str]:
    return [session["id"] for session in client.all(path)]


def test_ones_own_sessions_are_listed_and_ended(registry, ann, bob):
    signed_in(registry, "bob", 11, 12, 13)
    signed_in(registry, "ann", 21)
    page = bob.call("GET", "/account/sessions?limit=1").expect(200).json()["items"]
    assert {name: page[0][name] for name in ("id", "address", "browser")} == {
        "id": "11",
        "address": "192.0.2.7",
        "browser": "Firefox",
    }
    assert ids(bob) == ["11", "12", "13"]
    bob.call("DELETE", "/account/sessions/12").expect(204)
    for id in ("12", "21", "9" * 19):
        bob.call("DELETE", f"/account/sessions/{id}").expect(404)
    assert ids(bob) == ["11", "13"]
    bob.call("DELETE", "/account/sessions").expect(204)
    assert ids(bob) == [] and ids(ann) == ["21"]


def test_administrators_sign_somebody_out_everywhere(registry, ann, bob):
    signed_in(registry, "bob", 31, 32)
    assert ids(ann, "/users/bob/sessions") == ["31", "32"]
    bob.call("DELETE", "/users/ann/sessions").expect(403)
    ann.call("DELETE", "/users/bob/sessions").expect(204)
    ann.call("DELETE", "/users/eve/sessions").expect(404)
    assert ids(bob) == []
    (event, *_) = ann.call("GET", "/audit?action=session.end").expect(200).json()["items"]
    assert (event["actor"], event["object"], event["detail"]) == ("user ann", "user bob", {"sessions": 2})


def test_preferences_are_changed_one_by_one(bob):
    assert bob.call("GET", "/account/preferences").expect(200).json() == NOTHING
    changed = bob.call("PATCH", "/account/preferences", {"zone": "Asia/Shanghai", "language": "zh"}).expect(200)
    assert changed.json() == NOTHING | {"zone": "Asia/Shanghai", "language": "zh"}
    bob.call("PATCH", "/account/preferences", {"theme": "dark", "shortcuts": False, "zone": None}).expect(200)
    found = bob.call("GET", "/account/preferences").expect(200).json()
    assert found == NOTHING | {"language": "zh", "theme": "dark", "shortcuts": False}
    bob.call("PATCH", "/account/preferences", {"zone": "Europe/Atlantis"}).expect(422)
    for wrong in ({}, {"zone": "../x"}, {"language": "de"}, {"theme": None}, {"unknown": 1}):
        bob.call("PATCH", "/account/preferences", wrong).expect(400)
    assert bob.call("GET", "/account/preferences").expect(200).json() == found
