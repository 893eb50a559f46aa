"""Lists of repositories have exactly what somebody may pull: filtered, in any order, both ways, with bounded work."""

import random

import pytest

from dockboard_registry.domain.access import patterns, rule
from dockboard_registry.domain.access.rule import PULL, USER, Grant, Principal, ScopeEntry, decide, narrowed
from dockboard_registry.domain.explore import lists, page_search
from dockboard_registry.domain.explore.lists import NAME, PUSHED, SORTS, STARS, ListedRepository, Page, Wanted
from dockboard_registry.domain.explore.page_search import Lists
from dockboard_registry.errors import FieldInvalid
from tests.contract.aio import asynchronous
from tests.contract.domain.test_tag_list import NUMBERS

MADE = "INSERT INTO repositories (id, name, created_at, visibility, description) VALUES (?, ?, 0, ?, ?)"
FACTS = (
    "INSERT INTO repository_facts (repository_id, name, namespace, visibility, pushed_at, tags_count, size, kind,"
    " platforms, stars, pulls) VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, ?, 0)"
)
# Repositories 1000000 to 1299999, each pushed a millisecond after the one before.
MANY = (
    "INSERT INTO repositories (id, name, created_at, visibility) SELECT 1000000 + n, CAST(1000000 + n AS CHAR), 0,"
    f" 'private' FROM ({NUMBERS}) numbers WHERE n < ?"
)
MANY_FACTS = (
    "INSERT INTO repository_facts (repository_id, name, namespace, visibility, pushed_at, tags_count, size, kind,"
    " platforms, stars, pulls) SELECT id, name, 'library', 'private', id, 1, 0, 'image', '', 0, 0 FROM repositories"
    " WHERE id >= 1000000"
)
ANONYMOUS = rule.anonymous("pull", open=False)
ROOT = Principal(1, USER, "root", True)
ANN = Principal(2, USER, "ann")


def repository(name: str, visibility: str = "private", **more) -> ListedRepository:
    return ListedRepository(name, visibility, None, 0, 0)._replace(**more)


async def filled(process, made: list[ListedRepository]) -> None:
    def insert(tx) -> None:
        for id, each in enumerate(made, 1):
            tx.run(MADE, id, each.name, each.visibility, each.description)
            namespace = each.name.partition("/")[0] if "/" in each.name else "library"
            platforms = "".join(f",{platform}," for platform in each.platforms)
            sorts = each.pushed_at, each.size, each.kind, platforms, each.stars
            tx.run(FACTS, id, each.name, namespace, each.visibility, *sorts)

    await process.db.write(insert)


async def pages(process, principal: Principal, wanted: Wanted) -> list[Page]:
    """All pages, one after the other."""
    found = [await Lists(process.db).page(principal, wanted)]
    while found[-1].next is not None:
        found.append(await Lists(process.db).page(principal, wanted._replace(after=found[-1].next)))
    return found


async def names(process, principal: Principal, wanted: Wanted) -> list[str]:
    return [item.name for page in await pages(process, principal, wanted) for item in page.items]


def granted(*texts: str) -> dict[str, tuple[Grant, ...]]:
    parsed = [patterns.parse(text) for text in texts]
    spaces = {pattern.namespace for pattern in parsed}
    return {
        space: tuple(Grant(each, "read", "user:ann") for each in parsed if each.namespace == space) for space in spaces
    }


def scope(*texts: str | None) -> tuple[ScopeEntry, ...]:
    return tuple(ScopeEntry(text and patterns.parse(text), frozenset({PULL})) for text in texts)


