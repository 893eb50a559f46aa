"""A Galera cluster of three MariaDB nodes on 127.0.0.1, each of which may be killed, stopped and started again."""

from __future__ import annotations

import atexit
import functools
import getpass
import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pymysql
from pymysql.constants import ER

from tests.support import places
from tests.support.mariadb import MariaDB, query
from tests.support.server import free_port, wait_for
from tests.support.tools import library, need, tool

NODES = 3
JOIN_SECONDS = 90
# A node that says nothing for `suspect` seconds is left out by the others. Galera's own default is 5; a busy test
# machine needs some.
SUSPECT_SECONDS = 3
_POSITION = re.compile(r"Recovered position:\s*(\S+:-?\d+)")


def _lets_in(url: str) -> bool:
    try:
        return query(url, "SELECT 1") == [(1,)]
    except pymysql.OperationalError as error:
        if error.args[0] not in (ER.DBACCESS_DENIED_ERROR, ER.ACCESS_DENIED_ERROR, ER.BAD_DB_ERROR):
            raise
        return False


class Node(MariaDB):
    """One node; `cluster` is the address of all, which is known once all have their ports.

    rsync, which copies the data to a node that lost them, can't serve as root: then the Debian package's user runs the
    nodes.
    """

    owner = "mysql" if os.geteuid() == 0 else getpass.getuser()

    def __init__(self, directory: Path, name: str):
        super().__init__(directory)
        self.name = name
        self.group, self._ist, self._sst = free_port(), free_port(), free_port()
        self.cluster = ""

    def start(self, *settings: str) -> Node:
        """As MariaDB's; the directories are the owner's then."""
        if self.owner != getpass.getuser():
            for directory in (self.directory, self.data, Path(self.run)):
                directory.chmod(0o755)
                subprocess.run(["chown", "-R", self.owner, str(directory)], check=True)
        super().start(*settings)
        return self

    def _wsrep(self) -> list[str]:
        provider = {
            "base_host": "127.0.0.1",
            "base_port": self.group,
            "gmcast.listen_addr": f"tcp://127.0.0.1:{self.group}",
            "ist.recv_addr": f"127.0.0.1:{self._ist}",
            "gcache.size": "64M",
            "evs.suspect_timeout": f"PT{SUSPECT_SECONDS}S",
            "evs.inactive_timeout": f"PT{2 * SUSPECT_SECONDS}S",
        }
        options = ";".join(f"{name}={value}" for name, value in provider.items())
        return [
            *(
                "--wsrep-on=ON",
                f"--wsrep-provider={library('galera/libgalera_smm.so')}",
                f"--wsrep-cluster-address={self.cluster}",
            ),
            *("--wsrep-cluster-name=dockboard", f"--wsrep-node-name={self.name}", "--wsrep-node-address=127.0.0.1"),
            *(
                "--wsrep-sst-method=rsync",
                f"--wsrep-sst-receive-address=127.0.0.1:{self._sst}",
                f"--wsrep-provider-options={options}",
            ),
            *("--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-slave-threads=2"),
        ]

    def bootstrap(self) -> Node:
        """Start as the first node of a new cluster."""
        self.start(*self._wsrep(), "--wsrep-new-cluster")
        self.wait_until_synced()
        return self

    def join(self) -> Node:
        """Start into the running cluster and return when this node takes part; after a crash it fetches only what it
        missed.
        """
        self.start(*self._wsrep(), *self._position())
        self.wait_until_synced()
        return self

    def _position(self) -> list[str]:
        """Where the node's data are, as galera_recovery of the Debian package asks for it."""
        if not (self.data / "grastate.dat").exists():
            return []
        command = [
            str(tool("mariadbd")),
            "--no-defaults",
            f"--datadir={self.data}",
            f"--user={self.owner}",
            "--wsrep-recover",
        ]
        command += [
            f"--socket={self.socket}",
            "--skip-networking",
            f"--tmpdir={self.run}",
            "--innodb-log-file-size=32M",
            "--log-error=",
        ]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=JOIN_SECONDS)
        found = _POSITION.findall(done.stderr + done.stdout)
        return [f"--wsrep-start-position={found[-1]}"] if found else []

    def status(self, name: str) -> str:
        """A wsrep_... status variable, empty where the node does not answer."""
        try:
            return (self.execute(f"SHOW STATUS LIKE 'wsrep_{name}'") or [("", "")])[0][1]
        except pymysql.Error:
            return ""

    def cut_off(self) -> None:
        """The other nodes hear nothing from this one any more, nor it from them; its clients reach it."""
        self.execute("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'")

    def reconnect(self) -> None:
        """The end of cut_off; harmless without it."""
        self.execute("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'")

    def wait_until_refusing(self) -> None:
        """Until it knows that it is not with the majority."""
        wait_for(
            lambda: self.status("cluster_status") == "non-Primary",
            JOIN_SECONDS,
            f"node {self.name} to know that it is alone",
        )

    def wait_until_synced(self) -> None:
        wait_for(
            lambda: self.status("local_state_comment") == "Synced" and self.status("ready") == "ON",
            JOIN_SECONDS,
            f"the sync of node {self.name}",
        )


