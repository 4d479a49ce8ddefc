"""What an indicator is given: the columns of a bar, the rows of the ring, and the most of parameters and outputs."""

(OPEN, HIGH, LOW, CLOSE, VOLUME, VWAP, N_TRADES, BID, ASK, DAY, OPENS_DAY, TF, END_S) = range(13)
"""Columns of a bar that come with it: prices, volume, volume-weighted price, number of trades, quotes at the close (NaN
for none), number of the session day, 1 where the bar is the first of its session by the calendar, position of the
timeframe in ``schemas.timeframes.TIMEFRAMES``, end of the bar in seconds since 1970."""

(F1, F2, F3, F1_YEARS, F2_YEARS, F3_YEARS, VIX, RISK_BUDGET_UTIL, NEXT_EVENT_S, LAST_EVENT_S, EVENT_WEIGHT,
 RETURN_ON_EQUITY, GROSS_MARGIN, LEVERAGE, ACCRUALS, EARNINGS_GROWTH,
 POLICY_RATE, YIELD_3M, YIELD_10Y) = range(13, 32)  # fmt: skip
"""Columns of a bar that say what was known at its end, NaN where nothing was: prices and years to last trade of the
first three contracts of its root, volatility index, used share of the risk budget, seconds since 1970 of the next and
the last dated event with the weight of the nearer one, fundamentals, and rates as fractions a year."""

SHARED = 32
"""First column of what all timeframes of a symbol share: read and written by indicators, kept by symbol."""
N_SHARED = 32
N_BAR = SHARED + N_SHARED

(R_OPEN, R_HIGH, R_LOW, R_CLOSE, R_VOLUME, R_RETURN, R_LOG_VOLUME) = range(7)
"""Rows of the ring. The return is the log return over one bar, NaN at the first bar and beside prices not above 0; the
last is log(1 + volume)."""
N_SERIES = 7

P_MAX = 10
Y_MAX = 16
