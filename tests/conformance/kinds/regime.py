"""Regimes: hidden Markov models, Markov switching at given parameters, and change points that people marked.

Probabilities and likelihoods are the source's within its tolerance. Change points have no right answer, so F1 and
covering are held to two baselines: the source's own BOCPD at its default setting, and no change at all. The mean of
each measure over all series must be above the better one's by ``LEAD``, which nobody reaches who finds nothing; and the
sum of both must in each series be within ``MARGIN`` of the better one's. A series that may be further off is named with
its reason in ``explained.csv``. One setting serves every series (``offline/regime/segments.py``).

What a fit gives (``llf_after_fit``, ``llf_fit_em``) is no part of the filter and is left out.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.regime import hindsight, switching
from offline.regime.segments import change_points
from offline.regime.switching import MarkovSwitching, marginal
from processors.regime.markov import posterior_step
from tests.conformance.case import Case
from tests.conformance.change_points import covering, f1, published
from tests.conformance.reading import attempt, entries

KIND = "regime"
F64 = NDArray[np.float64]
OF_A_FIT = {"llf_fit", "llf_fit_em"}
MARGIN = 0.2
"""Of F1 and covering together: a tenth of each. No method is the best of all on every series."""
LEAD = 0.03
"""Half of what a setting gains that was chosen without the series it is for (``python -m bench.change_points``)."""
DURATION_RTOL = 2e-5
"""The source prints seven digits of a number that magnifies the last digit of its parameters."""
STANDARD_ERROR_RTOL = 1e-2
"""A standard error comes from second differences of the likelihood, the source's from its own."""


def check(folder: Path) -> Iterator[Case]:
    """Yield the cases of every file."""
    series = []
    for path in sorted((folder / KIND).glob("*.json")):
        if path.name.startswith("tcpd_"):
            series.append(path)
        else:
            yield from attempt(KIND, path.name, _file, path)
    yield from _of_change_points(series)


def _file(path: Path) -> Iterator[Case]:
    for number, case in enumerate(entries(path)):
        of = _of_switching if "endog" in case else _of_hidden_markov
        yield from attempt(KIND, f"{path.name} {number}", of, path.name, case)


def _equal(name: str, ours: Any, expected: Any, atol: float, rtol: float = 0.0) -> Case:
    found, wanted = np.asarray(ours, np.float64), np.asarray(expected, np.float64)
    if found.shape != wanted.shape:
        return Case(KIND, name, ok=False, detail=f"shape {found.shape}, known {wanted.shape}")
    there = ~np.isnan(wanted)
    if not there.any():
        return Case(KIND, name, ok=False, detail="no value to compare")
    off = np.abs(found - wanted)[there]
    ok = bool((off <= atol + rtol * np.abs(wanted[there])).all())
    return Case(KIND, name, ok, "" if ok else f"differs by up to {off.max():.3g}")


# ---- hidden Markov models: likelihoods of each frame are given ----


def _of_hidden_markov(file: str, case: dict[str, Any]) -> Iterator[Case]:
    start, chain = np.array(case["startprob"], float), np.array(case["transmat"], float)
    if "frame_likelihood" in case:
        density = np.array(case["frame_likelihood"], float)
        log_density = np.log(np.where(density > 0, density, np.nan))
        log_density[np.isnan(log_density)] = -np.inf
    else:
        log_density = np.array(case[next(k for k in case if "log" in k and "frame" in k)], float)
        density = np.exp(log_density)
    ahead, behind = hindsight.forward(start, chain, density), hindsight.backward(chain, density)
    filtered, total = np.empty_like(ahead), 0.0
    p = start.copy()
    for t in range(len(density)):
        p = p if t == 0 else p @ chain
        total += posterior_step(log_density[t], p)
        filtered[t] = p
    smoothed = ahead * behind / (ahead * behind).sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        path, of_path = hindsight.viterbi(start, chain, log_density)
    ours: dict[str, Any] = {
        "log_likelihood": total, "forward": ahead, "backward": behind, "posteriors": smoothed, "filtered": filtered,
        "viterbi_states": path, "viterbi_log_prob": of_path,
    }  # fmt: skip
    given = {"name", "startprob", "transmat", "tolerance"}
    for key, expected in case.items():
        if key not in given and "frame" not in key:
            name = f"{file} {case['name']} {key}"
            if key in ours:
                yield _equal(name, ours[key], expected, case["tolerance"])
            else:
                yield Case(KIND, name, ok=False, detail="we have no such answer")


# ---- Markov switching ----


