"""Two nodes on one MariaDB, and everything that can happen to it while clients push, re-tag, mount, delete and pull.

Nothing acknowledged is lost, `check` finds nothing, both nodes serve again within 5 s of the end of the fault, and
they have no more threads and connections than before.
"""

import contextlib
import random
import tempfile
import threading
import time
from pathlib import Path

import pymysql
import pytest
from pymysql.constants import ER

from tests.faults.crew import a_while, hire, recovery, settle
from tests.faults.disks import Tmpfs, need_disks
from tests.faults.journal import Journal
from tests.faults.nodes import CONNECTIONS, must_be_sound, recovered, serving, threads
from tests.faults.test_full_disk import fill_to_the_brim
from tests.faults.test_kill import Collector
from tests.faults.verifier import verify
from tests.faults.workload import Journalled, Unanswered, image
from tests.support import mariadb, places
from tests.support.mysql_proxy import MySQLProxy
from tests.support.rounds import LONG
from tests.support.server import wait_for

SECONDS = 60.0 if LONG else 3.0
"""How long a stopped server, a held lock and the like last."""
GROWTH = 12
"""Threads of a node that are begun as they are first needed: those of its connections and of its executors."""


def killed(server) -> None:
    server.kill()
    a_while(0.1, 1.0)
    server.start()


def restarted(server) -> None:
    server.stop()
    server.start()


def stopped(server) -> None:
    server.pause()
    time.sleep(SECONDS)
    server.go_on()


def read_only(server) -> None:
    server.execute("SET GLOBAL read_only = ON")
    time.sleep(min(SECONDS, 10))
    server.execute("SET GLOBAL read_only = OFF")


def without_connections(server) -> None:
    """Others take all there are, and the registry's are cut, so that it needs new ones."""
    others = []
    with contextlib.closing(server.admin()) as administrator:
        cursor, until = administrator.cursor(), time.monotonic() + min(SECONDS, 10)
        cursor.execute("SET GLOBAL max_connections = 12")
        while time.monotonic() < until:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE user = 'docker'")
            for (thread,) in cursor.fetchall():
                with contextlib.suppress(pymysql.Error):
                    cursor.execute(f"KILL {thread}")
            with contextlib.suppress(pymysql.Error):
                while True:
                    others.append(server.admin())
            time.sleep(0.05)
        for other in others:
            other.close()
        cursor.execute("SET GLOBAL max_connections = 151")
    assert others


def locked(server) -> None:
    """Somebody at a prompt holds the rows that every push changes, and the gaps between them."""
    ((name,),) = server.execute("SELECT table_schema FROM information_schema.tables WHERE table_name = 'uploads'")
    with contextlib.closing(server.admin(name)) as connection:
        connection.autocommit(False)
        while not hold(connection, random.sample(("tags", "repository_blobs", "blobs", "manifests"), 2)):
            pass
        time.sleep(SECONDS)
        connection.rollback()


def hold(connection, tables: list[str]) -> bool:
    """Lock them; False where the server undid it, because pushes hold some of the rows and want others."""
    try:
        for table in tables:
            connection.cursor().execute(f"SELECT * FROM {table} FOR UPDATE")
    except pymysql.OperationalError as error:
        assert error.args[0] in (ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT), error
        connection.rollback()
        return False
    return True


# Each with how often it is made in the long rounds.
FAULTS = ((killed, 20), (restarted, 20), (stopped, 2), (read_only, 5), (without_connections, 5), (locked, 2))


@pytest.fixture
def server():
    """In memory, so that recovery is not that of a busy disk."""
    with tempfile.TemporaryDirectory(prefix="dockboard-mariadb-", dir=places.MEMORY) as directory:
        with mariadb.MariaDB(Path(directory, "mariadb")) as started:
            yield started


