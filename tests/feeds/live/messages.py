"""Messages of the venues in the form of their documentation, each with the tick that it says."""

import base64
import json
import zlib
from typing import Any

RECV_NS = 1_767_607_200_250_000_000
AT_NS = 1_767_607_200_123_000_000
AT_MS = AT_NS // 1_000_000
ISO = "2026-01-05T10:00:00.123Z"

NONE = float("nan")
Expected = tuple[str, str, str, int, float, float, float, float, float, float, int | None]


def trade(symbol: str, price: float, size: float, number: int | None, venue: str = "", ts: int = AT_NS) -> Expected:
    return ("trade", symbol, venue, ts, price, size, NONE, NONE, NONE, NONE, None if number is None else number * 2 + 1)


def quote(
    symbol: str, bid: float, bid_size: float, ask: float, ask_size: float, number: int | None = None, venue: str = "",
    ts: int = AT_NS,
) -> Expected:  # fmt: skip
    return (
        "quote",
        symbol,
        venue,
        ts,
        NONE,
        NONE,
        bid,
        ask,
        bid_size,
        ask_size,
        None if number is None else number * 2,
    )


BTC = "BTC-USD:CRYPTO"


def signal_r(what: str, update: dict[str, Any]) -> dict[str, Any]:
    """Return a message of a SignalR hub as Bittrex sends it: its argument as JSON, raw deflate, base64."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(json.dumps(update).encode()) + packer.flush()
    return {"C": "d-6010FB90-B,0|o_b,0", "M": [{"H": "C3", "M": what, "A": [base64.b64encode(packed).decode()]}]}


CASES: list[tuple[str, Any, Expected]] = [
    ("coinbase", {"type": "match", "trade_id": 7, "size": "0.5", "price": "91000.5", "product_id": "BTC-USD",
                  "sequence": 70, "time": ISO}, trade(BTC, 91000.5, 0.5, 7)),
    ("coinbase", {"type": "ticker", "sequence": 71, "product_id": "BTC-USD", "price": "1", "best_bid": "90999",
                  "best_bid_size": "1.5", "best_ask": "91001", "best_ask_size": "2.5", "time": ISO},
     quote(BTC, 90999, 1.5, 91001, 2.5, 71)),
    ("coinbase", {"channel": "market_trades", "sequence_num": 3, "timestamp": ISO, "events": [{"type": "update",
     "trades": [{"trade_id": "7", "product_id": "BTC-USD", "price": "91000.5", "size": "0.5", "time": ISO}]}]},
     trade(BTC, 91000.5, 0.5, 7)),
    ("coinbase", {"channel": "ticker", "sequence_num": 4, "timestamp": ISO, "events": [{"tickers": [
        {"product_id": "BTC-USD", "price": "1", "best_bid": "90999", "best_bid_quantity": "1.5", "best_ask": "91001",
         "best_ask_quantity": "2.5"}]}]}, quote(BTC, 90999, 1.5, 91001, 2.5)),
    ("binance", {"stream": "btcusdt@trade", "data": {"e": "trade", "E": AT_MS + 1, "s": "BTCUSDT", "t": 7,
     "p": "91000.5", "q": "0.5", "T": AT_MS, "m": True}}, trade(BTC, 91000.5, 0.5, 7, "SPOT")),
    ("binance", {"u": 71, "s": "BTCUSDT", "b": "90999", "B": "1.5", "a": "91001", "A": "2.5"},
     quote(BTC, 90999, 1.5, 91001, 2.5, 71, "SPOT", RECV_NS)),
    ("binance_us", {"e": "trade", "E": AT_MS + 1, "s": "BNBUSD", "t": 7, "p": "905.5", "q": "0.5", "T": AT_MS},
     trade("BNB-USD:CRYPTO", 905.5, 0.5, 7, "SPOT")),
    ("binance_futures", {"e": "aggTrade", "E": AT_MS + 1, "s": "ETHUSDT", "a": 2, "f": 5, "l": 7, "p": "3100.5",
     "q": "0.5", "T": AT_MS}, trade("ETH-USD:CRYPTO", 3100.5, 0.5, 7, "USDM")),
    ("binance_delivery", {"e": "bookTicker", "u": 71, "s": "BTCUSD_PERP", "b": "50000", "B": "10", "a": "40000",
     "A": "10", "T": AT_MS, "E": AT_MS + 1}, quote(BTC, 50000, 0.02, 40000, 0.025, 71, "COINM")),
    ("kraken", {"channel": "trade", "type": "update", "data": [{"symbol": "BTC/USD", "side": "buy", "price": 91000.5,
     "qty": 0.5, "ord_type": "limit", "trade_id": 7, "timestamp": ISO}]}, trade(BTC, 91000.5, 0.5, 7)),
    ("kraken", {"channel": "ticker", "type": "update", "data": [{"symbol": "BTC/USD", "bid": 90999.0, "bid_qty": 1.5,
     "ask": 91001.0, "ask_qty": 2.5, "timestamp": ISO}]}, quote(BTC, 90999, 1.5, 91001, 2.5)),
    ("kraken", [337, [["91000.5", "0.5", "1767607200.123", "b", "l", ""]], "trade", "XBT/USD"],
     trade(BTC, 91000.5, 0.5, None)),
    ("kraken", [341, ["90999", "91001", "1767607200.123", "1.5", "2.5"], "spread", "XBT/USD"],
     quote(BTC, 90999, 1.5, 91001, 2.5)),
    ("kraken_futures", {"feed": "trade", "product_id": "PI_XBTUSD", "side": "sell", "type": "fill", "seq": 7,
     "time": AT_MS, "qty": 500, "price": 91000.5}, trade("PI_XBTUSD:CRYPTO", 91000.5, 500, 7, "FUTURES")),
    ("bybit", {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": AT_MS + 1, "data": [{"T": AT_MS,
     "s": "BTCUSDT", "S": "Buy", "v": "0.5", "p": "91000.5", "i": "7", "BT": False}]},
     trade(BTC, 91000.5, 0.5, 7, "SPOT")),
    ("bybit", {"topic": "orderbook.1.BTCUSDT", "type": "delta", "ts": AT_MS, "data": {"s": "BTCUSDT",
     "b": [["90998", "0"], ["90999", "1.5"]], "a": [], "u": 9, "seq": 71}, "cts": AT_MS},
     quote(BTC, 90999, 1.5, NONE, NONE, 71, "SPOT")),
    ("bitstamp", {"event": "trade", "channel": "live_trades_btcusd", "data": {"id": 7, "amount": 0.5, "price": 91000.5,
     "microtimestamp": str(AT_NS // 1000), "timestamp": "1"}}, trade(BTC, 91000.5, 0.5, 7)),
    ("bitstamp", {"event": "data", "channel": "order_book_btcusd", "data": {"microtimestamp": str(AT_NS // 1000),
     "bids": [["90999", "1.5"], ["1", "1"]], "asks": [["91001", "2.5"]]}}, quote(BTC, 90999, 1.5, 91001, 2.5)),
    ("gemini", {"type": "trade", "symbol": "BTCUSD", "event_id": 7, "timestamp": AT_MS, "price": "91000.5",
     "quantity": "0.5", "side": "buy"}, trade(BTC, 91000.5, 0.5, 7)),
    ("okx", {"arg": {"channel": "trades", "instId": "BTC-USDT"}, "data": [{"instId": "BTC-USDT", "tradeId": "7",
     "px": "91000.5", "sz": "0.5", "side": "buy", "ts": str(AT_MS), "count": "3"}]},
     trade(BTC, 91000.5, 0.5, 7, "SPOT")),
    ("okx", {"arg": {"channel": "bbo-tbt", "instId": "BTC-USDT"}, "data": [{"asks": [["91001", "2.5", "0", "4"]],
     "bids": [["90999", "1.5", "0", "2"]], "ts": str(AT_MS), "seqId": 71}]},
     quote(BTC, 90999, 1.5, 91001, 2.5, 71, "SPOT")),
    ("okcoin", {"table": "spot/trade", "data": [{"side": "buy", "trade_id": "7", "price": "91000.5", "size": "0.5",
     "instrument_id": "BTC-USD", "timestamp": ISO}]}, trade(BTC, 91000.5, 0.5, 7, "SPOT")),
    ("huobi", {"ch": "market.btcusdt.trade.detail", "ts": AT_MS, "tick": {"id": 1, "ts": AT_MS, "data": [{
     "id": 10**22, "ts": AT_MS, "tradeId": 7, "amount": 0.5, "price": 91000.5, "direction": "buy"}]}},
     trade(BTC, 91000.5, 0.5, 7, "SPOT")),
    ("huobi", {"ch": "market.btcusdt.bbo", "ts": AT_MS + 1, "tick": {"seqId": 71, "ask": 91001, "askSize": 2.5,
     "bid": 90999, "bidSize": 1.5, "quoteTime": AT_MS, "symbol": "btcusdt"}},
     quote(BTC, 90999, 1.5, 91001, 2.5, 71, "SPOT")),
    ("deribit", {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": "trades.BTC-PERPETUAL.raw",
     "data": [{"trade_seq": 7, "trade_id": "9", "timestamp": AT_MS, "price": 91000.5, "amount": 500,
               "instrument_name": "BTC-PERPETUAL", "direction": "buy"}]}},
     trade("BTC-PERPETUAL:CRYPTO", 91000.5, 500, 7)),
    ("bitmex", {"table": "quote", "action": "insert", "data": [{"timestamp": ISO, "symbol": "XBTUSD", "bidSize": 1500,
     "bidPrice": 90999, "askPrice": 91001, "askSize": 2500}]}, quote("XBTUSD:CRYPTO", 90999, 1500, 91001, 2500)),
    ("ftx", {"channel": "trades", "market": "BTC/USD", "type": "update", "data": [{"id": 7, "price": 91000.5,
     "size": 0.5, "side": "buy", "liquidation": False, "time": "2026-01-05T10:00:00.123+00:00"}]},
     trade(BTC, 91000.5, 0.5, 7)),
    ("poloniex", {"channel": "trades", "data": [{"symbol": "BTC_USDT", "amount": "1", "quantity": "0.5",
     "takerSide": "buy", "createTime": AT_MS, "price": "91000.5", "id": "7", "ts": AT_MS}]},
     trade(BTC, 91000.5, 0.5, 7)),
    ("kucoin", {"type": "message", "topic": "/market/match:BTC-USDT", "subject": "trade.l3match", "data": {
     "sequence": "7", "symbol": "BTC-USDT", "side": "buy", "size": "0.5", "price": "91000.5", "time": str(AT_NS)}},
     trade(BTC, 91000.5, 0.5, 7)),
    ("upbit", {"type": "trade", "code": "KRW-BTC", "trade_price": 131000000.0, "trade_volume": 0.5,
     "trade_timestamp": AT_MS, "sequential_id": 7}, trade("BTC-KRW:CRYPTO", 131000000.0, 0.5, 7)),
    ("bitflyer", {"jsonrpc": "2.0", "method": "channelMessage", "params": {"channel": "lightning_executions_BTC_JPY",
     "message": [{"id": 7, "side": "BUY", "price": 14200000.0, "size": 0.5, "exec_date": "2026-01-05T10:00:00.123Z"}]}},
     trade("BTC-JPY:CRYPTO", 14200000.0, 0.5, 7)),
    ("gateio", {"time": 1, "channel": "spot.book_ticker", "event": "update", "result": {"t": AT_MS, "u": 71,
     "s": "BTC_USDT", "b": "90999", "B": "1.5", "a": "91001", "A": "2.5"}}, quote(BTC, 90999, 1.5, 91001, 2.5, 71)),
    # Sizes of its futures are contracts, not coins, so they are no source of the pair.
    ("gateio_futures", {"time": 1, "channel": "futures.trades", "event": "update", "result": [{"size": -108, "id": 7,
     "create_time": AT_MS // 1000, "create_time_ms": AT_MS, "price": "91000.5", "contract": "BTC_USDT"}]},
     trade("BTC_USDT:CRYPTO", 91000.5, 108, 7, "FUTURES")),
    ("bitget", {"action": "update", "arg": {"instType": "SPOT", "channel": "trade", "instId": "BTCUSDT"}, "data": [{
     "ts": str(AT_MS), "price": "91000.5", "size": "0.5", "side": "buy", "tradeId": "7"}]},
     trade(BTC, 91000.5, 0.5, 7)),
    ("crypto.com", {"id": -1, "method": "subscribe", "code": 0, "result": {"channel": "trade",
     "instrument_name": "BTC_USD", "data": [{"s": "BUY", "p": "91000.5", "q": "0.5", "t": AT_MS, "d": "7"}]}},
     trade(BTC, 91000.5, 0.5, 7)),
    ("hitbtc", {"jsonrpc": "2.0", "method": "updateTrades", "params": {"symbol": "BTCUSD", "data": [{"id": 7,
     "price": "91000.5", "quantity": "0.5", "side": "buy", "timestamp": ISO}]}}, trade(BTC, 91000.5, 0.5, 7)),
    ("ascendex", {"m": "bbo", "symbol": "BTC/USDT", "data": {"ts": AT_MS, "bid": ["90999", "1.5"],
     "ask": ["91001", "2.5"]}}, quote(BTC, 90999, 1.5, 91001, 2.5)),
    ("blockchain", {"seqnum": 3, "event": "updated", "channel": "trades", "symbol": "BTC-USD", "timestamp": ISO,
     "side": "buy", "qty": 0.5, "price": 91000.5, "trade_id": "7"}, trade(BTC, 91000.5, 0.5, 7)),
    ("dydx", {"type": "channel_data", "id": "BTC-USD", "channel": "v3_trades", "contents": {"trades": [{"side": "BUY",
     "size": "0.5", "price": "91000.5", "createdAt": ISO}]}}, trade(BTC, 91000.5, 0.5, None)),
    ("ascendex_futures", {"m": "trades", "symbol": "BTC-PERP", "data": [{"p": "91000.5", "q": "0.5", "ts": AT_MS,
     "bm": False, "seqnum": 7}]}, trade("BTC-PERP:CRYPTO", 91000.5, 0.5, 7, "FUTURES")),
    ("bithumb", {"type": "transaction", "content": {"list": [{"buySellGb": "1", "contPrice": "131000000",
     "contQty": "0.5", "contAmt": "65500000", "contDtm": "2026-01-05 19:00:00.123000", "updn": "dn",
     "symbol": "BTC_KRW"}]}}, trade("BTC-KRW:CRYPTO", 131000000.0, 0.5, None)),
    ("bithumb", {"type": "orderbooksnapshot", "content": {"symbol": "BTC_KRW", "datetime": str(AT_MS),
     "asks": [["131002000", "2.5"], ["131003000", "1"]], "bids": [["130999000", "1"], ["131000000", "1.5"]]}},
     quote("BTC-KRW:CRYPTO", 131000000.0, 1.5, 131002000.0, 2.5)),
    ("bithumb", {"type": "trade", "code": "KRW-BTC", "trade_price": 131000000, "trade_volume": 0.5, "ask_bid": "BID",
     "trade_timestamp": AT_MS, "sequential_id": 7}, trade("BTC-KRW:CRYPTO", 131000000.0, 0.5, 7)),
    ("bittrex", signal_r("trade", {"deltas": [{"id": "8e7f693b-6504-4cb7-9484-835435b147f9", "executedAt": ISO,
     "quantity": "0.5", "rate": "91000.5", "takerSide": "BUY"}], "sequence": 20, "marketSymbol": "BTC-USDT"}),
     trade(BTC, 91000.5, 0.5, None)),
    ("bittrex", signal_r("ticker", {"symbol": "BTC-USD", "lastTradeRate": "1", "bidRate": "90999",
     "askRate": "91001"}), quote(BTC, 90999, NONE, 91001, NONE, ts=RECV_NS)),
    ("bit.com", {"channel": "trade", "timestamp": AT_MS + 1, "data": [{"trade_id": "7", "pair": "BTC-USDT",
     "price": "91000.50", "qty": "0.50", "side": "sell", "created_at": AT_MS}]}, trade(BTC, 91000.5, 0.5, 7)),
    ("bit.com", {"channel": "ticker", "timestamp": AT_MS, "data": {"time": AT_MS, "instrument_id": "BTC-USD-PERPETUAL",
     "best_bid": "90999", "best_ask": "91001", "best_bid_qty": "1500", "best_ask_qty": "2500", "last_price": "1"}},
     quote("BTC-USD-PERPETUAL:CRYPTO", 90999, 1500, 91001, 2500)),
    ("delta", {"buyer_role": "taker", "price": "91000.5", "product_id": 8320, "seller_role": "maker", "size": "0.5",
     "symbol": "BTC_USDT", "timestamp": AT_NS // 1000, "type": "all_trades"}, trade(BTC, 91000.5, 0.5, None)),
    ("delta", {"type": "l1_orderbook", "symbol": "BTCUSDT", "best_bid": "90999", "bid_qty": "1500",
     "best_ask": "91001", "ask_qty": "2500", "last_sequence_no": 3, "product_id": 139, "timestamp": AT_NS // 1000},
     quote("BTCUSDT:CRYPTO", 90999, 1500, 91001, 2500)),
    ("delta", {"type": "l2_orderbook", "symbol": "BTC_USDT", "timestamp": AT_NS // 1000, "last_sequence_no": 3,
     "buy": [{"depth": "1.5", "limit_price": "90999", "size": "1.5"}, {"depth": "9", "limit_price": "90998",
     "size": "7.5"}], "sell": [{"depth": "9", "limit_price": "91002", "size": "6.5"}, {"depth": "2.5",
     "limit_price": "91001", "size": "2.5"}]}, quote(BTC, 90999, 1.5, 91001, 2.5)),
    ("delta", {"type": "v2/ticker", "symbol": "BTCUSD", "timestamp": AT_NS // 1000, "close": 1, "quotes": {
     "best_bid": "90999", "bid_size": "1500", "best_ask": "91001", "ask_size": "2500", "mark_iv": "0"}},
     quote("BTCUSD:CRYPTO", 90999, 1500, 91001, 2500)),
    ("exx", ["T", "1", "1767607200", "BTC_USDT", "bid", "91000.5", "0.5", "7"],
     trade(BTC, 91000.5, 0.5, 7, ts=1_767_607_200_000_000_000)),
    ("independent_reserve", {"Channel": "ticker-xbt-aud", "Nonce": 78, "Data": {"TradeGuid": "6d1c2e90", "Pair":
     "xbt-aud", "TradeDate": "2026-01-05T21:00:00.1230000+11:00", "Price": 140000.5, "Volume": 0.5, "BidGuid": "0",
     "OfferGuid": "5", "Side": "Sell"}, "Time": AT_MS + 1, "Event": "Trade"},
     trade("BTC-AUD:CRYPTO", 140000.5, 0.5, None)),
    ("phemex", {"sequence": 9047166781, "symbol": "BTCUSD", "trades": [[AT_NS, "Buy", 910005000, 323]],
     "type": "incremental"}, trade("BTCUSD:CRYPTO", 91000.5, 323, None)),
    ("phemex", {"sequence": 1167852, "symbol": "sBTCUSDT", "trades": [[AT_NS, "Buy", 9100050000000, 50000000]],
     "type": "incremental"}, trade(BTC, 91000.5, 0.5, None)),
    ("phemex", {"sequence": 77702250, "symbol": "BTCUSDT", "trades_p": [[AT_NS, "Sell", "91000.5", "0.5"]],
     "type": "incremental"}, trade("BTCUSDT:CRYPTO", 91000.5, 0.5, None)),
    ("phemex", {"spot_market24h": {"openEp": 1, "lastEp": 1, "bidEp": 9099900000000, "askEp": 9100100000000,
     "symbol": "sBTCUSDT", "volumeEv": 1}, "timestamp": AT_NS}, quote(BTC, 90999, NONE, 91001, NONE)),
    ("probit", {"channel": "marketdata", "market_id": "BTC-USDT", "status": "ok", "lag": 0, "recent_trades": [
     {"id": "BTC-USDT:7", "price": "91000.5", "quantity": "0.5", "time": ISO, "side": "buy",
      "tick_direction": "down"}], "reset": True}, trade(BTC, 91000.5, 0.5, 7)),
]  # fmt: skip
