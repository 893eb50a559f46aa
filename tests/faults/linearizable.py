"""Is there an order of operations that explains all answers? The search of Wing and Gong, put off as Lowe does: an
operation takes its place in the order only when an answer, its own or another's, asks for it.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple, Protocol


class Timed(Protocol):
    """What the search asks of an operation: times of one monotonic clock; `answered` is None where no answer came."""

    @property
    def invoked(self) -> int: ...

    @property
    def answered(self) -> int | None: ...

    @property
    def changes(self) -> bool:
        """Whether it may have another effect than its answer."""
        ...


Step = Callable[[Hashable, Timed], Hashable | None]
"""step(state, operation): the state after the operation, None where its answer does not fit the state before it."""


class Place(NamedTuple):
    """A state that the object may be in, and which of the open operations have had their effect then."""

    state: Hashable
    done: frozenset[int]


class Search:
    """All places that the object may be in, from answer to answer."""

    def __init__(self, operations: Iterable[Timed], start: Hashable, step: Step):
        self._operations = list(operations)
        self._step = step
        self._open: dict[int, Timed] = {}
        self._reads: set[int] = set()
        self._places = {Place(start, frozenset())}

    def first_impossible(self) -> Timed | None:
        """The first answer that no order explains; None where there is an order of all.

        What got no answer may have its effect at any time after it was sent, or never.
        """
        for _, ends, number in sorted(self._events()):
            if not ends:
                self._begin(number)
            elif not self._end(number):
                return self._operations[number]
        return None

    def _events(self) -> Iterable[tuple[int, bool, int]]:
        for number, operation in enumerate(self._operations):
            if operation.answered is not None:
                yield operation.answered, True, number
            elif not operation.changes:
                continue
            yield operation.invoked, False, number

    def _begin(self, number: int) -> None:
        self._open[number] = self._operations[number]
        if not self._operations[number].changes:
            self._reads.add(number)
            self._places = {self._with_reads(place) for place in self._places}

    def _with_reads(self, place: Place) -> Place:
        """A read that fits has its place here: it changes nothing, so waiting gains nothing."""
        fitting = [n for n in self._reads - place.done if self._step(place.state, self._open[n]) is not None]
        return place._replace(done=place.done.union(fitting)) if fitting else place

    def _end(self, number: int) -> bool:
        """Keep the places at which the operation has happened; False where there is none."""
        after, seen, todo = set(), set(self._places), list(self._places)
        while todo:
            place = todo.pop()
            if number in place.done:
                after.add(place._replace(done=place.done - {number}))
                continue
            for following in self._following(place):
                if following not in seen:
                    seen.add(following)
                    todo.append(following)
        del self._open[number]
        self._reads.discard(number)
        self._places = after
        return bool(after)

    def _following(self, place: Place) -> Iterable[Place]:
        """Where one open change leads."""
        for number, operation in self._open.items():
            if operation.changes and number not in place.done:
                state = self._step(place.state, operation)
                if state is not None:
                    yield self._with_reads(Place(state, place.done | {number}))
