"""The dead-letter limit: past it a stage stops rather than discard a day."""

from dataclasses import dataclass

from processors.errors import PlatformError


class DeadLetterLimitError(PlatformError):
    """Too many events go to the dead letter: the input or this program is wrong, so nothing more is consumed."""


@dataclass(slots=True)
class DeadLetterLimit:
    """Counts dead letters over the last events.

    Parameters
    ----------
    share_max
        Largest share of dead letters, 0 to 1. Half: FXCM alone publishes 10 % crossed quotes on a normal day.
    window_rows
        Events a share is taken over. Long enough that a burst of bad quotes in a fast market does not stop the stage.
    """

    share_max: float = 0.5
    window_rows: int = 20_000
    _rows: int = 0
    _dead: int = 0

    def add(self, rows: int, dead: int, last: str) -> None:
        """Count one batch.

        Raises
        ------
        DeadLetterLimitError
            The share over a full window is past the limit; ``last`` is the newest reason, for the message.
        """
        self._rows += rows
        self._dead += dead
        if self._rows < self.window_rows:
            return
        if self._dead > self.share_max * self._rows:
            raise DeadLetterLimitError(
                f"{self._dead} of the last {self._rows} events are dead letters (limit {self.share_max:.0%}); "
                f"the newest: {last}"
            )
        # Halving keeps a memory of about two windows without a ring.
        self._rows //= 2
        self._dead //= 2
