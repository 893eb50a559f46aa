"""Metrics in memory that processes share: sums over all workers, in the text format that Prometheus reads."""

import mmap
import os
import re
import time
from types import SimpleNamespace

import pytest

from dockboard_registry.config import GcConfig
from dockboard_registry.metrics import BOARD_SIZE, ENDPOINTS, SLOTS, Metrics
from dockboard_registry.periodic_jobs import jobs
from dockboard_registry.server.context import last_beat

LINE = re.compile(r'(dockboard_\w+)(?:\{(\w+="[^"\\\n]*"(?:,\w+="[^"\\\n]*")*)\})? (\S+)')
BLOB = SimpleNamespace(number=ENDPOINTS.index("blob"))
BASE = SimpleNamespace(number=ENDPOINTS.index("base"))


@pytest.fixture
def board():
    with mmap.mmap(-1, BOARD_SIZE) as made:
        yield made


def samples(metrics: Metrics) -> dict[str, float]:
    """Every sample by name and labels; the format is checked on the way (Prometheus exposition format 0.0.4)."""
    text = metrics.text()
    assert text.endswith("\n")
    found, declared = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in declared
            declared[name] = kind
        elif not line.startswith("# HELP "):
            name, labels, value = LINE.fullmatch(line).groups()
            assert name in declared or re.sub(r"_(bucket|sum|count)$", "", name) in declared, f"{name} has no TYPE"
            key = f"{name}{{{labels}}}" if labels else name
            assert key not in found
            found[key] = float(value)
    return found


def answer(metrics: Metrics, endpoint, status: int, seconds: float) -> None:
    metrics.begin()
    metrics.end(endpoint, status, seconds)


def test_at_first_everything_is_zero(board):
    found = samples(Metrics(board, 0))
    assert set(found.values()) == {0.0}
    for endpoint in ENDPOINTS:
        assert f'dockboard_requests_total{{endpoint="{endpoint}",status="2xx"}}' in found


def test_workers_are_summed_by_any_of_them(board):
    workers = [Metrics(board, slot) for slot in (0, 1, SLOTS - 1)]
    for number, metrics in enumerate(workers, 1):
        for _ in range(number):
            answer(metrics, BLOB, 206, 0.01)
        metrics.add("uploaded_bytes_total", 2.0**40)
        metrics.failed()
    for metrics in workers:
        found = samples(metrics)
        assert found['dockboard_requests_total{endpoint="blob",status="2xx"}'] == 6
        assert found["dockboard_uploaded_bytes_total"] == 3 * 2.0**40
        assert found["dockboard_failures_total"] == 3
        assert found["dockboard_in_flight"] == 0


@pytest.mark.parametrize("status", [100, 101, 200, 206, 304, 404, 416, 499, 500, 507, 599])
def test_every_status_has_its_class(board, status):
    metrics = Metrics(board, 3)
    answer(metrics, BASE, status, 0.1)
    found = {
        key: value for key, value in samples(metrics).items() if key.startswith("dockboard_requests_total") and value
    }
    assert found == {f'dockboard_requests_total{{endpoint="base",status="{status // 100}xx"}}': 1}


def test_requests_in_flight(board):
    metrics = Metrics(board, 0)
    for _ in range(3):
        metrics.begin()
    metrics.end(BLOB, 200, 0.1)
    assert samples(metrics)["dockboard_in_flight"] == 2


def test_a_restarted_worker_goes_on_counting_without_its_old_requests_in_flight(board):
    metrics = Metrics(board, 5)
    answer(metrics, BLOB, 200, 0.1)
    metrics.begin()
    found = samples(Metrics(board, 5))
    assert found["dockboard_in_flight"] == 0
    assert found['dockboard_requests_total{endpoint="blob",status="2xx"}'] == 1


def test_the_histogram_is_cumulative_and_complete(board):
    metrics = Metrics(board, 0)
    times = [0.0, 0.0005, 0.001, 0.0011, 0.3, 5, 59.9, 61, 10_000]
    for seconds in times:
        answer(metrics, BLOB, 200, seconds)
    found = samples(metrics)
    edges = [key for key in found if key.startswith('dockboard_request_seconds_bucket{endpoint="blob"')]
    limits = [re.search(r'le="([^"]+)"', key)[1] for key in edges]
    assert limits[-1] == "+Inf"
    for key, limit in zip(edges, limits):
        assert found[key] == sum(seconds <= float(limit) for seconds in times), limit
    assert found['dockboard_request_seconds_count{endpoint="blob"}'] == len(times)
    assert found['dockboard_request_seconds_sum{endpoint="blob"}'] == pytest.approx(sum(times))


def test_counts_of_another_process_are_seen(board):
    Metrics(board, 0)
    pid = os.fork()
    if pid == 0:
        answer(Metrics(board, 1), BLOB, 404, 0.01)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert samples(Metrics(board, 0))['dockboard_requests_total{endpoint="blob",status="4xx"}'] == 1


def test_a_heartbeat_is_where_the_supervisor_looks_and_touches_no_counter(board):
    workers = [Metrics(board, slot) for slot in range(3)]
    before = time.monotonic()
    workers[1].beat()
    assert [last_beat(board, slot) > 0 for slot in range(3)] == [False, True, False]
    assert before <= last_beat(board, 1) <= time.monotonic()
    assert set(samples(workers[0]).values()) == {0.0}


def test_a_counter_that_is_not_declared_is_an_error(board):
    with pytest.raises(KeyError):
        Metrics(board, 0).add("no_such_total", 1)


def test_large_counts_are_exact(board):
    metrics = Metrics(board, 0)
    metrics.add("uploaded_bytes_total", 2**53 - 1)
    assert "dockboard_uploaded_bytes_total 9007199254740991\n" in metrics.text()


def test_each_periodic_job_has_its_own_figures(board):
    names = [job.name for job in jobs(GcConfig())]
    workers = [Metrics(board, slot, names) for slot in (0, 7)]
    for runs, name in enumerate(names):
        for worker in workers:
            for _ in range(runs):
                worker.jobs.ended(name)
    workers[1].jobs.failed("keys")
    found = samples(workers[0])
    counts = [found[f'dockboard_job_runs_total{{job="{name}"}}'] for name in names]
    assert counts == [2 * runs for runs in range(len(names))]
    assert [name for name in names if found[f'dockboard_job_failures_total{{job="{name}"}}']] == ["keys"]
    assert [sentence.split()[2] for sentence in workers[0].jobs.failing()] == ["keys"]


def test_more_jobs_than_the_board_has_room_for_are_an_error(board):
    with pytest.raises(ValueError):
        Metrics(board, 0, [f"job {number}" for number in range(100)])


@pytest.mark.parametrize("interval", [0, 5, 86400])
def test_tidying_goes_on_without_collecting(interval):
    declared = {job.name: job for job in jobs(GcConfig(interval=interval))}
    assert len(declared) == len(jobs(GcConfig()))
    assert declared["collect"].interval == interval
    assert declared["strays"].interval == (86400 if interval else 0)
    tidying = {declared[name].interval for name in ("deletions", "manifests", "keys", "audit", "failures", "htpasswd")}
    assert tidying == {5 if interval == 5 else 3600}