def _of_switching(file: str, case: dict[str, Any]) -> Iterator[Case]:
    tolerance = case["tolerance"]
    near = (tolerance["probabilities_atol"], tolerance.get("probabilities_rtol", 0.0))
    arguments = {k: np.array(v, float) if _numbers(v) else v for k, v in case["model_args"].items()}
    # The source's autoregression has one coefficient of a regressor for all regimes, if it does not say else.
    arguments.setdefault("switching_exog", "order" not in arguments)
    model = MarkovSwitching(np.array(case["endog"], float), **arguments)
    params = np.array(case["params_at_which_filtered"], float)
    answers = _Answers(model, params)
    name = f"{file} {case['name']}"
    known = case["llf_at_params"]
    yield _equal(f"{name} llf_at_params", answers.filtered.log_likelihood.sum(), known,
                 tolerance["llf_atol"] + half_a_digit(known))  # fmt: skip
    for key, expected in case["expected"].items():
        if key in OF_A_FIT:
            continue
        ours = answers.of(key, np.asarray(expected, np.float64))
        if ours is None:
            yield Case(KIND, f"{name} {key}", ok=False, detail="we have no such answer")
        elif "duration" in key:
            yield _equal(f"{name} {key}", ours, expected, near[0], DURATION_RTOL)
        elif key.startswith("bse"):
            yield _equal(f"{name} {key}", ours, expected, near[0], STANDARD_ERROR_RTOL)
        else:
            yield _equal(f"{name} {key}", ours, expected, *near)


def half_a_digit(printed: float) -> float:
    """Return half a unit of the last decimal that a number is printed with: it is not known more closely."""
    return 0.5 * 10.0 ** -len(repr(float(printed)).partition(".")[2])


def _numbers(value: Any) -> bool:
    """Return whether an argument is an array, not a flag, a name or a list of flags."""
    return isinstance(value, list) and not all(isinstance(v, bool) for v in value)


class _Answers:
    """Our answers for one model at given parameters, by the source's names for them."""

    def __init__(self, model: MarkovSwitching, params: F64) -> None:
        self.model, self.params = model, params
        self.filtered = model.filter(params)
        self.smoothed = model.smooth(self.filtered)

    def of(self, key: str, expected: F64) -> F64 | None:
        """Return the answer of that name and of the axes of the expected one; None where we have none."""
        forms: list[tuple[str, Callable[[re.Match[str]], F64]]] = [
            (r"(filtered|predicted|smoothed)_joint(?:_probabilities)?", lambda m: self._joint(m[1], expected.ndim - 2)),
            (r"(filtered|predicted|smoothed)\w*?_?(\d)", lambda m: marginal(self._joint(m[1]))[int(m[2])]),
            (r"(filtered|predicted|smoothed)(?:_marginal)?(?:_probabilities)?", lambda m: self._all(m[1], expected)),
            (r"(?:expected_)?durations?(\d?)", lambda m: self._durations(m[1], expected)),
            (r"predict(\d)", lambda m: self._predict_regime(int(m[1]))),
            (r"predict_(filtered|predicted|smoothed)", lambda m: self._predict(m[1])),
            (r"bse\w*", lambda _: standard_errors(self._log_likelihood, self.params)),
        ]
        for pattern, answer in forms:
            if found := re.fullmatch(pattern, key):
                return answer(found)
        return None

    def _log_likelihood(self, params: F64) -> float:
        return float(self.model.filter(params).log_likelihood.sum())

    def _all(self, kind: str, expected: F64) -> F64:
        found = marginal(self._joint(kind))
        return found if found.shape == expected.shape else found.T

    def _durations(self, regime: str, expected: F64) -> F64:
        found = switching.expected_durations(self.filtered.transitions)
        found = found[:, int(regime)] if regime else found
        return np.asarray(found[0]) if len(found) == 1 and expected.ndim < found.ndim else found

    def _joint(self, kind: str, n_lags: int | None = None) -> F64:
        """Return joint probabilities; with more lags than the model needs where the answer has them."""
        if n_lags is None or n_lags == self.filtered.filtered.ndim - 2:
            return self.smoothed if kind == "smoothed" else getattr(self.filtered, kind)  # type: ignore[no-any-return]
        deeper = self.model.filter(self.params, n_lags)
        return self.model.smooth(deeper) if kind == "smoothed" else getattr(deeper, kind)  # type: ignore[no-any-return]

    def _means(self) -> F64:
        """Return the mean of each value under each joint state, shaped as the joint probabilities."""
        lags = self.filtered.filtered.ndim - 2
        return self.model.conditional_means(self.params, lags).T.reshape(self.filtered.filtered.shape)

    def _predict_regime(self, regime: int) -> F64:
        """Return the source's prediction within a regime.

        Of a regression, the regime's mean. Of an autoregression, the source weighs the means under the regimes before
        by probabilities that it does not divide by their sum, and that it takes one transition further than the
        prediction: P(s[t] | s[t-1]) times the predicted joint of s[t-1] and its lags, shifted by one.
        """
        means = self._means()
        if self.model.order == 0:
            return np.asarray(means[regime, 0])
        n, k = means.shape[-1], self.model.k_regimes
        before = self.filtered.predicted.sum(axis=-2)
        into = np.broadcast_to(self.filtered.transitions, (n, k, k))[:, regime].T
        weights = into.reshape(k, *[1] * (before.ndim - 2), n) * before
        return np.asarray((means[regime] * weights).sum(axis=tuple(range(means.ndim - 2))))

    def _predict(self, by: str) -> F64:
        """Return the prediction over regimes: joint ones where smoothed, else the regimes' own by their probability."""
        if by == "smoothed" or self.model.order == 0:
            weighed = self._means() * self._joint(by)
            return np.asarray(weighed.sum(axis=tuple(range(weighed.ndim - 1))))
        p = marginal(self._joint(by))
        return np.asarray(sum(p[s] * self._predict_regime(s) for s in range(self.model.k_regimes)))


