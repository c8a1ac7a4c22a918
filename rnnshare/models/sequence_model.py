"""`SequenceModel`: embedding or dense input, RNN layers, and a read-out.

`BagOfSteps` is its control, which knows the steps and not their order.

Shape letters: B batch, T time, D input features, H hidden features, O outputs.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnshare.cells.described import OneLine, describe
from rnnshare.cells.gated import input_init
from rnnshare.cells.holding import params_of, stored_of
from rnnshare.cells.initialising import init_stored
from rnnshare.models.rnn import RNN
from rnnshare.sharing.base import Sharing
from rnnshare.sharing.templates import Tied
from rnnshare.sharing.unseen import as_int32
from rnnshare.unrolling.padding import (
    before,
    check_lengths,
    where_real,
    without_padding,
)
from rnnshare.unrolling.scan import map_steps

READOUTS = ("last", "every")


class Readout(OneLine):
    """A linear map of the features of every step, its weights under a sharing.

    `y_t = h_t W_t + b_t`. Parameters, tied: O (H + 1).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        sharing: Sharing = Tied(),
        *,
        rngs: nnx.Rngs,
    ):
        """Draws the weights: kernels LeCun normal, biases zero."""
        self.in_features = in_features
        self.out_features = out_features
        self.sharing = nnx.static(sharing)
        init_layer = _LayerInit(in_features, out_features)
        self.weights = params_of(init_stored(sharing, init_layer, rngs.params()))

    def __call__(
        self, features: jax.Array, seq_lengths: Any = None, **where: Any
    ) -> jax.Array:
        """Returns [T, *B, O] of features [T, *B, H]; zeros in the padding.

        `where` in the sequence they stand, if they are a chunk: `map_steps`'s `start`
        and `num_steps`.
        """
        stored = jax.tree.map(
            lambda w: w.astype(features.dtype), stored_of(self.weights)
        )
        return map_steps(
            _affine, self.sharing, stored, features, lengths=seq_lengths, **where
        )

    def shown_parts(self) -> list[str]:
        """Returns sizes and sharing."""
        return [str(self.in_features), str(self.out_features), repr(self.sharing)]


