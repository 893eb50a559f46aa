"""What ends, ends everywhere (security A7, S11, S18): two servers of two workers each on one database, MariaDB or a
Galera cluster with a node for each. After a command at one server, connections to every worker of both are asked at
once, and none may go on with what it remembers: not for a moment, where 1 s at the node and 5 s elsewhere would be
allowed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support import galera, mariadb
from tests.support.people import As, People, basic
from tests.support.server import Registry

CONNECTIONS = 6
SCOPE, PATH = "repository:acme/app:pull", "/v2/acme/app/manifests/v1"


def urls(kind: str) -> list[str]:
    if kind == "galera":
        return galera.shared().urls(galera.shared().make())[:2]
    return [mariadb.shared().url(mariadb.shared().make())] * 2


@pytest.fixture(
    params=[pytest.param("mariadb", marks=pytest.mark.nodes), pytest.param("galera", marks=pytest.mark.galera)]
)
def nodes(request, tmp_path):
    """Two servers; bob owns acme, cid is a member who logged in before."""
    one, two = urls(request.param)
    first = Registry(tmp_path / "data", workers=2, database_url=one, gc_interval=86400, auth_anonymous="pull")
    with first:
        second = first.sibling()
        second.configure(database_url=two)
        with second:
            people = People(first)
            people.add("ann", "bob", "cid")
            for words in ("user promote ann", "org add acme --owner bob", "org member add acme cid"):
                people.command(*words.split())
            with people.as_user("bob") as bob:
                bob.push_image("acme/app", "v1")
                bob.push_image("acme/public", "v1")
            people.command("repository", "set", "acme/public", "--public")
            yield first, second


class Crowd:
    """Connections that stay open, some to every worker of every server."""

    def __init__(self, nodes, shown: dict) -> None:
        self._clients = [As(node.address, shown) for node in nodes for _ in range(CONNECTIONS)]

    def ask(self, path: str = PATH) -> set[int]:
        """What all of them are answered, asked at once."""
        with ThreadPoolExecutor(len(self._clients)) as threads:
            return set(threads.map(lambda client: client.get(path).status, self._clients))


def test_nothing_is_good_for_longer_than_it_should_be_at_any_worker_of_any_node(nodes):
    people = People(nodes[0])
    after = people.command
    secret = people.command("token", "add", "cid", "--name", "ci")
    password, access = Crowd(nodes, basic("cid")), Crowd(nodes, basic("cid", secret))
    signed, by_access = (
        Crowd(nodes, people.bearer(basic("cid"), SCOPE)),
        Crowd(nodes, people.bearer(basic("cid", secret), SCOPE)),
    )
    nobody, stranger = Crowd(nodes, {}), Crowd(nodes, people.bearer({}, "repository:acme/public:pull"))
    public = "/v2/acme/public/manifests/v1"
    assert [crowd.ask() for crowd in (password, access, signed, by_access)] == [{200}] * 4
    assert [crowd.ask(public) for crowd in (nobody, stranger)] == [{200}] * 2

    after("org", "member", "remove", "acme", "cid")
    assert [crowd.ask() for crowd in (signed, by_access, access, password)] == [{404}] * 4
    after("org", "member", "add", "acme", "cid")
    assert [crowd.ask() for crowd in (signed, by_access, access, password)] == [{200}] * 4
    after("repository", "set", "acme/public", "--private")
    assert [crowd.ask(public) for crowd in (nobody, stranger)] == [{401}] * 2
    after("token", "revoke", "cid", "ci")
    assert [crowd.ask() for crowd in (by_access, access, signed)] == [{401}, {401}, {200}]
    after("user", "disable", "cid")
    assert signed.ask() == {401}
    after("user", "enable", "cid")
    # Signed before: it stays dead, though the account is as good as it was.
    assert signed.ask() == {401}
    signed = Crowd(nodes, people.bearer(basic("cid"), SCOPE))
    assert signed.ask() == {200}
    people.set_password("cid", "another battery horse")
    assert signed.ask() == {401}
