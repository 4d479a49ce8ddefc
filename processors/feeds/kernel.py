"""Numbers of the feeds: Kafka's hash of a key, and where a partition's clock needs a mark."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

MURMUR2_SEED = 0x9747B28C
_M = 0x5BD1E995


@njit(cache=True)
def murmur2(data: NDArray[np.uint8]) -> int:
    """Return Kafka's hash of a key: MurmurHash2 (Austin Appleby), 32 bits, with the seed of the Java client.

    Parameters
    ----------
    data
        The key's bytes, shape (n,); n may be 0.

    Returns
    -------
    The hash, 0 to 2**32 - 1.
    """
    low32 = 0xFFFFFFFF
    n = len(data)
    h = np.int64((MURMUR2_SEED ^ n) & low32)
    for i in range(0, n - n % 4, 4):
        k = np.int64(data[i]) | np.int64(data[i + 1]) << 8 | np.int64(data[i + 2]) << 16 | np.int64(data[i + 3]) << 24
        # Products of 32-bit numbers wrap in 64 bits, which leaves the low 32 bits right.
        k = (k * _M) & low32
        k ^= k >> 24
        k = (k * _M) & low32
        h = ((h * _M) & low32) ^ k
    rest = n % 4
    if rest > 0:
        for j in range(rest - 1, -1, -1):
            h ^= np.int64(data[n - rest + j]) << (8 * j)
        h = (h * _M) & low32
    h ^= h >> 13
    h = (h * _M) & low32
    return int(h ^ (h >> 15))


@njit(cache=True)
def clock_marks(
    clock: NDArray[np.int64],
    partition: NDArray[np.int64],
    heard: NDArray[np.int64],
    quiet_ns: int,
    gap_ns: int,
    after_gap_start_ns: int,
    before_tick_ns: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the clock marks that stand before ticks, so that event time passes in every partition.

        tick            tick   tick      (gap)                tick
        p0 |--------------|------|-- M ------------------ M ----|     M: mark, at all partitions around a gap,
        p1 |---- M ---- M ---- M --- M ------------------ M ----|        else where a partition is quiet

    Parameters
    ----------
    clock
        Shape (n,), ns: event time as the recording's clock tells it, never falling.
    partition
        Shape (n,): each tick's partition.
    heard
        Shape (n_partitions + 1,), ns, kept from call to call: when each partition last had a tick or a mark, and at
        the end the last clock; all 0 at the start.
    quiet_ns
        A partition without a tick for so long, while others have them, gets a mark.
    gap_ns
        A pause of all of them for so long is a gap: two marks for each partition.
    after_gap_start_ns
        Time of the first of them, after the last tick.
    before_tick_ns
        A mark before a tick is so much earlier than it: ticks do not arrive exactly in order of event time.

    Returns
    -------
    Position of the tick before which the mark stands, its partition, its event time; shape (n_marks,) each.
    """
    n_partitions = len(heard) - 1
    position, target, time = [np.int64(0)], [np.int64(0)], [np.int64(0)]
    for i in range(len(clock)):
        now = clock[i]
        if heard[n_partitions] == 0:
            heard[:] = now
        last = heard[n_partitions]
        if now - last > gap_ns:
            for p in range(n_partitions):
                for t in (last + after_gap_start_ns, now - before_tick_ns):
                    position.append(np.int64(i))
                    target.append(np.int64(p))
                    time.append(t)
                heard[p] = now
        else:
            for p in range(n_partitions):
                if p != partition[i] and now - heard[p] >= quiet_ns:
                    position.append(np.int64(i))
                    target.append(np.int64(p))
                    time.append(now - before_tick_ns)
                    heard[p] = now
        heard[partition[i]] = now
        heard[n_partitions] = now
    return np.array(position)[1:], np.array(target)[1:], np.array(time)[1:]
