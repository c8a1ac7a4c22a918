"""Cells whose weights read the carry: what a step computes with depends on the state.

A `Sharing` makes the weights of a step from its time. Here they come from the carry, so
they differ from example to example, and adapt to the sequence they are in. They are
cells, and not sharings: they run in `RNN` under any sharing, and in `nnx.RNN`.

Shape letters: B batch (any number of axes), D input features, H hidden features,
G = gates x H gate features, M hyper features, E embedding size, K templates.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnnshare.cells.affine import AffineCell, AffineStep
from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.cells.holding import params_of, stored_of
from rnnshare.cells.standard import LSTMCell
from rnnshare.sharing.base import init_stack


class _StateCell(nnx.RNNCellBase):
    """What the cells share: sizes, dtypes, and the one axis of features."""

    def __init__(self, *, dtype: Any, param_dtype: Any, **sizes: int):
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(
                    f"{type(self).__name__}: {name} is {size}. Use at least 1."
                )
        self.in_features = sizes["in_features"]
        self.hidden_features = sizes["hidden_features"]
        self.dtype = dtype
        self.param_dtype = param_dtype

    @property
    def num_feature_axes(self) -> int:
        """One: the features are the last axis."""
        return 1


class HyperLSTMCell(_StateCell):
    r"""An LSTM whose rows of weights are scaled at each step by a smaller LSTM.

        q, hyper = LSTM([x, h], hyper)          the hyper cell, of M features
        z = q Z + z_0                           12 of size E: 3 uses x, h, b, 4 gates
        s_x = z_x V_x                           gate by gate; s_h, s_b the same
        a = (1 + s_x) * (x W) + b + s_b
        u = (1 + s_h) * (h U)
        (c', h') = activate((c, h), a, u)       of `LSTMCell`

    One factor scales all the weights into one unit of G, so weights of its own cost an
    example a vector and not a matrix: the paper's relaxed weight sharing. V starts at
    zero, and a fresh cell is the plain LSTM of its main weights; V moves at once, Z and
    the hyper cell after V's first update. The paper scales by s and not by 1 + s, and
    has layer normalisation; there is none here.

    The carry is ((c, h), (hyper c, hyper h)). Parameters:
    4 H (D + H + 1) + 4 M (D + H + M + 1) + 12 E (M + 1 + H).

    Reference: Ha, Dai, Le, 2016, "HyperNetworks" (HyperLSTM).
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        hyper_features: int = 16,
        embedding_size: int = 4,
        dtype: Any = None,
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters: main, hyper, Z. Its sizes are at least 1.

        It takes what `AffineCell` takes, but for the initialisers; and
        `hyper_features`, M, and `embedding_size`, E.
        """
        options: dict[str, Any] = {"dtype": dtype, "param_dtype": param_dtype}
        super().__init__(
            in_features=in_features,
            hidden_features=hidden_features,
            hyper_features=hyper_features,
            embedding_size=embedding_size,
            **options,
        )
        self.embedding_size = embedding_size
        options["rngs"] = rngs
        self.main = LSTMCell(in_features, hidden_features, **options)
        self.hyper = LSTMCell(in_features + hidden_features, hyper_features, **options)
        self.embed = nnx.Linear(hyper_features, 12 * embedding_size, **options)
        self.scales = nnx.Param(
            jnp.zeros((3, 4, embedding_size, hidden_features), param_dtype)
        )

    def __call__(self, carry: Any, inputs: jax.Array) -> tuple[Any, jax.Array]:
        """Runs one step: a carry as above, inputs [*B, D], output [*B, H]."""
        main_carry, hyper_carry = carry
        h = self.main.hidden(main_carry)
        x = inputs.astype(h.dtype)
        hyper_carry, q = self.hyper(hyper_carry, jnp.concatenate([x, h], axis=-1))
        z = self.embed(q)
        dtype = z.dtype  # what the linear maps compute in
        z = z.reshape(*z.shape[:-1], 3, 4, self.embedding_size)
        s = jnp.einsum("...uge,ugeh->u...gh", z, self.scales[...].astype(dtype))
        s_x, s_h, s_b = s.reshape(*s.shape[:-2], 4 * self.hidden_features)
        kernel, bias = self.main.input.kernel, self.main.input.bias
        assert bias is not None  # for the type checker: the input map has a bias
        x_w = x.astype(dtype) @ kernel[...].astype(dtype)
        b = jnp.broadcast_to(bias[...].astype(dtype), s_b.shape)
        from_input = (1 + s_x) * x_w + (b + s_b)
        from_hidden = (1 + s_h) * self.main.recurrent(h)
        main_carry, y = self.main.activate(main_carry, from_input, from_hidden)
        return (main_carry, hyper_carry), y

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):  # noqa: D102
        return tuple(
            cell.initialize_carry(input_shape, rngs, carry_init)
            for cell in (self.main, self.hyper)
        )


class StateMixtureCell(_StateCell):
    r"""A cell whose weights are a mixture of K templates, gated by the carry.

        a = softmax(h A + b)                    [*B, K], h before the step
        from_input = sum_k a_k (x W_k + b_k)
        from_hidden = sum_k a_k (h U_k (+ c_k))
        carry, y = activate(carry, from_input, from_hidden)     of the template's cell

    It is the mixture that the code of the paper runs; `rnnshare.Mixture` is that of
    its equations, where a is a weight of each step, and does not read h. K = 1 is the
    plain cell. Templates are K initialisations, so while a is even, as it is at h = 0,
    the mixture is smaller than one of them.

    The carry is the template's. Parameters: K P + K (H + 1), for P of the template.

    Reference: Oh, Wang, Tang, Sjoding, Wiens, 2019, "Relaxed Parameter Sharing".
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        cell: Callable[..., AffineCell] = LSTMCell,
        num_templates: int = 4,
        dtype: Any = None,
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters: templates in turn, then A. Its sizes are at least 1.

        It takes what `AffineCell` takes, but for the initialisers; and `cell`, the
        class of the templates or a factory like it, and `num_templates`, K.
        """
        options: dict[str, Any] = {"dtype": dtype, "param_dtype": param_dtype}
        super().__init__(
            in_features=in_features,
            hidden_features=hidden_features,
            num_templates=num_templates,
            **options,
        )

        def make_template(rngs: nnx.Rngs) -> AffineCell:
            return cell(in_features, hidden_features, rngs=rngs, **options)

        def init_template(key: jax.Array) -> Any:
            return pure_params(make_template(nnx.Rngs(key)))

        blueprint = Blueprint.of(make_template)
        if not AffineStep.suits(blueprint.bind()):
            raise TypeError(
                "StateMixtureCell mixes the two linear maps of an AffineCell, but cell "
                f"makes a {type(blueprint.bind()).__name__}. Use ElmanCell, GRUCell "
                "or LSTMCell of rnnshare."
            )
        self.template = nnx.static(blueprint)
        self.templates = params_of(
            init_stack(rngs.params(), init_template, num_templates, same_init=False),
            blueprint.variables(),
        )
        self.gate = nnx.Linear(hidden_features, num_templates, rngs=rngs, **options)

    def __call__(self, carry: Any, inputs: jax.Array) -> tuple[Any, jax.Array]:
        """Runs one step: carry of [*B, H] leaves, inputs [*B, D], output [*B, H]."""
        template = self.template.bind()
        h = template.hidden(carry)
        mixing = jax.nn.softmax(self.gate(h), axis=-1)

        def affine(name: str, x: jax.Array) -> jax.Array:
            maps = stored_of(self.templates[name])
            return _mixed(maps["kernel"], maps.get("bias"), mixing, x)

        return template.pointwise(
            carry, affine("input", inputs), affine("recurrent", h)
        )

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):  # noqa: D102
        return self.template.bind().initialize_carry(input_shape, rngs, carry_init)


@functools.partial(jax.checkpoint, prevent_cse=False)  # it runs in a scan
def _mixed(
    kernel: jax.Array, bias: jax.Array | None, mixing: jax.Array, x: jax.Array
) -> jax.Array:
    """Returns `sum_k a_k (x W_k + b_k)`, [*B, G], of W [K, D, G], b [K, G], a [*B, K].

    It mixes inputs, a_k x, and not weights, which would be [*B, D, G], nor products:
    the backward pass would keep [*B, K, G] of these at each step, and [*B, K, D] of
    mixed inputs, which are so cheap to make again from a and x that it keeps neither.
    It takes the memory of the plain cell, and one matrix product, K D to G.
    """
    dtype = mixing.dtype  # what the gate computes in
    mixed = mixing[..., None] * x.astype(dtype)[..., None, :]
    mixed = mixed.reshape(*x.shape[:-1], -1)
    y = mixed @ kernel.reshape(-1, kernel.shape[-1]).astype(dtype)
    return y if bias is None else y + mixing @ bias.astype(dtype)
