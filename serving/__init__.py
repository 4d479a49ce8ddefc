"""What callers see: the gRPC ScoreService.

request -> requests.asked -> Batcher -> ScoreEngine: Redis -> staleness -> score_rows -> messages.signal_message
signals.v1 -> SignalStream -> messages.signal_message
"""
