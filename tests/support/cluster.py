"""Several servers as one registry: two nodes on one MySQL database and one directory, behind one nginx."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.nginx import Nginx
from tests.support.server import Registry, Running

NODES = 2


class Cluster(Running):
    """What Registry is for one server, for NODES of them: `address` is nginx's, which gives each request to the next
    node.

    Each node has one worker unless told otherwise; the settings are those of all. `log` is of all nodes together. What
    only one process has (`pid`, `process`) is to be asked of one of `nodes`. The first start takes a free port for
    nginx and each node; later ones keep it.
    """

    def __init__(self, root: Path, workers: int = 1, **settings: object) -> None:
        # Through nginx nobody is local, so what everyone may do has to be said.
        first = Registry(root, workers, database="mysql", **{"auth_anonymous": "push", **settings})
        self.nodes = [first, *(first.sibling() for _ in range(NODES - 1))]
        for node in self.nodes:
            node.log = first.log  # each line is appended in one write
        self.root, self.log, self.database = first.root, first.log, first.database
        self.scheme = "http"
        self._nginx: Nginx | None = None

    def configure(self, **settings: object) -> None:
        """Change settings of all nodes for the next start."""
        for node in self.nodes:
            node.configure(**settings)

    @property
    def port(self) -> int:
        return self._nginx.port if self._nginx else 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.address}"

    def start(self) -> Cluster:
        """Start all nodes at once, then nginx; AssertionError with the log when one does not start."""
        try:
            self._each(Registry.start)
            if self._nginx is None:
                root = self.root.with_name(self.root.name + "-nginx")
                self._nginx = Nginx(root, *(node.address for node in self.nodes))
            self._nginx.start()
        except BaseException:
            self.kill()
            raise
        return self

    def _each(self, action) -> None:
        """Do it with all nodes at once, and to the end with each, before the first error is raised."""
        with ThreadPoolExecutor(NODES) as pool:
            started = [pool.submit(action, node) for node in self.nodes]
        for done in started:
            done.result()

    def stop(self) -> None:
        """End nginx, then SIGTERM to each node, which must drain and exit 0."""
        self._stop_nginx()
        self._each(Registry.stop)

    def kill(self) -> None:
        """SIGKILL to each node's supervisor, after the end of nginx."""
        self._stop_nginx()
        self._each(Registry.kill)

    def _stop_nginx(self) -> None:
        if self._nginx is not None:
            self._nginx.stop()

    def run(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """A command of the .pyz (`check`, `gc`, ...) on the same database and directory."""
        return self.nodes[-1].run(*arguments, timeout=timeout)

    def prepare(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """What `run` does, in a tenth of the time."""
        return self.nodes[-1].prepare(*arguments, given=given)

    def served(self) -> list[str]:
        """The address of the node that got each request, in the order of their end."""
        return self._nginx.served() if self._nginx else []

    def workers(self) -> list[int]:
        """The pids of all nodes' workers."""
        return [pid for node in self.nodes for pid in node.workers()]

    def pss(self) -> int:
        """Bytes of memory of all nodes, without nginx and the database."""
        return sum(node.pss() for node in self.nodes)