NAMES = [
    *("app", "app-1", "library/app", "library/x/y", "one_two", "onextwo", "ann/a", "ann/b/c", "a/app", "a/app-1/b"),
    *("a/app-1", "a/app-2", "a-b/c", "a0/c", "a/x/app-1", "a/x/y/app", "b/app", "b/x_y", "b/xzy", "b/c/d/e", "zoe/app"),
]
SCOPED = ANN._replace(memberships={"b": "member"}, grants=granted("a/**"))
PRINCIPALS = {
    "anonymous": ANONYMOUS,
    "anonymous where nothing is public": rule.anonymous("none", open=False),
    "everyone without accounts": rule.anonymous("pull"),
    "nobody without accounts": rule.anonymous("none"),
    "administrator": ROOT,
    "disabled": ROOT._replace(state="disabled"),
    "user": ANN,
    "member": ANN._replace(memberships={"b": "member", "a0": "owner"}),
    "robot": Principal(3, "robot", "a/ci", grants=granted("a/app-*")),
    **{
        text: ANN._replace(grants=granted(*text.split()))
        for text in (
            *("a/app", "a/*", "a/**", "a/app-*", "a/*/app", "a/*/**", "a/**/app", "a/x/**", "a/app-*/* a/app"),
            *("app", "library/app", "library/*", "library/**", "library/app* library/x/**", "library/one_*", "b/x_*"),
            " ".join(f"a/app-{number}*" for number in range(20)),
        )
    },
    "token for some": narrowed(SCOPED, scope("a/app*", "b/app", "zoe/*")),
    "token for some of a restricted one": narrowed(narrowed(SCOPED, scope("a/**", "b/**")), scope("a/*", "zoe/*")),
    "token for all": narrowed(SCOPED, scope(None)),
    "token without pull": narrowed(SCOPED, (ScopeEntry(None, frozenset({"push"})),)),
    "administrator's token": narrowed(ROOT, scope("a/*", "b/x_*")),
    "token where everyone pulls": narrowed(SCOPED._replace(everyone="pull"), scope("a/app")),
    "signed token": SCOPED._replace(asked=scope("a/*")),
    "many namespaces": ANN._replace(memberships={f"n{number}": "member" for number in range(40)} | {"b": "member"}),
}


@asynchronous
@pytest.mark.parametrize("who", PRINCIPALS)
async def test_a_list_has_exactly_what_the_rule_allows(process, who):
    principal = PRINCIPALS[who]
    made = [repository(name, "public" if number % 4 == 0 else "private") for number, name in enumerate(sorted(NAMES))]
    await filled(process, made)
    wanted = [
        each.name for each in made if decide(principal, PULL, rule.repository(each.name, True, each.visibility)).allowed
    ]
    for limit in (1, 3, 100):
        assert await names(process, principal, Wanted(limit=limit)) == wanted, limit
    _, counted = await Lists(process.db).counted(principal, Wanted())
    assert counted in (len(wanted), None)
    if who in ("anonymous", "administrator", "user", "member", "a/*", "library/*", "token for all"):
        assert counted == len(wanted)
    for namespace in ("a", "b", "library", "zoe", "nothing"):
        inside = [name for name in wanted if rule.repository(name).namespace == namespace]
        assert await names(process, principal, Wanted(limit=2, namespace=namespace)) == inside
        _, counted = await Lists(process.db).counted(principal, Wanted(namespace=namespace))
        assert counted in (len(inside), None)
    assert await names(process, principal, Wanted(text="APP", limit=2)) == [name for name in wanted if "app" in name]


@asynchronous
@pytest.mark.parametrize("principal", [ROOT, ANN._replace(memberships={"s1": "member", "s2": "member"})])
@pytest.mark.parametrize("sort", SORTS)
async def test_every_order_is_paged_both_ways(process, sort, principal):
    chance = random.Random(sort)
    values = {column: [chance.randrange(6) for _ in range(60)] for column in ("pushed_at", "size", "stars")}
    made = [
        repository(f"s{number % 4}/app-{number}", **{column: values[column][number] for column in values})
        for number in range(60)
    ]
    await filled(process, made)
    seen = [each for each in made if principal is ROOT or each.name[:2] in ("s1", "s2")]
    wanted = [each.name for each in sorted(seen, key=lambda each: lists.key(each, sort), reverse=sort != NAME)]
    found = await pages(process, principal, Wanted(sort, 7))
    assert [item.name for page in found for item in page.items] == wanted
    assert found[0].previous is None and all(page.previous for page in found[1:])
    for page, before in zip(found[1:], found):
        back = await Lists(process.db).page(principal, Wanted(sort, 7, before=page.previous))
        assert back.items == before.items and back.next == before.next
        assert (back.previous is None) == (before.previous is None)
        assert lists.parse_key(str(page.previous), sort) == page.previous


