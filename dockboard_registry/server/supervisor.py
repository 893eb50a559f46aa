"""The supervisor forks the workers, restarts those that end or hang, and passes signals on.

It runs no event loop and no code of requests. It only waits for a signal, for some seconds at most. While there are log
lines to write, a thread writes them, because the reader of standard error may stall.
"""

import contextlib
import gc
import logging
import mmap
import os
import secrets
import signal
import socket
import sys
import time
from dataclasses import dataclass, replace

from ..config import Config, ConfigError
from ..errors import StartError
from . import logs, tls, worker
from .context import WorkerContext, clear_beat, last_beat
from .log_writer import LogWriter

log = logging.getLogger("supervisor")

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
# Seconds. A worker that lived this long did not fail at its start, so the next one is started at once.
STEADY = 10.0
HUNG = 30.0
# Seconds. After a pause that long between two rounds the supervisor itself was stopped, and so were the workers.
PAUSED = 15.0
# Seconds. The supervisor waits so long for a signal if nothing is due.
ROUND = 5.0
# If no worker has ever served and one fails this often in a row, the server ends: its next start would fail too.
FIRST_FAILURES = 5
# Seconds after server.drain in which workers close what is left.
CLOSING = 5.0
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGALRM}


@dataclass
class Slot:
    """A place for one worker. `pid` while one runs, else the time at which the next one is started."""

    number: int
    pid: int = 0
    started: float = 0.0
    delay: float = FIRST_DELAY
    due: float = 0.0
    failures: int = 0


