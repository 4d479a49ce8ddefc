"""Names of crypto markets: from the general form ``BTC-USD`` to each venue's own and back.

One rule for all, the one of the recorded feeds: markets of a coin in dollars, or in a coin that stands for a dollar
(``USDT``), are sources of one instrument, ``BTC-USD:CRYPTO``. How each venue spells is in ``venues.csv``.
"""

from dataclasses import dataclass

QUOTES = (
    "USDT", "USDC", "USD", "EUR", "GBP", "JPY", "KRW", "CHF", "CAD", "AUD", "SGD", "TRY", "BRL", "INR", "DAI", "BTC",
    "XBT", "ETH", "BNB", "LTC", "BCH",
)  # fmt: skip
"""Currencies in which markets are quoted, for names without a separator; each venue adds its own."""

COINS = frozenset({
    "BTC", "XBT", "ETH", "BNB", "XRP", "SOL", "ADA", "DOGE", "SHIB", "DOT", "LTC", "BCH", "LINK", "AVAX", "MATIC",
    "TRX", "ATOM", "UNI", "XLM", "EOS", "ETC", "FIL", "NEAR", "ALGO", "AAVE", "ZEC", "DASH", "USDT", "USDC",
})  # fmt: skip
"""Coins that decide where two quotes fit: ``BNBUSD`` is no market of BN in BUSD."""

CONTRACTS = "~"
"""Separator of venues whose names are contracts: none is taken for a pair of coins."""

DOLLARS = frozenset({"USD", "USDT"})
"""Quotes that are dollars. ``USDT`` is within a few basis points of one; see the rule above."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a venue writes a market.

    Parameters
    ----------
    separator
        Between the coins; may be empty, or ``CONTRACTS``.
    lower
        Whether in small letters.
    quote_first
        Whether the quote currency stands first (``KRW-BTC``).
    prefix
        Before the name (``t`` at Bitfinex).
    dollar
        What the venue quotes dollar markets in.
    aliases
        Our coin -> the venue's.
    quotes
        Currencies in which this venue quotes besides ``QUOTES``.
    """

    separator: str = ""
    lower: bool = False
    quote_first: bool = False
    prefix: str = ""
    dollar: str = "USD"
    aliases: tuple[tuple[str, str], ...] = ()
    quotes: tuple[str, ...] = ()

    def spell(self, symbol: str) -> str:
        """Return the venue's name of a market in the general form."""
        base, _, quote = symbol.upper().partition("-")
        if quote == "USD":
            quote = self.dollar
        theirs = dict(self.aliases)
        coins = [theirs.get(base, base), theirs.get(quote, quote)]
        name = self.separator.join(reversed(coins) if self.quote_first else coins)
        return self.prefix + (name.lower() if self.lower else name)

    def coins(self, name: str) -> tuple[str, str] | None:
        """Return base and quote of a venue's name; None where it is no such name (a contract, an index)."""
        if self.separator == CONTRACTS:
            return None
        name = name.removeprefix(self.prefix).upper()
        # Bitfinex parts names longer than three letters by a colon.
        separator = ":" if ":" in name else self.separator
        parts = name.split(separator) if separator and separator in name else _cut(name, QUOTES + self.quotes)
        if len(parts) != 2 or not all(parts):
            return None
        base, quote = reversed(parts) if self.quote_first else parts
        ours = {theirs: our for our, theirs in self.aliases}
        return ours.get(base, base), ours.get(quote, quote)

    def symbol_id(self, name: str) -> str:
        """Return our instrument of a venue's name; what is no pair of coins stays an instrument of its own."""
        pair = self.coins(name)
        if pair is None:
            return f"{name.upper()}:CRYPTO"
        base, quote = pair
        return f"{base}-{'USD' if quote in DOLLARS else quote}:CRYPTO"


def _cut(name: str, quotes: tuple[str, ...]) -> list[str]:
    fitting = [q for q in quotes if name.endswith(q) and len(name) > len(q)]
    if not fitting:
        return [name]
    quote = max(fitting, key=lambda q: (name.removesuffix(q) in COINS, len(q)))
    return [name.removesuffix(quote), quote]
