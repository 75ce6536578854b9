"""Work side by side: one thread for each piece, instead of all threads in each matrix product.

A small model's matrices are too small to be shared by cores: two pieces of work on one thread each are faster
than one after the other on two threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

import torch

Result = TypeVar("Result")


def side_by_side(pieces: Sequence[Callable[[], Result]], device: torch.device | None = None) -> list[Result]:
    """Call every piece, each on a thread with single-threaded matrix products, and return results in order.

    Pieces may share nothing that they change. The first error raised by a piece is raised here. On a `device`
    other than the CPU pieces run one after another: it works on one at a time anyway, and holds only that.
    """
    threads = torch.get_num_threads()
    elsewhere = device is not None and device.type != "cpu"
    if elsewhere or min(threads, len(pieces)) < 2:
        return [piece() for piece in pieces]
    # A thread that starts while this is 1 keeps it as its own number of threads.
    torch.set_num_threads(1)
    try:
        return list(_pool(threads).map(lambda piece: piece(), pieces))
    finally:
        torch.set_num_threads(threads)


@lru_cache(maxsize=4)
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="practicum")


@contextmanager
def one_thread() -> Iterator[None]:
    """For small work between pieces done side by side: a second thread would keep its core busy waiting."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
