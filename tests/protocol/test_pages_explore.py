"""The pages for finding repositories: what each visitor sees of them, filters, both directions, and references that are
typed as a whole.
"""

import html
import re
import time

import pytest

from tests.support.api import Api
from tests.support.people import As, People
from tests.support.server import Registry
from tests.support.visitor import Visitor

COUNT = 30
DESCRIPTION = "The <b>shop</b>'s front end"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with Registry(tmp_path_factory.mktemp("explore") / "data", 1, auth_anonymous="pull") as registry:
        people = People(registry)
        people.add("ann", "bob", "eve")
        people.command("user", "promote", "ann")
        people.command("org", "add", "acme", "--owner", "bob")
        with As(registry.address, people.shown("bob")) as bob:
            bob.push_image("acme/secret", "v1")
            for number in range(COUNT):
                bob.push_image(f"bob/app-{number:02d}", "v1")
            digest = bob.push_image("acme/web", "2.8")
        people.command("repository", "set", "acme/web", "--public", "--description", DESCRIPTION)
        registry.digest, registry.api = digest, lambda who: Api(registry.address, people.shown(who))
        yield registry


@pytest.fixture
def visitor(registry):
    opened = {}

    def visit(who: str = "") -> Visitor:
        if who not in opened:
            opened[who] = Visitor(registry.address)
            if who:
                opened[who].sign_in(who)
        return opened[who]

    yield visit
    for each in opened.values():
        each.close()


def names(page) -> list[str]:
    """The repositories that the main part of a page links to."""
    main = page.html[page.html.index("<main") : page.html.index("<aside") if "<aside" in page.html else None]
    return list(dict.fromkeys(re.findall(r'href="/r/([a-z0-9/-]+)"', main)))


