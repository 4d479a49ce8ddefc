"""One thread for the products of matrices, so that a fit has the same bits on a machine of any number of cores.

NumPy's BLAS cuts a product into as many parts as there are cores, and each way to cut it is another order of its sums.
The trees take their number of threads from the recipe, which is one unless it says otherwise.
"""

from threadpoolctl import threadpool_info, threadpool_limits

from processors.errors import ConfigError


def hold_one_thread() -> None:
    """Hold BLAS to one thread, from now on: a limit that ends with one fit would end in the middle of another.

    The limit is this thread's or the whole process's, as the BLAS was built; so each fit calls this in its own thread.

    Raises
    ------
    ConfigError
        Another thread of this process has a limit of its own in force.
    """
    threadpool_limits(1, user_api="blas")
    found = {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}
    if found - {1}:
        remedy = "1: another thread of this process holds threadpool_limits; end that first"
        raise ConfigError("BLAS", "threads", max(found), remedy)
