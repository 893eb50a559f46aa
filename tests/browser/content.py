"""What the registry of the tests of pages holds: images as builders make them, and names that are hard to show.

acme/app-web     an index of two platforms with history, labels, a signature, an SBOM and attestations
acme/charts/web  a Helm chart
acme/secret      private
acme/many        120 tags, and an image without one
acme/large       an image of 300 layers, and an index of 64 platforms
acme/long-…      a name of 255 characters, with a tag of 128
acme/broken      a config that is no JSON
acme/none        nothing was pushed but a blob
bob/tool         in the namespace of a user
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.support.api import Api
from tests.support.http import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST, Client, descriptor, digest_of
from tests.support.people import As, People, basic
from tests.support.server import Registry

LONG = "acme/" + "/".join(["long-" * 12 + "name"] * 3 + ["x" * 250])[:250]
LONG_TAG = "release-candidate-of-a-very-long-branch." * 3 + "12345678"
CHINESE_NAME = "王美丽"
CHINESE = "团队的主要应用。每次提交后自动构建，请不要手动推送。"
EMPTY = b"{}"
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"
HISTORY = (
    ("ADD rootfs.tar.xz / # buildkit", False), ('CMD ["bash"]', True),
    ("RUN /bin/sh -c apt-get update && apt-get install -y ca-certificates # buildkit", False),
    ("ENV PATH=/usr/local/bin:/usr/bin:/bin", True), ("COPY app /srv/app # buildkit", False),
    ('ENTRYPOINT ["/srv/app"]', True),
)  # fmt: skip
README = f"""# app-web

Pages of the shop: **one** process, *one* port, no state but `/var/lib/app`. [Documents](https://docs.example.com/app)

## Settings

| variable | default | what it is |
|---|---|---:|
| `APP_LISTEN` | `:8080` | where it listens |
| `APP_ENV` | `production` | {CHINESE} |

### Run

1. pull
   ```sh
   docker run -p 8080:8080 acme/app-web --a-very-long-argument-that-does-not-break={"x" * 120}
   ```
2. open <http://127.0.0.1:8080/>
   - with pictures: ![how requests travel](https://example.com/diagram.png)

> {"Unbroken" * 30}

<script>alert(1)</script>
"""
LABELS = {
    "org.opencontainers.image.source": "https://git.example.com/acme/app-web",
    "org.opencontainers.image.licenses": "Apache-2.0",
    "org.opencontainers.image.description": "The web application of acme",
    "com.example.说明": CHINESE,
}


def config(layers: Sequence[bytes], architecture: str = "amd64", **more: object) -> bytes:
    """A config with a history as BuildKit writes it."""
    steps = [{"created_by": by, "created": "2026-11-28T09:11:52Z", "empty_layer": empty} for by, empty in HISTORY]
    if len(layers) != 3:
        steps = [
            {"created_by": f"COPY part-{n} /srv/{n}", "created": "2026-11-28T09:11:52Z"} for n in range(len(layers))
        ]
    document = {
        "architecture": architecture,
        "os": "linux",
        "created": "2026-11-28T09:11:52Z",
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "APP_LISTEN=:8080", "APP_NAME=应用"],
            "Entrypoint": ["/srv/app"],
            "Cmd": ["--config", "/etc/app.toml"],
            "User": "10001:10001",
            "WorkingDir": "/srv",
            "ExposedPorts": {"8080/tcp": {}},
            "Volumes": {"/var/lib/app": {}},
            "Labels": LABELS,
        },
        "rootfs": {"type": "layers", "diff_ids": [digest_of(b"plain " + layer) for layer in layers]},
        "history": steps,
        **more,
    }
    return json.dumps(document, ensure_ascii=False).encode()


def manifest(settings: bytes, layers: Sequence[bytes], **more: object) -> bytes:
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(settings, OCI_CONFIG),
            "layers": [descriptor(layer, OCI_LAYER_GZIP) for layer in layers],
            **more,
        },
        ensure_ascii=False,
    ).encode()


class Pusher:
    """Pushes what pages show, as one who may."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._pushed: set[tuple[str, bytes]] = set()

    def image(self, repository: str, reference: str, layers: Sequence[bytes], settings: bytes = b"") -> bytes:
        """The manifest that was pushed; a reference that is empty: by its digest."""
        settings = settings or config(layers)
        for blob in (*layers, settings):
            self.blob(repository, blob)
        return self.put(repository, reference, manifest(settings, layers))

    def blob(self, repository: str, blob: bytes) -> None:
        if (repository, blob) not in self._pushed:
            self.client.push_blob(repository, blob)
            self._pushed.add((repository, blob))

    def put(self, repository: str, reference: str, document: bytes, media_type: str = OCI_MANIFEST) -> bytes:
        self.client.push_manifest(repository, reference or digest_of(document), document, media_type)
        return document

    def index(self, repository: str, references: Sequence[str], children: Sequence[tuple[bytes, dict]]) -> bytes:
        """An index of these manifests, each with its platform and annotations."""
        entries = [descriptor(child, OCI_MANIFEST, **more) for child, more in children]
        document = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
        for reference in references:
            self.put(repository, reference, document, OCI_INDEX)
        return document

    def artifact(self, repository: str, kind: str, subject: bytes, blob: bytes, reference: str = "", **more) -> bytes:
        """A manifest that refers to another one, or stands alone where the subject is empty."""
        self.blob(repository, EMPTY)
        self.blob(repository, blob)
        media_type = OCI_INDEX if b'"manifests"' in subject else OCI_MANIFEST
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": kind,
            "config": descriptor(EMPTY, EMPTY_CONFIG),
            "layers": [descriptor(blob, kind)],
            **({"subject": descriptor(subject, media_type)} if subject else {}),
            **more,
        }
        return self.put(repository, reference, json.dumps(document).encode())

    def application(self) -> None:
        """acme/app-web: four releases on one base, each for two platforms."""
        name, base = "acme/app-web", [b"base layer " * 9000, b"packages " * 5000]
        for number, release in enumerate(("2.7.0", "2.8.0", "2.8.1", "2.10.0")):
            children = []
            for architecture in ("amd64", "arm64"):
                layers = [*base, f"application {release} {architecture} ".encode() * (900 + 100 * number)]
                image = self.image(name, "", layers, config(layers, architecture))
                children.append((image, {"platform": {"os": "linux", "architecture": architecture}}))
            attestation = self.artifact(name, "application/vnd.in-toto+json", b"", f"proof {release}".encode())
            of = {
                "vnd.docker.reference.digest": digest_of(children[0][0]),
                "vnd.docker.reference.type": "attestation-manifest",
            }
            children.append(
                (attestation, {"platform": {"os": "unknown", "architecture": "unknown"}, "annotations": of})
            )
            index = self.index(name, [release, *(("latest", "2.8") if release == "2.8.1" else ())], children)
        self.artifact(name, "application/vnd.dev.cosign.artifact.sig.v1+json", index, b"signature")
        self.artifact(name, "application/spdx+json", index, b'{"spdxVersion": "SPDX-2.3"}')
        self.image(name, digest_of(index).replace(":", "-") + ".sig", [b"old signature"])

    def chart(self) -> None:
        kind = "application/vnd.cncf.helm.config.v1+json"
        chart = b'{"name": "web", "version": "1.4.2", "apiVersion": "v2", "description": "A chart"}'
        content = b"chart " * 500
        for blob in (chart, content):
            self.blob("acme/charts/web", blob)
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(chart, kind),
            "layers": [descriptor(content, "application/vnd.cncf.helm.chart.content.v1.tar+gzip")],
        }
        self.put("acme/charts/web", "1.4.2", json.dumps(document).encode())

    def large(self) -> None:
        """300 layers, and 64 platforms."""
        self.image("acme/large", "layers", [f"layer {number}".encode() for number in range(300)])
        children = []
        for number in range(64):
            layers = [f"platform {number}".encode()]
            image = self.image("acme/large", "", layers, config(layers, f"arch{number}"))
            children.append((image, {"platform": {"os": "linux", "architecture": f"arch{number}", "variant": "v8"}}))
        self.index("acme/large", ["platforms"], children)


