"""What registries with accounts got wrong elsewhere (security A2, A12, S9, S20, S24, S29, S30): measured at the HTTP
edge of a running one.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import sqlite3
import statistics
import time
from pathlib import Path

import pytest

from tests.protocol import wire
from tests.support.http import Client, digest_of
from tests.support.people import As, People, basic
from tests.support.rounds import LONG
from tests.support.server import Registry

LAYER = b"only bob has this"
KNOWN = 24 if LONG else 4
# Requests of each kind: 200 by the reference, few by default.
ROUNDS = 200 if LONG else 4


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """bob has a private image, eve has one too; u0 and so on are known users whose passwords are guessed."""
    settings = {"auth_anonymous": "pull", "server_trusted_proxies": ["127.0.0.1/32"], "log_access": "false"}
    with Registry(tmp_path_factory.mktemp("accounts") / "data", 1, **settings) as registry:
        people = People(registry)
        people.add("ann", "bob", "eve", "a_b", "axb", *(f"u{number}" for number in range(KNOWN)))
        for name, layer in (("bob", LAYER), ("eve", b"eve's")):
            with people.as_user(name) as client:
                client.push_image(f"{name}/app", "v1", [layer])
        yield registry


@pytest.fixture(scope="module")
def people(registry):
    return People(registry)


def elsewhere() -> dict[str, str]:
    """From an address that no failed login came from."""
    return {"X-Forwarded-For": f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"}


def processor(registry) -> float:
    """Seconds of processor time that the workers have used."""
    ticks = 0
    for pid in registry.workers():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@pytest.mark.alone
@pytest.mark.timeout(900)
def test_who_is_not_there_costs_what_a_wrong_password_costs(registry, people):
    """security A2.

    By default the processor time of a few, which a busy machine does not change much; the long form compares medians of
    200.
    """
    # Known users are asked for nine times at most, before anybody has to wait; every second one has logged in and so
    # has a hash of ours.
    for number in range(0, KNOWN, 2):
        with people.as_user(f"u{number}") as client:
            client.request("GET", "/v2/", elsewhere()).expect(200)
    known = itertools.cycle(range(KNOWN))
    kinds = {
        "known": lambda: basic(f"u{next(known)}", "wrong password"),
        "unknown": lambda: basic(f"nobody{secrets.token_hex(4)}", "wrong password"),
        "no name": lambda: basic(f"No Name {secrets.token_hex(4)}", "wrong password"),
    }
    taken, used = {kind: [] for kind in kinds}, dict.fromkeys(kinds, 0.0)
    with Client(registry.address) as client:
        for _ in range(ROUNDS):
            for kind, make in kinds.items():
                headers, before, begun = {**make(), **elsewhere()}, processor(registry), time.perf_counter()
                client.get("/token", headers).expect(401)
                taken[kind].append(time.perf_counter() - begun)
                used[kind] += processor(registry) - before
    medians = {kind: statistics.median(times) * 1000 for kind, times in taken.items()}
    print(
        {
            kind: f"{median:.1f} ms, {used[kind] / ROUNDS * 1000:.0f} ms of processor"
            for kind, median in medians.items()
        },
        f"n = {ROUNDS}",
    )
    if LONG:
        assert max(medians.values()) < 1.05 * min(medians.values())
    assert max(used.values()) < 1.4 * min(used.values())


def test_a_password_is_computed_once_a_minute_and_not_with_each_request(registry, people):
    """security A12: 200 pulls with Basic cost about what they cost with a token; the long form waits until the minute
    is over.
    """
    with people.as_user("bob") as client:
        client.get("/v2/bob/app/manifests/v1").expect(200)
        begun, before = time.monotonic(), processor(registry)
        for _ in range(200):
            client.get("/v2/bob/app/manifests/v1").expect(200)
        assert processor(registry) - before < 2.0
        if LONG:
            time.sleep(max(0.0, 61 - (time.monotonic() - begun)))
            before = processor(registry)
            client.get("/v2/bob/app/manifests/v1").expect(200)
            assert processor(registry) - before > 0.1


def test_what_is_remembered_is_no_other_pair_of_name_and_password(registry, people):
    """security S20: name and password are told apart by their lengths, so no two pairs are one."""
    people.set_password("a_b", "a_b:staple battery")
    shown = basic("a_b", "a_b:staple battery")["Authorization"]
    with Client(registry.address) as client:
        client.get("/v2/", {"Authorization": shown, **elsewhere()}).expect(200)
        for name, password in (
            ("a_", "ba_b:staple battery"),
            ("a_ba_b", ":staple battery"),
            ("a_b", "a_b:staple batter"),
        ):
            client.get("/v2/", {**basic(name, password), **elsewhere()}).expect(401)
        client.get("/v2/", {"Authorization": shown, **elsewhere()}).expect(200)


@pytest.mark.alone
def test_a_blob_that_only_others_have_is_like_none(registry, people):
    """security S9: whether anybody has these bytes can't be asked for, neither below the own name nor below theirs."""
    private, none = digest_of(LAYER), digest_of(b"nobody has this")
    with people.as_user("eve") as eve:
        for method, path in (
            ("HEAD", "/v2/{0}/blobs/{1}"), ("GET", "/v2/{0}/blobs/{1}"), ("DELETE", "/v2/{0}/blobs/{1}"), ("GET",
            "/v2/{0}/referrers/{1}"),
            ("GET", "/v2/{0}/manifests/{1}"), ("POST", "/v2/{0}/blobs/uploads/?mount={1}&from=bob/app"), ("POST",
            "/v2/{0}/blobs/uploads/?mount={1}"),
        ):  # fmt: skip
            for repository in ("eve/app", "bob/app"):
                for headers in ({}, {"Range": "bytes=0-3"}, {"If-None-Match": f'"{private}"'}):
                    there, missing = (
                        bare(eve.request(method, path.format(repository, digest), headers), digest)
                        for digest in (private, none)
                    )
                    assert there == missing, (method, path, repository)
    times = {digest: [] for digest in (private, none)}
    with people.as_user("eve") as eve:
        for digest in (private, none) * 200:
            begun = time.perf_counter()
            eve.request("HEAD", f"/v2/eve/app/blobs/{digest}").expect(404)
            times[digest].append(time.perf_counter() - begun)
    medians = [statistics.median(found) for found in times.values()]
    print(
        f"HEAD of a blob that others have {medians[0] * 1e6:.0f} us, of one that nobody has {medians[1] * 1e6:.0f} us"
    )
    assert max(medians) < (1.1 if LONG else 2) * min(medians)


