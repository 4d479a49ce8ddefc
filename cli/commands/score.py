"""``mps score``."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

import click
import grpc
from google.protobuf.json_format import MessageToJson
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from deploy.local.endpoints import from_environment, load_endpoints
from deploy.local.paths import home
from processors.errors import PlatformError
from processors.score.model import model_path
from schemas.instruments import load_instruments
from serving.client import score as ask
from serving.generated import score_pb2 as pb
from serving.messages import timestamp
from serving.records import iso


@click.command()
@click.argument("symbol_id")
@click.option("--tf", default="1m", show_default=True, help="1m, 5m, 15m, 1h or 1d.")
@click.option("--as-of", help="ISO 8601, UTC where it names no zone: only what was known then is used.")
@click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")
@click.option("--address", help="host:port of the service. Default: MPS_GRPC_ADDRESS, or the one that runs here.")
@click.option("--tls-ca", type=click.Path(path_type=Path), help="PEM authority of the service's certificate.")
def score(
    *, symbol_id: str, tf: str, as_of: str | None, as_json: bool, address: str | None, tls_ca: Path | None
) -> None:
    """Ask the ScoreService for the score of SYMBOL_ID.

    Example: mps score EURUSD:FX --tf 1m --as-of 2014-05-05T12:00:00Z
    """
    request = pb.ScoreRequest(symbol_id=symbol_id, tf=tf)
    if as_of is not None:
        from offline.features.times import parse_time

        request.as_of.CopyFrom(timestamp(parse_time(as_of, "--as-of", "mps score", or_utc=True)))
    # The other addresses need not be known.
    where = address or from_environment().get("grpc_address") or load_endpoints(home()).grpc_address
    if where is None:
        raise _not_running()
    with _channel(where, tls_ca) as channel:
        try:
            signal = ask(channel, request)
        except grpc.RpcError as e:
            raise PlatformError(_meant(e, symbol_id) or _sentence(e, where)) from e
    if as_json:
        click.echo(MessageToJson(signal, preserving_proto_field_name=True, always_print_fields_with_no_presence=True))
    else:
        Console().print(_panel(signal))


def _not_running() -> PlatformError:
    """Return why no ScoreService has announced itself, and what to do."""
    start = "start it with `mps serve`"
    if not model_path().is_file():
        start = f"there is no model at {model_path()} yet: make one with `mps train`, then start it with `mps up`"
    return PlatformError(f"the ScoreService is not running: {start}, or name another with --address")


def _channel(where: str, tls_ca: Path | None) -> grpc.Channel:
    if tls_ca is None:
        return grpc.insecure_channel(where)
    return grpc.secure_channel(where, grpc.ssl_channel_credentials(tls_ca.read_bytes()))


def _sentence(error: grpc.RpcError, where: str) -> str:
    """Return the status name and details; the remedy where nothing listens."""
    name, details = error.code().name, error.details() or ""
    # The client's own words; the service says itself what it misses.
    if name == "UNAVAILABLE" and details.startswith("failed to connect to all addresses"):
        return f"UNAVAILABLE: no ScoreService listens on {where}: start it with `mps serve`"
    return f"{name}: {details}"


def _meant(error: grpc.RpcError, symbol_id: str) -> str:
    """Return a question with the names most like one that is no instrument; an empty text where none is like it."""
    if error.code() != grpc.StatusCode.NOT_FOUND or " is no instrument" not in (error.details() or ""):
        return ""
    near = near_names(symbol_id, load_instruments().by_symbol)
    return f"NOT_FOUND: {symbol_id} is no instrument: did you mean {' or '.join(near)}?" if near else ""


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """Return the symbols most like a name, at most three: those of the same ticker, else those spelt much like it."""
    ticker = name.upper().split(":")[0]
    symbols = sorted(known)
    same = [s for s in symbols if s.split(":")[0].replace("-", "") == ticker.replace("-", "").replace("/", "")]
    return same[:3] or get_close_matches(name.upper(), symbols, n=3, cutoff=0.6)


def _panel(s: pb.Signal) -> Panel:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column()
    side = "none" if s.sizing.nav_frac == 0 else ("long" if s.sizing.nav_frac > 0 else "short")
    adv = f"ADV share at most {s.sizing.max_adv_share:.1%}"
    coverage = f"{s.interval.coverage:.0%}"
    validity = (("validity", f"{s.validity:.3f}"),) if s.HasField("validity") else ()
    for name, value in (
        ("score", f"{s.score:+.4f}"),
        ("prob up", f"{s.prob_up:.4f}   confidence {s.conf:.4f}"),
        ("E[R]", f"{s.expected_return * 1e4:+.3f} bp of the side taken, over {s.horizon_bars} bars, after costs"),
        ("interval", f"{s.interval.lo * 1e4:+.2f} to {s.interval.hi * 1e4:+.2f} bp ({coverage})"),
        ("size", f"{side}, {s.sizing.nav_frac:+.3%} of NAV   Kelly {s.risk.kelly_frac:.3f}   {adv}"),
        ("volatility", f"{s.risk.realized_vol:.2%} a year, target {s.risk.target_vol:.2%}"),
        ("regime", s.regime),
        *validity,
        ("gates", ", ".join(s.gates) or "none: it may be acted on"),
        ("model", f"{', '.join(s.model.members)} version {s.model.version}"),
        ("lineage", f"pack {s.lineage.pack_id} {s.lineage.pack_hash[:16]}, raw offset {s.lineage.raw_offset}"),
    ):  # fmt: skip
        grid.add_row(name, value)
    ts = iso(s.ts.seconds * 1_000_000_000 + s.ts.nanos)
    return Panel(grid, title=f"{s.symbol_id} {s.tf}, known at {ts}", title_align="left", expand=False)
