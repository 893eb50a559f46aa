"""A crew of clients at work, each on a thread, and what one round of a fault test does with it."""

import os
import random
import threading
import time
from collections.abc import Sequence

from tests.faults.journal import Journal, Refused
from tests.faults.report import Figures
from tests.faults.verifier import Violation, residue, verify
from tests.faults.workload import NO_ANSWER, Pusher, push_base
from tests.support.server import Registry

_RECOVERY = 5.0


def recovery() -> float:
    """Seconds within which a restarted registry must serve (I7).

    They are more if more processes want to run than there are processors, as beside other tests.
    """
    return _RECOVERY * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class Crew:
    """`size` clients that share a journal, of one registry or by turns of its other `nodes` too; `with crew:` lets them
    work.
    """

    def __init__(self, registry: Registry, journal: Journal, size: int = 4, nodes: Sequence[Registry] = ()):
        self.registry = registry
        self.journal = journal
        served = nodes or [registry]
        self.pushers = [
            Pusher(served[n % len(served)].address, journal, f"client{n}", journal.seed * 100 + n) for n in range(size)
        ]
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Crew":
        self._stop.clear()
        self._threads = [threading.Thread(target=pusher.run, args=(self._stop,)) for pusher in self.pushers]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def retry(self) -> list[Violation]:
        """I8: what got no answer succeeds when it is sent again."""
        found = []
        for pusher in self.pushers:
            pusher.http.close()
            try:
                pusher.retry()
            except (Refused, *NO_ANSWER) as error:
                found.append(Violation("I8", pusher.repository, f"sent again: {error!r}"))
        return found

    def complaints(self) -> list[Violation]:
        """Wrong bytes (I4), and refusals or 5xx (I8) while nothing was broken; forgets them."""
        found = []
        for pusher in self.pushers:
            found += [Violation("I4", pusher.repository, text) for text in pusher.wrong]
            found += [Violation("I8", pusher.repository, text) for text in pusher.surprises]
            pusher.wrong, pusher.surprises = [], []
        return found

    def forget_errors(self) -> None:
        """Errors were to be expected; wrong bytes never are."""
        for pusher in self.pushers:
            pusher.surprises = []


def hire(registry: Registry, journal: Journal, size: int = 4, nodes: Sequence[Registry] = ()) -> Crew:
    """A crew for a running registry, with layers to mount."""
    push_base(registry.address, journal)
    return Crew(registry, journal, size, nodes)


def start_again(registry: Registry) -> list[Violation]:
    """I7: start without any step by hand; late is a violation, not at all an AssertionError."""
    began = time.monotonic()
    registry.start()
    took = time.monotonic() - began
    return [Violation("I7", "start", f"took {took:.1f} s")] if took > recovery() else []


def after_fault(crew: Crew, figures: Figures, sample: int | None = 200) -> list[Violation]:
    """Verify a registry that runs again: the journal first, then the repeated requests."""
    found = verify(crew.registry, crew.journal, sample) + crew.retry() + crew.complaints()
    figures.add(rounds=1)
    return found


def settle(crew: Crew, figures: Figures) -> list[Violation]:
    """At the end of a test: compare everything ever written, collect, and look at the files."""
    found = verify(crew.registry, crew.journal) + residue(crew.registry) + verify(crew.registry, crew.journal, 0)
    if "Traceback" in crew.registry.log.read_text():
        found.append(Violation("I8", "log", "an error that nobody expected was logged with its traceback"))
    figures.add(acknowledged=crew.journal.acknowledged, unanswered=crew.journal.unanswered)
    return found


def a_while(least: float, most: float) -> None:
    """Sleep for a random time, in seconds."""
    time.sleep(random.uniform(least, most))
