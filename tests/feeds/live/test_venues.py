"""Parsers of the venues, by messages in the form of their documentation; the real recordings are in conformance."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.feeds.live import catalog
from processors.feeds.live.port import ACK, BEAT, BOOK, DATA, GARBAGE, LEAVE, OTHER, REFUSED, Parsed, Tick
from processors.feeds.live.read import iso_ns
from processors.feeds.live.symbols import CONTRACTS
from tests.feeds.live.messages import AT_MS, AT_NS, BTC, CASES, ISO, RECV_NS, Expected, signal_r


def shown(t: Tick) -> list[Any]:
    seq = t.seq if t.seq >= 0 else None
    sizes = (t.price, t.size, t.bid, t.ask, t.bid_size, t.ask_size)
    return [t.kind, t.symbol_id, t.venue, t.ts_event, *(None if math.isnan(v) else v for v in sizes), seq]


def parse(venue: str, message: Any, memory: dict[str, Any] | None = None) -> Parsed:
    text = message if isinstance(message, str | bytes) else json.dumps(message)
    return catalog.row_of(venue).make().parse(text, RECV_NS, {} if memory is None else memory)


@pytest.mark.parametrize(("venue", "message", "expected"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_a_message_becomes_the_tick_it_says(venue: str, message: Any, expected: Expected) -> None:
    """Every field of the venue's message is in the tick: symbol, market, time, prices, sizes, number."""
    parsed = parse(venue, message)
    assert (parsed.what, parsed.detail) == (DATA, "")
    (tick,) = parsed.ticks
    assert shown(tick) == [None if isinstance(v, float) and math.isnan(v) else v for v in expected]
    assert tick.ts_recv == RECV_NS
    assert tick.vendor == catalog.row_of(venue).vendor


