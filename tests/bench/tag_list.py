"""What a browser loads until a list of 5,000 tags shows: our page, zot's, and docker-registry-ui over distribution.

    ./tests/run --python -m tests.bench.tag_list --zot PROGRAM --registry-ui FOLDER

PROGRAM is a zot with the extensions search and ui. FOLDER is `dist` of docker-registry-ui's repository. Its files are
served compressed, on one origin with the registry, so that it needs no request more than it has to. Without these
options ours is measured alone.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import http.server
import json
import re
import tempfile
import threading
from pathlib import Path

from tests.bench.servers import Distribution, Ours, Server
from tests.support.browser import Browser, Window
from tests.support.http import Client, image_config, image_manifest

TAGS, REPOSITORY = 5_000, "bench/app"
# Each push to zot takes longer the more tags there are.
ZOT_TAGS = 100
HOP = ("content-length", "date", "transfer-encoding", "connection")
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def push(server: Server, tags: int = TAGS) -> None:
    """Tags, each of another image over the same layer."""
    host, port = server.address
    with Client(f"{host}:{port}") as client:
        layers = [b"a layer"]
        client.push_image(REPOSITORY, "v0", layers)
        config = image_config(layers)
        for number in range(1, tags):
            annotations = {"number": str(number)}
            client.push_manifest(REPOSITORY, f"v{number}", image_manifest(config, layers, annotations=annotations))


class Site(http.server.BaseHTTPRequestHandler):
    """docker-registry-ui and the registry behind it, on one origin."""

    protocol_version = "HTTP/1.1"
    folder, registry = Path(), ("", 0)

    def do_GET(self) -> None:
        if self.path.startswith("/v2/"):
            self._pass_on()
            return
        name = self.path.partition("?")[0].lstrip("/") or "index.html"
        file = self.folder / name
        if not file.is_file():
            self._send(404, {}, b"")
            return
        body = file.read_bytes()
        if name == "index.html":
            # Options that were not given are empty, as its own start script leaves them.
            body = re.sub(rb"\$\{SINGLE_REGISTRY\}", b"true", body)
            body = re.sub(rb"\$\{[A-Z_]+\}", b"", body)
        kind = TYPES.get(file.suffix, "application/octet-stream")
        self._send(200, {"Content-Type": kind, "Content-Encoding": "gzip"}, gzip.compress(body, 6))

    do_HEAD = do_GET

    def _pass_on(self) -> None:
        connection = http.client.HTTPConnection(*self.registry)
        shown = {name: value for name, value in self.headers.items() if name.lower() == "accept"}
        connection.request(self.command, self.path, headers=shown)
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in HOP}
        self._send(answer.status, kept, answer.read())
        connection.close()

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command == "GET" else b"")

    def log_message(self, *_: object) -> None:
        pass


class Zot(Server):
    name = label = "zot"

    def __init__(self, root: Path, program: Path):
        super().__init__(root)
        self.program = program

    def command(self) -> list[str]:
        settings = {
            "storage": {"rootDirectory": str(self.data)},
            "http": {"address": "127.0.0.1", "port": str(self.port)},
            "log": {"level": "error"},
            "extensions": {"search": {"enable": True}, "ui": {"enable": True}},
        }
        file = self.root / "zot.json"
        file.write_text(json.dumps(settings))
        return [str(self.program), "serve", str(file)]


def report(name: str, window: Window) -> None:
    count, size = window.sent()
    print(f"{name}: {count} requests, {size:,} bytes", flush=True)


def ours(browser: Browser, root: Path) -> None:
    server = Ours(root)
    server.start()
    try:
        push(server)
        host, port = server.address
        with browser.window(f"http://{host}:{port}") as window:
            assert window.visit(f"/r/{REPOSITORY}/-/tags") == 200
            window.page.get_by_text(f"v{TAGS - 1}", exact=True).first.wait_for()
            report("registry.pyz", window)
            window.picture("tag-list-ours")
    finally:
        server.stop()


def zot(browser: Browser, root: Path, program: Path) -> None:
    server = Zot(root, program)
    try:
        server.start()
        push(server, ZOT_TAGS)
        host, port = server.address
        with browser.window(f"http://{host}:{port}") as window:
            # A browser that was never there is sent to the first page, so that counts as a visit of its own.
            window.visit("/home")
            window.page.wait_for_load_state("networkidle")
            session = window.page.context.new_cdp_session(window.page)
            session.send("Network.enable")
            session.send("Network.setCacheDisabled", {"cacheDisabled": True})
            window.visit(f"/image/{REPOSITORY.replace('/', '%2F')}")
            window.page.get_by_text(re.compile(r"^v\d+$")).first.wait_for()
            window.page.wait_for_load_state("networkidle")
            report(f"zot, with {ZOT_TAGS} tags", window)
            window.picture("tag-list-zot")
    finally:
        server.stop()


def registry_ui(browser: Browser, root: Path, folder: Path) -> None:
    server = Distribution(root)
    server.start()
    Site.folder, Site.registry = folder, server.address
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    try:
        push(server)
        with browser.window(f"http://127.0.0.1:{site.server_port}") as window:
            window.visit(f"/#!/taglist/{REPOSITORY}")
            window.page.get_by_text(re.compile(r"^v\d+$")).first.wait_for()
            # The facts of each row that shows are asked for by requests of their own.
            window.page.wait_for_load_state("networkidle")
            report("docker-registry-ui over distribution", window)
            window.picture("tag-list-docker-registry-ui")
    finally:
        site.shutdown()
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zot", type=Path, metavar="PROGRAM", help="a zot with the extensions search and ui")
    parser.add_argument("--registry-ui", type=Path, metavar="FOLDER", help="built files of docker-registry-ui")
    chosen = parser.parse_args()
    browser = Browser()
    try:
        with tempfile.TemporaryDirectory() as folder:
            ours(browser, Path(folder, "ours"))
            if chosen.zot:
                zot(browser, Path(folder, "zot"), chosen.zot)
            if chosen.registry_ui:
                registry_ui(browser, Path(folder, "distribution"), chosen.registry_ui)
    finally:
        browser.stop()


if __name__ == "__main__":
    main()