@pytest.mark.parametrize(("fault", "times"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_a_server_that_fails_under_load(server, tmp_path, fault, times, rounds, figures):
    url = server.url(server.make())
    with serving(tmp_path / "data", [url, url], gc_grace=0, gc_interval=2) as nodes:
        crew = hire(nodes[0], Journal(tmp_path / "journal"), 4, nodes)
        with crew:
            a_while(0.8, 1.2)
        before = threads(nodes)
        for number in range(rounds(1, times)):
            with crew:
                a_while(0.3, 0.8)
                fault(server)
                seconds = recovered(nodes)
                figures.most(recovery=round(seconds, 2))
                a_while(0.1, 0.3)
            assert seconds <= recovery()
            must_be_sound(crew, figures, f"round {number}")
            wait_for(
                lambda: mariadb.connections(server) <= CONNECTIONS * len(nodes),
                20,
                "the end of superfluous connections",
            )
            assert threads(nodes) <= before + GROWTH * len(nodes)
        assert settle(crew, figures) == []


class Nuisance(threading.Thread):
    """Cuts connections and answers with errors, most of all at COMMIT."""

    STATEMENTS = (b"COMMIT", b"COMMIT", b"COMMIT", b"UPDATE", b"INSERT", b"DELETE", b"SELECT", b"START")
    WAYS = ("before", "after", "after", 1213, 1205, 1053, 1927, 3101)

    def __init__(self, proxy: MySQLProxy):
        super().__init__()
        self.proxy, self.stop = proxy, threading.Event()

    def run(self) -> None:
        while not self.stop.wait(random.uniform(0.005, 0.05)):
            self.proxy.cut(random.choice(self.STATEMENTS), random.choice(self.WAYS), random.randrange(3))

    def __enter__(self) -> "Nuisance":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop.set()
        self.join()


def test_connections_cut_and_conflicts_at_every_statement(server, tmp_path, rounds, figures):
    """A COMMIT that was cut is there or not, never half, and what was acknowledged is there."""
    with MySQLProxy(server.port) as proxy:
        url = server.url(server.make(), proxy.port)
        with serving(tmp_path / "data", [url, url], gc_grace=0, gc_interval=2) as nodes:
            crew = hire(nodes[0], Journal(tmp_path / "journal"), 4, nodes)
            for number in range(rounds(1, 20)):
                with crew, Nuisance(proxy):
                    a_while(1.5, 2.0)
                proxy.rest()
                figures.most(recovery=round(recovered(nodes), 2))
                must_be_sound(crew, figures, f"round {number}")
            assert proxy.cuts > 0
            figures.add(cuts=proxy.cuts)
            assert settle(crew, figures) == []


def test_nodes_killed_under_load_while_another_goes_on(server, tmp_path, rounds, figures):
    """kill -9 of one registry node, with collectors running; the other serves all the time."""
    url = server.url(server.make())
    with serving(tmp_path / "data", [url, url], gc_grace=0) as nodes:
        crew = hire(nodes[0], Journal(tmp_path / "journal"), 4, nodes)
        for number in range(rounds(1, 10)):
            victim = random.choice(nodes)
            with Collector(nodes[0]) as collector, crew:
                a_while(0.3, 0.8)
                victim.kill()
                figures.most(recovery=round(recovered([node for node in nodes if node is not victim]), 2))
                victim.start()
                a_while(0.1, 0.3)
            assert collector.failures == []
            must_be_sound(crew, figures, f"round {number}")
        assert settle(crew, figures) == []


def test_the_disk_of_the_server_is_full(tmp_path, rounds, figures):
    """InnoDB may give up altogether where it finds no room; then whoever looks after it starts it again once there is
    some.
    """
    need_disks()
    with (
        Tmpfs(tmp_path / "disk", "256m") as disk,
        mariadb.MariaDB(disk.where / "mariadb", log=tmp_path / "mariadb.log") as server,
    ):
        url, ballast = server.url(server.make()), disk.where / "ballast"
        with serving(tmp_path / "data", [url, url]) as nodes:
            clients = [
                Journalled(node.address, Journal(tmp_path / f"journal{n}", seed=n + 1)) for n, node in enumerate(nodes)
            ]
            for number in range(rounds(1, 5)):
                fill_to_the_brim(ballast)
                refusals = [
                    refusal
                    for n, client in enumerate(clients)
                    for refusal in until_refused(client, f"full{n}/app", number)
                ]
                ballast.unlink()
                figures.add(crashed=start_if_it_gave_up(server))
                seconds = recovered(nodes)
                figures.most(recovery=round(seconds, 2))
                assert seconds <= recovery()
                assert refusals and all(refusal.status in (503, 507) for refusal in refusals), [
                    str(refusal) for refusal in refusals
                ]
                figures.add(rounds=1, refused=len(refusals))
                for client in clients:
                    assert verify(nodes[0], client.journal) == [], f"round {number}"


def start_if_it_gave_up(server) -> bool:
    ended = server.process.poll() is not None
    if ended:
        server.start()
    return ended


def until_refused(client: Journalled, repository: str, number: int) -> list[Unanswered]:
    """Push manifests of 200 kB until one is refused for want of room."""
    for attempt in range(300):
        try:
            client.upload(repository, b"{}")
            body = image(b"{}", [], annotations={"n": f"{number}-{attempt}", "fill": "x" * 200_000})
            client.put_manifest(repository, f"tag-{number}-{attempt}", body)
        except Unanswered as refusal:
            return [refusal]
    return []
