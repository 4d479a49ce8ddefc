"""Training of a network: AdamW over shuffled passes, ended by the validation samples.

The same samples, parameters and seed give the same parameters to the bit on the same machine: the order of a pass
comes of seed and pass, the dropout of seed and step. (Another number of cores, or an accelerator, may add in another
order, and so may another version of JAX.)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from offline.models.checkpoint import fingerprint
from offline.models.deep import checkpoint as kept
from offline.models.deep.checkpoint import Progressed
from offline.models.deep.jax_ops import JaxOps
from offline.models.deep.ops import Params
from offline.models.deep.parameters import DeepParameters
from offline.models.deep.scaling import scaled
from offline.models.estimator import Progress, Samples
from offline.models.parameters import levels
from processors.errors import ConfigError

WARM_UP_SHARE = 0.05
"""Of all steps, over which the learning rate rises."""
SCALE = "scale."
PRECISION = "highest"
"""Of products: an accelerator's default rounds their inputs to 10 bits, and the served graph does not."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one step as the loss reads them; a padding row has the weights 0."""

    x: Any
    move: Any
    up: Any
    weight: Any
    side: Any


def predict_batch(parameters: DeepParameters, params: Any, x: Any, key: Any = None) -> tuple[Any, Any]:
    """Return log-odds (n, 1) and quantiles (n, 3) of windows of gold rows, in JAX."""
    f = JaxOps(params, key)
    return parameters.forward(f, scaled(f, x, x.shape[2]))


def losses(parameters: DeepParameters, params: Any, batch: Batch, key: Any = None) -> Any:
    """Return the loss of each sample, shape (n,): cross entropy of up, plus the mean pinball loss of the quantiles.

    Each by its own weight. Koenker and Bassett (1978) for the latter.
    """
    logit, quantiles = predict_batch(parameters, params, batch.x, key)
    cross_entropy = jax.nn.softplus(logit[:, 0]) - batch.up * logit[:, 0]
    level = jnp.asarray(levels(parameters.coverage), jnp.float32)
    error = batch.move[:, None] - quantiles
    pinball = jnp.maximum(level * error, (level - 1.0) * error).mean(axis=1)
    return batch.side * cross_entropy + batch.weight * parameters.quantile_weight * pinball


def train(
    parameters: DeepParameters,
    begin: Params,
    train_on: Samples,
    valid: Samples,
    *,
    seed: int,
    progress: Progress,
    checkpoint: Path | None,
) -> tuple[Params, list[float]]:
    """Return the best parameters, and the validation loss of each pass.

    Parameters
    ----------
    begin
        All parameters to begin with, those of the scaling among them, which stay.
    valid
        To stop on; where it is empty, all passes are taken.

    Raises
    ------
    ConfigError
        ``frozen`` leaves nothing to train, or names no layer; or the loss is no number.
    """
    free, fixed = _split(parameters, begin)
    optimizer = _optimizer(parameters, free, len(train_on))
    of = _fingerprint(parameters, seed, begin, train_on, valid)
    at = kept.read(checkpoint, of) if checkpoint is not None else None
    if at is None:
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(optimizer.init(_on_device(free)))]
        rng = np.asarray(jax.random.key_data(jax.random.key(seed)))
        at = Progressed(free, leaves, free, math.inf, 0, 0, 0, rng, done=False, losses=[])
    step = _step_of(parameters, optimizer, fixed)
    judge = _judge_of(parameters, fixed)
    while not at.done:
        _one_pass(parameters, at, train_on, step, optimizer, seed)
        _judged(parameters, at, valid, judge)
        if checkpoint is not None:
            kept.write(checkpoint, of, at)
        progress(f"{parameters.kind}: pass {at.epoch}, loss {at.losses[-1]:.5f}", at.epoch / parameters.epochs_max)
    progress(f"{parameters.kind}: trained, best loss {at.best_loss:.5f}", 1.0)
    return {**{name: np.asarray(v, np.float32) for name, v in at.best.items()}, **fixed}, at.losses


def _split(parameters: DeepParameters, begin: Params) -> tuple[Params, Params]:
    """Return what is trained and what stays."""
    for layer in parameters.frozen:
        if not any(name.startswith(layer) for name in begin):
            layers = sorted({name.partition(".")[0] for name in begin if not name.startswith(SCALE)})
            raise ConfigError(f"model {parameters.kind}", "frozen", layer, f"beginnings of {', '.join(layers)}")
    fixed = {name: v for name, v in begin.items() if name.startswith((SCALE, *parameters.frozen))}
    free = {name: v for name, v in begin.items() if name not in fixed}
    if not free:
        raise ConfigError(f"model {parameters.kind}", "frozen", list(parameters.frozen), "not every layer")
    return free, fixed


