"""BLAS has one thread in a fit, whatever it had before; where it cannot be held, the fit is refused."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from offline.training.threads import hold_one_thread
from processors.errors import ConfigError


def test_a_product_has_the_same_bits_whatever_the_number_of_threads_was():
    """Held, it is that of one thread; with two it would not be."""
    design = np.random.default_rng(0).standard_normal((6_000, 45))
    found = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, user_api="blas"):
            hold_one_thread()
            found.append((design.T @ design).tobytes())
    assert found[0] == found[1]


def test_a_limit_of_another_thread_is_not_passed_over():
    """Where BLAS has one pool for the process, the first limit holds: the fit says so instead of being another one."""
    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold_one_thread)
        with pytest.raises(ConfigError, match="threads is 2: 1: another thread"):
            held.result()
