"""Holes in numbered series, and what they become: a status tick whose conditions say ``gap:N``. Called by sessions."""

from processors.feeds.live.port import Step

CONNECTION = "connection"


class Sequencer:
    """Remembers the last number of each series over the connections of one venue; bounded by its series."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def reconnected(self) -> None:
        """Forget the series that begin anew with a connection."""
        for series in [s for s in self._last if s.startswith(CONNECTION)]:
            del self._last[series]

    def missing(self, step: Step) -> int:
        """Return how many numbers were left out before this frame's, and go on from its last."""
        last = self._last.get(step.series)
        if last is None:
            # A series that is only told of has no first number yet: what came before we joined is not missing.
            self._last[step.series] = step.last
            return 0
        if step.last > last:
            self._last[step.series] = step.last
        return max(0, step.first - last - 1)
