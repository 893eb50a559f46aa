"""The thread that writes the log: order, bound, what is told of lines that were dropped, and its end."""

import os
import threading
import time

import pytest

from dockboard_registry.config import LogConfig
from dockboard_registry.server.log_writer import LogWriter
from dockboard_registry.server.logs import AccessLog


class Pipe:
    """A writer into a pipe of 4 KiB."""

    def __init__(self, limit: int = 4000, lasting: bool = True):
        self.reader, descriptor = os.pipe()
        self.dropped = 0
        self.writer = LogWriter(lambda count: b"dropped %d\n" % count, self._drop, lasting, descriptor, limit)

    def _drop(self, count: int) -> None:
        self.dropped += count

    def read(self) -> list[bytes]:
        """All lines until none has come for a moment."""
        os.set_blocking(self.reader, False)
        data, until = b"", time.monotonic() + 0.3
        while time.monotonic() < until:
            try:
                data += os.read(self.reader, 65536)
                until = time.monotonic() + 0.3
            except BlockingIOError:
                time.sleep(0.01)
        return data.split(b"\n")[:-1]


def lines(first: int, last: int) -> list[bytes]:
    return [b"%d " % number + b"x" * 90 for number in range(first, last)]


def put(pipe: Pipe, first: int, last: int) -> None:
    for line in lines(first, last):
        pipe.writer.put([line + b"\n"])


@pytest.mark.parametrize("lasting", [True, False])
def test_lines_come_in_order(lasting):
    pipe = Pipe(1 << 20, lasting)
    put(pipe, 0, 50)
    assert pipe.read() == lines(0, 50)
    put(pipe, 50, 60)
    assert pipe.read() == lines(50, 60) and pipe.dropped == 0


def test_what_finds_no_room_is_dropped_and_told_at_its_place():
    pipe = Pipe()
    put(pipe, 0, 2000)
    found = pipe.read()
    put(pipe, 2000, 2003)
    found += pipe.read()
    number = told = 0
    for line in found:
        if line.startswith(b"dropped"):
            told += int(line.split()[1])
            number += int(line.split()[1])
        else:
            assert [line] == lines(number, number + 1)
            number += 1
    assert number == 2003 and told == pipe.dropped > 1000


def test_a_thread_that_is_not_to_last_ends_when_all_is_written():
    pipe = Pipe(1 << 20, lasting=False)
    before = threading.active_count()
    put(pipe, 0, 10)
    pipe.writer.settle(5)
    assert pipe.read() == lines(0, 10)
    assert threading.active_count() == before


def test_settling_waits_for_a_reader_who_reads_and_not_for_long_for_one_who_does_not():
    pipe = Pipe(1 << 20)
    put(pipe, 0, 2000)
    began = time.monotonic()
    pipe.writer.settle(0.3)
    assert 0.2 < time.monotonic() - began < 3
    reading = threading.Thread(target=pipe.read)
    reading.start()
    pipe.writer.settle(10)
    assert time.monotonic() - began < 8
    reading.join()


def test_a_file_gets_all_of_a_call_at_once(tmp_path):
    file = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    writer = LogWriter(lambda count: b"", lambda count: None, True, file)
    writer.put([line + b"\n" for line in lines(0, 500)])
    writer.settle(5)
    assert (tmp_path / "log").read_bytes().split(b"\n")[:-1] == lines(0, 500)


def test_a_file_gets_as_much_of_a_call_as_the_queue_has_room_for(tmp_path):
    dropped = []
    writer = LogWriter(
        lambda count: b"dropped %d\n" % count, dropped.append, True, os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    )
    writer.put([line + b"\n" for line in lines(0, 20_000)])
    writer.settle(5)
    found = (tmp_path / "log").read_bytes().split(b"\n")[:-1]
    assert len(found) > 9_000 and found[:9_000] == lines(0, 9_000)
    assert sum(dropped) == 20_000 - len(found[:-1])


@pytest.mark.parametrize("format", ["text", "json"])
def test_long_lines_of_the_access_log_find_room(tmp_path, format):
    """Whoever asks for long paths must not push the lines of others out of the log."""
    dropped = []
    writer = LogWriter(
        lambda count: b"dropped %d\n" % count, dropped.append, True, os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    )
    log = AccessLog(LogConfig(format=format), put=writer.put)
    for number in range(1000):
        log.write("192.0.2.1", "GET", f"/v2/{number}/" + "x" * 6000, 404, 100, 0.001, "id", "agent", "-")
        if number % 200 == 0:
            writer.settle(5)
    log.flush()
    writer.settle(5)
    assert (tmp_path / "log").read_bytes().count(b"/v2/") == 1000 and not dropped


def test_a_reader_who_is_gone_and_a_descriptor_that_is_closed_are_no_errors():
    pipe = Pipe()
    os.close(pipe.reader)
    put(pipe, 0, 100)
    pipe.writer.settle(5)
    nobody = LogWriter(lambda count: b"", lambda count: None, True, 9999)
    nobody.put([b"line\n"])
    nobody.settle(5)
