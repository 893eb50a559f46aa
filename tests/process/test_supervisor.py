"""The process tree: how it starts, what it refuses, how it survives and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.support.http import Client
from tests.support.server import Registry, free_port, listens, wait_for
from tests.support.tools import tool

PSS_LIMIT = 56 << 20


@pytest.fixture
def own(tmp_path):
    """A registry for one test, which may do to it what it wants; not started."""
    registry = Registry(tmp_path / "data")
    yield registry
    registry.kill()


def healthy(address: str) -> bool:
    with Client(address, timeout=5) as client:
        return client.get("/healthz").status == 200


def gone(pid: int) -> bool:
    """Whether a process has ended; one that is not ours to reap may stay as a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def begun_upload(address: str, length: int) -> socket.socket:
    """A connection on which a PATCH of `length` bytes has begun, with none of them sent."""
    with Client(address) as client:
        location = client.start_upload("drain/me")
    host, port = address.split(":")
    sock = socket.create_connection((host, int(port)), 20)
    head = (
        f"PATCH {location} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/octet-stream\r\nContent-Length:"
        f" {length}\r\n\r\n"
    )
    sock.sendall(head.encode())
    # The worker has read it when it holds the upload; half a second is ages for that.
    time.sleep(0.5)
    return sock


def test_it_says_where_it_is_and_what_to_try(own):
    own.start()
    lines = own.output.read_text().splitlines()
    assert len(lines) <= 8
    assert f"Listening on http://{own.address}" in lines
    assert f"Data in {own.root}" in lines
    assert f"    docker push localhost:{own.port}/hello-world" in lines
    assert healthy(own.address)


def test_the_data_directory_is_for_its_owner_only(own):
    own.start()
    assert stat.S_IMODE(own.root.stat().st_mode) == 0o700


def test_two_idle_workers_fit_into_56_mib(own):
    own.start()
    with Client(own.address) as client:
        client.push_image("a/b", "v1")
        client.pull_image("a/b", "v1")
    assert own.pss() <= PSS_LIMIT


def test_an_ipv6_listener(tmp_path):
    with Registry(tmp_path / "data", server_listen="[::1]:0") as registry:
        assert registry.address == f"[::1]:{registry.port}"
        assert healthy(registry.address)


def test_localhost_serves_all_its_addresses(tmp_path):
    with Registry(tmp_path / "data", server_listen="localhost:0") as registry:
        found = {
            sockaddr[0] for *_, sockaddr in socket.getaddrinfo("localhost", registry.port, type=socket.SOCK_STREAM)
        }
        for host in found:
            assert healthy(f"[{host}]:{registry.port}" if ":" in host else f"{host}:{registry.port}")


def test_a_port_in_use_is_refused_in_words(own, tmp_path):
    own.start()
    done = Registry(tmp_path / "other").run("serve", "--listen", own.address)
    assert done.returncode == 2
    assert done.stderr.endswith(
        f"registry: can't listen on {own.address} (server.listen): another program listens there: "
        "stop it, or choose another port with --listen HOST:PORT\n"
    )
    assert "Traceback" not in done.stderr
    assert "Listening" not in done.stdout


def test_an_address_of_another_machine_is_refused_in_words(tmp_path):
    done = Registry(tmp_path / "data", auth_anonymous="pull").run("serve", "--listen", "192.0.2.1:5000")
    assert done.returncode == 2
    assert "can't listen on 192.0.2.1:5000 (server.listen): this machine does not have that address" in done.stderr


def test_a_second_server_on_the_same_data_is_refused_until_the_first_has_gone(own, tmp_path):
    own.start()
    done = Registry(own.root).run("serve", "--listen", "127.0.0.1:0")
    assert done.returncode == 2
    assert f"another registry (process {own.pid}) serves the data in {own.root}" in done.stderr
    assert healthy(own.address)
    own.kill()
    own.start()
    assert healthy(own.address)


def test_a_new_server_waits_for_the_workers_of_one_that_was_killed(own):
    """Workers that still write, and are slow to see that their supervisor is gone, must not meet a second server."""
    own.start()
    workers = own.workers()
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    own.process.kill()
    own.process.wait()
    own.process = None
    second = Registry(own.root)
    starting = threading.Thread(target=second.start)
    starting.start()
    try:
        time.sleep(2)
        assert starting.is_alive()
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    starting.join()
    assert healthy(second.address)
    second.stop()


def test_workers_end_with_their_supervisor(own):
    own.start()
    workers = own.workers()
    assert len(workers) == 2
    own.kill()
    wait_for(lambda: all(gone(pid) for pid in workers), 2, "the end of the workers")
    assert not listens("127.0.0.1", own.port)


def test_workers_that_die_are_replaced_ever_more_slowly(own):
    own.start()
    for _ in range(4):
        before = own.workers()
        os.kill(before[-1], signal.SIGKILL)
        wait_for(lambda: before[-1] not in own.workers() and len(own.workers()) == 2, 5, "another worker")
    log = own.logged("ended with signal 9; starting another", 4)
    delays = re.findall(r"worker 1 \(pid \d+\) ended with signal 9; starting another in ([0-9.]+) s", log)
    others = re.findall(r"worker 0 \(pid \d+\) ended with signal 9; starting another in ([0-9.]+) s", log)
    expected = ["0.1", "0.2", "0.4", "0.8"]
    assert delays == expected[: len(delays)]
    assert others == expected[: len(others)]
    assert len(delays) + len(others) == 4
    assert healthy(own.address)


