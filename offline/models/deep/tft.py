"""The Temporal Fusion Transformer, reading a window of rows and telling one move.

    variables of a bar -> selection -> LSTM -> + enrichment -> attention of the newest bar over the window -> head

Of the paper's network (Lim et al., 2021) the decoder is left out: nothing is known of the bars to come, and one move
is told, not a path. It knows no symbol, so that one network serves all of them; what stands still over a window, such
as a one-hot of the asset class, may be named as static and then steers selection, LSTM and enrichment.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from offline.models.deep.estimator import DeepEstimator
from offline.models.deep.layers import HEAD_WIDTH, Initial, dense, gate, grn, head, select
from offline.models.deep.ops import Ops, Params
from offline.models.deep.parameters import DeepParameters, positive
from processors.errors import ConfigError

CONTEXTS = ("selection", "enrichment", "hidden", "cell")


@dataclass(frozen=True, slots=True)
class TftParameters(DeepParameters):
    """Shape of the network, and how it is trained.

    Parameters
    ----------
    hidden
        Numbers of every hidden vector. 16: a few thousand noisy rows carry no more.
    heads
        Of the attention, a divisor of `hidden`.
    static_inputs
        Positions of inputs that do not change within a window, read off the newest row.
    """

    kind: ClassVar[str] = "tft"
    score_batch_rows: ClassVar[int] = 4
    """Half the cost a row of rows alone, at twice the time of one; 16 gain little more and cost a lone row six times
    its time."""

    hidden: int = 16
    heads: int = 4
    static_inputs: tuple[int, ...] = ()

    def _check(self, where: str) -> None:
        positive(where, "hidden", self.hidden)
        positive(where, "heads", self.heads)
        if self.hidden % self.heads:
            raise ConfigError(where, "heads", self.heads, f"a divisor of hidden, {self.hidden}")
        if any(j < 0 for j in self.static_inputs) or len(set(self.static_inputs)) != len(self.static_inputs):
            raise ConfigError(where, "static_inputs", self.static_inputs, "positions of inputs, each once")

    def initial(self, n_variables: int, seed: int) -> Params:
        """Return the first parameters."""
        first, d = Initial(seed), self.hidden
        if any(j >= n_variables - 1 for j in self.static_inputs):
            allowed = f"below {n_variables - 1}, the number of inputs"
            raise ConfigError("model tft", "static_inputs", self.static_inputs, allowed)
        n_past, n_static = n_variables - len(self.static_inputs), len(self.static_inputs)
        context = d if n_static else 0
        for name, n in (("past", n_past), ("static", n_static)):
            if n:
                first.selection(f"{name}.select", n, d, context=context if name == "past" else 0)
        if n_static:
            for name in CONTEXTS:
                first.grn(f"static.{name}", d, d, d)
        first.lstm("lstm", d, d)
        first.gate("after_lstm", d)
        first.grn("enrich", d, d, d, context=context)
        first.weights("attention.query", d, d)
        first.weights("attention.key", d, d)
        # One value for all heads is what makes their mean readable as one weight a bar (eq. 14).
        first.weights("attention.value", d, d // self.heads)
        first.weights("attention.out", d // self.heads, d)
        first.gate("after_attention", d)
        first.grn("feed_forward", d, d, d)
        first.gate("last", d)
        first.dense("head", d, HEAD_WIDTH)
        return first.params

    def forward(self, f: Ops, x: Any) -> tuple[Any, Any]:
        """Return log-odds (n, 1) and quantiles (n, 3)."""
        d, rate, length = self.hidden, self.dropout, self.window_bars
        n_variables = f.shape("scale.mean")[0] + 1
        past = [j for j in range(n_variables) if j not in self.static_inputs]
        contexts = self._contexts(f, x, length) if self.static_inputs else dict.fromkeys(CONTEXTS)
        # Bars first: an LSTM walks along the first axis.
        flat = f.reshape(f.transpose(x, (1, 0, 2)), (-1, n_variables))
        if self.static_inputs:
            flat = f.pick(flat, 1, past)
        repeated = None if contexts["selection"] is None else _repeated(f, contexts["selection"], length, d)
        chosen, _ = select(f, "past.select", flat, len(past), context=repeated, rate=rate)
        bars = f.reshape(chosen, (length, -1, d))
        begin = None if contexts["hidden"] is None else (contexts["hidden"], contexts["cell"])
        local = gate(f, "after_lstm", f.lstm(bars, "lstm", begin), bars, rate)
        enriched = grn(f, "enrich", local, context=contexts["enrichment"], rate=rate)
        newest = f.reshape(f.slice(enriched, 0, length - 1, length), (-1, d))
        attended = gate(f, "after_attention", self._attention(f, newest, enriched, length), newest, rate)
        deep = grn(f, "feed_forward", attended, rate=rate)
        skip = f.reshape(f.slice(local, 0, length - 1, length), (-1, d))
        return head(f, dense(f, "head", gate(f, "last", deep, skip, rate)))

    def _contexts(self, f: Ops, x: Any, length: int) -> dict[str, Any]:
        """Return what the static inputs say, each of shape (n, d)."""
        n = len(self.static_inputs)
        newest = f.reshape(f.slice(x, 1, length - 1, length), (-1, f.shape("scale.mean")[0] + 1))
        static = f.pick(newest, 1, self.static_inputs)
        said, _ = select(f, "static.select", static, n, rate=self.dropout)
        return {name: grn(f, f"static.{name}", said, rate=self.dropout) for name in CONTEXTS}

    def _attention(self, f: Ops, newest: Any, bars: Any, length: int) -> Any:
        """Return the interpretable attention, eq. 13 to 16, of the newest bar over all, shape (n, d)."""
        heads, each = self.heads, self.hidden // self.heads
        scale = f.const(np.array(each**-0.5, np.float32))
        query = f.reshape(f.matmul(newest, f.param("attention.query")), (-1, heads, 1, each))
        keys = f.reshape(f.matmul(bars, f.param("attention.key")), (length, -1, heads, each))
        scores = f.mul(f.matmul(query, f.transpose(keys, (1, 2, 3, 0))), scale)
        weights = f.mean(f.softmax(scores), 1)
        values = f.transpose(f.matmul(bars, f.param("attention.value")), (1, 0, 2))
        read = f.reshape(f.matmul(weights, values), (-1, each))
        return f.matmul(read, f.param("attention.out"))


def _repeated(f: Ops, context: Any, length: int, width: int) -> Any:
    """Return (n, d) for each bar, bars first: (length * n, d)."""
    return f.reshape(f.concat([f.reshape(context, (1, -1, width))] * length, 0), (-1, width))


class TftEstimator(DeepEstimator):
    """Fits a Temporal Fusion Transformer."""

    kind: ClassVar[str] = "tft"
    parameters = TftParameters
