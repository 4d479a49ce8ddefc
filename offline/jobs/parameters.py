"""What each parameter of each flow is, in a line: shown by `mps jobs list`. A test holds them against the flows."""

from collections.abc import Mapping

_FILES = "Recorded ticks, files or folders; the shipped ones where none is named"
_LAKE = "Folder or s3://bucket/prefix; MPS_LAKE where none is named, else .mps/lake"
_PREFIX = "Stands before the names of the topics"
_MODEL = "Name of a registered model: `mps models list`"

ABOUT: Mapping[str, Mapping[str, str]] = {
    "ingest": {
        "files": _FILES,
        "late": "Publish although all of it is older than what the topic has seen",
        "strict": "Refuse files with rows that would go to the dead letter",
        "lake": _LAKE,
        "prefix": _PREFIX,
    },
    "reconcile": {"lake": _LAKE, "prefix": _PREFIX},
    "featurize": {
        "pack": "Back-fill this feature pack, rather than catch up with the topics",
        "begin": "Of a back-fill: first time of its rows, a date or ISO 8601 with a zone",
        "end": "Of a back-fill: last time of its rows",
        "bars": "Of a back-fill: Parquet files or folders of bars; ClickHouse where none is named",
        "facts": "Of a back-fill: files of fundamentals or events; topics and MPS_FACTS where none is named",
        "without_facts": "Of a back-fill: leave facts out, so that features of them are null",
        "lake": _LAKE,
        "prefix": _PREFIX,
    },
    "train": {
        "recipes": "Files of recipes or strategies (.yaml); each model becomes a registered version",
        "files": _FILES,
        "until": "Newest time that training may see: a date, or ISO 8601, UTC where it names no zone",
        "experiment": "Whose trials they are in the registry; what is predicted where none is named",
        "snapshot": "Train on gold rows of the lake in place of files: of which version, gold@... or newest",
        "lake": _LAKE,
    },
    "promote": {
        "model": _MODEL,
        "alias": "What the best version is named: champion, canary or candidate",
        "ece_max": "Largest calibration error out of sample, 0 to 1",
        "coverage_off_max": "Largest distance of coverage from what the intervals promise, 0 to 1",
        "deploy": "Put its file where score finds it, too",
    },
    "score": {
        "model": _MODEL,
        "which": "Version of the model, by its number or alias",
        "snapshot": "Id of gold rows of the lake, gold@...; the newest where none is named",
        "symbols": "Only these, such as EURUSD:FX; all where none is named",
        "lake": _LAKE,
    },
    "backtest": {
        "scores": "File that the flow score wrote, or the name of its run",
        "evidence": "s3://bucket/prefix with object lock, to keep scores and returns in",
        "days": "Days for which the evidence cannot be deleted, 1 to 3650",
        "lake": _LAKE,
    },
    "compact": {
        "tables": "Among ticks, bars, gold and refused; all where none is named",
        "days": "Days for which a replaced file is kept, 1 or more",
        "file_mb": "Wanted size of a file, MiB",
        "memory_mb": "Memory of the sort, MiB; more goes to the disk",
        "closed_days": "Leave today's files, which will be many again, as they are",
        "keep": "Ids of snapshots whose files stay, however old",
        "lake": _LAKE,
    },
}
"""Flow -> parameter -> units, and what it may be. Kind and default are those of the flow's function."""
