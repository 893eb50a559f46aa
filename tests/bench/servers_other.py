"""Servers for single measurements: registries over TLS, nginx, which sends plain files, and a program that only
receives.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.bench.servers import WORKERS, Distribution, MissingTool, Ours, Server

NGINX = """\
daemon off;
{user}
worker_processes {workers};
pid {root}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log {root}/access.log;
    client_body_temp_path {root}/body;
    proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi;
    uwsgi_temp_path {root}/uwsgi;
    scgi_temp_path {root}/scgi;
    sendfile on;
    tcp_nopush on;
    server {{
        listen 127.0.0.1:{port};
        root {data};
        location = /v2/ {{ return 200; }}
    }}
}}
"""


class _Tls:
    """A registry that serves https with a certificate of its own, made at each start."""

    def spawn(self) -> None:
        from tests.protocol.certificates import make_certificate, trusting

        self.certificate, self.key = make_certificate(self.root, "tls")
        self.context = trusting(self.certificate)
        super().spawn()


class OursTls(_Tls, Ours):
    name = "ours-tls"

    def environment(self) -> dict[str, str]:
        files = {"DOCKBOARD_SERVER_TLS_CERTIFICATE": str(self.certificate), "DOCKBOARD_SERVER_TLS_KEY": str(self.key)}
        return {**super().environment(), **files}


class OursBehindProxy(Ours):
    """It believes whose requests it is told to have, because each address may search only so often. Everybody may push
    and see all pages.
    """

    name = "ours-behind-proxy"

    def environment(self) -> dict[str, str]:
        more = {"DOCKBOARD_SERVER_TRUSTED_PROXIES": "127.0.0.1", "DOCKBOARD_AUTH_ANONYMOUS": "push"}
        return {**super().environment(), **more}


class DistributionTls(_Tls, Distribution):
    name = "distribution-tls"

    def environment(self) -> dict[str, str]:
        files = {"REGISTRY_HTTP_TLS_CERTIFICATE": str(self.certificate), "REGISTRY_HTTP_TLS_KEY": str(self.key)}
        return {**super().environment(), **files}


class Nginx(Server):
    """As many worker processes as ours has, sendfile and tcp_nopush on as Debian ships it, an access log."""

    name = "nginx"
    label = "nginx"

    def spawn(self) -> None:
        self.data.mkdir(parents=True)
        super().spawn()

    def command(self) -> list[str]:
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        if not program:
            raise MissingTool("nginx is not installed: apt-get install nginx")
        # Started by root it would change to a user who may not enter the directory.
        user = "user root;" if os.geteuid() == 0 else ""
        values = {"root": self.root, "data": self.data, "port": self.port, "workers": WORKERS, "user": user}
        (self.root / "nginx.conf").write_text(NGINX.format(**values))
        return [program, "-p", str(self.root), "-c", str(self.root / "nginx.conf"), "-e", str(self.root / "error.log")]

    def publish(self, file: Path, target: str) -> None:
        """Answer GET of the target with this file."""
        path = self.data / target.lstrip("/")
        path.parent.mkdir(parents=True)
        path.symlink_to(file)


class Floor(Server):
    """No registry: what it takes to receive, hash and write, see floor.py."""

    name = "floor"
    label = "receive, hash, write"

    def spawn(self) -> None:
        self.data.mkdir(parents=True)
        super().spawn()

    def command(self) -> list[str]:
        return [sys.executable, str(Path(__file__).with_name("floor.py")), str(self.port), str(self.data)]


OTHERS = {kind.name: kind for kind in (OursTls, OursBehindProxy, DistributionTls, Nginx, Floor)}
