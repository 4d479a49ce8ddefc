"""The ranked table: candidates by their score, with every term, and below it what luck could have done."""

from dataclasses import dataclass
from typing import Any

from rich.table import Table

from offline.selection.finding import Finding
from offline.selection.luck import deflated_sharpe, overfitting, superiority
from offline.selection.objective import WEIGHTS, Candidate, Weights, objective
from offline.selection.trials import Trials


@dataclass(frozen=True, slots=True)
class Place:
    """A candidate with its score and the probability that its Sharpe ratio is skill."""

    candidate: Candidate
    score: Finding
    skill: Finding


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates, the best first; those without a score last, in the order they came in.

    Parameters
    ----------
    luck
        Of the experiment: ``overfitting`` and ``superiority``.
    """

    places: tuple[Place, ...]
    luck: dict[str, Finding]
    weights: Weights
    trials: Trials

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        w = self.weights
        return {
            "weights": {"instability": w.instability, "dishonesty": w.dishonesty, "delay": w.delay},
            "experiment": self.trials.experiment,
            "n_trials": len(self.trials),
            "n_failed": self.trials.n_failed,
            "ranking": [
                {"label": p.candidate.label, "score": p.score.as_json(), "deflated_sharpe": p.skill.as_json()}
                for p in self.places
            ],
            **{name: finding.as_json() for name, finding in self.luck.items()},
        }

    def as_table(self) -> Table:
        """Return it for a terminal of 80 columns."""
        table = Table(box=None, pad_edge=False)
        for name in ("", "model", "score", "Sharpe", "± folds", "ECE", "ms", "skill"):
            table.add_column(name, justify="left" if name == "model" else "right", no_wrap=name != "model")
        for number, p in enumerate(self.places, 1):
            of = p.score.numbers
            table.add_row(
                str(number) if p.score.value is not None else "-", p.candidate.label, _shown(p.score.value, 2),
                _shown(of.get("sharpe"), 2), _shown(of.get("spread"), 2), _shown(p.candidate.ece, 3),
                _shown(p.candidate.latency_ms, 3), _shown(p.skill.value, 2),
            )  # fmt: skip
        return table

    def remarks(self) -> list[str]:
        """Return what stands below the table: the luck of the experiment, and each refusal once."""
        out = [f"{name}: {_said(finding)}" for name, finding in self.luck.items()]
        machines = sorted({p.candidate.machine for p in self.places if p.candidate.machine})
        if len(machines) > 1:
            out.append(f"latency is of different machines, {'; '.join(machines)}: leave it out with --delay 0")
        for p in self.places:
            out += [f"{p.candidate.label}: {f.says}" for f in (p.score, p.skill) if f.why_not]
        return list(dict.fromkeys(out))


def rank(candidates: list[Candidate], trials: Trials, weights: Weights = WEIGHTS, *, seed: int = 0) -> Ranking:
    """Return the ranking of candidates of one experiment; equal scores keep their order."""
    places = [Place(c, objective(c, weights), deflated_sharpe(c.returns, trials)) for c in candidates]
    places.sort(key=lambda p: (p.score.value is None, -(p.score.value or 0.0)))
    luck = {"overfitting": overfitting(trials), "superiority": superiority(trials, seed)}
    return Ranking(tuple(places), luck, weights, trials)


def _shown(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _said(finding: Finding) -> str:
    return finding.says if finding.value is None else f"{finding.value:.3f}, {finding.says}"
