"""How docker of 2014 to 2016 pulls: one connection for each request, headers and order as those engines sent them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.protocol import wire
from tests.support.http import Response

NOBODY = "Basic Og=="
# Engine -> whether it asks for one tag, and not for the list of all.
ENGINES = {"1.4.1": False, "1.6.2": False, "1.9.1": True, "1.10.3": True}


@dataclass
class Engine:
    """One engine at one registry. basic: the Authorization header after `docker login`; empty: not logged in."""

    address: str
    version: str = "1.9.1"
    basic: str = ""
    token: str = ""
    asked: list[str] = field(default_factory=list)

    def pull(self, name: str, tag: str) -> list[tuple[dict, bytes]]:
        """JSON and layer of each image, the last one first."""
        listed = self.begin(name)
        top = self.tag(name, tag)
        assert top in [item["id"] for item in listed]
        ancestry = self.get(f"/v1/images/{top}/ancestry").expect(200).json()
        assert ancestry[0] == top
        return [self.image(id) for id in ancestry]

    def begin(self, name: str) -> list[dict]:
        """The images of a repository, and the token that the rest is asked with."""
        first = self.basic or (NOBODY if self.version in ("1.4.1", "1.6.2") else "")
        shown = {"Authorization": first} if first else {}
        answer = self.send("GET", f"/v1/repositories/{name}/images", {**shown, "X-Docker-Token": "true"}).expect(200)
        assert re.fullmatch(r"[\w.-]+(:\d+)?", answer.headers["X-Docker-Endpoints"])
        # The client puts the word before all of what it was given.
        self.token = f"Token {answer.headers['X-Docker-Token']}"
        return answer.json()

    def tag(self, name: str, tag: str) -> str:
        """A name of one part becomes library/NAME here."""
        spelled = name if "/" in name else f"library/{name}"
        if ENGINES[self.version]:
            return self.get(f"/v1/repositories/{spelled}/tags/{tag}").expect(200).json()
        return self.get(f"/v1/repositories/{spelled}/tags").expect(200).json()[tag]

    def image(self, id: str) -> tuple[dict, bytes]:
        described = self.get(f"/v1/images/{id}/json").expect(200)
        found, size = described.json(), int(described.headers["X-Docker-Size"])
        layer = self.get(f"/v1/images/{id}/layer").expect(200)
        assert found["id"] == id and len(layer.body) == size and layer.headers["Accept-Ranges"] == "bytes"
        return found, layer.body

    def get(self, path: str, **more: str) -> Response:
        """With the token."""
        return self.send("GET", path, {"Authorization": self.token, **more})

    def send(self, method: str, path: str, fields: Mapping[str, str] = {}, body: object = None) -> Response:
        agent = f"docker/{self.version} go/go1.3 git-commit/x kernel/3.8 os/linux arch/amd64"
        own = {"User-Agent": agent, "Accept-Encoding": "gzip", "Connection": "close"}
        self.asked.append(f"{method} {path}")
        data = None if body is None else json.dumps(body).encode()
        return wire.request(self.address, method, path, [*{**own, **fields}.items()], data)
