import threading
import time

import pytest

from components.ahead import ahead


def test_results_come_in_order_each_with_its_item():
    def work(number):
        time.sleep(0.01 * (number % 3))
        return number * number

    assert list(ahead(work, range(20), 4)) == [(n, n * n) for n in range(20)]
    assert list(ahead(work, [], 4)) == []


def test_as_many_work_at_the_same_time_as_there_are_threads():
    together = threading.Barrier(3, timeout=30)
    assert len(list(ahead(lambda _: together.wait(), range(6), 3))) == 6


def test_no_more_is_taken_than_was_said():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    results = ahead(lambda number: number, items(), 2)
    next(results)
    assert taken == [0, 1, 2]


def test_an_error_comes_in_its_turn_and_ends_the_threads():
    def work(number):
        if number == 2:
            raise ValueError("two")
        return number

    results, seen = ahead(work, range(10), 3), []
    with pytest.raises(ValueError, match="two"):
        for item, _ in results:
            seen.append(item)
    assert seen == [0, 1]
    assert not [t for t in threading.enumerate() if t.name.startswith("ahead")]
