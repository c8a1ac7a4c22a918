"""`EncoderDecoder`: reads one sequence and writes another, of another length.

Shape letters: B batch, T source steps, U target steps, E embedding features, H hidden
features, O target tokens.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnnshare.cells.described import OneLine
from rnnshare.models.rnn import RNN, step_of
from rnnshare.models.sequence_model import Readout, embed
from rnnshare.sharing.base import Sharing
from rnnshare.sharing.templates import Tied
from rnnshare.unrolling.scan import unroll


class EncoderDecoder(OneLine):
    """An RNN reads the source; its last carry is another RNN's first, which writes.

        carry = encoder(embed(s_0), ..., embed(s_{T-1}))
        carry, h_u = decoder(carry, embed(y_{u-1}))        y_{-1} a start token
        logits of y_u = read-out(h_u)

    Encoder and decoder have a sharing each; embeddings and read-out are the same at all
    steps. The encoder reads from the last real step to the first, which brings the
    source's beginning next to the answer's; weights belong to positions, so that step t
    reads W_t all the same.

    Parameters: those of two cells E to H under their sharings, E (S + O + 1) for
    embeddings of S source and O target tokens and the start, and O (H + 1).

    Reference: Sutskever, Vinyals, Le, 2014, "Sequence to sequence learning with neural
    networks".
    """

    def __init__(
        self,
        cell: Callable[..., nnx.RNNCellBase],
        num_source_tokens: int,
        num_target_tokens: int,
        embedding_features: int,
        hidden_features: int,
        encoder_sharing: Sharing = Tied(),
        decoder_sharing: Sharing = Tied(),
        *,
        rngs: nnx.Rngs,
        reverse_source: bool = True,
    ):
        """Draws the weights.

        Args:
          cell: `cell(in_features, hidden_features, rngs=...)`, such as `LSTMCell`.
          num_source_tokens: S, tokens 0..S-1.
          num_target_tokens: O, tokens 0..O-1.
          embedding_features: E, of source and target.
          hidden_features: H, of encoder and decoder.
          encoder_sharing: of the encoder's weights.
          decoder_sharing: of the decoder's.
          rngs: where the draws come from.
          reverse_source: read the source from its end.
        """
        self.reverse_source = reverse_source
        self.num_source_tokens = num_source_tokens
        self.num_target_tokens = num_target_tokens
        make_cell = functools.partial(cell, embedding_features, hidden_features)
        self.source_embedding = nnx.Embed(
            num_source_tokens, embedding_features, rngs=rngs
        )
        # The last one is the start token.
        self.target_embedding = nnx.Embed(
            num_target_tokens + 1, embedding_features, rngs=rngs
        )
        self.encoder = RNN(make_cell, encoder_sharing, rngs=rngs)
        self.decoder = RNN(make_cell, decoder_sharing, rngs=rngs)
        self.readout = Readout(hidden_features, num_target_tokens, rngs=rngs)

    def __call__(
        self,
        inputs: tuple[jax.Array, jax.Array],
        *,
        seq_lengths: Any = None,
        rngs: Any = None,
    ) -> jax.Array:
        """Returns logits [B, U, O] of each target token, given those before it.

        Args:
          inputs: source int[B, T] and target int[B, U].
          seq_lengths: int[B], the real steps of each source; those of the targets only
            matter to a loss, as no logits depend on later tokens.
          rngs: unused; for the training loop.
        """
        del rngs
        source, target = inputs
        start = self._start(source)[:, None].astype(target.dtype)
        before = jnp.concatenate([start, target[:, :-1]], axis=1)
        features = self.decoder(
            embed(self.target_embedding, before.T),
            initial_carry=self.encode(source, seq_lengths),
            time_major=True,
        )
        return jnp.swapaxes(self.readout(features), 0, 1)

    def encode(self, source: jax.Array, seq_lengths: Any = None) -> Any:
        """Returns the encoder's last carry, leaves [B, H], of source int[B, T]."""
        carry, _ = self.encoder(
            embed(self.source_embedding, source.T, seq_lengths),
            seq_lengths=seq_lengths,
            time_major=True,
            reverse=self.reverse_source,
            return_carry=True,
        )
        return carry

    def decode(
        self, source: jax.Array, num_steps: int, *, seq_lengths: Any = None
    ) -> jax.Array:
        """Returns the likeliest token at each step, int32[B, U], fed back as the next.

        Args:
          source: int[B, T].
          num_steps: U.
          seq_lengths: int[B], the real steps of each source.
        """
        step = step_of(self.decoder.cell)

        def write(weights, carry, _):
            carry, token = carry
            carry, h = step(weights, carry, self.target_embedding(token))
            token = jnp.argmax(self.readout(h[None])[0], -1).astype(jnp.int32)
            return (carry, token), token

        _, tokens = unroll(
            write,
            self.decoder.sharing,
            self.decoder.stored,
            jnp.zeros((num_steps, len(source), 0)),  # it reads nothing but its own
            (self.encode(source, seq_lengths), self._start(source)),
        )
        return tokens.T

    def shown_parts(self) -> list[str]:
        """Returns the layers, and how many tokens they read and write."""
        return [
            f"encoder={self.encoder!r}",
            f"decoder={self.decoder!r}",
            f"{self.num_source_tokens} source tokens",
            f"{self.num_target_tokens} target tokens",
        ]

    def _start(self, source: jax.Array) -> jax.Array:
        return jnp.full(len(source), self.num_target_tokens, jnp.int32)
