"""What Cc2 trains: translators of number words, tied and untied."""

import dataclasses
from collections.abc import Callable

from flax import nnx

from experiments.lab.recipes import to_the_end
from experiments.translation.plan import Plan
from rnnshare import Sharing, Tied, Untied
from rnnshare.models import EncoderDecoder
from rnnshare.tasks.data.number_words import (
    CHARACTERS,
    LANGUAGES,
    LONGEST,
    NUM_NUMBERS,
)
from rnnshare.tasks.translation import NUM_SYMBOLS, translation
from rnnshare.training import Call, Setting

NUM_SOURCE_STEPS = LONGEST[NUM_NUMBERS]
NUM_TARGET_STEPS = len(str(NUM_NUMBERS - 1)) + 1
# How encoder and decoder are shared. Untied weights start as copies of one another.
_UNTIED = Untied(NUM_TARGET_STEPS, same_init=True)
LABELS = {"Tied": "tied", "Untied": "untied"}
ARMS: dict[str, tuple[Sharing, Sharing]] = {
    "Tied": (Tied(), Tied()),
    "Untied": (Untied(NUM_SOURCE_STEPS, same_init=True), _UNTIED),
}


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

    __public_name__ = "experiments.TranslatorSetting"  # in keys, wherever it stands

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
        return super().columns() | {
            "decoder_sharing": repr(self.decoder_sharing),
            "embedding_features": self.embedding_features,
            "reverse_source": self.reverse_source,
        }


def setting_of(
    plan: Plan, arm: str, language: str, rate: float, reverse_source: bool
) -> TranslatorSetting:
    """Returns the setting of an arm."""
    encoder_sharing, decoder_sharing = ARMS[arm]
    return TranslatorSetting(
        Call(translation, language=language, trained_below=NUM_NUMBERS),
        plan.cell,
        encoder_sharing,
        plan.hidden_features,
        rate,
        to_the_end(plan.num_steps, 10, batch_size=plan.batch_size),
        decoder_sharing=decoder_sharing,
        embedding_features=plan.embedding_features,
        reverse_source=reverse_source,
    )


def told_settings(plan, chosen):
    """Returns what was trained, and how its settings were chosen."""
    rates = "; ".join(
        f"{LANGUAGES[language]}, {LABELS[arm]}: {s.learning_rate:g}"
        + ("" if s.reverse_source else ", from the beginning")
        for language, arms in chosen.items()
        for arm, s in arms.items()
    )
    some = next(iter(chosen.values()))
    sizes = "; ".join(f"{LABELS[a]} {s.num_parameters():,}" for a, s in some.items())
    return (
        f"An encoder of {plan.cell.__name__} reads the words letter by letter, and its "
        "last carry is the decoder's first, which writes digits and an end. Equal "
        f"width (H = {plan.hidden_features}; parameters: {sizes}); embeddings and "
        "read-out are the same at all steps under every sharing; untied weights start "
        "as copies of one initialisation. Four fifths of the numbers are trained, a "
        "tenth each, 1,000, validates and tests, all chosen anew for each seed. "
        f"Learning rate{' and reading direction are' * (len(plan.directions) > 1)}"
        f"{' is' * (len(plan.directions) == 1)} chosen by validation loss, on equal "
        f"budgets ({len(plan.rates)} rates, {len(plan.directions)} directions, one "
        "seed of its own), for each language and sharing. Chosen, read from the end "
        f"unless said: {rates}."
    )
