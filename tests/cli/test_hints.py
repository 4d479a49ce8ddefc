"""What is suggested can be done: names that exist, commands that have what they need."""

import ast
from pathlib import Path

import pytest

from cli.commands.score import near_names
from cli.commands.up import NEXT, _next
from cli.services import Service
from schemas.instruments import load_instruments

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("said", "first"),
    [("EURUSD", "EURUSD:FX"), ("eurusd:fx", "EURUSD:FX"), ("EUR/USD", "EURUSD:FX"), ("BTCUSD", "BTC-USD:CRYPTO"),
     ("EURSUD:FX", "EURUSD:FX"), ("XAUUSD:FX", "XAUUSD:CFD")],
)  # fmt: skip
def test_a_name_that_is_nearly_one_finds_it(said, first):
    """The ticker alone, another case, another market and two letters in the wrong order."""
    assert near_names(said, load_instruments().by_symbol)[0] == first


def test_a_name_like_no_other_finds_none():
    """No guess is better than a wild one."""
    assert near_names("NOSUCH:XX", load_instruments().by_symbol) == []


def test_without_a_model_up_suggests_to_train_first():
    """Neither scores nor signals are suggested where nothing can make them; with a model they are."""
    fine, missing = Service("sink, SQL", "answers"), Service("score", "not started")
    for stages in (False, True):
        suggested = _next([fine, missing], stages=stages)
        assert suggested[0] == "train"
        assert not [line for line in suggested if line.startswith(("score", "tail signals"))]
        assert ("replay" in suggested) == stages
        assert _next([fine], stages=stages)[-len(NEXT) :] == NEXT


def test_every_client_of_kafka_has_a_place_for_its_log_lines():
    """No client is made with librdkafka's own logger, which writes raw lines to the user's terminal."""
    seen = 0
    for path in (p for folder in ("cli", "deploy", "serving") for p in (ROOT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for call in (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id in {"Consumer", "Producer", "AdminClient"}:
                seen += 1
                settings = call.args[0]
                assert isinstance(settings, ast.Dict)
                keys = [key.value if isinstance(key, ast.Constant) else None for key in settings.keys]
                # None is a dictionary that is unpacked; it must be defined in the same file with a logger.
                named = {"logger", "log_level"} & set(keys) or (None in keys and '"logger": CLIENT_LOG' in text)
                assert named, f"{path.relative_to(ROOT)}:{call.lineno}"
    assert seen >= 8