def push_all(client: Client, large: bool = True) -> None:
    """Everything that this module's first lines name; acme/large takes a thousand requests."""
    pusher = Pusher(client)
    pusher.application()
    pusher.chart()
    if large:
        pusher.large()
    pusher.image("acme/secret", "v1", [b"secret layer"])
    pusher.image("bob/tool", "v1", [b"tool"])
    pusher.image(LONG, LONG_TAG, [b"long"])
    pusher.image("acme/many", "", [b"without a tag"])
    image = pusher.image("acme/many", "v0", [b"many"])
    for number in range(1, 120):
        pusher.put("acme/many", f"v{number}", image)
    pusher.image("acme/broken", "v1", [b"broken"], b"no JSON at all")
    client.push_blob("acme/none", b"a blob alone")


def furnish(registry: Registry, large: bool = True) -> People:
    """Accounts and content. ann administers, bob owns acme, mei belongs to it, eve does not."""
    people = People(registry)
    people.add("ann", "bob", "mei", "eve")
    people.command("user", "promote", "ann")
    people.command("user", "set", "mei", "--full-name", CHINESE_NAME, "--location", "上海")
    people.command("org", "add", "acme", "--owner", "bob")
    people.command("org", "add", "empty", "--owner", "bob")
    for namespace in ("acme", "bob"):
        people.command("repository", "default", namespace, "--public")
    people.command("org", "member", "add", "acme", "mei")
    people.command("team", "add", "acme", "dev")
    people.command("team", "member", "add", "acme", "dev", "mei")
    people.command("grant", "add", "acme/app-*", "--to", "team:acme/dev", "--right", "write")
    people.command("robot", "add", "acme/ci")
    with As(registry.address, people.shown("ann")) as client:
        push_all(client, large)
    people.command("repository", "set", "acme/secret", "--private")
    people.command("repository", "set", "acme/app-web", "--description", CHINESE)
    describe(registry)
    return people


def describe(registry: Registry) -> None:
    """What people add to repositories."""
    app, charts = "/repositories/acme%2Fapp-web", "/repositories/acme%2Fcharts%2Fweb"
    with Api(registry.address, basic("bob")) as bob, Api(registry.address, basic("mei")) as mei:
        bob.call("PUT", f"{app}/readme", {"text": README}).expect(204)
        bob.call("PATCH", app, {"categories": ["web", "shops"]}).expect(200)
        notice = {"text": "It moved. " + "Unbroken" * 20, "replacement": "acme/app-web"}
        bob.call("PATCH", charts, {"deprecation": notice}).expect(200)
        bob.call("PUT", "/account/stars/acme%2Fapp-web").expect(204)
        bob.call("POST", f"{app}/comments", {"text": "Please use 2.8.\n\n" + "Unbroken" * 30}).expect(201)
        mei.call("POST", f"{app}/comments", {"text": CHINESE}).expect(201)
