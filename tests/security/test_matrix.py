"""Every route with every verb for everybody in every state of the repository, against an oracle of its own (reference:
route x principal x state).

The oracle knows rights by the words of docs/accounts.md, and nothing of how the server decides. A route that has no row
here fails the test.
"""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from dockboard_registry.domain.credentials.access_tokens import make_secret
from dockboard_registry.web.endpoint import Endpoint
from dockboard_registry.web.listeners import REGISTRY, Routes
from tests.support.http import Client, digest_of
from tests.support.people import As, People, basic, bearer
from tests.support.server import Registry

HIDDEN = -404
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
NONE = digest_of(b"nothing has this digest")
# Endpoint -> (path with the repository's name, {verb: action}). What is named besides the repository is not there, so
# that nothing is changed.
ROWS = {
    "Alive": [("/healthz", {"GET": "", "HEAD": ""})],
    "Ready": [("/readyz", {"GET": "", "HEAD": ""})],
    "Base": [("/v2/", {"GET": "enter", "HEAD": "enter"}), ("/v2", {"GET": "enter", "HEAD": "enter"})],
    "Page": [("/robots.txt", {"GET": "", "HEAD": ""})],
    # test_matrix_api.py has the operations of the API.
    "Api": [("/api/v1/openapi.json", {"GET": "", "HEAD": ""})],
    "Token": [("/token", {"GET": "log in", "POST": "form"})],
    "Ping": [(path, {"GET": "", "HEAD": "", "OPTIONS": ""}) for path in ("/_ping", "/v1/_ping")],
    "Status": [("/v1/_status", {"GET": "", "HEAD": ""})],
    "Search": [("/v1/search?q=app", {"GET": "search", "HEAD": "search"})],
    "Users": [("/v1/users/", {"GET": "be somebody", "POST": "sign up"})],
    "RepositoryImages": [("/v1/repositories/{}/images", {"GET": "pull", "HEAD": "pull"})],
    "Tags": [("/v1/repositories/{}/tags", {"GET": "pull", "HEAD": "pull"})],
    "Tag": [("/v1/repositories/{}/tags/nothing", {"GET": "pull", "HEAD": "pull"})],
    "ImageText": [(f"/v1/images/{'0' * 64}/json", {"GET": "image", "HEAD": "image"})],
    "Ancestry": [(f"/v1/images/{'0' * 64}/ancestry", {"GET": "image", "HEAD": "image"})],
    "Layer": [(f"/v1/images/{'0' * 64}/layer", {"GET": "image", "HEAD": "image"})],
    "Catalog": [("/v2/_catalog", {"GET": "catalog", "HEAD": "catalog"})],
    "TagList": [("/v2/{}/tags/list", {"GET": "pull", "HEAD": "pull"})],
    "ReferrerList": [(f"/v2/{{}}/referrers/{NONE}", {"GET": "pull", "HEAD": "pull"})],
    "Manifest": [
        ("/v2/{}/manifests/nothing", {"GET": "pull", "HEAD": "pull", "PUT": "push", "DELETE": "delete"}),
        (f"/v2/{{}}/manifests/{NONE}", {"GET": "pull", "HEAD": "pull", "PUT": "push", "DELETE": "delete"}),
    ],
    "Blob": [(f"/v2/{{}}/blobs/{NONE}", {"GET": "pull", "HEAD": "pull", "DELETE": "delete"})],
    "Uploads": [
        ("/v2/{}/blobs/uploads/?digest=none", {"POST": "push"}),
        ("/v2/{}/blobs/uploads?digest=none", {"POST": "push"}),
    ],
    "Upload": [
        ("/v2/{}/blobs/uploads/none", {"GET": "push", "HEAD": "push", "PATCH": "push", "PUT": "push", "DELETE": "push"})
    ],
}
# A name, and the words for its state. What is in acme belongs to bob's organization, wild to nobody.
STATES = {
    "public": "acme/public",
    "private": "acme/app",
    "missing": "acme/none",
    "wild": "wild/app",
    "wild, missing": "wild/none",
    "library": "app",
}
IN_ACME = {"public", "private", "missing"}
SHOWN_PUBLIC = {"public", "wild", "library"}
PULL, WRITE, OWN = {"pull"}, {"pull", "push"}, {"pull", "push", "delete"}
# Rights in acme beside the pull of what is public; who is nobody; who shows what does not count.
IN_ACME_MAY = {
    "owner": OWN,
    "member": PULL,
    "writer": WRITE,
    "right admin": OWN,
    "robot": PULL,
    "owner's bearer": OWN,
    "member's bearer": PULL,
}
NOBODY, REFUSED = (
    {"anonymous", "anonymous bearer"},
    {
        "wrong token",
        "expired",
        "revoked",
        "disabled",
        "another's token",
        "forged bearer",
        "disabled's bearer",
        "unreadable",
    },
)


def may(who: str, state: str, level: str) -> set[str]:
    """The rights of who is let in, by words."""
    if who.startswith("administrator"):
        return OWN | {"catalog"}
    rights = set(IN_ACME_MAY.get(who, ())) if state in IN_ACME else set()
    if state in SHOWN_PUBLIC and (who not in NOBODY or level != "none"):
        rights |= PULL
    if level == "push" and state.startswith("wild"):
        rights |= WRITE
    if who == "owner's token to pull":
        return ((OWN if state in IN_ACME else set()) | rights) & PULL
    if who == "owner's token elsewhere":
        return may("anonymous", state, level) & PULL
    return rights


