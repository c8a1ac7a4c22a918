"""Any optax optimiser trains here as in a loop by hand, or one line says why not."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rnnshare import ElmanCell, Tied
from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.tasks import Adding
from rnnshare.training import Recipe, Setting, fit
from tests.cases import with_slow

TASK = Adding(3, num_held_out=8)
STEPS = 3


def adding(split):
    del split
    return TASK


def adam_cosine(rate):
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=0.0, peak_value=rate, warmup_steps=2, decay_steps=STEPS
    )
    return optax.adam(schedule)


def by_path(rate):
    def labels(params):
        return jax.tree_util.tree_map_with_path(
            lambda path, _: "slow" if "readout" in jax.tree_util.keystr(path)
            else "fast", params,
        )  # fmt: skip

    return optax.multi_transform(
        {"slow": optax.sgd(rate / 10), "fast": optax.adam(rate)}, labels
    )


def kernels_only(rate):
    def is_matrix(params):
        return jax.tree.map(lambda leaf: leaf.ndim > 1, params)

    decay = optax.masked(optax.add_decayed_weights(0.1), is_matrix)
    return optax.chain(decay, optax.sgd(rate))


def with_plateau(rate):
    plateau = optax.contrib.reduce_on_plateau(factor=0.5, patience=1, rtol=1.0)
    return optax.chain(optax.adam(rate), plateau)


CASES = {
    "adam_cosine": adam_cosine,
    "bfloat16 moments": functools.partial(optax.adam, mu_dtype=jnp.bfloat16),
    "MultiSteps": lambda rate: optax.MultiSteps(optax.adam(rate), 2),
    "multi_transform": by_path,
    "masked": kernels_only,
    "inject_hyperparams": lambda rate: optax.inject_hyperparams(optax.sgd)(
        optax.cosine_decay_schedule(rate, STEPS)
    ),
    "lbfgs": lambda rate: optax.lbfgs(memory_size=3),
    "polyak_sgd": lambda rate: optax.polyak_sgd(max_learning_rate=rate),
    "reduce_on_plateau": with_plateau,
    "schedule_free": lambda rate: optax.contrib.schedule_free_adamw(rate),
}


def setting(optimizer, **options):
    recipe = Recipe(STEPS, 4, STEPS, None, optimizer=optimizer, keep="last", **options)
    return Setting(adding, ElmanCell, Tied(), 3, 3e-2, recipe)


def trained(optimizer, rates=(3e-2,), **options):
    made = setting(optimizer, **options)
    return fit(
        made.make_model(),
        made.recipe,
        [(TASK, 0, rate) for rate in rates],
        compiler_options={"xla_backend_optimization_level": "0"},
    )


def by_hand(optimizer, rate, clip_norm=1.0):
    """Returns the parameters after optax's own loop, the rate a Python number."""
    blueprint, params = Blueprint.of(setting(optimizer).make_model()), initial()
    tx = optimizer(rate)
    if isinstance(tx, optax.MultiSteps):
        tx = tx.gradient_transformation()
    if clip_norm is not None:
        tx = optax.chain(optax.clip_by_global_norm(clip_norm), tx)
    tx = optax.with_extra_args_support(tx)

    @jax.jit
    def step(params, state, key):
        batch = TASK.sample(key, 4)

        def loss_of(params):
            return TASK.loss(blueprint.bind(params)(batch.inputs), batch)

        value, grad = jax.value_and_grad(loss_of)(params)
        given = {"value": value, "grad": grad, "value_fn": loss_of}
        updates, state = tx.update(grad, state, params, **given)
        return optax.apply_updates(params, updates), state

    with jax.numpy_dtype_promotion("standard"):
        state = jax.jit(tx.init)(params)
        for i in range(STEPS):
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), 1), i)
            params, state = step(params, state, key)
    return params


@functools.cache
def initial():
    key = jax.random.fold_in(jax.random.key(0), 0)
    model = setting(optax.adam).make_model()
    return jax.jit(lambda: pure_params(model(rngs=nnx.Rngs(key))))()


def assert_close(actual, expected):
    """A training of 4 steps by two programs: some hundred roundings of 1.2e-7."""
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=3e-4, atol=1e-5),
        actual,
        expected,
    )


# That of a schedule is made for each rate below.
OF_A_KIND = {"lbfgs"}


@pytest.mark.parametrize("name", with_slow(CASES, OF_A_KIND))
def test_it_trains_as_in_a_loop_by_hand(name):
    clip_norm = 1e-2 if name == "lbfgs" else 1.0  # behind the clipping as before it
    out = trained(CASES[name], clip_norm=clip_norm)
    assert out.metrics[0]["diverged"] is None
    assert_close(out.params[0], by_hand(CASES[name], 3e-2, clip_norm))
    moved = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), out.params[0],
                         initial())  # fmt: skip
    assert max(jax.tree.leaves(moved)) > 1e-4


def test_a_factory_that_reads_its_rate_is_made_for_each():
    rates = (1e-2, 3e-2, 1e-2)
    out = trained(adam_cosine, rates)
    for rate, params in zip(rates[:2], out.params, strict=False):
        assert_close(params, by_hand(adam_cosine, rate))
    assert out.metrics[0] == out.metrics[2] != out.metrics[1]


def schedule(count):
    return 1e-3 / (1 + count)


def test_a_schedule_for_a_learning_rate_is_refused():
    message = r"learning_rate is .*schedule.* Give its peak as a number, and make the"
    made = setting(optax.adam)
    with pytest.raises(TypeError, match=message):
        fit(made.make_model(), made.recipe, [(TASK, 0, schedule)])
    with pytest.raises(TypeError, match=message):
        Setting(adding, ElmanCell, Tied(), 3, schedule)
    for wrong in ("1e-3", None, np.ones(2)):
        with pytest.raises(TypeError, match=r"learning_rate is .*Use a positive numb"):
            fit(made.make_model(), made.recipe, [(TASK, 0, wrong)])


def test_what_is_no_optimiser_is_refused():
    with pytest.raises(TypeError, match="Use a function of the learning rate, such as"):
        Recipe(optimizer=optax.adam(1e-3))
    with pytest.raises(TypeError, match=r"optimizer made 0\.0.* no optax optimiser"):
        trained(lambda rate: 0.0)


def test_an_optimiser_that_needs_more_is_refused():
    def demanding(rate):
        def update(updates, state, params=None, *, hessian, **extra):
            return updates, state

        return optax.GradientTransformationExtraArgs(optax.sgd(rate).init, update)

    message = "is given the gradient.* value, grad and value_fn, but .*'hessian'"
    with pytest.raises(TypeError, match=message):
        trained(demanding)