@asynchronous
async def test_filters_narrow_the_list(process):
    await filled(
        process,
        [
            repository("team/web", "public", description="The shop's Front end", kind="image", stars=1),
            repository("team/chart", "public", kind="chart", stars=2),
            repository("other/web", kind="index", platforms=("linux/amd64", "linux/arm64"), stars=3),
            repository("other/100%_x", "public", kind="image", platforms=("linux/arm64/v8",), stars=4),
        ],
    )
    for filters, found in (
        ({"text": "front"}, ["team/web"]),
        ({"text": "%"}, ["other/100%_x"]),
        ({"text": "_"}, ["other/100%_x"]),
        ({"text": "m/w"}, ["team/web"]),
        ({"text": "nothing"}, []),
        ({"kinds": ("image", "index")}, ["other/100%_x", "other/web", "team/web"]),
        ({"kinds": ("chart",)}, ["team/chart"]),
        ({"platform": "linux/arm64"}, ["other/web"]),
        ({"platform": "linux"}, []),
        ({"text": "web", "namespace": "other"}, ["other/web"]),
        ({"text": "web", "kinds": ("image",), "namespace": "other"}, []),
    ):
        assert await names(process, ROOT, Wanted(STARS, 2, **filters)) == found, filters
        seen = [name for name in found if name != "other/web"]
        assert await names(process, ANN, Wanted(STARS, 2, **filters)) == seen, filters


@asynchronous
async def test_a_filter_that_hardly_anything_fits_finds_it_in_a_large_registry(process):
    fitting = {3: "last", 1500: "middle", 2999: "first"}
    made = [
        repository(f"s{number % 9}/{fitting.get(number, 'other')}-{number}", pushed_at=number, kind="image")
        for number in range(3000)
    ]
    await filled(process, made)
    for principal in (ROOT, ANN._replace(memberships={f"s{number}": "member" for number in range(9)})):
        wanted = Wanted(PUSHED, 2, text="st-")
        assert await names(process, principal, wanted) == ["s2/first-2999", "s3/last-3"]
        assert await names(process, principal, wanted._replace(kinds=("chart",))) == []


@asynchronous
async def test_a_page_is_short_where_there_is_much_to_look_at(process):
    """A thousand repositories fit what the grant points to, and only the last one is named by it."""
    count = page_search._MOST_ASKED + 500
    made = [repository(f"a/{'y-x' if number else 'x'}/b/z", pushed_at=number) for number in range(2)]
    made += [repository(f"a/q/r{number:05d}-x/b", pushed_at=number + 5) for number in range(count)]
    await filled(process, made)
    found = await pages(process, ANN._replace(grants=granted("a/*-x/**")), Wanted(PUSHED, 10))
    assert [[item.name for item in page.items] for page in found] == [[], ["a/y-x/b/z"]]


@asynchronous
async def test_a_page_looks_at_so_many_repositories_and_no_more(process):
    def crowd(tx) -> None:
        tx.run(MADE, 1, "a/0", "private", "fits")
        tx.run(FACTS, 1, "a/0", "a", "private", 0, 0, "image", "", 0)
        tx.run(MANY, page_search._FIRST_LOOK + page_search.MOST_LOOKED_AT)
        tx.run(MANY_FACTS)

    await process.db.write(crowd)
    wanted = Wanted(PUSHED, 10, text="fits")
    first, last = await pages(process, ROOT, wanted)
    assert first.items == [] and [item.name for item in last.items] == ["a/0"]


@asynchronous
@pytest.mark.parametrize("administrator", [True, False])
async def test_many_patterns_cost_no_look_at_each_for_each_repository(process, administrator):
    await filled(process, [repository(f"s{number % 500:03d}/app-{number:05d}") for number in range(5_000)])
    texts = [f"s{number:03d}/**" for number in range(450)]
    principal = narrowed(
        Principal(1, USER, "ann", administrator, grants={} if administrator else granted(*texts)), scope(*texts)
    )
    found = await names(process, principal, Wanted(limit=100))
    assert len(found) == 4_500 and found == sorted(found) and not [name for name in found if name >= "s450"]


@asynchronous
async def test_what_has_become_private_is_gone_though_the_copy_says_public(process):
    await filled(process, [repository("a/app", "public"), repository("b/app", "public")])
    await process.db.write(lambda tx: tx.run("UPDATE repositories SET visibility = 'private' WHERE name = 'a/app'"))
    assert await names(process, ANONYMOUS, Wanted()) == ["b/app"]


@pytest.mark.parametrize("text", ["", "1", "~a", "x~a", "1" * 19 + "~a", "-1~a", "١~a"])
def test_a_key_that_is_none_is_refused(text):
    with pytest.raises(FieldInvalid):
        lists.parse_key(text, PUSHED)
