"""When a user was last seen: by password, by access token and by a token of the token server; and signing keys that a
running server renews.
"""

from __future__ import annotations

import sqlite3
import time

from tests.support.http import Client
from tests.support.people import As, People, basic, bearer
from tests.support.server import Registry, wait_for

NEVER, LONG_AGO = "UPDATE users SET last_seen_at = NULL", "UPDATE signing_keys SET created_at = 0"


def changed(registry: Registry, sql: str) -> None:
    with sqlite3.connect(registry.root / "registry.db", timeout=30) as database:
        database.execute(sql)
    database.close()


def seen(registry: Registry) -> bool:
    with sqlite3.connect(registry.root / "registry.db", timeout=30) as database:
        (at,) = database.execute("SELECT last_seen_at FROM users WHERE name = 'bob'").fetchone()
    database.close()
    return at is not None and abs(at / 1000 - time.time()) < 300


def test_every_way_of_being_there_is_noted(tmp_path):
    registry = Registry(tmp_path / "data", 1)
    with registry:
        people = People(registry)
        people.add("bob")
        secret = people.command("token", "add", "bob", "--name", "ci")
        token = people.bearer(basic("bob", secret), "repository:bob/app:pull")
    for shown in (basic("bob"), basic("bob", secret), token):
        changed(registry, NEVER)
        with registry, As(registry.address, shown) as bob:
            assert bob.get("/v2/bob/app/manifests/v1").status == 404
            wait_for(lambda: seen(registry), 20, "the note")
            # Within five minutes nothing more is written.
            changed(registry, NEVER)
            for _ in range(20):
                bob.get("/v2/bob/app/manifests/v1")
            time.sleep(0.3)
            assert not seen(registry)


def test_a_running_server_renews_its_key_and_tokens_go_on(tmp_path):
    with Registry(tmp_path / "data", 2, gc_interval=1, auth_audit_days=1) as registry:
        people = People(registry)
        people.add("bob")
        token = people.bearer(basic("bob"), "repository:bob/app:pull,push")
        changed(registry, LONG_AGO)
        changed(registry, "UPDATE audit SET id = 1 WHERE action = 'user.add'")
        wait_for(lambda: "key.rotate" in people.command("audit"), 60, "another key")
        with As(registry.address, token) as bob:
            bob.push_image("bob/app", "v1", [b"layer"])
        with As(registry.address, people.bearer(basic("bob"), "repository:bob/app:pull")) as bob:
            assert bob.pull_image("bob/app", "v1") == [b"layer"]
        wait_for(lambda: "user.add" not in people.command("audit"), 60, "the end of old changes")
        assert people.command("audit", "--action", "key.rotate").count("key.rotate") == 1
        with Client(registry.address) as client:
            client.get("/v2/bob/app/manifests/v1").expect(401)
            client.get("/v2/", bearer("x")).expect(401)
