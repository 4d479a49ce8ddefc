"""Numbers of the feeds: Kafka's hash of a key, and where a partition's clock needs a mark."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.times import MINUTE_NS

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
def _note_lag(lag: NDArray[np.int64], minute: int, lag_ns: int) -> None:
    """Keep the most that a tick was behind the clock: of the minute that runs, and of the one before it."""
    if minute != lag[0]:
        lag[2] = lag[1] if minute == lag[0] + 1 else 0
        lag[0], lag[1] = minute, 0
    lag[1] = max(lag[1], lag_ns)


@njit(cache=True)
def clock_marks(
    clock: NDArray[np.int64],
    event: NDArray[np.int64],
    partition: NDArray[np.int64],
    heard: NDArray[np.int64],
    told: NDArray[np.int64],
    lag: NDArray[np.int64],
    quiet_ns: int,
    gap_ns: int,
    after_gap_start_ns: int,
    before_tick_ns: int,
    closes_after_ns: int,
    lag_ns_max: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the clock marks that stand before ticks, so that event time passes in every partition.

              minute|                  tick      (gap)                tick
        p0 |--------|- C --------|------|-- M ------------------ M ----|   M: at all partitions around a gap
        p1 |--------|- C ------- Q ---------M ------------------ M ----|   C: closes the minute, Q: where it is quiet

    A mark says that no tick before its time comes any more, of any feed. So it stays behind the clock by as much as
    ticks came behind it in this minute and the one before.

    Parameters
    ----------
    clock
        Shape (n,), ns: event time as the recording's clock tells it, never falling.
    event
        Shape (n,), ns: event time of each tick, mostly a little before the clock.
    partition
        Shape (n,): each tick's partition.
    heard
        Shape (n_partitions + 1,), ns, kept from call to call: when each partition last had a tick or a mark, and at
        the end the last clock; all 0 at the start.
    told
        Shape (n_partitions,), ns, kept: time of each partition's newest mark; 0 at the start.
    lag
        Shape (3,), kept: a minute since the epoch, and the most that a tick of it, and of the one before, was behind
        the clock, ns; 0 at the start.
    quiet_ns
        A partition without a tick for so long, while others have them, gets a mark.
    gap_ns
        A pause of all of them for so long is a gap: two marks for each partition.
    after_gap_start_ns
        Time of the first of them, after the last tick.
    before_tick_ns
        A mark before a tick is so much earlier than it: ticks do not arrive exactly in order of event time.
    closes_after_ns
        A minute closes by a mark so long after its end: such a mark is given to each partition.
    lag_ns_max
        A tick that is further behind the clock is late in any case, and nobody waits for its like.

    Returns
    -------
    Position of the tick before which the mark stands, its partition, its event time, and the clock from which it may
    be published; shape (n_marks,) each.
    """
    n_partitions = len(heard) - 1
    position, target, time, due = [np.int64(0)], [np.int64(0)], [np.int64(0)], [np.int64(0)]
    for i in range(len(clock)):
        now = clock[i]
        if heard[n_partitions] == 0:
            heard[:] = now
            # The minute that runs is the first that a mark closes.
            told[:] = now // MINUTE_NS * MINUTE_NS + closes_after_ns
        last = heard[n_partitions]
        behind = before_tick_ns + max(lag[1], lag[2])
        reach = now - behind
        closing = (reach - closes_after_ns) // MINUTE_NS * MINUTE_NS + closes_after_ns
        for p in range(n_partitions):
            if now - last > gap_ns:
                for t in (last + after_gap_start_ns, reach):
                    position.append(np.int64(i))
                    target.append(np.int64(p))
                    time.append(np.int64(max(t, told[p])))
                    due.append(now)
                    told[p] = max(t, told[p])
                heard[p] = now
                continue
            first = (told[p] - closes_after_ns) // MINUTE_NS * MINUTE_NS + closes_after_ns + MINUTE_NS
            for t in range(first, closing + 1, MINUTE_NS):
                position.append(np.int64(i))
                target.append(np.int64(p))
                time.append(np.int64(t))
                due.append(np.int64(max(t + behind, last)))
                told[p] = t
                heard[p] = max(heard[p], t + behind)
            if p != partition[i] and now - heard[p] >= quiet_ns:
                position.append(np.int64(i))
                target.append(np.int64(p))
                time.append(np.int64(max(reach, told[p])))
                due.append(now)
                told[p] = max(reach, told[p])
                heard[p] = now
        behind_clock = now - event[i]
        _note_lag(lag, now // MINUTE_NS, behind_clock if 0 < behind_clock <= lag_ns_max else 0)
        heard[partition[i]] = now
        heard[n_partitions] = now
    return np.array(position)[1:], np.array(target)[1:], np.array(time)[1:], np.array(due)[1:]
