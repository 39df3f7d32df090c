"""Work that is done ahead of who uses it, by threads."""

import collections
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

CORES = min(os.cpu_count() or 1, 8)
"""Threads for work that keeps a core busy; no more than eight, for the sake of memory."""


def ahead(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[tuple[T, R]]:
    """Yields (item, work(item)) in order, and works on the next ones while the caller uses one.

    What `work` or `items` raises is raised here, when its turn comes.

    Args:
      work: is called in several threads at the same time.
      items: taken one by one, no more than `threads` + 1 ahead.
      threads: how many.
    """
    with ThreadPoolExecutor(threads, "ahead") as pool:
        waiting: collections.deque[tuple[T, Future[R]]] = collections.deque()
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > threads:
                done, future = waiting.popleft()
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()
