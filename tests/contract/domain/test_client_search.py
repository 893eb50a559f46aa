"""The search of clients, over each database: order, bound, and what is hidden."""

from dockboard_registry.domain.access import rule
from dockboard_registry.domain.access.rule import USER, Principal
from dockboard_registry.domain.explore import repository_facts
from dockboard_registry.domain.explore.client_search import MOST, ClientSearch
from tests.contract.aio import asynchronous
from tests.contract.domain.world import OPERATOR

ROOT, BOB = Principal(1, USER, "root", True), Principal(3, USER, "bob")
ANONYMOUS = rule.anonymous("pull", open=False)


async def found(process, principal: Principal, text: str, first: int = 0, count: int = 100) -> list[str]:
    page = await ClientSearch(process.db).find(principal, text, first, count)
    return [item.name for item in page.items]


async def small(process) -> None:
    await process.people("ann", "bob")
    for name in ("bob/app", "bob/my-web", "bob/web", "web", "web/site", "other/web/deep", "plain/x"):
        await process.push(b"config", name)
    await process.repository_settings.set_visibility(OPERATOR, "bob/web", "public")
    await process.repository_settings.set_description(OPERATOR, "bob/app", "Made for the WEB")
    await process.db.write(lambda tx: tx.run("UPDATE repository_facts SET stars = 3 WHERE name = 'web/site'"))


@asynchronous
async def test_the_best_come_first(process):
    await small(process)
    expected = ["web/site", "bob/web", "web", "bob/my-web", "other/web/deep", "bob/app"]
    assert await found(process, ROOT, "web") == await found(process, ROOT, "WEB") == expected
    pages = [await found(process, ROOT, "web", first, 2) for first in (0, 2, 4, 6)]
    assert pages == [expected[0:2], expected[2:4], expected[4:6], []]
    assert len(await found(process, ROOT, "")) == 7
    assert await found(process, ROOT, "library/web") == expected
    for text in ("%", "_", "|", "w_b", "web%"):
        assert await found(process, ROOT, text) == []


@asynchronous
async def test_what_is_hidden_is_not_found_by_name_or_description(process):
    await small(process)
    hidden = {"bob/my-web", "bob/app"}
    assert not hidden & {*await found(process, ANONYMOUS, "web"), *await found(process, ANONYMOUS, "made")}
    assert hidden <= {*await found(process, BOB, "web")} and await found(process, BOB, "made") == ["bob/app"]
    assert await found(process, rule.anonymous("none", open=False), "") == []


@asynchronous
async def test_a_search_finds_a_thousand_at_most(process):
    await process.push(b"config", "many/x")
    (row,) = await process.db.scan(lambda tx: tx.all("SELECT id, created_at FROM repositories"))
    names = [f"many/n{number:04d}" for number in range(MOST + 5)]

    def fill(tx) -> None:
        for number, name in enumerate(names, 1):
            tx.insert("INSERT INTO repositories (id, name, created_at) VALUES (?, ?, ?)", row[0] + number, name, row[1])
            repository_facts.make(tx, row[0] + number, name)

    await process.db.write(fill)
    page = await ClientSearch(process.db).find(ROOT, "many/n", MOST - 1, 100)
    assert (page.total, [item.name for item in page.items]) == (MOST, [names[MOST - 1]])