@pytest.mark.parametrize(
    ("venue", "message", "what"),
    [
        ("coinbase", {"type": "subscriptions", "channels": []}, ACK),
        ("coinbase", {"type": "error", "message": "Failed to subscribe", "reason": "X is not valid"}, REFUSED),
        ("coinbase", {"type": "l2update", "product_id": "BTC-USD", "changes": []}, BOOK),
        ("binance", {"result": None, "id": 1}, ACK),
        ("binance", {"error": {"code": 2, "msg": "Invalid request"}}, REFUSED),
        ("binance", {"e": "depthUpdate", "E": AT_MS, "s": "BTCUSDT", "b": [], "a": []}, BOOK),
        ("kraken", {"method": "subscribe", "success": False, "error": "Currency pair not supported"}, REFUSED),
        ("kraken", {"channel": "heartbeat"}, BEAT),
        ("kraken", {"channel": "status", "type": "update", "data": []}, OTHER),
        ("bybit", {"success": True, "ret_msg": "pong", "op": "ping"}, BEAT),
        ("bybit", {"success": False, "ret_msg": "error:handler not found", "op": "subscribe"}, REFUSED),
        ("bitstamp", {"event": "bts:request_reconnect", "channel": "", "data": ""}, LEAVE),
        ("bitfinex", {"event": "info", "code": 20051, "msg": "Stopping"}, LEAVE),
        ("bitfinex", {"event": "error", "msg": "symbol: invalid", "code": 10300}, REFUSED),
        ("okx", {"event": "notice", "code": "64008", "msg": "soon"}, LEAVE),
        ("okx", {"event": "error", "code": "60018", "msg": "wrong"}, REFUSED),
        ("okx", "pong", BEAT),
        ("huobi", {"ping": 5}, BEAT),
        ("gemini", {"type": "heartbeat", "timestamp": AT_MS}, BEAT),
        ("deribit", {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}}, BEAT),
        ("bithumb", {"status": "0000", "resmsg": "Connected Successfully"}, ACK),
        ("bithumb", {"status": "5100", "resmsg": "Invalid Filter Syntax"}, REFUSED),
        ("bithumb", {"type": "orderbookdepth", "content": {"list": [], "datetime": "1"}}, BOOK),
        ("bithumb", {"type": "ticker", "content": {"symbol": "BTC_KRW", "closePrice": "1"}}, OTHER),
        ("bittrex", {}, BEAT),
        ("bittrex", {"C": "d-B1733F58-B,0", "S": 1, "M": []}, ACK),
        ("bittrex", {"C": "d-6010FB90-B,0", "M": [{"H": "C3", "M": "heartbeat", "A": []}]}, BEAT),
        ("bittrex", {"R": [{"Success": True, "ErrorCode": None}], "I": "1"}, ACK),
        ("bittrex", {"R": [{"Success": False, "ErrorCode": "UNRECOGNIZED_STREAM"}], "I": "1"}, REFUSED),
        ("bittrex", {"I": "1", "E": "There was an error invoking Hub method 'c3.Subscribe'."}, REFUSED),
        ("bittrex", signal_r("orderBook", {"marketSymbol": "BTC-USD", "bidDeltas": [], "askDeltas": []}), BOOK),
        ("bittrex", signal_r("candle", {"marketSymbol": "BTC-USD", "interval": "MINUTE_1", "delta": {}}), OTHER),
        ("bittrex", {"M": [{"H": "C3", "M": "trade", "A": ["no base64"]}]}, GARBAGE),
        ("bit.com", {"channel": "subscription", "timestamp": 1, "data": {"code": 0, "subscription": ["trade"]}}, ACK),
        ("bit.com", {"channel": "subscription", "timestamp": AT_MS, "data": {"code": 18500002}}, REFUSED),
        ("bit.com", {"channel": "depth", "timestamp": AT_MS, "data": {"type": "update", "changes": []}}, BOOK),
        ("bit.com", {"channel": "pong", "timestamp": AT_MS, "data": {}}, BEAT),
        ("delta", {"type": "subscriptions", "channels": [{"name": "all_trades", "symbols": ["BTCUSD"]}]}, ACK),
        ("delta", {"type": "subscriptions", "channels": [{"name": "x", "error": "not found"}]}, REFUSED),
        ("delta", {"type": "heartbeat"}, BEAT),
        ("delta", {"type": "candlestick_1m", "symbol": "BTC_USDT", "timestamp": 1, "open": None}, OTHER),
        ("delta", {"type": "l2_updates", "action": "update", "symbol": "BTCUSD"}, BOOK),
        ("exx", [["AE", "1", "BTC_USDT", "1547941504", {"asks": []}, {"bids": []}]], BOOK),
        ("exx", ["E", "1", "1547942636", "BTC_USDT", "ASK", "3674.9", "0.026"], BOOK),
        ("exx", ["K", "1", "BTC_USDT", 1509881343, "1", "1", "1", "1", "1", "0", "6", "1M", "false"], OTHER),
        ("exx", ["X", "1"], GARBAGE),
        ("independent_reserve", {"Event": "Subscriptions", "Data": ["ticker-xbt"], "Time": AT_MS}, ACK),
        ("independent_reserve", {"Event": "Heartbeat", "Time": AT_MS}, BEAT),
        ("independent_reserve", {"Event": "Error", "Data": "no channel"}, REFUSED),
        ("independent_reserve", {"Channel": "orderbook-xbt", "Nonce": 1, "Data": {}, "Event": "NewOrder"}, BOOK),
        ("phemex", {"error": None, "id": 1, "result": {"status": "success"}}, ACK),
        ("phemex", {"error": None, "id": 1, "result": "pong"}, BEAT),
        ("phemex", {"error": {"code": 6001, "message": "invalid argument"}, "id": 1, "result": None}, REFUSED),
        ("phemex", {"book": {"asks": [], "bids": []}, "symbol": "BTCUSD", "type": "snapshot"}, BOOK),
        ("phemex", {"kline": [], "sequence": 1, "symbol": "BTCUSD", "type": "snapshot"}, OTHER),
        ("probit", {"channel": "marketdata", "market_id": "X", "status": "ok", "order_books": []}, BOOK),
        ("probit", {"channel": "marketdata", "market_id": "X", "status": "ok", "ticker": {"last": "1"}}, OTHER),
        ("probit", {"errorCode": "INVALID_ARGUMENT", "message": "", "details": {}}, REFUSED),
    ],
)
def test_what_is_no_tick_is_named(venue: str, message: Any, what: str) -> None:
    """Answers, signs of life, books, refusals and farewells are told from each other."""
    assert parse(venue, message).what == what


