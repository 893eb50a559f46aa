"""How names are ranked by what was typed: in memory where few fit, by the database where many do."""

import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from dockboard_registry.domain.explore import names_with

PARTS = st.text("ab/_", max_size=4)


@given(st.lists(PARTS, unique=True), PARTS)
def test_the_database_ranks_names_as_the_program_does(names, part):
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE repository_facts (name)")
    database.executemany("INSERT INTO repository_facts VALUES (?)", [(name,) for name in names])

    def chosen(condition) -> set[str]:
        sql = f"SELECT name FROM repository_facts WHERE {condition.sql}"
        return {name for (name,) in database.execute(sql, condition.parameters)}

    fitting = chosen(names_with.part(part))
    assert fitting == {name for name in names if part in name}
    ranks = {name: names_with.rank(name, part) for name in fitting}
    seen: set[str] = set()
    for rank, condition in enumerate(names_with.best(part)):
        found = chosen(condition)
        assert found - seen == {name for name, of_name in ranks.items() if of_name == rank}
        seen |= found
    assert {name for name, of_name in ranks.items() if of_name == 3} == fitting - seen
