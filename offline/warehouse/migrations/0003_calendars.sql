-- When each market is open and whose calendar it is, for views that count time as labels do (docs/warehouse.md). Filled
-- from the calendars and the instruments file at each start of the sink; the comment of a table is its content's digest.
CREATE TABLE IF NOT EXISTS `{database}`.`sessions` (
  `calendar` LowCardinality(String) COMMENT 'Name of the calendar, as in the instruments file.',
  `open_ts` DateTime64(9, 'UTC') COMMENT 'Open of a stretch of trade; a lunch break divides a session in two.' CODEC(Delta, ZSTD(3)),
  `close_ts` DateTime64(9, 'UTC') COMMENT 'Its close, exclusive.' CODEC(Delta, ZSTD(3)),
  `session_close_ts` DateTime64(9, 'UTC') COMMENT 'Close of the session that it belongs to.' CODEC(Delta, ZSTD(3)),
  `open_before_ns` Int64 COMMENT 'How long the market was open in all earlier stretches, nanoseconds.' CODEC(Delta, ZSTD(3)),
  `sessions_before` Int64 COMMENT 'Sessions of the calendar that had closed by open_ts.' CODEC(Delta, ZSTD(3))
) ENGINE = MergeTree ORDER BY (calendar, open_ts);
CREATE TABLE IF NOT EXISTS `{database}`.`instruments` (
  `symbol_id` LowCardinality(String) COMMENT 'Instrument.',
  `calendar` LowCardinality(String) COMMENT 'Name of its calendar.',
  `zone` LowCardinality(String) COMMENT 'Time zone of its exchange, in whose dates ex-dates are.'
) ENGINE = MergeTree ORDER BY symbol_id;