def flush_output() -> None:
    """Write out what is buffered, before it is copied or lost. A failure must not keep a process from its end."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def _give_back_freed_memory() -> None:
    """Return to the system what compiling has freed: each worker would copy it where it uses it again.

    Not every C library can do so.
    """
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).malloc_trim(0)


class Supervisor:
    """Keeps `config.workers` workers running on these listening sockets until SIGTERM or SIGINT."""

    def __init__(
        self,
        config: Config,
        listeners: list[socket.socket],
        metrics_listeners: list[socket.socket],
        log_writer: LogWriter,
        store_id: str,
    ) -> None:
        self._store_id = store_id
        self._config = config
        self._log_writer = log_writer
        self._listeners = listeners
        self._metrics_listeners = metrics_listeners
        self._slots = [Slot(number) for number in range(config.workers)]
        self._board = mmap.mmap(-1, worker.BOARD_SIZE)
        self._server_start = secrets.token_hex(8)
        self._alive_read, self._alive_write = os.pipe()
        self._awake_since = self._round = time.monotonic()
        self._served = False
        self._failed = False
        # Set once the server is to stop: when workers that have not ended are killed.
        self._deadline: float | None = None
        self._status = 0

    def hold_signals(self) -> None:
        """Keep signals waiting until `run` takes them: whoever knows where the server listens may stop it in good
        order.
        """
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def run(self) -> int:
        """Supervise until all is over, and return the exit status: 0 after an orderly end. Call hold_signals first."""
        # Objects that are alive now stay. Without the collector's marks workers share these pages.
        gc.collect()
        gc.freeze()
        _give_back_freed_memory()
        while self._deadline is None or self._running():
            self._start_due()
            received = self._wait()
            self._note_pause()
            self._handle(received)
            self._reap()
            self._kill_late()
        return self._status or int(self._failed)

    def _running(self) -> list[Slot]:
        return [slot for slot in self._slots if slot.pid]

    def _wait(self) -> signal.Signals:
        """The next signal; SIGALRM when something is due, after ROUND at the latest.

        Not by sigtimedwait: CPython's returns uninitialised memory if a stopped process goes on after that time.
        """
        signal.setitimer(signal.ITIMER_REAL, self._seconds_to_wait())
        return signal.Signals(signal.sigwaitinfo(SIGNALS).si_signo)

    def _seconds_to_wait(self) -> float:
        times = [slot.due for slot in self._slots if not slot.pid and self._deadline is None]
        if self._deadline is not None:
            times.append(self._deadline)
        return max(0.001, min([ROUND, *(due - time.monotonic() for due in times)]))

    def _note_pause(self) -> None:
        now = time.monotonic()
        if now - self._round > PAUSED:
            self._awake_since = now
        self._round = now

    def _start_due(self) -> None:
        for slot in self._slots:
            if not slot.pid and self._deadline is None and slot.due <= time.monotonic():
                self._start(slot)

    def _start(self, slot: Slot) -> None:
        clear_beat(self._board, slot.number)
        flush_output()
        slot.started = time.monotonic()
        try:
            slot.pid = os.fork()
        except OSError as error:
            self._put_off(slot, f"can't start a worker: {error.strerror}")
            return
        if slot.pid == 0:
            os._exit(self._work(slot.number))

    def _work(self, slot: int) -> int:
        """What a new process does: it is a worker, and returns the exit status."""
        try:
            os.close(self._alive_write)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            # A terminal sends these to all processes. The supervisor says what they mean.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            logs.configure(self._config.log)  # the fork has no thread that writes the supervisor's log
            context = WorkerContext(
                slot,
                self._server_start,
                self._store_id,
                self._listeners,
                self._metrics_listeners,
                self._alive_read,
                self._board,
            )
            return worker.run(self._config, context) or 0
        except BaseException:
            log.exception("worker %d failed", slot)
            return 1
        finally:
            flush_output()

    def _handle(self, received: signal.Signals) -> None:
        if received == signal.SIGHUP:
            self._reload()
        elif received in (signal.SIGTERM, signal.SIGINT):
            self._stop() if self._deadline is None else self._end_at_once(received)

    def _reload(self) -> None:
        try:
            config = self._config.reload()
            tls.context(self._config.server)
        except (ConfigError, StartError) as error:
            log.error("not reloaded, the certificate in use stays: %s", error)
            return
        self._config = replace(self._config, log=config.log)
        logs.configure(config.log, self._log_writer)
        log.info("reloading TLS certificate and log level")
        self._send(signal.SIGHUP)

    def _stop(self) -> None:
        log.info(
            "stopping; requests that run get %s s, and a second signal ends them at once", self._config.server.drain
        )
        self._deadline = time.monotonic() + self._config.server.drain + CLOSING
        # Clients are refused as soon as the workers have closed their sockets.
        for sock in [*self._listeners, *self._metrics_listeners]:
            sock.close()
        self._send(signal.SIGTERM)

    def _end_at_once(self, again: signal.Signals) -> None:
        """The second signal ends the server at once, without a message, with the status of a program that the signal
        ended.
        """
        self._status = 128 + again
        self._send(signal.SIGKILL)
        for slot in self._running():
            os.waitpid(slot.pid, 0)
            slot.pid = 0

    def _send(self, number: signal.Signals) -> None:
        for slot in self._running():
            os.kill(slot.pid, number)

    def _reap(self) -> None:
        for slot in self._running():
            pid, status = os.waitpid(slot.pid, os.WNOHANG)
            if pid:
                self._note_end(slot, os.waitstatus_to_exitcode(status))

    def _note_end(self, slot: Slot, status: int) -> None:
        pid, slot.pid = slot.pid, 0
        self._served = self._served or last_beat(self._board, slot.number) > 0
        if self._deadline is not None:
            return
        how = f"signal {-status}" if status < 0 else f"status {status}"
        slot.failures += 1
        if slot.failures >= FIRST_FAILURES and not self._served:
            log.error("workers fail before they serve (the last one with %s): giving up", how)
            self._failed = True
            self._stop()
            return
        if time.monotonic() - slot.started >= STEADY:
            slot.delay = FIRST_DELAY
        self._put_off(slot, f"worker {slot.number} (pid {pid}) ended with {how}")

    def _put_off(self, slot: Slot, why: str) -> None:
        log.warning("%s; starting another in %.1f s", why, slot.delay)
        slot.due = time.monotonic() + slot.delay
        slot.delay = min(LONGEST_DELAY, slot.delay * 2)

    def _kill_late(self) -> None:
        now = time.monotonic()
        for slot in self._running():
            seen = max(slot.started, self._awake_since, last_beat(self._board, slot.number))
            if self._deadline is not None and now >= self._deadline:
                log.warning("worker %d (pid %d) did not end in time: killing it", slot.number, slot.pid)
                self._failed = True
                os.kill(slot.pid, signal.SIGKILL)
            elif self._deadline is None and now - seen > HUNG:
                log.error("worker %d (pid %d) has hung for %.0f s: killing it", slot.number, slot.pid, now - seen)
                os.kill(slot.pid, signal.SIGKILL)
