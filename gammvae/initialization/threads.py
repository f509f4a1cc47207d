"""Independent computations in several threads, each of which computes alone."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(compute: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yields the results of a computation, in the order of its items.

    There are as many threads as torch has. Libraries use no further ones meanwhile.

    Args:
        compute: Computes the result of one item. It must not change what other items read.
        items: The items.
    """
    with threadpool_limits(limits=1):
        if (n_threads := torch.get_num_threads()) == 1:
            yield from map(compute, items)
            return
        with ThreadPoolExecutor(n_threads) as pool:
            yield from pool.map(compute, items)
