"""Steps of an examination: what was tried, and what came of it."""

import time
from collections.abc import Callable
from typing import NamedTuple

# What came of a step. A warning is a failure of something that the registry can do without.
OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"


class StepFailed(Exception):
    """What is wrong, in a sentence that names what to change."""


class StepSkipped(Exception):
    """Why a step was not tried."""


class Step(NamedTuple):
    """words: what was found, or what is wrong and what to do about it; may be empty. seconds: how long it took."""

    name: str
    outcome: str
    words: str
    seconds: float


class Steps:
    """Runs steps one after another and keeps what came of them. translate: gives the words for an error of a step, or
    None where it does not know the error.
    """

    def __init__(self, translate: Callable[[str, Exception], str | None]):
        self._translate = translate
        self.done: list[Step] = []

    def run(self, name: str, work: Callable[[], str], after: tuple[str, ...] = (), needed: bool = True) -> None:
        """Try one. work: returns words, or raises. after: steps that must have gone well, otherwise this one is
        skipped. needed: whether the registry cannot do without it.
        """
        failed = next((step.name for step in self.done if step.name in after and step.outcome != OK), None)
        if failed is not None:
            self.done.append(Step(name, SKIPPED, f'it needs the step "{failed}"', 0.0))
            return
        begun = time.perf_counter()
        outcome, words = self._tried(name, work, needed)
        self.done.append(Step(name, outcome, words, time.perf_counter() - begun))

    def _tried(self, name: str, work: Callable[[], str], needed: bool) -> tuple[str, str]:
        bad = FAILED if needed else WARNING
        try:
            return OK, work()
        except StepSkipped as error:
            return SKIPPED, str(error)
        except StepFailed as error:
            return bad, str(error)
        except Exception as error:
            words = self._translate(name, error)
            if words is None:
                raise
            return bad, words


class Examined(NamedTuple):
    """area: such as storage. place: what was examined, for people. advice: a text to use, such as a policy; may be
    empty. about: what the advice is, in a sentence. is_advised: whether what failed calls for it.
    """

    area: str
    place: str
    steps: list[Step]
    about: str = ""
    advice: str = ""
    is_advised: bool = False

    @property
    def is_well(self) -> bool:
        return all(step.outcome != FAILED for step in self.steps)