def oracle(who: str, verb: str, action: str | None, state: str, level: str) -> set[int]:
    """The statuses that the answer may have; HIDDEN is the 404 of a repository that is
    not there, or may not be seen.
    """
    if action is None:
        return {405}
    if action == "form":
        if who == "anonymous":
            return {400}
        action = "log in"
    if action == "" or (action == "log in" and who not in REFUSED and "bearer" not in who):
        return {200}
    if who in REFUSED or action == "log in":
        return {401}
    if action in ("search", "image"):
        return {401} if who in NOBODY and level == "none" else {200 if action == "search" else 404}
    if action in ("be somebody", "sign up"):
        return {401} if who in NOBODY or action == "sign up" else {200}
    if action == "enter":
        return {401} if who == "anonymous" or (who in NOBODY and level == "none") else {200}
    rights = may(who, state, level)
    if action in rights:
        return {200, 202, 400, 404} | ({HIDDEN} if "missing" in state else set())
    if who in NOBODY:
        return {401}
    if action == "catalog" or "pull" in rights or action == "push":
        return {403}
    return {HIDDEN}


def told(answer) -> set[int]:
    """The status as the oracle knows it; an answer to HEAD does not say why something is not there."""
    if answer.status == 404 and answer.method == "HEAD":
        return {404, HIDDEN}
    return {HIDDEN if answer.status == 404 and b"no repository of that name" in answer.body else answer.status}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(registry, what each principal shows)"""
    root = tmp_path_factory.mktemp("matrix")
    with (
        Registry(root / "data", 1, auth_anonymous="push", log_access="false") as registry,
        Client(registry.address) as client,
    ):
        for name in ("acme/public", "acme/app", "wild/app", "app"):
            client.push_image(name, "v1")
        yield registry, principals(People(registry))


@pytest.fixture(params=["none", "pull", "push"])
def world(request, made):
    """(registry, what each principal shows, auth.anonymous)"""
    registry, shown = made
    registry.stop()
    registry.configure(auth_anonymous=request.param)
    registry.start()
    return registry, shown, request.param


def principals(people: People) -> dict[str, dict]:
    """What everybody shows. Passwords are checked once a minute for each, so that most show tokens."""
    people.add("ann", "bob", "cid", "dan", "eve", "kim", "off")
    for words in (
        "user promote ann", "org add acme --owner bob", "org member add acme cid",
        "grant add acme/** --to user:dan --right write",
        "grant add acme/** --to user:kim --right admin", "repository set acme/public --public",
        "org add other --owner eve",
    ):  # fmt: skip
        people.command(*words.split())
    tokens = {
        name: people.command("token", "add", name.partition("-")[0], "--name", name, *words.split())
        for name, words in {
            "ann": "", "bob": "", "cid": "", "dan": "", "eve": "", "kim": "", "off": "", "bob-pull": "--actions pull",
            "bob-elsewhere": "--repositories bob/x",
            "bob-expired": "--expires 1s", "bob-revoked": "",
        }.items()
    }  # fmt: skip
    robot = people.command("robot", "add", "acme/ci")
    people.command("grant", "add", "acme/**", "--to", "robot:acme/ci", "--right", "read")
    everything = [f"repository:{name}:*" for name in STATES.values()] + ["registry:catalog:*"]
    shown = {name: basic(name.partition("-")[0], secret) for name, secret in tokens.items()}
    bearers = {name: people.bearer(shown.get(name, {}), *everything) for name in ("ann", "bob", "cid", "off", "nobody")}
    people.command("user", "disable", "off")
    people.command("token", "revoke", "bob", "bob-revoked")
    return {
        "anonymous": {}, "anonymous bearer": bearers["nobody"], "administrator": shown["ann"],
        "administrator's bearer": bearers["ann"], "owner": shown["bob"],
        "owner's bearer": bearers["bob"], "member": shown["cid"], "member's bearer": bearers["cid"],
        "writer": shown["dan"], "right admin": shown["kim"],
        "stranger": shown["eve"], "stranger with password": basic("eve"), "robot": basic("acme/ci", robot),
        "owner's token to pull": shown["bob-pull"],
        "owner's token elsewhere": shown["bob-elsewhere"], "expired": shown["bob-expired"],
        "revoked": shown["bob-revoked"], "disabled": shown["off"],
        "disabled's bearer": bearers["off"], "another's token": basic("eve", tokens["bob"]), "wrong token": basic("bob",
        make_secret("dbr_")),
        "forged bearer": bearer(bearers["ann"]["Authorization"].split()[1][:-4] + "AAAA"),
        "unreadable": {"Authorization": "Basic ====="},
    }  # fmt: skip


def test_every_route_has_a_row():
    routes = Routes(REGISTRY, SimpleNamespace(metrics=None))
    found = {
        type(value).__name__
        for face in routes.faces
        for value in [*vars(face).values(), *face.endpoints.values()]
        if isinstance(value, Endpoint)
    }
    assert found == set(ROWS)


def test_everybody_is_answered_as_the_rules_say(world):
    registry, shown, level = world
    wrong, cells = [], 0
    for who, header in shown.items():
        with As(registry.address, header) as client:
            for path, verbs in itertools.chain.from_iterable(ROWS.values()):
                for verb, (state, name) in itertools.product(
                    VERBS, STATES.items() if "{}" in path else [("private", "")]
                ):
                    found = told(client.request(verb, path.format(name)))
                    cells += 1
                    if not found & oracle(who, verb, verbs.get(verb), state, level):
                        wrong.append((who, verb, path.format(name), state, found))
    assert wrong == [], f"{len(wrong)} of {cells} at auth.anonymous = {level}"
    assert cells >= 10_000
