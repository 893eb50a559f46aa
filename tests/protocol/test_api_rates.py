"""How many changes one account makes by the API."""

from __future__ import annotations

import pytest

from tests.support.api import Api
from tests.support.people import People, basic
from tests.support.server import Registry


@pytest.mark.edge
def test_changes_of_a_user_come_at_a_rate(tmp_path):
    """Each was a row of the audit, and made all workers read everybody's rights again: 5,514 in 10 s."""
    with (
        Registry(tmp_path / "data", 1) as registry,
        Api(registry.address, basic("bob")) as bob,
        Api(registry.address, basic("ann")) as ann,
    ):
        People(registry).add("bob", "ann")
        answers = [bob.call("PATCH", "/account", {"company": f"Acme {number}"}) for number in range(150)]
        done = sum(answer.status == 200 for answer in answers)
        assert {answer.status for answer in answers} == {200, 429} and 60 <= done < 150
        refused = next(answer for answer in answers if answer.status == 429)
        assert refused.code() == "TOOMANYREQUESTS" and int(refused.headers["Retry-After"]) >= 1
        bob.call("GET", "/account").expect(200)
        ann.call("PATCH", "/account", {"company": "Acme"}).expect(200)
        said = registry.prepare("audit", "--action", "user.profile", "--limit", "all").stdout
        assert said.count("user.profile") == done + 1