def _optimizer(parameters: DeepParameters, free: Params, n: int) -> optax.GradientTransformation:
    steps = parameters.epochs_max * max(1, -(-n // parameters.batch_rows))
    warm_up = max(1, int(WARM_UP_SHARE * steps))
    rate = optax.warmup_cosine_decay_schedule(0.0, parameters.learning_rate, warm_up, max(steps, warm_up + 1))
    # Biases and norms are vectors: to pull them to zero would say something of the data.
    decayed = {name: value.ndim > 1 for name, value in free.items()}
    return optax.chain(
        optax.clip_by_global_norm(parameters.clip_norm),
        optax.adamw(rate, weight_decay=parameters.weight_decay, mask=decayed),
    )


def _step_of(parameters: DeepParameters, optimizer: optax.GradientTransformation, fixed: Params) -> Callable[..., Any]:
    @jax.jit
    def step(free: Any, state: Any, still: Any, arrays: Any, key: Any) -> tuple[Any, Any, Any]:
        batch = Batch(*arrays)

        def loss(free: Any) -> Any:
            with jax.default_matmul_precision(PRECISION):
                each = losses(parameters, {**free, **still}, batch, key)
            return each.sum() / jnp.maximum(batch.weight.sum(), 1e-12)

        value, gradient = jax.value_and_grad(loss)(free)
        updates, state = optimizer.update(gradient, state, free)
        return optax.apply_updates(free, updates), state, value

    return partial(_with_fixed, step, _on_device(fixed))


def _with_fixed(step: Callable[..., Any], fixed: Any, free: Any, state: Any, arrays: Any, key: Any) -> Any:
    return step(free, state, fixed, arrays, key)


def _judge_of(parameters: DeepParameters, fixed: Params) -> Callable[..., Any]:
    still = _on_device(fixed)

    @jax.jit
    def judge(free: Any, still: Any, arrays: Any) -> Any:
        batch = Batch(*arrays)
        with jax.default_matmul_precision(PRECISION):
            each = losses(parameters, {**free, **still}, batch)
        return each.sum(), batch.weight.sum()

    return lambda free, arrays: judge(free, still, arrays)


def _one_pass(
    parameters: DeepParameters,
    at: Progressed,
    samples: Samples,
    step: Callable[..., Any],
    optimizer: optax.GradientTransformation,
    seed: int,
) -> None:
    """Take every sample once, in an order that seed and pass give; update where the fit stands."""
    free = _on_device(at.params)
    like = jax.tree.structure(optimizer.init(free))
    state = jax.tree.unflatten(like, [jnp.asarray(leaf) for leaf in at.optimizer])
    key = jax.random.wrap_key_data(jnp.asarray(at.rng))
    order = np.random.default_rng([seed, at.epoch]).permutation(len(samples))
    value = jnp.zeros(())
    for begin in range(0, len(order), parameters.batch_rows):
        arrays = _padded(samples, order[begin : begin + parameters.batch_rows], parameters.batch_rows)
        free, state, value = step(free, state, arrays, jax.random.fold_in(key, at.step))
        at.step += 1
    if not math.isfinite(float(value)):
        raise ConfigError(
            f"model {parameters.kind}",
            "loss",
            float(value),
            f"a number; lower learning_rate {parameters.learning_rate}",
        )
    at.params = {name: np.asarray(v) for name, v in free.items()}
    at.optimizer = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    at.epoch += 1


def _judged(parameters: DeepParameters, at: Progressed, valid: Samples, judge: Callable[..., Any]) -> None:
    """Compare the pass with the best one; say whether training ends."""
    if len(valid) == 0:
        loss, better = math.nan, True
    else:
        total = weight = 0.0
        free = _on_device(at.params)
        for begin in range(0, len(valid), parameters.batch_rows):
            rows = np.arange(begin, min(begin + parameters.batch_rows, len(valid)))
            part, of = judge(free, _padded(valid, rows, parameters.batch_rows))
            total, weight = total + float(part), weight + float(of)
        loss = total / max(weight, 1e-12)
        better = loss < at.best_loss
    at.losses.append(loss)
    if better:
        at.best, at.best_loss, at.since_best = at.params, loss, 0
    else:
        at.since_best += 1
    at.done = at.epoch >= parameters.epochs_max or at.since_best >= parameters.patience


def _padded(samples: Samples, rows: NDArray[np.generic], n: int) -> tuple[Any, ...]:
    """Return samples as float32, padded to n rows of weight 0: one shape, compiled once."""
    at = np.concatenate([rows, np.repeat(rows[-1:], n - len(rows))])
    weight, side = (w[at].astype(np.float32) for w in (samples.weight, samples.side_weight))
    weight[len(rows) :] = side[len(rows) :] = 0.0
    return samples.x[at], samples.move[at].astype(np.float32), samples.up[at].astype(np.float32), weight, side


def _on_device(params: Params) -> dict[str, Any]:
    return {name: jnp.asarray(value) for name, value in params.items()}


def _fingerprint(parameters: DeepParameters, seed: int, begin: Params, train_on: Samples, valid: Samples) -> str:
    first = [(name, value.shape, value.tobytes()) for name, value in sorted(begin.items())]
    versions = f"jax {jax.__version__} optax {optax.__version__} {jax.default_backend()}"
    return fingerprint(parameters.kind, (parameters, first), seed, versions, train_on, valid)