def counted(registry) -> None:
    """Wait until sizes and kinds of all repositories are known."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with registry.api("ann") as ann:
            found = ann.call("GET", "/repositories?limit=100").expect(200).json()["items"]
        if all(item["kind"] == "image" and item["tags"] == 1 for item in found):
            return
        time.sleep(0.1)
    pytest.fail("the repositories are not counted")


def test_everybody_sees_what_they_may_pull(registry, visitor):
    for who, total in (("", 1), ("eve", 1), ("bob", COUNT + 2), ("ann", COUNT + 2)):
        page = visitor(who).open("/")
        assert f"{total} that you may see" in page.html
        assert ("acme/secret" in page.html or "acme/secret" in visitor(who).open("/?q=secret").html) is (total > 1)
        assert "The &lt;b&gt;shop&lt;/b&gt;&#39;s front end" in visitor(who).open("/?q=front").html


def test_pages_follow_each_other_both_ways(registry, visitor):
    bob = visitor("bob")
    first = bob.open("/?sort=name")
    following = re.search(r'href="([^"]+)" rel="next"', first.html)[1].replace("&amp;", "&")
    second = bob.open(following)
    assert names(first) + names(second) == ["acme/secret", "acme/web", *(f"bob/app-{n:02d}" for n in range(COUNT))]
    earlier = re.search(r'href="([^"]+)" rel="prev"', second.html)[1].replace("&amp;", "&")
    assert names(bob.open(earlier)) == names(first)
    assert names(bob.open("/"))[0] == "acme/web"


def test_filters(registry, visitor):
    counted(registry)
    bob = visitor("bob")
    assert names(bob.open("/?q=app-1&in=bob&kind=images&platform=linux%2Famd64&sort=name")) == [
        f"bob/app-{number}" for number in range(10, 20)
    ]
    assert names(bob.open("/?kind=charts")) == [] and "Nothing fits the filter" in bob.open("/?kind=charts").html
    for wrong in ("/?sort=colour", "/?after=nonsense", "/?before=x~y"):
        assert bob.send("GET", wrong).status == 400


def test_a_namespace_is_there_for_who_sees_something_of_it(registry, visitor):
    assert names(visitor("").open("/@acme")) == ["acme/web"]
    assert names(visitor("bob").open("/@acme?sort=name")) == ["acme/secret", "acme/web"]
    assert "/@acme/members" in visitor("bob").open("/@acme").html
    assert "/@acme/members" not in visitor("eve").open("/@acme").html
    for who, path, status in (
        *(("", "/@bob", 404), ("eve", "/@bob", 404), ("eve", "/@none", 404), ("eve", "/@eve", 200)),
        *(("ann", "/@bob", 200), ("ann", "/@none", 404), ("", "/@eve", 404)),
    ):
        assert visitor(who).send("GET", path).status == status, (who, path)


@pytest.mark.parametrize(
    "typed",
    [
        *("acme/web", "acme/web:2.8", "docker pull registry.example.com/acme/web:2.8", "https://registry/r/acme/web"),
        "registry.example.com:5000/acme/web:2.8",
    ],
)
def test_a_whole_reference_goes_to_its_page(registry, visitor, typed):
    found = visitor("eve").send("GET", f"/search?q={typed.replace(' ', '+').replace(':', '%3A')}")
    assert found.status == 302 and found.location.startswith("/r/acme/web")
    assert visitor("eve").send("GET", found.location).status == 200


def test_the_search_shows_groups_and_nothing_that_is_hidden(registry, visitor):
    counted(registry)
    page = visitor("eve").open("/search?q=we")
    assert "acme/<mark>we</mark>b" in page.html
    assert "acme/<wbr>web:<wbr>2.8" in visitor("eve").open("/search?q=2.8").html
    assert registry.digest[7:19] in visitor("eve").open(f"/search?q={registry.digest[:30]}").html
    for typed in ("secret", "acme%2Fsecret", "acme%2Fsecret%3Av1", "v1", "tag%3Av1", "in%3Aacme+secret"):
        hidden = visitor("eve").send("GET", f"/search?q={typed}")
        assert hidden.status == 200 and "/r/acme/secret" not in hidden.html, typed
    assert "/r/acme/secret" in visitor("bob").open("/search?q=secre").html
    assert "Did you mean" in visitor("eve").open("/search?q=acme%2Fwbe").html
    assert "is no kind" in visitor("eve").open("/search?q=kind%3Anonsense").html


def test_the_api_has_the_same(registry):
    counted(registry)
    with registry.api("eve") as eve:
        found = eve.call("GET", "/search?q=we").expect(200).json()
        assert [item["name"] for item in found["repositories"]] == ["acme/web"] and found["more"] is False
        assert eve.call("GET", "/search?q=secret").expect(200).json()["repositories"] == []
        listed = eve.call("GET", "/repositories?sort=pushed&q=shop").expect(200).json()["items"]
        assert [(item["name"], item["tags"], item["newest_tag"]) for item in listed] == [("acme/web", 1, "2.8")]
        assert eve.call("GET", "/repositories?sort=pushed&after=x").status == 422
    with registry.api("bob") as bob:
        seen, path = [], "/repositories?sort=pushed&limit=10"
        while path:
            page = bob.call("GET", path).expect(200).json()
            seen += [item["pushed_at"] for item in page["items"]]
            path = page.get("next", "").removeprefix("/api/v1")
        assert len(seen) == COUNT + 2 and seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("path", ["/", "/@acme", "/search?q=a%26b+web"])
def test_a_page_names_the_same_thing_in_the_api(registry, visitor, path):
    page = visitor("bob").open(path).expect(200)
    address = re.search(r'<link rel="alternate" type="application/json" href="([^"]+)">', page.html)[1]
    with registry.api("bob") as bob:
        bob.get(html.unescape(address)).expect(200)


def test_what_happened_lately_names_people_to_their_own_namespace_alone(registry, visitor):
    def lately(who: str) -> str:
        aside = visitor(who).open("/").expect(200).html.partition("What happened lately")[2].partition("</section>")[0]
        return re.sub(r"<[^>]*>", "", aside)

    assert "bob pushed acme/web:2.8" in lately("bob") and "bob/app-29:v1" in lately("bob")
    for who in ("", "eve"):
        assert "acme pushed acme/web:2.8" in lately(who) and "bob" not in lately(who)


def first_refused(visitor: Visitor, most: int) -> int:
    """How many searches are answered before one is refused."""
    for number in range(most):
        found = visitor.send("GET", "/search?q=web")
        if found.status == 429:
            assert int(found.response.headers["Retry-After"]) >= 1
            return number
        assert found.status == 200
    raise AssertionError(f"{most} searches were answered")


@pytest.mark.edge
def test_searches_come_at_a_rate_by_pages_and_the_api_together(tmp_path):
    with Registry(tmp_path / "data", 1) as registry, Visitor(registry.address) as bob:
        people = People(registry)
        people.add("ann", "bob")
        bob.sign_in("bob")
        assert 300 <= first_refused(bob, 900)
        assert bob.send("GET", "/search").status == bob.send("GET", "/").status == 200
        # A list with a filter is a search.
        assert any(bob.send("GET", "/?q=web").status == 429 for _ in range(20))
        with Api(registry.address, people.shown("bob")) as api:
            answers = [api.call("GET", "/search?q=web") for _ in range(20)]
            refused = next(each for each in answers if each.status == 429)
            assert refused.code() == "TOOMANYREQUESTS" and int(refused.headers["Retry-After"]) >= 1
            answers = [api.call("GET", "/repositories?q=web").status for _ in range(20)]
            assert 429 in answers and api.call("GET", "/repositories").status == 200
        with Api(registry.address, people.shown("ann")) as api:
            api.call("GET", "/search?q=web").expect(200)


@pytest.mark.edge
def test_searches_without_signing_in_come_at_a_rate_of_the_network(tmp_path):
    with (
        Registry(tmp_path / "data", 1, auth_anonymous="pull", server_trusted_proxies=["127.0.0.1"]) as registry,
        Visitor(registry.address, headers={"X-Forwarded-For": "192.0.2.1"}) as visitor,
        Visitor(registry.address, headers={"X-Forwarded-For": "192.0.2.2"}) as other,
    ):
        People(registry).add("bob")
        assert 60 <= first_refused(visitor, 300)
        assert any(visitor.send("GET", f"/{field}").status == 429 for field in ("?q=web", "?kind=charts") * 9)
        assert visitor.send("GET", "/").status == 200
        assert other.send("GET", "/search?q=web").status == other.send("GET", "/?q=web").status == 200
        assert visitor.sign_in("bob").send("GET", "/search?q=web").status == 200


def test_nobody_in_particular_is_asked_to_sign_in_where_nothing_is_public(tmp_path):
    with Registry(tmp_path / "data", 1, auth_anonymous="none") as registry:
        People(registry).add("bob")
        visitor = Visitor(registry.address)
        page = visitor.open("/")
        assert "Nothing here is public" in page.html and page.form(action="/login")
        assert "Nothing that you may see fits" in visitor.open("/search?q=anything").html


def test_lists_draw_the_layers_of_the_newest_image(registry, visitor):
    counted(registry)
    for path in ("/", "/@bob", "/search?q=app-0"):
        page = visitor("bob").open(path)
        label = re.search(
            r'<svg class="strip"[^>]* aria-label="Newest image: (\S+ \S+), of it (\S+ \S+) own"', page.html
        )
        assert label and label[1] != "0 B" and label[2] != "0 B"
        assert '<path class="own"' in page.html
    with registry.api("bob") as bob:
        (found,) = bob.call("GET", "/repositories?namespace=acme&q=web").expect(200).json()["items"]
        assert 0 < found["own_size"] < found["size"]


def test_a_search_says_how_many_repositories_fit(registry, visitor):
    assert f"10 of {COUNT} · Show all" in visitor("bob").open("/search?q=app-").text
    with registry.api("bob") as bob:
        assert bob.call("GET", "/search?q=app-").expect(200).json()["total"] == COUNT