def bare(answer, digest: str) -> tuple:
    """An answer without what each has of its own: date, ids, and the digest that was asked for."""
    own = ("Date", "X-Request-Id", "Location", "Docker-Upload-Uuid")
    return (
        answer.status,
        sorted((name, value) for name, value in answer.headers.items() if name not in own),
        answer.body.replace(digest.encode(), b"DIGEST"),
    )


def test_no_character_of_a_name_stands_for_another(registry, people):
    """security S24: `_` is a wildcard of SQL's LIKE, `.` of regular expressions."""
    people.command("org", "add", "a.b", "--owner", "a_b")
    for name in ("a_b", "axb"):
        with As(registry.address, basic(name, "a_b:staple battery" if name == "a_b" else "correct horse")) as client:
            client.push_image(f"{name}/app", "v1")
    people.command("grant", "add", "a_b/**", "--to", "user:eve", "--right", "read")
    with people.as_user("eve") as eve:
        assert [eve.get(f"/v2/{name}/app/tags/list").status for name in ("a_b", "axb", "a.b", "a%5fb", "a%25b")] == [
            200,
            404,
            404,
            200,
            400,
        ]
    secret = people.command("robot", "add", "a.b/ci")
    with Client(registry.address) as client:
        for name in ("a_b/ci", "axb/ci", "a%b/ci", "%/ci", "a.b/_i", "a.b/ci "):
            client.get("/v2/", basic(name, secret)).expect(401)
        client.get("/v2/", basic("a.b/ci", secret)).expect(200)


SUFFIXES = (
    "/",
    "//",
    ";x",
    "%2f",
    "%2e",
    "%20",
    "%00",
    "/.",
    "/..",
    "/%2e%2e",
    "?",
    "??",
    "?x=y",
    "#",
    ".json",
    "%3f",
    "%23",
)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_behind_a_path_avoids_the_question(registry, suffix):
    """security S29: the answer to nobody is the refusal of the path itself, or that there is no such path; nothing
    private is told.
    """
    for path in (
        "/v2/bob/app/manifests/v1",
        "/v2/bob/app/tags/list",
        f"/v2/bob/app/blobs/{digest_of(LAYER)}",
        "/v2/_catalog",
    ):
        for spelled in (
            path + suffix,
            path.replace("/v2/", f"/v2{suffix}/"),
            path.replace("bob", f"bob{suffix}"),
            f"http://x{path}{suffix}",
        ):
            answer = wire.request(registry.address, "GET", spelled)
            assert answer.status in (400, 401, 404, 405), spelled
            assert LAYER not in answer.body and b"layers" not in answer.body


@pytest.mark.parametrize(
    "path",
    [
        "/V2/bob/app/tags/list",
        "//v2/bob/app/tags/list",
        "/v2/bob%2fapp/tags/list",
        "/v2/BOB/app/tags/list",
        "/v2/x/../bob/app/tags/list",
    ],
)
def test_no_other_spelling_avoids_the_question(registry, path):
    assert wire.request(registry.address, "GET", path).status in (400, 401, 404)


def test_there_is_no_account_and_no_secret_by_default(registry, tmp_path):
    """security S30: nothing signs with a key that is known, short, or the same elsewhere; nobody is there who was not
    made.
    """
    keys = [key_of(registry)]
    with Registry(tmp_path / "data", 1) as another:
        with contextlib.closing(sqlite3.connect(another.root / "registry.db")) as database:
            assert database.execute("SELECT COUNT(*) FROM users").fetchone() == (0,)
        People(another).add("ann")
        keys.append(key_of(another))
    assert keys[0] != keys[1] and all(len(key) >= 32 and len(set(key)) > 8 for key in keys)


def key_of(registry) -> bytes:
    """What /token signs with."""
    People(registry).token({}).expect(200)
    with contextlib.closing(sqlite3.connect(registry.root / "registry.db")) as database:
        return bytes.fromhex(database.execute("SELECT secret FROM signing_keys ORDER BY created_at DESC").fetchone()[0])