def standard_errors(log_likelihood: Callable[[F64], float], params: F64) -> F64:
    """Return the standard errors that the curvature of the likelihood gives, by second differences."""
    n = len(params)
    step = np.cbrt(np.finfo(float).eps) ** 0.75 * np.maximum(np.abs(params), 0.1) * 4
    hessian = np.empty((n, n))

    def at(i: int, a: float, j: int, b: float) -> float:
        moved = params.copy()
        moved[i] += a * step[i]
        moved[j] += b * step[j]
        return log_likelihood(moved)

    for i in range(n):
        for j in range(i + 1):
            second = at(i, 1, j, 1) - at(i, 1, j, -1) - at(i, -1, j, 1) + at(i, -1, j, -1)
            hessian[i, j] = hessian[j, i] = second / (4 * step[i] * step[j])
    return np.asarray(np.sqrt(np.diag(np.linalg.inv(-hessian))))


# ---- change points ----


Scores = tuple[float, float]
"""F1 and covering."""


def scores_of(known: dict[str, Any]) -> tuple[Scores, Scores, list[int]]:
    """Return our scores for an annotated series, those of no change at all, and our change points."""
    values = np.array([one["values"] for one in known["series"]], np.float64).T
    n, marks = len(values), known["annotations"]
    found = change_points(values)
    return (f1(marks, found), covering(marks, found, n)), (f1(marks, []), covering(marks, [], n)), found


def _of_change_points(paths: list[Path]) -> Iterator[Case]:
    together: list[tuple[Scores, Scores, Scores]] = []
    for path in paths:
        yield from attempt(KIND, path.name, _of_series, path, together)
    for measure, name in enumerate(("F1", "covering") if together else ()):
        mine, online_mean, nothing_mean = np.mean([[s[measure] for s in one] for one in together], axis=0)
        ok = bool(mine >= max(online_mean, nothing_mean) + LEAD)
        said = f"{mine:.3f}, BOCPD of the source {online_mean:.3f}, no change at all {nothing_mean:.3f}"
        yield Case(KIND, f"tcpd mean {name}", ok, "" if ok else said)


def _of_series(path: Path, together: list[tuple[Scores, Scores, Scores]]) -> Iterator[Case]:
    """Yield the case of one series, and add our scores and the source's to the list where it published them."""
    known, theirs = json.loads(path.read_text(encoding="utf-8")), published()
    values = np.array([one["values"] for one in known["series"]], np.float64).T
    if values.ndim != 2 or len(values) != known.get("n_obs", len(values)):
        raise ValueError(f"values of shape {values.shape}, told {known.get('n_obs')} of {len(known['series'])} series")
    ours, nothing, found = scores_of(known)
    online = theirs.get(known["name"], nothing)
    best = max(sum(online), sum(nothing))
    said = f"F1 {ours[0]:.3f} and covering {ours[1]:.3f}, together {best - sum(ours):.3f} below {best:.3f}: {found}"
    ok = sum(ours) >= best - MARGIN
    yield Case(KIND, f"{path.name} change points", ok, "" if ok else said)
    if known["name"] in theirs:
        together.append((ours, online, nothing))