class SequenceModel(OneLine):
    """Reads a sequence and answers once, or at every step.

        inputs [B, T, D], or tokens int[B, T] -> embedding
        -> RNN layers, each with its own sharing, dropout between them
        -> read-out: [B, O] at the last real step, or [B, T, O] at every step

    Parameters: those of the layers' sharings, O (H + 1) for a tied read-out, and
    D num_tokens for an embedding.
    """

    def __init__(
        self,
        cell: Callable[..., nnx.RNNCellBase],
        in_features: int,
        hidden_features: int,
        out_features: int,
        sharing: Sharing | Sequence[Sharing] = Tied(),
        *,
        rngs: nnx.Rngs,
        num_tokens: int | None = None,
        readout: str = "last",
        readout_sharing: Sharing = Tied(),
        dropout: float = 0.0,
        remat: bool | int | str = False,
    ):
        """Draws the weights.

        Args:
          cell: `cell(in_features, hidden_features, rngs=...)`, such as `LSTMCell`.
          in_features: D; with num_tokens, the size of the embedding.
          hidden_features: H, the same for each layer.
          out_features: O.
          sharing: one for the one layer, or a sequence with one a layer.
          rngs: where the draws come from.
          num_tokens: read token numbers 0..num_tokens-1 through an embedding.
          readout: 'last' answers at the last real step, 'every' at each.
          readout_sharing: of the read-out; tied, unless you untie it too.
          dropout: the fraction of features dropped between layers while training.
          remat: what is made again in the backward pass: True, each step; 'sqrt' or
            an integer, the steps of a block; see `unroll`.

        Raises:
          ValueError: on an unknown readout, a dropout outside [0, 1), or no layer.
        """
        layers = [sharing] if isinstance(sharing, Sharing) else list(sharing)
        if not layers:
            raise ValueError("sharing is empty. Give one Sharing for each layer.")
        if readout not in READOUTS:
            raise ValueError(f"readout is {readout!r}. Use 'last' or 'every'.")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is {dropout}. Use a fraction in [0, 1).")
        self.readout_at = readout
        self.embedding = nnx.data(
            None
            if num_tokens is None
            else nnx.Embed(num_tokens, in_features, rngs=rngs)
        )
        self.dropout = nnx.Dropout(dropout)
        widths = [in_features] + [hidden_features] * len(layers)
        self.layers = nnx.List(
            RNN(
                functools.partial(cell, width, hidden_features),
                layer_sharing,
                rngs=rngs,
                remat=remat,
            )
            for width, layer_sharing in zip(widths, layers, strict=False)
        )
        self.readout = Readout(
            hidden_features, out_features, readout_sharing, rngs=rngs
        )

    def __call__(
        self,
        inputs: jax.Array,
        *,
        seq_lengths: Any = None,
        initial_carry: Sequence[Any] | None = None,
        return_carry: bool = False,
        start: int | jax.Array = 0,
        num_steps: int | None = None,
        rngs: Any = None,
    ) -> Any:
        """Returns the answers, [B, O] or [B, T, O].

        Args:
          inputs: [B, T, D] floating, or with num_tokens int[B, T].
          seq_lengths: int[B], the real steps of each sequence.
          initial_carry: one carry a layer; those of `initialize_carry` by default.
          return_carry: return (answers, the final carry of each layer).
          start: the absolute step of the first input, to run a sequence in chunks.
          num_steps: those of the whole sequence, where `start` is traced; see `unroll`.
          rngs: `nnx.Rngs` with a stream 'dropout', while training; without it nothing
            is dropped.
        """
        features = embed(self.embedding, jnp.swapaxes(inputs, 0, 1), seq_lengths)
        if initial_carry is None:
            initial_carry = [None] * len(self.layers)
        carries = []
        for i, (layer, carry) in enumerate(
            zip(self.layers, initial_carry, strict=True)
        ):
            if i and rngs is not None:
                features = self.dropout(features, deterministic=False, rngs=rngs)
            carry, features = layer(
                features,
                initial_carry=carry,
                seq_lengths=seq_lengths,
                return_carry=True,
                time_major=True,
                start=start,
                num_steps=num_steps,
            )
            carries.append(carry)
        answers = self.readout(features, seq_lengths, start=start, num_steps=num_steps)
        if self.readout_at == "every":
            answers = jnp.swapaxes(answers, 0, 1)
        else:
            answers = _at_last_step(answers, seq_lengths)
        return (answers, carries) if return_carry else answers

    def initialize_carry(self, inputs: jax.Array) -> list[Any]:
        """Returns the carry that each layer begins such inputs with."""
        features = jnp.swapaxes(inputs, 0, 1)
        if self.embedding is not None:
            shape = (*features.shape, self.embedding.features)
            features = jnp.zeros(shape, self.embedding.dtype)
        carries = []
        for layer in self.layers:
            carries.append(layer.initialize_carry(features))
            shape = (*features.shape[:-1], layer.cell.bind().hidden_features)
            features = jnp.zeros(shape, features.dtype)
        return carries

    def shown_parts(self) -> list[str]:
        """Returns embedding, layers, read-out and dropout, what there is of them."""
        parts: list[nnx.Module] = [*self.layers, self.readout]
        if self.embedding is not None:
            parts = [self.embedding, *parts]
        dropout = [f"dropout={self.dropout.rate}"] if self.dropout.rate else []
        return [*map(describe, parts), f"readout={self.readout_at!r}", *dropout]


