"""A model card as Markdown."""

import base64
from collections.abc import Mapping
from typing import Any

from offline.registry.sweeps import flat

ROC, RELIABILITY, BY_REGIME = "roc.png", "reliability.png", "reliability_by_regime.png"
COVERAGE, CUMULATIVE = "coverage_by_regime.png", "cumulative.png"
"""Pictures of a card."""


def embedded(png: bytes) -> str:
    """Return a picture as an address that holds it: the card stays one file."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def markdown(card: dict[str, Any], pictures: Mapping[str, str]) -> str:
    """Return the text of a card.

    Parameters
    ----------
    card
        Of ``make_card``.
    pictures
        Name -> address of each of ``ROC``, ``RELIABILITY``, ``BY_REGIME``, ``COVERAGE`` and ``CUMULATIVE``; one that is
        missing is left out.
    """
    parts = [
        f"# {card['model']['name']} {card['model']['version']}",
        card["intended_use"],
        _section("What it cannot do", _list(card["limits"]) + "\n\nMeasured:\n\n" + _list(card["seen_limits"])),
        _section("How it was made", _method(card)),
        _section("What it was made of", _data(card)),
        _section("Predictions on rows it had not seen", _predictions(card) + _picture("ROC curve", ROC, pictures)),
        _section(
            "Calibration",
            _calibration(card)
            + _picture("Reliability", RELIABILITY, pictures)
            + _picture("Reliability by regime", BY_REGIME, pictures),
        ),
        _section("Intervals", _intervals(card) + _picture("Coverage by regime", COVERAGE, pictures)),
        _section("Returns", _returns(card) + _picture("Growth of 1 out of sample", CUMULATIVE, pictures)),
        _section("Chosen from how many", _selection(card)),
        _section("Is anybody served worse", _fairness(card)),
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}"


def _list(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) if lines else "- nothing"


def _picture(title: str, name: str, pictures: Mapping[str, str]) -> str:
    return f"\n\n![{title}]({pictures[name]})" if name in pictures else ""


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines)


def _facts(facts: dict[str, Any]) -> str:
    return _table(["", ""], [[name, str(value)] for name, value in facts.items()])


def estimate(found: dict[str, Any] | None, digits: int = 3) -> str:
    """Return a value with its interval; a dash of none."""
    if found is None or found["value"] is None:
        return "-"
    text = f"{found['value']:.{digits}f}"
    if found["low"] is None or found["high"] is None:
        return f"{text} (too few)"
    return f"{text} ({found['low']:.{digits}f} to {found['high']:.{digits}f})"


def area(numbers: dict[str, Any]) -> str:
    """Return the AUC of some rows with its interval; in words where one probability ranks none of them.

    Parameters
    ----------
    numbers
        Of ``measures.measure``. A card of an older MPS does not say ``constant``: one half without an error says it.
    """
    found = numbers["auc"]
    if numbers.get("constant") or (found is not None and (found["value"], found["error"]) == (0.5, 0.0)):
        return "none: the probability is constant"
    return estimate(found)


def _method(card: dict[str, Any]) -> str:
    m, model = card["method"], card["model"]
    took, of = model["latency_ms"], model["latency_of"]
    reads = "; ".join(f"{t['name']} {t['dtype']} {tuple(t['shape'])}" for t in model["signature"]["inputs"])
    gives = "; ".join(f"{t['name']} {t['dtype']} {tuple(t['shape'])}" for t in model["signature"]["outputs"])
    return _facts({
        "kind": m["kind"],
        **({"refined from": ", ".join(f"{k} {v}" for k, v in card["lineage"].items())} if "lineage" in card else {}),
        "parameters": ", ".join(f"{k} {v}" for k, v in flat(m["parameters"]).items()) or "none",
        "rows it reads": m["window_bars"],
        "calibration": m["calibration"],
        "intervals": m["conformal"],
        "validation": m["validation"],
        "recipe": f"{m['recipe_id']} {m['recipe_hash'][:16]}, seed {m['seed']}",
        "reads": reads,
        "gives": gives,
        "schema": model["schema"],
        "file": f"sha256 {model['sha256']}",
        "one row takes": f"{took['p50']:.3f} ms (p99 {took['p99']:.3f}), one thread, run {of['rows']} together",
        "measured on": f"{of['machine']}, {of['cores']} cores",
        "libraries": ", ".join(f"{k} {v}" for k, v in m["versions"].items()),
    })  # fmt: skip


def _data(card: dict[str, Any]) -> str:
    d = card["data"]
    facts = _facts({
        "snapshot": d["snapshot_id"],
        "digest": f"sha256 {d['sha256']}",
        "features": f"{d['pack_id']}@{d['pack_hash'][:16]}, {len(card['model']['inputs'])} inputs",
        "label": f"{d['target']}; {d['horizon_bars']} bars of {d['timeframe']}",
        "universe": ", ".join(d["universe"]),
        "from, until": f"{d['from']}, {d['until']}",
        "rows, samples": f"{d['rows']:,}, {d['samples']:,}",
    })  # fmt: skip
    dropped = _table(["left out because", "rows"], [[k, f"{v:,}"] for k, v in d["dropped"].items()])
    folds = _table(
        ["fold", "trained from", "until", "judged from", "until", "rows trained, judged"],
        [
            [str(i), f["train_from_ns"], f["train_until_ns"], f["test_from_ns"], f["test_until_ns"],
             f"{f['n_train']:,}, {f['n_test']:,}"]
            for i, f in enumerate(card["folds"])
        ],
    )  # fmt: skip
    return "\n\n".join([facts, dropped if d["dropped"] else "No row was left out.", folds])


def _predictions(card: dict[str, Any]) -> str:
    named = [("all", card["metrics"]["all"])]
    for dimension in ("fold", "regime"):
        named += [(f"{dimension} {g}", found) for g, found in card["metrics"][dimension].items()]
    head = ["rows", "n", "indep.", "AUC", "log loss", "gain", "gain, coin", "Brier", "ECE", "coverage"]
    shown = (("log_loss", 4), ("gain", 4), ("gain_coin", 4), ("brier", 4), ("ece", 3), ("coverage", 3))
    rows = [
        # A card of an older MPS has no gain over a coin.
        [name, f"{f['rows']:,}", f"{f['draws']:,.0f}", area(f), *(estimate(f.get(k), digits) for k, digits in shown)]
        for name, f in named
    ]
    note = (
        "In brackets: 95 % intervals that know of overlapping labels and of symbols that move together. indep.: "
        "independent draws, the distinct times over the horizon. gain: log loss of the base rate, the share of ups in "
        "the training of the fold, less that of the model, nats; gain, coin: that of a coin, 0.6931, less that of the "
        "model. Evidence is a gain over the better of the two: the smaller number. Brier: mean squared distance of "
        "probability and outcome. ECE: chance alone makes it larger than 0; its interval is freed of that, and may lie "
        "below it. "
        f"Coverage: nominal {card['coverage']['nominal']:.2f}."
    )
    return _table(head, rows) + "\n\n" + note


def _calibration(card: dict[str, Any]) -> str:
    c = card["calibration"]
    bins = [
        [f"{b['probability']:.3f}", estimate({"value": b["frequency"], **b}), f"{b['rows']:,}"] for b in c["bins"]
    ]  # fmt: skip
    parts = c["brier_parts"]
    text = (
        f"Expected calibration error {estimate(c['ece'])}. Brier score {estimate(c['brier'], 4)} = "
        f"{parts['uncertainty']:.4f} of the base rate, less {parts['resolution']:.4f} that it tells apart, plus "
        f"{parts['reliability']:.4f} that it is off, and {parts['within']:+.4f} inside of the bins."
    )
    return text + "\n\n" + _table(["predicted", "came true", "rows"], bins)


def _intervals(card: dict[str, Any]) -> str:
    c = card["coverage"]
    return (
        f"Those of signals are to hold {c['nominal']:.0%} of the moves, and held {estimate(c['found'])}. Mean width "
        f"{estimate(c['width'], 2)}, in units of the volatility over the horizon."
    )


def _returns(card: dict[str, Any]) -> str:
    r, steady = card["returns"], card["selection"]["penalised_sharpe"]
    return _facts({
        "Sharpe ratio, annual, net of costs": estimate(r["sharpe"], 2),
        "of each fold": ", ".join("-" if v is None else f"{v:.2f}" for v in r["sharpe_of_folds"]),
        **({"of each path": ", ".join(f"{v:.2f}" for v in r["sharpe_of_paths"])} if r["sharpe_of_paths"] else {}),
        "judged by": "earlier rows alone" if r["causal"] else "models that saw later rows too: not causal",
        "less its spread": steady["says"] if steady["value"] is None else f"{steady['value']:.2f}",
        "total": f"{r['total']:.2%}",
        "largest fall": f"{r['max_drawdown']:.2%}",
        "periods": f"{r['periods']:,} of {r['periods_a_year']:,.0f} a year, {r['from']} to {r['until']}; a position in "
                   f"{r['periods_held']:,}",
    })  # fmt: skip


def _selection(card: dict[str, Any]) -> str:
    s = card["selection"]
    kind = "probabilistic" if s["deflated_sharpe"]["numbers"].get("deflated") is False else "deflated"
    named = {
        f"probability of skill ({kind} Sharpe)": s["deflated_sharpe"],
        "probability of overfitting (PBO)": s["overfitting"],
        "p-value of superiority (SPA)": s["superiority"],
        "folds agree on what matters": s["stability"],
    }
    head = f"{s['n_trials']:,} trials of {s['experiment']} finished, {s['n_failed']:,} did not."
    rows = [[k, "-" if f["value"] is None else f"{f['value']:.3f}", f["says"]] for k, f in named.items()]
    return head + "\n\n" + _table(["", "", ""], rows)


def _fairness(card: dict[str, Any]) -> str:
    f = card["fairness"]
    allowed = ", ".join(f"{k} {v}" for k, v in f["allowed"].items())
    rows = [
        [f"{g['dimension'].replace('_', ' ')} {g['group']}", f"{g['rows']:,}", area(g),
         estimate(g["gain"], 4), estimate(g["ece"]), estimate(g["coverage"])]
        for g in f["groups"]
    ]  # fmt: skip
    text = f"{f['verdict'][0].upper()}{f['verdict'][1:]}. Allowed below all rows, beyond doubt: {allowed}."
    return text + "\n\n" + _table(["group", "n", "AUC", "gain", "ECE", "coverage"], rows)
