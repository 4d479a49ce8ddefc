"""Why rows and samples are left out, in the order in which it is looked at: ``build`` counts, ``mps dataset`` shows."""

ROW_REASONS = {
    "other_timeframe": "of another timeframe",
    "other_symbol": "of a symbol outside the universe",
    "lacks_pack": "without a pack of the recipe",
    "other_regime_model": "with the regime of another model",
    "repeated": "of a bar that a later record has too",
}
"""Why a row is left out -> what it means."""
SAMPLE_REASONS = {
    "short_history": "fewer rows of the symbol come before than min_history_bars",
    "not_warm": "a window is not full",
    "stale": "made of stale ticks",
    "gap": "the bar lacks ticks",
    "outliers": "too many cut ticks",
    "null_input": "an optional input is null",
    "no_volatility": "no volatility to measure the move by",
    "label_after_end": "the symbol's rows end before the horizon",
    "label_stretched": "rows of the horizon are missing",
    "label_over_closed": "the horizon runs over closed hours",
    "split_in_horizon": "a split or dividend of the horizon was not known at its row",
    "label_flat": "the price did not move: no Sharpe ratio",
}
"""Why a row is no sample -> what it means; of several the first one counts."""


def in_words(counts: dict[str, int], reasons: dict[str, str]) -> list[tuple[str, int]]:
    """Return what each count means, in the order of the reasons.

    A reason that is none of them, of a set that a newer version wrote, comes last by its own name.
    """
    known = [(words, counts[reason]) for reason, words in reasons.items() if reason in counts]
    return known + [(reason, n) for reason, n in counts.items() if reason not in reasons]