def test_a_venue_that_asks_is_answered() -> None:
    """Venues that want to hear back in a message of their own get it."""
    assert json.loads(parse("huobi", {"ping": 5}).answer or "") == {"pong": 5}
    assert "public/test" in (parse("deribit", {"method": "heartbeat", "params": {"type": "test_request"}}).answer or "")


@pytest.mark.parametrize(
    ("venue", "message"),
    [
        ("delta", {"type": "all_trades_snapshot", "symbol": "BTC_USDT", "trades": [
            {"price": "2", "size": "1", "timestamp": AT_NS // 1000 + 1}, {"price": "1", "size": "1",
             "timestamp": AT_NS // 1000}]}),
        ("phemex", {"symbol": "BTCUSDT", "type": "snapshot", "sequence": 1,
                    "trades_p": [[AT_NS + 1, "Buy", "2", "1"], [AT_NS, "Buy", "1", "1"]]}),
        ("exx", [["T", "1", "1", "BTC_USDT", "bid", "2", "1", "8"], ["T", "1", "1", "BTC_USDT", "bid", "1", "1", "7"]]),
        ("probit", {"channel": "marketdata", "market_id": "BTC-USDT", "status": "ok", "recent_trades": [
            {"id": f"BTC-USDT:{n}", "price": str(n), "quantity": "1", "time": ISO} for n in (2, 1)]}),
        ("bittrex", signal_r("trade", {"marketSymbol": "BTC-USD", "sequence": 1, "deltas": [
            {"executedAt": f"2026-01-05T10:00:0{n}Z", "quantity": "1", "rate": str(n)} for n in (2, 1)]})),
        ("bithumb", {"type": "transaction", "content": {"list": [{"contPrice": str(n), "contQty": "1", "symbol":
            "BTC_KRW", "contDtm": f"2026-01-05 19:00:0{n}.1"} for n in (2, 1)]}}),
        ("bit.com", {"channel": "trade", "data": [{"trade_id": str(n), "pair": "BTC-USDT", "price": str(n),
            "qty": "1", "created_at": AT_MS + n} for n in (2, 1)]}),
    ],
)  # fmt: skip
def test_several_trades_of_a_message_come_oldest_first(venue: str, message: Any) -> None:
    """Venues that send the newest trade first are turned round."""
    parsed = parse(venue, message)
    assert (parsed.what, [t.price for t in parsed.ticks]) == (DATA, [1.0, 2.0])


def test_a_trade_in_several_currencies_is_one_of_each_market_and_its_events_are_counted() -> None:
    """Independent Reserve tells one trade in several currencies; its channel numbers events without holes."""
    message = {"Event": "Trade", "Channel": "ticker-xbt", "Nonce": 12, "Time": AT_MS, "Data": {
        "TradeDate": ISO, "Volume": 0.5, "Price": {"Aud": 140000.5, "Sgd": 120000.5}, "Side": "Buy"}}  # fmt: skip
    parsed = parse("independent_reserve", message)
    assert [(t.symbol_id, t.price) for t in parsed.ticks] == [
        ("BTC-AUD:CRYPTO", 140000.5), ("BTC-SGD:CRYPTO", 120000.5),
    ]  # fmt: skip
    assert [(s.series, s.first, s.last, s.symbol_id) for s in parsed.steps] == [("ticker-xbt", 12, 12, "")]


def test_bittrex_counts_the_messages_of_a_market() -> None:
    """One frame may carry trades of several markets; each market's messages are numbered."""
    both = signal_r("trade", {"marketSymbol": "BTC-USD", "sequence": 5, "deltas": []})
    both["M"] += signal_r("trade", {"marketSymbol": "ETH-USD", "sequence": 9, "deltas": [
        {"executedAt": ISO, "quantity": "1", "rate": "3000"}]})["M"]  # fmt: skip
    parsed = parse("bittrex", both)
    assert [(s.series, s.last, s.symbol_id) for s in parsed.steps] == [
        ("trades BTC-USD", 5, BTC), ("trades ETH-USD", 9, "ETH-USD:CRYPTO"),
    ]  # fmt: skip
    assert [t.symbol_id for t in parsed.ticks] == ["ETH-USD:CRYPTO"]


def test_bitfinex_channels_go_by_number_and_messages_are_counted() -> None:
    """A channel is named once; then its messages are known by number, and each carries the connection's next one."""
    memory: dict[str, Any] = {}
    parse("bitfinex", {"event": "conf", "status": "OK", "flags": 65536}, memory)
    parse("bitfinex", {"event": "subscribed", "channel": "trades", "chanId": 5, "symbol": "tBTCUSD"}, memory)
    parse("bitfinex", {"event": "subscribed", "channel": "ticker", "chanId": 6, "symbol": "tTESTBTC:TESTUSD"}, memory)
    sold = parse("bitfinex", [5, "te", [7, AT_MS, -0.5, 91000.5], 12], memory)
    assert shown(sold.ticks[0])[:6] == ["trade", BTC, "", AT_NS, 91000.5, 0.5]
    assert [(s.series, s.first) for s in sold.steps] == [("connection", 12)]
    again = parse("bitfinex", [5, "tu", [7, AT_MS, -0.5, 91000.5], 13], memory)
    assert (again.what, list(again.ticks), again.steps[0].first) == (OTHER, [], 13)
    ticker = parse("bitfinex", [6, [90999, 1.5, 91001, 2.5, 0, 0, 0, 0, 0, 0], 14], memory)
    assert ticker.ticks[0].symbol_id == "TESTBTC-TESTUSD:CRYPTO"
    snapshot = parse("bitfinex", [5, [[9, AT_MS + 1, 1, 2], [8, AT_MS, 1, 1]], 15], memory)
    assert [t.seq // 2 for t in snapshot.ticks] == [8, 9]
    assert parse("bitfinex", [99, "hb", 16], memory).what == BEAT
    assert parse("bitfinex", [99, [1], 17], memory).what == GARBAGE


def test_the_old_poloniex_names_a_market_once_and_by_its_number_else() -> None:
    """The first message of a channel names its market; without one the market is its number."""
    memory: dict[str, Any] = {}
    book = [121, 1, [["i", {"currencyPair": "USDT_BTC", "orderBook": [{}, {}]}]]]
    assert parse("poloniex", book, memory).what == BOOK
    traded = [121, 2, [["o", 1, "5", "1"], ["t", "7", 1, "91000.5", "0.5", AT_MS // 1000]]]
    (tick,) = parse("poloniex", traded, memory).ticks
    assert (tick.price, tick.size, tick.seq) == (91000.5, 0.5, 15)
    ticker = [1002, None, [148, "0.03", "0.031", "0.029", "0", "0", "0", 0, "0", "0"]]
    (quoted,) = parse("poloniex", ticker, memory).ticks
    assert (quoted.symbol_id, quoted.bid, quoted.ask) == ("148:CRYPTO", 0.029, 0.031)


def test_a_ticker_without_any_side_says_nothing() -> None:
    """A market in which nobody quotes gives no tick, and is no garbage."""
    empty = {"instId": "X-USDT", "bidPx": "", "bidSz": "", "askPx": "", "askSz": "", "ts": str(AT_MS)}
    parsed = parse("okx", {"arg": {"channel": "tickers", "instId": "X-USDT"}, "data": [empty]})
    assert (parsed.what, list(parsed.ticks)) == (DATA, [])


def test_gemini_knows_the_market_by_the_address() -> None:
    """Version 1 of Gemini names the market in the address only; each change of the top is one side of a quote."""
    memory = {"url": "wss://api.gemini.com/v1/marketdata/btcusd?top_of_book=true"}
    change = {"type": "change", "side": "ask", "price": "91001", "remaining": "2.5", "reason": "top-of-book"}
    traded = {"type": "trade", "tid": 7, "price": "91000.5", "amount": "0.5", "makerSide": "bid"}
    message = {"type": "update", "eventId": 8, "timestampms": AT_MS, "socket_sequence": 3, "events": [traded, change]}
    parsed = parse("gemini", message, dict(memory))
    assert [shown(t) for t in parsed.ticks] == [
        ["trade", BTC, "", AT_NS, 91000.5, 0.5, None, None, None, None, 15],
        ["quote", BTC, "", AT_NS, None, None, None, 91001.0, None, 2.5, None],
    ]
    assert parsed.steps[0].first == 3


def test_a_message_without_a_time_is_stamped_by_the_venues_clock() -> None:
    """A book ticker without a time gets its receipt, moved by how far the venue's clock was from ours."""
    memory: dict[str, Any] = {}
    stamped = {"e": "trade", "E": AT_MS, "s": "BTCUSDT", "t": 7, "p": "1", "q": "1", "T": AT_MS}
    parse("binance", stamped, memory)
    ticker = {"u": 71, "s": "BTCUSDT", "b": "1", "B": "1", "a": "2", "A": "1"}
    assert parse("binance", ticker, memory).ticks[0].ts_event == AT_NS


@pytest.mark.parametrize("venue", sorted(catalog.rows()))
def test_every_venue_of_the_table_can_be_made_and_spells_both_ways(venue: str) -> None:
    """Every row of the table has a parser, and a general name comes back from the venue's own."""
    row = catalog.row_of(venue)
    assert row.make().vendor == row.vendor
    for symbol in ("BTC-USD", "ETH-BTC", "DOGE-USD", "SHIB-EUR") if row.spelling.separator != CONTRACTS else ():
        assert row.symbol_id(row.spelling.spell(symbol)) == f"{symbol}:CRYPTO", row.spelling.spell(symbol)
    if row.url:
        names = [row.live_spelling.spell(s) for s in ("BTC-USD", "ETH-USD")]
        assert sorted(n for _, part in row.connections(["BTC-USD", "ETH-USD"]) for n in part) == sorted(names)
        requests = list(row.make_requests(names, again=True))
        assert all(name in " ".join(requests) for name in names) or not requests
        assert row.source


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(catalog.rows())), st.text() | st.binary() | JSON.map(json.dumps))
def test_no_frame_makes_a_parser_raise(venue: str, frame: str | bytes) -> None:
    """Whatever comes, a parser answers."""
    assert isinstance(catalog.row_of(venue).make().parse(frame, RECV_NS, {}), Parsed)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CASES), st.data())
def test_no_broken_message_makes_a_parser_raise(case: tuple[str, Any, Expected], data: st.DataObject) -> None:
    """A true message with one value replaced by anything is answered, and its ticks hold numbers only."""
    venue, message, _ = case
    broken = json.loads(json.dumps(message))
    at = broken
    while isinstance(at, dict | list) and at:
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else list(range(len(at)))))
        inner = at[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            at[key] = data.draw(JSON)
            break
        at = inner
    parsed = parse(venue, json.dumps(broken))
    for tick in parsed.ticks:
        assert isinstance(tick.ts_event, int)
        assert isinstance(tick.symbol_id, str)
        assert all(isinstance(v, float) for v in tick[6:12])


@given(st.integers(0, 4 * 10**18))
def test_times_keep_every_digit(ns: int) -> None:
    """An ISO time with nine digits comes back to the nanosecond."""
    from datetime import UTC, datetime

    text = datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ns % 10**9:09d}Z"
    assert iso_ns(text) == ns
    assert iso_ns(text[:-1] + "+00:00") == ns
