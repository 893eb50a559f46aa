"""A registry that has payloads in every text that it keeps: what was pushed, what people wrote, what browsers say."""

from __future__ import annotations

import json
import re

from dockboard_registry.web.ui import routes
from tests.browser.content import Pusher, config, manifest
from tests.security.payloads import PAYLOADS, RUN
from tests.support.api import Api
from tests.support.http import OCI_MANIFEST, Client, descriptor, digest_of
from tests.support.people import As, People, basic
from tests.support.server import Registry

RICH = f"\"'><img src=x onerror={RUN}><script>{RUN}</script>"
REPOSITORY, ONE = "acme/app", "/repositories/acme%2Fapp"
# One that a browser sends as its own name is kept in the row of a session.
AGENT = {"User-Agent": f"Mozilla/5.0 {RICH}"}


ANNOTATIONS = {text: text for text in PAYLOADS}
NAMED = (
    "source",
    "url",
    "documentation",
    "licenses",
    "vendor",
    "title",
    "description",
    "version",
    "revision",
    "base.name",
)


def _image() -> tuple[list[bytes], bytes, bytes]:
    """Layers, config and manifest of an image."""
    layers = [b"a layer", b"another", b"third"]
    settings = json.loads(config(layers))
    settings["author"] = settings["os.version"] = settings["variant"] = RICH
    settings["history"] = [{"created_by": text, "comment": text, "author": text} for text in PAYLOADS]
    settings["config"] |= {
        "Labels": ANNOTATIONS | {f"org.opencontainers.image.{name}": RICH for name in NAMED},
        "Env": list(PAYLOADS),
        "Cmd": list(PAYLOADS),
        "Entrypoint": [RICH],
        "User": RICH,
        "WorkingDir": RICH,
        "StopSignal": RICH,
        "ExposedPorts": {RICH: {}},
        "Volumes": {RICH: {}},
    }
    data = json.dumps(settings).encode()
    document = json.loads(manifest(data, layers, annotations=ANNOTATIONS))
    for layer in document["layers"]:
        layer["annotations"] = {"org.opencontainers.image.title": RICH}
    return layers, data, json.dumps(document).encode()


LAYERS, CONFIG, IMAGE = _image()
# What a path names, by the words in its braces.
NAMES = {
    "repository": REPOSITORY, "tag": "v1", "digest": digest_of(IMAGE), "account": "acme", "namespace": "acme",
    "organization": "acme", "user": "bob", "team": "dev", "robot": "ci", "token": "laptop", "id": "1", "key": "0" * 32,
    "word": "dev", "file": "dockboard.css", "version": "0" * 12,
}  # fmt: skip


def address(path: str) -> str:
    """A route's path with names of what `furnish` makes."""
    return re.sub(r"\{([a-z]+)\}", lambda match: NAMES[match[1]], path)


SHOWN = sorted({address(page.path) for page in routes.pages() if page.get and not page.path.startswith("/static")})
SENT = sorted({address(page.path) for page in routes.pages() if page.post})


def furnish(registry: Registry) -> None:
    """Accounts and content. ann administers, bob owns acme, eve is a stranger."""
    people = People(registry)
    people.add("ann", "bob", "eve")
    people.command("user", "promote", "ann")
    people.command("org", "add", "acme", "--owner", "bob")
    people.command("team", "add", "acme", "dev")
    people.command("robot", "add", "acme/ci")
    people.command("token", "add", "bob", "--name", "laptop")
    people.command("repository", "default", "acme", "--public")
    with As(registry.address, people.shown("ann")) as client:
        load(client)
    write(people)


def load(client: Client) -> None:
    """Push acme/app: v1 is an image, v2 an index, v3 a chart, v4 an artifact."""
    pusher = Pusher(client)
    for blob in (*LAYERS, CONFIG):
        pusher.blob(REPOSITORY, blob)
    pusher.put(REPOSITORY, "v1", IMAGE)
    _others(pusher, IMAGE, ANNOTATIONS)


def _others(pusher: Pusher, image: bytes, annotations: dict) -> None:
    platform = {"os": RICH, "architecture": RICH, "variant": RICH, "os.version": RICH}
    pusher.index(REPOSITORY, ["v2"], [(image, {"platform": platform, "annotations": annotations})])
    chart = json.dumps(
        {"name": RICH, "version": RICH, "description": RICH, "keywords": [RICH], "home": f"javascript:{RUN}"}
    )
    pusher.blob(REPOSITORY, chart.encode())
    kind = "application/vnd.cncf.helm.config.v1+json"
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(chart.encode(), kind),
        "layers": [],
        "annotations": annotations,
    }
    pusher.put(REPOSITORY, "v3", json.dumps(document).encode())
    titled = {"org.opencontainers.image.title": RICH, "org.opencontainers.image.created": RICH}
    pusher.artifact(REPOSITORY, "application/spdx+json", b"", b"alone", "v4", annotations=titled)
    for number, kind in enumerate(("application/spdx+json", "application/vnd.x'onload=1")):
        pusher.artifact(REPOSITORY, kind, image, f"refers {number}".encode(), annotations=titled)


def write(people: People) -> None:
    """What people write: profiles, descriptions, READMEs, comments, notices."""
    address = people.registry.address
    with Api(address, basic("bob")) as bob, Api(address, people.shown("ann")) as ann:
        for user in ("bob", "ann", "eve"):
            ann.call("PATCH", f"/users/{user}", {"full_name": RICH, "company": RICH, "location": RICH}).expect(200)
        settings = {"description": RICH, "deprecation": {"text": RICH}}
        bob.call("PATCH", ONE, settings).expect(200)
        bob.call("PUT", f"{ONE}/readme", {"text": "\n\n".join(PAYLOADS)}).expect(204)
        for start in range(0, len(PAYLOADS), 25):
            text = "\n\n".join(PAYLOADS[start : start + 25])
            bob.call("POST", f"{ONE}/comments", {"text": text}).expect(201)
        bob.call("PUT", "/account/stars/acme%2Fapp").expect(204)
