"""Whose work is next, of all who wait."""

from dockboard_registry.db.fair_queue import FairQueue


def served(queue: FairQueue, seconds: dict[str, float], number: int) -> list[str]:
    """Whose works were taken, one after the other; each takes as long as is said of its owner."""
    order = []
    for _ in range(number):
        owner = queue.take()
        order.append(owner)
        queue.charge(seconds[owner])
    return order


def test_one_who_asks_alone_is_served_in_order():
    queue = FairQueue()
    for number in range(5):
        queue.put(("ann", 1), number)
    assert [(queue.peek(), queue.take(), queue.charge(0.1))[:2] for _ in range(5)] == [
        (number, number) for number in range(5)
    ]
    assert not queue


def test_short_work_goes_before_the_next_long_work_of_another():
    queue = FairQueue()
    for _ in range(20):
        queue.put(("ann", 1), "ann")
    queue.take(), queue.charge(0.03)
    queue.put(("bob", 1), "bob")
    assert served(queue, {"ann": 0.03, "bob": 0.001}, 3) == ["bob", "ann", "ann"]


def test_time_is_shared_by_owners_however_many_connections_they_have():
    queue = FairQueue()
    for number in range(60):
        queue.put(("ann", number % 16), "ann")
    for number in range(20):
        queue.put(("bob", 1), "bob")
    assert served(queue, {"ann": 0.01, "bob": 0.01}, 20).count("bob") == 10


def test_connections_of_one_owner_take_turns():
    queue = FairQueue()
    for _ in range(20):
        queue.put(("ann", 1), "long")
    queue.take(), queue.charge(0.03)
    queue.put(("ann", 2), "short")
    assert served(queue, {"long": 0.03, "short": 0.001}, 2) == ["short", "long"]


def test_who_comes_anew_has_saved_nothing_up():
    queue = FairQueue()
    queue.put(("ann", 1), "ann")
    queue.put(("bob", 1), "bob")
    assert served(queue, {"ann": 0.01, "bob": 5.0}, 2) == ["ann", "bob"]
    for _ in range(10):
        queue.put(("ann", 1), "ann")
        queue.put(("eve", 1), "eve")
    assert served(queue, {"ann": 0.01, "eve": 0.01}, 10).count("eve") == 5


def test_work_that_comes_while_the_same_owner_is_served_waits_for_the_next_turn():
    queue = FairQueue()
    queue.put(("ann", 1), "first")
    assert queue.take() == "first"
    queue.put(("ann", 1), "second")
    queue.charge(1.0)
    assert len(queue) == 1 and queue.take() == "second"
    queue.charge(1.0)
    assert len(queue) == 0


def test_many_who_come_once_do_not_hold_up_who_was_there_before():
    queue = FairQueue()
    queue.put(("ann", 1), "ann")
    taken = []
    for number in range(3000):
        queue.put((f"owner {number}", 1), "short")
        taken.append(queue.take())
        queue.charge(0.001)
    assert taken[0] == "ann" and len(queue) == 1


def test_work_that_was_taken_in_vain_is_the_first_of_its_connection():
    queue = FairQueue()
    queue.put(("ann", 1), "second")
    queue.put(("ann", 1), "first", again=True)
    assert [(queue.take(), queue.charge(0.0))[0] for _ in range(2)] == ["first", "second"]
