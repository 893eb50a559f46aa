"""A real nginx in front of the registry, started and ended by the test."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.support.server import free_port, listens, wait_for
from tests.support.tools import tool

CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
error_log {root}/error.log;
pid {root}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    log_format probe '$upstream_addr|$request';
    access_log {root}/access.log probe;
    client_body_temp_path {root}/body;
    proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi;
    uwsgi_temp_path {root}/uwsgi;
    scgi_temp_path {root}/scgi;
    client_max_body_size 0;
    {cache}
    upstream registry {{
        {servers}
        keepalive 16;
    }}
    server {{
        listen 127.0.0.1:{port}{tls};
        {certificate}
        location {prefix}/ {{
            proxy_pass http://registry{below};
            proxy_next_upstream off;
            proxy_request_buffering {buffering};
            {buffers}
            {told}
        }}
    }}
}}
"""

TOLD = """
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
"""


class Nginx:
    """nginx on a free port of 127.0.0.1, handing requests to the `upstreams` ("127.0.0.1:PORT") in turn, over
    connections that it keeps.

    No client stays with one upstream. What an upstream fails to answer is answered 502 and counts for nothing later:
    nothing is sent twice, and none is left out, so that no failure is smoothed over. `buffering` lets it take in a
    whole body first, `cache` keep answers as long as they say. Without `told` it speaks to the upstreams as it does by
    itself. `certificate` and its key let it speak TLS. `prefix` is the path below which it has the registry, as
    docs/pages.md shows it: it is not passed on.
    """

    def __init__(
        self,
        root: Path,
        *upstreams: str,
        buffering: bool = False,
        cache: bool = False,
        told: bool = True,
        certificate: tuple[Path, Path] | None = None,
        prefix: str = "",
    ) -> None:
        self.root = root
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        root.mkdir(parents=True, exist_ok=True)
        # Started by root it would change to a user who may not enter the test's directories.
        user = "user root;" if os.geteuid() == 0 else ""
        servers = "\n        ".join(f"server {upstream} max_fails=0;" for upstream in upstreams)
        values = {
            "root": root,
            "port": self.port,
            "servers": servers,
            "user": user,
            "buffering": "on" if buffering else "off",
        }
        values["tls"] = " ssl" if certificate else ""
        values["certificate"] = (
            f"ssl_certificate {certificate[0]}; ssl_certificate_key {certificate[1]};" if certificate else ""
        )
        values |= {"prefix": prefix, "below": "/" if prefix else ""}
        values["told"] = TOLD if told else ""
        values["cache"] = f"proxy_cache_path {root}/cache keys_zone=answers:1m;" if cache else ""
        values["buffers"] = "proxy_cache answers;" if cache else "proxy_buffering off;"
        (root / "nginx.conf").write_text(CONFIGURATION.format(**values))

    def start(self) -> Nginx:
        """Start and return once it listens."""
        command = [
            str(tool("nginx")),
            "-p",
            str(self.root),
            "-c",
            str(self.root / "nginx.conf"),
            "-e",
            str(self.root / "error.log"),
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        wait_for(self._up, 10, "nginx")
        return self

    def _up(self) -> bool:
        assert self._process is not None and self._process.poll() is None, (self.root / "error.log").read_text()
        return listens("127.0.0.1", self.port)

    def stop(self) -> None:
        """End it at once; its requests are cut. Does nothing when it is not running."""
        if self._process is not None:
            process, self._process = self._process, None
            process.terminate()
            process.wait(10)

    def __enter__(self) -> Nginx:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def served(self) -> list[str]:
        """The address of the upstream that got each request, in the order of their end."""
        lines = (self.root / "access.log").read_text(errors="replace").splitlines()
        return [line.partition("|")[0] for line in lines]

    def forwarded(self) -> list[str]:
        """The request lines that went on to the registry, in the order of their end."""
        lines = (self.root / "access.log").read_text(errors="replace").splitlines()
        return [line.partition("|")[2] for line in lines if line.partition("|")[0] not in ("", "-")]