class Galera:
    """Three nodes that have each other's data."""

    def __init__(self, directory: Path):
        need("rsync")
        library("galera/libgalera_smm.so")
        self.nodes = [Node(directory / f"node{number}", f"node{number}") for number in range(NODES)]
        address = ",".join(f"127.0.0.1:{node.group}" for node in self.nodes)
        for node in self.nodes:
            node.cluster = f"gcomm://{address}"

    def start(self) -> Galera:
        """The second and third node begin with a copy of the first one's data, which spares a state transfer."""
        first, *others = self.nodes
        first.bootstrap().stop()
        for node in others:
            shutil.rmtree(node.data)
            shutil.copytree(first.data, node.data)
        first.bootstrap()
        with ThreadPoolExecutor(len(others)) as pool:
            list(pool.map(Node.join, others))
        self.wait_for_size(NODES)
        return self

    def wait_for_size(self, size: int) -> None:
        """Until all nodes agree that so many are the cluster."""
        self._wait(self.nodes, size)

    def wait_for_loss(self, lost: Node) -> list[Node]:
        """Until the others know that this node is gone; the others."""
        others = [node for node in self.nodes if node is not lost]
        self._wait(others, len(others))
        return others

    @staticmethod
    def _wait(nodes: list[Node], size: int) -> None:
        agree = lambda: all(node.status("cluster_size") == str(size) and node.status("ready") == "ON" for node in nodes)
        wait_for(agree, JOIN_SECONDS, f"a cluster of {size} nodes")

    def make(self, name: str = "") -> str:
        """An empty database with its user, on all nodes; its name.

        Nodes apply the grant by and by, and a login waits for none of them.
        """
        made = self.nodes[0].make(name)
        wait_for(
            lambda: all(_lets_in(node.url(made)) for node in self.nodes),
            JOIN_SECONDS,
            "the database's user at every node",
        )
        return made

    def urls(self, name: str) -> list[str]:
        """The same database at each node."""
        return [node.url(name) for node in self.nodes]

    def mend(self) -> None:
        """Bring every node back that a test has killed, stopped or cut off."""
        for node in self.nodes:
            if node.process is not None:
                node.go_on()
        for node in self.nodes:
            if node.process is not None:
                self._reconnect(node)
        for node in self.nodes:
            if node.process is None:
                node.join()
            node.wait_until_synced()
        self.wait_for_size(NODES)

    @staticmethod
    def _reconnect(node: Node) -> None:
        """A node that has missed more than the others' caches hold gives up; then it starts again."""
        try:
            node.reconnect()
        except pymysql.Error:
            node.kill()

    def close(self) -> None:
        for node in self.nodes:
            node.close()

    def __enter__(self) -> Galera:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


@functools.cache
def shared() -> Galera:
    """The cluster of this session; a test that breaks a node mends it."""
    directory = Path(tempfile.mkdtemp(prefix="dockboard-galera-", dir=places.MEMORY))
    directory.chmod(0o755)
    cluster = Galera(directory)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    atexit.register(cluster.close)
    return cluster.start()
