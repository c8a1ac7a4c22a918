"""What Cc2 trains: translators of number words, and how much of it a preset runs."""

import dataclasses
from collections.abc import Callable

from flax import nnx

from rnnshare import ElmanCell, LSTMCell, Sharing, Tied, Untied
from rnnshare.models.encoder_decoder import EncoderDecoder
from rnnshare.tasks.data.number_words import CHARACTERS, LONGEST, NUM_NUMBERS
from rnnshare.tasks.translation import NUM_SYMBOLS, Translation, translation
from rnnshare.training.fitting import Recipe
from rnnshare.training.study import Setting

SHORT, ALL = LONGEST  # numbers below are trained: 1000, 10,000
NUM_SOURCE_STEPS, NUM_TARGET_STEPS = LONGEST[NUM_NUMBERS], len(str(NUM_NUMBERS - 1)) + 1
# How encoder and decoder are shared. Untied weights start as copies of one draw.
_UNTIED = Untied(NUM_TARGET_STEPS, same_init=True)
ARMS: dict[str, tuple[Sharing, Sharing]] = {
    "Tied": (Tied(), Tied()),
    "Untied": (Untied(NUM_SOURCE_STEPS, same_init=True), _UNTIED),
}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs.

    Attributes:
      cell: a cell class.
      trained_below: which numbers are trained, `ALL` or `SHORT`.
      languages: keys of `number_words.LANGUAGES`, the one shown in full first.
      arms: names of `ARMS`.
      num_seeds: paired seeds, each with a split of its own.
      rates: learning rates to choose from.
      directions: ways to read the source to choose from; True is from its end.
      hidden_features: H of encoder and decoder.
      embedding_features: E.
      num_steps: of training.
      batch_size: of training.
    """

    cell: Callable[..., nnx.RNNCellBase]
    trained_below: tuple[int, ...]
    languages: tuple[str, ...]
    arms: tuple[str, ...]
    num_seeds: int
    rates: tuple[float, ...]
    directions: tuple[bool, ...]
    hidden_features: int
    embedding_features: int
    num_steps: int
    batch_size: int


PLANS = {
    "smoke": Plan(ElmanCell, (SHORT,), ("de",), ("Tied", "Untied"), 2, (1e-2,), (True,),
                  8, 4, 4, 8),
    "quick": Plan(LSTMCell, (ALL, SHORT), ("de", "fr"), ("Tied", "Untied"), 5,
                  (3e-3, 1e-2), (True,), 32, 16, 1_000, 64),
    "full": Plan(LSTMCell, (ALL, SHORT), ("de", "fr", "en", "it", "da"), tuple(ARMS),
                 10, (3e-3, 1e-2), (True, False), 48, 16, 1_500, 64),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class MakeTranslation:
    """`make_task` of a language."""

    language: str
    trained_below: int

    def __call__(self, split: int) -> Translation:  # noqa: D102
        return translation(
            split, language=self.language, trained_below=self.trained_below
        )


@dataclasses.dataclass(frozen=True)
class MakeTranslator:
    """Makes the `EncoderDecoder` of a task: a factory that hashes and compares."""

    cell: Callable[..., nnx.RNNCellBase]
    num_tokens: int
    embedding_features: int
    hidden_features: int
    sharings: tuple[Sharing, Sharing]
    reverse_source: bool

    def __call__(self, *, rngs: nnx.Rngs) -> EncoderDecoder:  # noqa: D102
        return EncoderDecoder(
            self.cell,
            self.num_tokens,
            NUM_SYMBOLS,
            self.embedding_features,
            self.hidden_features,
            *self.sharings,
            rngs=rngs,
            reverse_source=self.reverse_source,
        )


@dataclasses.dataclass(frozen=True)
class TranslatorSetting(Setting):
    """An encoder-decoder in the place of an RNN; `sharing` is the encoder's.

    Attributes:
      decoder_sharing: how the decoder's weights are shared.
      embedding_features: E.
      reverse_source: read the source from its end.
    """

    decoder_sharing: Sharing = Tied()
    embedding_features: int = 16
    reverse_source: bool = True

    def make_model(self):
        """Returns the translator's factory."""
        return MakeTranslator(
            self.cell,
            len(CHARACTERS) + 1,
            self.embedding_features,
            self.hidden_features,
            (self.sharing, self.decoder_sharing),
            self.reverse_source,
        )

    def columns(self):
        """Returns what names this setting in a row."""
        parts = (
            f"encoder {self.sharing!r}",
            f"decoder {self.decoder_sharing!r}",
            f"source from its {'end' if self.reverse_source else 'beginning'}",
            f"embedding {self.embedding_features}",
        )
        return super().columns() | {"sharing": ", ".join(parts)}


def setting_of(plan, arm, language, trained_below, rate, reverse_source):
    """Returns the setting of an arm."""
    encoder_sharing, decoder_sharing = ARMS[arm]
    return TranslatorSetting(
        MakeTranslation(language, trained_below),
        plan.cell,
        encoder_sharing,
        plan.hidden_features,
        rate,
        Recipe(
            num_steps=plan.num_steps,
            batch_size=plan.batch_size,
            validate_every=max(1, plan.num_steps // 10),
            patience=None,
        ),
        decoder_sharing=decoder_sharing,
        embedding_features=plan.embedding_features,
        reverse_source=reverse_source,
    )
