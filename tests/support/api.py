"""A client of /api/v1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.support.http import Response
from tests.support.people import As

JSON = {"Content-Type": "application/json"}
ROOT = "/api/v1"


class Api(As):
    """Paths are those below /api/v1; a document is sent as JSON."""

    def call(self, method: str, path: str, document: Any = None, headers: Mapping[str, str] = {}) -> Response:
        body = None if document is None else json.dumps(document).encode()
        return self.request(method, ROOT + path, {**(JSON if body is not None else {}), **headers}, body)

    def all(self, path: str, limit: int = 2) -> list[dict]:
        """Every item of a list, page by page."""
        found, following = [], f"{ROOT}{path}{'&' if '?' in path else '?'}limit={limit}"
        while following:
            page = self.get(following).expect(200).json()
            assert len(page["items"]) <= limit
            found += page["items"]
            following = page.get("next")
        return found
