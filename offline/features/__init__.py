"""Features as of a time: joins that never look ahead, the stores of live and past rows, and what is served from them.

asof: rows of facts beside rows of times, with one time or with event time and knowledge time.
stores: live rows in Redis, history in ClickHouse; one port, one answer.
service: get_features(symbols, as_of, pack_id, time_horizon).
backfill: a pack over history, in chunks that resume.
"""
