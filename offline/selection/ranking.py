"""The ranked table: candidates by their score, with every term, and below it what luck could have done.

Candidates whose models were trained on rows after those that they were judged on (k-fold, combinatorial) are no rivals
of those that were walked forward: they stand below them without a rank, and are named. Of candidates by the hour beside
others by the day none has a score.
"""

from dataclasses import dataclass
from typing import Any

from rich.table import Table

from offline.selection.finding import Finding, refused
from offline.selection.luck import deflated_sharpe, overfitting, superiority
from offline.selection.objective import WEIGHTS, Candidate, Weights, objective
from offline.selection.trials import UNSTATED, Trials, unlike_periods


@dataclass(frozen=True, slots=True)
class Place:
    """A candidate with its score and the probability that its Sharpe ratio is skill.

    Parameters
    ----------
    rank
        From 1; None without a score, and of one that saw later rows where others did not.
    """

    candidate: Candidate
    score: Finding
    skill: Finding
    rank: int | None


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates, the best first; then those that saw later rows; those without a score last, as they came in.

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
                {
                    "label": p.candidate.label,
                    "rank": p.rank,
                    "causal": p.candidate.returns.causal,
                    "score": p.score.as_json(),
                    "deflated_sharpe": p.skill.as_json(),
                }
                for p in self.places
            ],
            **{name: finding.as_json() for name, finding in self.luck.items()},
        }

    def as_table(self) -> Table:
        """Return it for a terminal of 80 columns."""
        table = Table(box=None, pad_edge=False)
        for name in ("", "model", "score", "Sharpe", "± folds", "ECE", "ms", "skill"):
            table.add_column(name, justify="left" if name == "model" else "right", no_wrap=name != "model")
        for p in self.places:
            of = p.score.numbers
            # A star leads to the remark below.
            skill = _shown(p.skill.value, 2) + ("*" if p.skill.numbers.get("deflated") is False else "")
            table.add_row(
                "-" if p.rank is None else str(p.rank), p.candidate.label, _shown(p.score.value, 2),
                _shown(of.get("sharpe"), 2), _shown(of.get("spread"), 2), _shown(p.candidate.ece, 3),
                _shown(p.candidate.latency_ms, 3), skill,
            )  # fmt: skip
        return table

    def remarks(self) -> list[str]:
        """Return what stands below the table: the luck of the experiment, who saw later rows, each refusal once."""
        out = [f"{name}: {_said(finding)}" for name, finding in self.luck.items()]
        out += [f"* {p.skill.says}" for p in self.places if p.skill.numbers.get("deflated") is False]
        seers = [p.candidate.label for p in self.places if not p.candidate.returns.causal]
        if seers:
            verdict = (
                "not ranked beside others"
                if len(seers) < len(self.places)
                else "no such returns could have been earned"
            )
            out.append(f"not causal: {', '.join(seers)}: judged by models that were trained on later rows, {verdict}")
        machines = sorted({p.candidate.machine for p in self.places if p.candidate.machine})
        if len(machines) > 1:
            out.append(f"latency is of different machines, {'; '.join(machines)}: leave it out with --delay 0")
        for p in self.places:
            out += [f"{p.candidate.label}: {f.says}" for f in (p.score, p.skill) if f.why_not]
        return list(dict.fromkeys(out))


def rank(candidates: list[Candidate], trials: Trials, weights: Weights = WEIGHTS, *, seed: int = 0) -> Ranking:
    """Return the ranking of candidates of one experiment; equal scores keep their order."""
    # Those of an older version are refused one by one, and keep nobody else from being ranked.
    lengths = {c.returns.period_ns for c in candidates} - {UNSTATED}
    why = unlike_periods(trials.experiment, lengths)
    found = [(c, refused(why) if why else objective(c, weights)) for c in candidates]
    found.sort(key=lambda f: (f[1].value is None, not f[0].returns.causal, -(f[1].value or 0.0)))
    any_causal = any(c.returns.causal for c in candidates)
    places = [
        Place(c, score, deflated_sharpe(c.returns, trials),
              number if score.value is not None and (c.returns.causal or not any_causal) else None)
        for number, (c, score) in enumerate(found, 1)
    ]  # fmt: skip
    luck = {"overfitting": overfitting(trials), "superiority": superiority(trials, seed)}
    return Ranking(tuple(places), luck, weights, trials)


def _shown(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _said(finding: Finding) -> str:
    return finding.says if finding.value is None else f"{finding.value:.3f}, {finding.says}"
