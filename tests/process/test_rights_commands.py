"""The commands on organizations, rights, repositories and machines, as an operator types them."""

from __future__ import annotations

from tests.process.test_account_commands import PASSWORD, SECRET, explained, listed, ran, refused, registry, said
from tests.support.people import As, basic


def test_an_organization_goes_when_somebody_says_yes_and_comes_back(registry):
    said(registry, "org", "add", "brief", "--owner", "bob")
    secret = said(registry, "robot", "add", "brief/ci").strip()
    done = ran(registry, "org", "delete", "brief")
    assert done.returncode == 2 and "1 member, 0 teams, 1 robot account" in done.stderr and "--yes" in done.stderr
    done = ran(registry, "org", "delete", "brief", stdin="y\n")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no organization brief" in refused(registry, "org", "member", "list", "brief")
    assert "given up lately" in refused(registry, "org", "add", "brief", "--owner", "bob")
    said(registry, "org", "restore", "brief")
    assert [(item["user"], item["role"]) for item in listed(registry, "org", "member", "list", "brief")] == [
        ("bob", "owner")
    ]
    with As(registry.address, basic("brief/ci", secret)) as robot:
        robot.get("/v2/").expect(200)
    assert "no organization brief was deleted lately" in refused(registry, "org", "restore", "brief")
    said(registry, "org", "delete", "brief", "--yes")


def test_organizations_teams_and_grants_and_what_they_come_to(registry):
    said(registry, "org", "add", "acme", "--owner", "ann")
    said(registry, "org", "member", "add", "acme", "bob")
    assert [(item["user"], item["role"]) for item in listed(registry, "org", "member", "list", "acme")] == [
        ("ann", "owner"),
        ("bob", "member"),
    ]
    said(registry, "team", "add", "acme", "dev")
    said(registry, "team", "member", "add", "acme", "dev", "bob")
    assert listed(registry, "team", "member", "list", "acme", "dev") == [{"user": "bob"}]
    said(registry, "grant", "add", "acme/app-*", "--to", "team:acme/dev", "--right", "write")
    assert "the grant of write on acme/app-* to team:acme/dev" in said(
        registry, "explain", "user:bob", "push", "acme/app-1"
    )
    assert [(item["pattern"], item["right"], item["holder"]) for item in listed(registry, "grant", "list", "acme")] == [
        ("acme/app-*", "write", "team:acme/dev")
    ]
    said(registry, "grant", "remove", "acme/app-*", "--from", "team:acme/dev")
    said(registry, "team", "member", "remove", "acme", "dev", "bob")
    assert listed(registry, "team", "list", "acme") == [{"name": "acme/dev", "members": 0}]
    said(registry, "team", "delete", "acme", "dev")
    said(registry, "org", "member", "remove", "acme", "bob")
    assert [item["name"] for item in listed(registry, "org", "list")] == ["acme"]


def test_repositories_are_private_or_public(registry):
    said(registry, "repository", "set", "acme/app", "--public", "--description", "An app")
    (found,) = listed(registry, "repository", "list")
    assert (found["name"], found["visibility"], found["description"]) == ("acme/app", "public", "An app")
    assert (
        explained(registry, "bob", "pull", "acme/app") is True
        and explained(registry, "anonymous", "pull", "acme/app") is False
    )
    rights = {(held["holder"], held["right"]) for held in listed(registry, "repository", "rights", "acme/app")}
    assert {("user:ann", "admin"), ("everyone", "read")} <= rights
    assert "no repository of that name" in refused(registry, "repository", "rights", "acme/none")
    said(registry, "repository", "set", "acme/app", "--private")
    said(registry, "repository", "default", "library", "--private")
    assert "nothing to change" in refused(registry, "repository", "set", "acme/app")


def test_quotas_are_set_in_words_and_shown_with_what_is_used(registry):
    assert said(registry, "user", "quota", "bob", "--repositories", "3", "--bytes", "10GiB") == ""
    head, first, second = said(registry, "user", "quota", "bob").splitlines()
    assert (head.split(), first.split(), second.split()) == (
        ["quota", "at", "most", "used"],
        ["repositories", "3", "0"],
        ["bytes", "10.0", "GiB", "0", "bytes"],
    )
    said(registry, "user", "quota", "bob", "--bytes", "none")
    assert listed(registry, "user", "quota", "bob")[0] == {
        "namespace": "bob",
        "most_repositories": 3,
        "repositories": 0,
        "most_bytes": None,
        "bytes": 0,
    }
    assert "write a number" in refused(registry, "user", "quota", "bob", "--bytes", "10 GB")
    assert "there is no organization bob" in refused(registry, "org", "quota", "bob", "--bytes", "1")


def test_tokens_and_robots_print_their_secret_alone_and_once(registry):
    secrets = [
        said(
            registry,
            "token",
            "add",
            "bob",
            "--name",
            "ci",
            "--repositories",
            "bob/*",
            "--actions",
            "pull,push",
            "--expires",
            "90d",
        )
    ]
    (token,) = listed(registry, "token", "list", "bob")
    assert (token["name"], token["state"], token["patterns"], token["actions"]) == (
        "ci",
        "active",
        "bob/*",
        "pull,push",
    )
    assert 0 < token["expires_at"] - token["created_at"] - 90 * 86400_000 + 60_000 < 120_000
    assert "expired at once" in refused(registry, "token", "add", "bob", "--name", "none", "--expires", "0s")
    said(registry, "token", "revoke", "bob", "ci")
    assert listed(registry, "token", "list", "bob")[0]["state"] == "revoked"
    secrets.append(said(registry, "robot", "add", "acme/build"))
    secrets.append(said(registry, "robot", "rotate", "acme/build", "--overlap", "30m"))
    kept = listed(registry, "robot", "secrets", "acme/build")
    assert (
        [secret["hint"][-4:] for secret in kept] == [secret.strip()[-4:] for secret in secrets[-2:]]
        and kept[0]["expires_at"]
        and not kept[1]["expires_at"]
    )
    said(registry, "robot", "disable", "acme/build")
    assert [(robot["name"], robot["state"]) for robot in listed(registry, "robot", "list", "acme")] == [
        ("acme/build", "disabled")
    ]
    said(registry, "robot", "enable", "acme/build")
    said(registry, "robot", "delete", "acme/build")
    assert all(map(SECRET.fullmatch, secrets)) and len(set(secrets)) == 3
    everything = (
        said(registry, "audit", "--limit", "all", "--json")
        + said(registry, "token", "list", "bob")
        + registry.log.read_text()
    )
    for secret in [*secrets, PASSWORD, "another battery horse"]:
        assert secret.strip() not in everything
