"""One worker process: an event loop that serves the shared listeners, beats its heart and runs jobs in turn."""

import asyncio
import logging
import os
import signal
import socket
import time

from ..app import open_services
from ..config import Config, ConfigError
from ..errors import StartError
from ..http import event_loop
from ..http.budget import Budget
from ..http.edge import Edge
from ..metrics import BOARD_SIZE as BOARD_SIZE
from ..metrics import Metrics
from ..periodic_jobs import jobs
from ..web.listeners import METRICS, REGISTRY, Routes
from . import log_safety, logs, tls
from .context import WorkerContext
from .jobs import Jobs
from .log_writer import LogWriter

_log = logging.getLogger("dockboard.worker")
_BEAT_SECONDS, _FLUSH_SECONDS = 5.0, 0.1
# Seconds. At its end a worker waits so long for the log's reader.
_LOG_SECONDS, _ORPHANS_LOG_SECONDS = 1.0, 0.2


def run(config: Config, context: WorkerContext) -> int:
    """Serve until SIGTERM; returns the exit status."""
    metrics = Metrics(context.board, context.slot, [job.name for job in jobs(config.gc)])
    writer = logs.writer(config.log, lambda lines: metrics.add("log_lines_dropped_total", lines), lasting=True)
    logs.configure(config.log, writer)
    log_safety.catch_stray_errors()
    try:
        worker = Worker(config, context, metrics, writer)
        with asyncio.Runner(loop_factory=lambda: event_loop.new_loop(worker.long_turn)) as runner:
            return runner.run(worker.main())
    except Exception:
        _log.exception("worker %d failed", context.slot)
        return 1
    finally:
        writer.settle(_LOG_SECONDS)


class Worker:
    def __init__(self, config: Config, context: WorkerContext, metrics: Metrics, log_writer: LogWriter):
        self._config = config
        self._context = context
        self._tls = tls.context(config.server)
        self._metrics = metrics
        self._log_writer = log_writer
        self._access_log = logs.AccessLog(config.log, self._flush_soon, log_writer.put)

    async def main(self) -> int:
        loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        loop.add_reader(self._context.parent_alive, self._orphaned)
        self._services = open_services(
            self._config,
            self._context.server_start,
            self._metrics,
            self._config.database_reserve,
            self._context.store_id,
        )
        edges = self._edges = self._listen()
        holder = f"{self._context.server_start}/{self._context.slot}"
        working = asyncio.ensure_future(Jobs(self._services, self._config, self._metrics, holder).run())
        self._beat()
        self._context.ready()
        await self._stopping.wait()
        working.cancel()
        end = time.monotonic() + self._config.server.drain
        await asyncio.gather(*(edge.drain(self._config.server.drain) for edge in edges))
        await self._services.settle(max(end - time.monotonic(), 0.1))
        self._services.close()
        self._access_log.flush()
        return 0

    def _orphaned(self) -> None:
        """The supervisor has ended, so nobody else stops this worker."""
        self._access_log.flush()
        self._log_writer.settle(_ORPHANS_LOG_SECONDS)
        os._exit(1)

    def _listen(self) -> list[Edge]:
        self._budget = Budget(self._metrics.add)
        registry = Routes(REGISTRY, self._services, self._config.server.apis)
        metrics = Routes(METRICS, self._services)
        return [
            *(self._edge(each, registry, str(at or ""), self._tls) for at, each in enumerate(self._context.listeners)),
            *(self._edge(each, metrics, "m", None) for each in self._context.metrics_listeners),
        ]

    def _edge(self, listener: socket.socket, routes: Routes, mark: str, tls) -> Edge:
        """Serve a listening socket, over TLS where there is a context for it. mark: what its request ids have."""
        prefix = f"{self._context.server_start[:6]}-{self._context.slot}-{mark}"
        edge = Edge(routes, self._config.server, self._access_log, self._metrics, prefix, self._budget, tls)
        edge.listen(listener)
        return edge

    def _beat(self) -> None:
        self._metrics.beat()
        self._metrics.database.pools(self._services.db.pools())
        asyncio.get_running_loop().call_later(_BEAT_SECONDS, self._beat)

    def long_turn(self) -> None:
        """Whoever asked in this turn of the loop has waited for all that was done in it."""
        self._metrics.add("long_turns_total", 1)

    def _flush_soon(self) -> None:
        """Lines of many requests are written together. If there are none, nothing wakes the worker."""
        asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._access_log.flush)

    def _reload(self) -> None:
        """SIGHUP: new handshakes use the certificate as its files are now. The log level follows the configuration."""
        try:
            logs.configure(self._config.reload().log, self._log_writer)
            renewed = tls.context(self._config.server)
        except (ConfigError, StartError) as error:
            _log.error("not reloaded, the certificate in use stays: %s", error)
            return
        for edge in self._edges:
            edge.renew_tls(renewed)
