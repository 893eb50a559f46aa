"""Pages below a path of another host, through a real nginx that removes the path (docs/pages.md)."""

from __future__ import annotations

import pytest

from tests.support.nginx import Nginx
from tests.support.people import PASSWORD, As, People
from tests.support.server import Registry
from tests.support.visitor import Visitor

PREFIX = "/hub"
NOT_PAGES = ("/hub/static/", "/hub/api/")


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    """bob has a public repository. Clients know the registry as hub.example."""
    root = tmp_path_factory.mktemp("prefix")
    settings = {"server_external_url": f"https://hub.example{PREFIX}", "server_trusted_proxies": ["127.0.0.1"]}
    with Registry(root / "data", 1, auth_anonymous="pull", **settings) as registry:
        people = People(registry)
        people.add("ann", "bob")
        people.command("user", "promote", "ann")
        people.command("repository", "default", "bob", "--public")
        with As(registry.address, people.shown("bob")) as bob:
            for tag in ("v1", "v2"):
                bob.push_image("bob/app", tag, layers=[tag.encode()])
        with Nginx(root / "nginx", registry.address, prefix=PREFIX) as proxy:
            yield proxy


@pytest.fixture
def visitor(proxy):
    with Visitor(proxy.address, prefix=PREFIX) as visitor:
        yield visitor


def walk(visitor: Visitor, start: str, most: int = 60) -> list[str]:
    """Paths of this host that pages lead to and that are not there, or lie outside of the prefix."""
    seen, open, wrong = {start}, [start], []
    while open and len(seen) < most + len(open):
        page = visitor.open(path := open.pop(0), follow=False)
        if page.status not in (200, 302, 303):
            wrong.append(f"{path}: {page.status}")
        here = [link.partition("#")[0] for link in [*page.links, page.location] if link.startswith("/")]
        targets = [*here, *(form.action for form in page.forms if form.action.startswith("/"))]
        wrong += [f"{path} leads to {target}" for target in targets if not f"{target}/".startswith(f"{PREFIX}/")]
        new = [link for link in dict.fromkeys(here) if link not in seen and not link.startswith(NOT_PAGES)]
        seen |= set(new)
        open += new
    return wrong


@pytest.mark.parametrize("name", ["", "bob", "ann"])
def test_every_link_is_there_and_stays_below_the_path(visitor, name):
    if name:
        visitor.sign_in(name)
    assert walk(visitor, f"{PREFIX}/") == []


@pytest.mark.parametrize("path", ["/account", "/account/tokens?after=1", "/r/bob/app/-/settings"])
def test_who_has_to_sign_in_comes_back(visitor, path):
    asked = visitor.open(PREFIX + path, follow=False)
    if asked.status == 404:
        asked = visitor.open(f"{PREFIX}/login?next={path}")
    else:
        assert asked.status == 303 and asked.location.startswith(f"{PREFIX}/login?next=")
        asked = visitor.open(asked.location)
    answer = visitor.submit(asked, field="password", follow=False, name="bob", password=PASSWORD)
    assert (answer.status, answer.location) == (303, PREFIX + path)
    assert visitor.open(answer.location).status == 200


def test_forms_come_back_below_the_path(visitor):
    page = visitor.sign_in("bob").open(f"{PREFIX}/r/bob/app")
    starred = visitor.submit(page, action="/star", follow=False)
    assert (starred.status, starred.location) == (303, f"{PREFIX}/r/bob/app")
    chosen = visitor.submit(page, action="/preferences", follow=False, theme="dark")
    assert (chosen.status, chosen.location) == (303, f"{PREFIX}/r/bob/app")
    gone = visitor.submit(page, action="/logout", follow=False)
    assert (gone.status, gone.location) == (303, f"{PREFIX}/")


def test_commands_name_the_host_that_clients_know(visitor):
    page = visitor.open(f"{PREFIX}/r/bob/app:v1", {"Host": "evil.example"})
    assert "docker pull hub.example/bob/app:v1" in page.text.replace("\u200b", "") and "evil.example" not in page.html
    pasted = visitor.open(f"{PREFIX}/bob/app:v2", follow=False)
    assert (pasted.status, pasted.location) == (302, f"{PREFIX}/r/bob/app:v2")