class BagOfSteps(nnx.Module):
    """A control without order: a function of the mean of a function of each step.

        inputs [B, T, D], or tokens int[B, T] -> embedding
        -> dense and ReLU, step by step -> mean over the real steps -> dense and ReLU
        -> read-out, [B, O]

    Parameters: H (D + 1) + H (H + 1) + O (H + 1), and D num_tokens for an embedding.
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        out_features: int,
        *,
        rngs: nnx.Rngs,
        num_tokens: int | None = None,
    ):
        """Draws the weights; see `SequenceModel` for the arguments."""
        self.embedding = nnx.data(
            None
            if num_tokens is None
            else nnx.Embed(num_tokens, in_features, rngs=rngs)
        )
        self.step = nnx.Linear(
            in_features, hidden_features, kernel_init=input_init(in_features), rngs=rngs
        )
        self.mix = nnx.Linear(hidden_features, hidden_features, rngs=rngs)
        self.readout = nnx.Linear(hidden_features, out_features, rngs=rngs)

    def __call__(
        self, inputs: jax.Array, *, seq_lengths: Any = None, rngs: Any = None
    ) -> jax.Array:
        """Returns the answers, [B, O]; called as `SequenceModel` is."""
        del rngs
        inputs = jnp.swapaxes(inputs, 0, 1)
        lengths = _lengths(inputs, seq_lengths)
        is_real = before(lengths, inputs.shape[0])
        if self.embedding is None:
            inputs = without_padding(inputs, is_real)
        features = embed(self.embedding, inputs, lengths)
        features = nnx.relu(self.step(features))
        count = jnp.maximum(jnp.sum(is_real, 0, dtype=features.dtype), 1)
        mean = jnp.sum(where_real(is_real, features), axis=0) / count[:, None]
        return self.readout(nnx.relu(self.mix(mean)))


def embed(
    embedding: nnx.Embed | None, inputs: jax.Array, seq_lengths: Any = None
) -> jax.Array:
    """Returns the embeddings of tokens; without an embedding, the inputs themselves.

    A token that is none has no row: where tokens are known it is refused, and else its
    embedding is NaN, never that of another token. What stands in the padding is unread.

    Args:
      embedding: of tokens 0..N-1, or None.
      inputs: int[T, *B] tokens.
      seq_lengths: int[*B], the real steps of each sequence; None: all are real.

    Raises:
      TypeError: if tokens are no integers.
      ValueError: if a token is known, and none.
    """
    if embedding is None:
        return inputs
    if not jnp.issubdtype(inputs.dtype, jnp.integer):
        raise TypeError(f"tokens must be integers, but are {inputs.dtype}.")
    tokens, count = as_int32(inputs), embedding.num_embeddings
    if seq_lengths is not None:
        is_real = before(_lengths(tokens, seq_lengths), tokens.shape[0])
        tokens = without_padding(tokens, is_real)
    if not isinstance(tokens, jax.core.Tracer):
        wrong = np.unique(np.asarray(tokens)[(tokens < 0) | (tokens >= count)])
        if len(wrong):
            raise ValueError(
                f"inputs hold the token {wrong[0]}, but num_tokens={count} allows 0.."
                f"{count - 1}."
            )
    known = (tokens >= 0) & (tokens < count)
    features = embedding(jnp.clip(tokens, 0, count - 1))
    return jnp.where(known[..., None], features, jnp.nan)


def _lengths(inputs: jax.Array, seq_lengths: Any) -> jax.Array:
    """Returns int32[B] of inputs [T, B, ...]; T where none are given."""
    num_steps, batch = inputs.shape[:2]
    if seq_lengths is None:
        seq_lengths = num_steps
    lengths = check_lengths(seq_lengths, num_steps, name="seq_lengths")
    return jnp.broadcast_to(jnp.asarray(lengths), (batch,))


@dataclasses.dataclass(frozen=True)
class _LayerInit:
    """Draws the weights of one linear layer."""

    in_features: int
    out_features: int

    def __call__(self, key: jax.Array) -> dict[str, jax.Array]:
        shape = (self.in_features, self.out_features)
        kernel = nnx.initializers.lecun_normal()(key, shape, jnp.float32)
        return {"kernel": kernel, "bias": jnp.zeros(self.out_features, jnp.float32)}


def _affine(weights: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    bias = weights["bias"]
    return x @ weights["kernel"] + bias.reshape((1,) * (x.ndim - 1) + bias.shape)


def _at_last_step(answers: jax.Array, seq_lengths: Any) -> jax.Array:
    """Returns [B, O], the answers [T, B, O] at each sequence's last real step.

    A sequence of length 0 has no last step, and is answered with zeros.
    """
    num_steps = answers.shape[0]
    if num_steps == 0:
        return jnp.zeros(answers.shape[1:], answers.dtype)
    if seq_lengths is None:
        return answers[-1]
    last = _lengths(answers, seq_lengths) - 1
    picked = jnp.take_along_axis(answers, jnp.maximum(last, 0)[None, :, None], axis=0)[
        0
    ]
    return jnp.where(last[:, None] >= 0, picked, jnp.zeros_like(picked))