@pytest.mark.slow
def test_a_hung_worker_is_replaced_and_a_paused_server_is_not_harmed(own, tmp_path):
    """30 s without a heartbeat; but a server that was stopped as a whole, as on a laptop, has no hung workers."""
    own.start()
    with Registry(tmp_path / "paused") as paused:
        hung = own.workers()[0]
        os.kill(hung, signal.SIGSTOP)
        all_of_it = [paused.pid, *paused.workers()]
        for pid in all_of_it:
            os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: hung not in own.workers(), 40, "the end of the hung worker")
        for pid in all_of_it:
            os.kill(pid, signal.SIGCONT)
        wait_for(lambda: len(own.workers()) == 2, 5, "another worker")
        time.sleep(3)
        assert [paused.pid, *paused.workers()] == all_of_it
        assert healthy(paused.address)
    assert healthy(own.address)
    own.logged(f"(pid {hung}) has hung for")


def test_workers_that_can_never_serve_end_the_server(tmp_path):
    """Twelve open files let the supervisor start, and no worker."""
    registry = Registry(tmp_path / "data", prefix=[str(tool("prlimit")), "--nofile=12:12"])
    done = registry.run("serve", "--listen", "127.0.0.1:0")
    assert done.returncode == 1
    assert "workers fail before they serve (the last one with status 1): giving up" in done.stderr


def test_sigterm_lets_a_running_upload_finish_and_refuses_new_connections(own):
    own.start()
    with begun_upload(own.address, 6) as upload:
        upload.sendall(b"abc")
        own.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not listens("127.0.0.1", own.port), 5, "the end of listening")
        assert own.process.poll() is None
        upload.sendall(b"def")
        answer = upload.recv(65536)
        assert answer.startswith(b"HTTP/1.1 202 ")
    assert own.process.wait(10) == 0
    own.process = None


def test_the_drain_ends_after_its_time(own):
    own.configure(server_drain=1)
    own.start()
    with begun_upload(own.address, 6):
        began = time.monotonic()
        own.process.send_signal(signal.SIGTERM)
        own.process.wait(10)
        assert 1 <= time.monotonic() - began < 8
    own.process = None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(own, number):
    own.start()
    with begun_upload(own.address, 6):
        own.process.send_signal(number)
        before = own.logged("requests that run get")
        own.process.send_signal(number)
        assert own.process.wait(5) == 128 + number
        assert own.log.read_text() == before
    wait_for(lambda: not listens("127.0.0.1", own.port), 5, "the end of the workers")
    own.process = None


def test_control_c_in_a_terminal_reaches_all_and_ends_quietly(tmp_path):
    registry = Registry(tmp_path / "data")
    process = subprocess.Popen(
        [*registry._command, "serve"],
        env=registry.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not process.stdout.readline().startswith("Listening on "):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "KeyboardInterrupt" not in errors


def test_a_wrong_configuration_is_not_reloaded(tmp_path):
    file = tmp_path / "registry.toml"
    file.write_text("[log]\nlevel = 'info'\n")
    registry = Registry(tmp_path / "data")
    port = free_port()
    log = tmp_path / "log"
    with open(log, "ab") as errors:
        process = subprocess.Popen(
            [*registry._command, "serve", "--config", str(file), "--listen", f"127.0.0.1:{port}"],
            env=registry.environment(),
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    try:
        wait_for(lambda: "listening on" in log.read_text(), 20, "the start")
        file.write_text("[log]\nlevel = 'deafening'\n")
        process.send_signal(signal.SIGHUP)
        refusal = 'log.level must be one of debug, info, warning, error, not "deafening"'
        wait_for(lambda: refusal in log.read_text(), 5, "the refusal")
        assert healthy(f"127.0.0.1:{port}")
        file.write_text("[log]\nlevel = 'debug'\n")
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: "INFO supervisor: reloading" in log.read_text(), 5, "the reload")
        assert healthy(f"127.0.0.1:{port}")
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_a_json_log_is_one_object_a_line(tmp_path):
    with Registry(tmp_path / "data", log_format="json") as registry:
        os.kill(registry.workers()[0], signal.SIGKILL)
        registry.logged("ended with signal 9")
        with Client(registry.address) as client:
            client.get("/v2/", {"User-Agent": 'odd "agent"'})
        registry.logged("odd")
    found = [json.loads(line) for line in registry.log.read_text().splitlines()]
    assert all({"ts", "level", "logger"} <= set(entry) for entry in found)
    assert [entry["user_agent"] for entry in found if entry["logger"] == "access"] == ['odd "agent"']


def test_a_closed_standard_output_does_not_matter(tmp_path):
    """As under a service manager that gives none, or `registry.pyz | head -1`."""
    registry = Registry(tmp_path / "data")
    port = free_port()
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [*registry._command, "serve", "--listen", f"127.0.0.1:{port}"],
        env=registry.environment(),
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    wait_for(lambda: listens("127.0.0.1", port), 20, "the start")
    assert healthy(f"127.0.0.1:{port}")
    process.terminate()
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_without_standard_streams_logs_go_nowhere_and_into_no_file(tmp_path):
    """With descriptors 0 to 2 closed, the next files that are opened would get those
    numbers: the lock, the database.
    """
    registry = Registry(tmp_path / "data")
    port = free_port()
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *registry._command, "serve", "--listen", f"127.0.0.1:{port}"],
        env=registry.environment(),
    )
    try:
        wait_for(lambda: listens("127.0.0.1", port), 20, "the start")
        with Client(f"127.0.0.1:{port}") as client:
            client.push_image("a/b", "v1", [b"layer"])
            assert client.pull_image("a/b", "v1") == [b"layer"]
        time.sleep(0.3)
    finally:
        process.terminate()
    assert process.wait(20) == 0
    assert registry.run("check").returncode == 0
    assert (registry.root / ".lock").read_text() == str(process.pid)
