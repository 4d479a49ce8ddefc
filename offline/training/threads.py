"""One thread for the products of matrices, so that a fit has the same bits on a machine of any number of cores.

NumPy's BLAS cuts a product into as many parts as there are cores, and each way to cut it is another order of its sums.
The trees take their number of threads from the recipe, which is one unless it says otherwise.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

_lock = threading.Lock()
_inside = 0
_limits: threadpool_limits | None = None


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS to one thread while anybody is inside: the limit is the process's, and a worker has many fits."""
    global _inside, _limits  # noqa: PLW0603 (so is what it counts)
    with _lock:
        if _inside == 0:
            _limits = threadpool_limits(1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _limits is not None:
                _limits.restore_original_limits()
                _limits = None
