"""The study behind Cc2: number words to digits by tied and untied translators.

What comes of it is told by `translation_claims.py`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

from experiments.studies import column, layout, replicates, run, tune
from rnnshare import ElmanCell, LSTMCell, Sharing, Tied, Untied, expand
from rnnshare.blueprint import Blueprint
from rnnshare.encoder_decoder import EncoderDecoder
from rnnshare.number_words import CHARACTERS, LONGEST, NUM_NUMBERS, number_words
from rnnshare.runs import JsonLines, json_line
from rnnshare.study import Setting
from rnnshare.tasks.translation import (
    NUM_SYMBOLS,
    Translation,
    read_answers,
    translation,
)
from rnnshare.training import Recipe, fit

TUNING_SEED = 1_000
SOLVED = 0.95  # exact match; see the rule
NUM_EXAMPLES = 10
SHORT, ALL = LONGEST  # numbers below are trained: 1000, 10,000
NUM_SOURCE_STEPS, NUM_TARGET_STEPS = LONGEST[NUM_NUMBERS], len(str(NUM_NUMBERS - 1)) + 1
# How encoder and decoder are shared. Untied weights start as copies of one draw.
_UNTIED = Untied(NUM_TARGET_STEPS, same_init=True)
ARMS: dict[str, tuple[Sharing, Sharing]] = {
    "Tied": (Tied(), Tied()),
    "Untied": (Untied(NUM_SOURCE_STEPS, same_init=True), _UNTIED),
    "Mixed": (Tied(), _UNTIED),
}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs.

    Attributes:
      cell: a cell class.
      trained_below: which numbers are trained, `ALL` or `SHORT`.
      languages: keys of `rnnshare.number_words.LANGUAGES`, the one shown in full first.
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
                 10, (3e-3, 1e-2), (True, False), 64, 16, 2_000, 64),
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


class Scores(NamedTuple):
    """Of an arm on a language, float64[S] each; the longer ones where trained short.

    Attributes:
      exact_match: on held-out numbers.
      accuracy: of their symbols, given the right ones before.
      longer_exact_match: on numbers longer than the trained ones.
      longer_accuracy: of their symbols.
    """

    exact_match: np.ndarray
    accuracy: np.ndarray
    longer_exact_match: np.ndarray | None = None
    longer_accuracy: np.ndarray | None = None


class Exhibit(NamedTuple):
    """What the best tied translator of a language does, decoded greedily.

    Attributes:
      exact_match: {arm: {what: exact match}} of its weights copied to every step of an
        arm; what is 'held out' or 'longer'.
      num_different: answers, of all numbers and arms, that the copies change.
      seed: of the training.
      examples: (words, digits, answer) of ten held-out numbers, up to five of them
        wrong, which stand last.
    """

    exact_match: dict[str, dict[str, float]]
    num_different: int
    seed: int
    examples: list[list[str]]


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


def chosen_settings(plan, arm, trained_below, rows):
    """Returns an arm's setting on each language, rate and direction tuned on it."""
    grid = [
        [
            setting_of(plan, arm, language, trained_below, rate, direction)
            for direction in plan.directions
            for rate in plan.rates
        ]
        for language in plan.languages
    ]
    tuning = replicates(1, TUNING_SEED)
    run([setting for row in grid for setting in row], tuning, rows)
    return [tune(row, tuning, rows) for row in grid]


def measure(plan, folder):
    """Trains all; returns scores, exhibits and the settings that were chosen.

    Returns:
      {trained below: {language: {arm: Scores}}}, {trained below: {language: Exhibit}},
      and {trained below: {language: {arm: setting}}}.
    """
    rows = JsonLines(folder / "translation.jsonl")
    decoded = JsonLines(folder / "decoded.jsonl")
    scores: dict[int, dict] = {}
    chosen: dict[int, dict] = {}
    exhibits: dict[int, dict] = {}
    for below in plan.trained_below:
        scores[below] = {language: {} for language in plan.languages}
        chosen[below] = {language: {} for language in plan.languages}
        for arm in plan.arms:
            settings = chosen_settings(plan, arm, below, rows)
            found = run(settings, replicates(plan.num_seeds), rows)
            for i, language in enumerate(plan.languages):
                chosen[below][language][arm] = settings[i]
                own = found[i * plan.num_seeds : (i + 1) * plan.num_seeds]
                scores[below][language][arm] = _scores(own)
        best = {
            language: (arms["Tied"], best_seed(scores[below][language]["Tied"]))
            for language, arms in chosen[below].items()
        }
        exhibits[below] = exhibit(plan, best, decoded)
    return scores, exhibits, chosen


def _scores(rows):
    names = [n for n in Scores._fields if f"test_{n}" in rows[0]]
    return Scores(**{n: column(rows, f"test_{n}", missing=0.0) for n in names})


def best_seed(scores):
    """Returns the seed of the best exact match, the first of equals."""
    return int(np.argmax(scores.exact_match))


def exhibit(plan, best, decoded):
    """Returns {language: Exhibit}; trains the best tied translators once more.

    A translator is what its setting and seed make it, so the same one comes out.

    Args:
      plan: see `Plan`.
      best: {language: (setting, seed)}, tied.
      decoded: where exhibits are kept.
    """
    known = {row["of"]: Exhibit(**row["exhibit"]) for row in decoded.rows}
    keys = {
        language: json_line(setting.columns() | {"seed": seed, "arms": plan.arms})
        for language, (setting, seed) in best.items()
    }
    by_model: dict[Any, list[str]] = {}
    for language, key in keys.items():
        if key not in known:
            by_model.setdefault(best[language][0].make_model(), []).append(language)
    for make_model, languages in by_model.items():
        replicas = [
            (setting.make_task(seed), seed, setting.learning_rate)
            for setting, seed in (best[language] for language in languages)
        ]
        recipe = best[languages[0]][0].recipe
        trained = fit(make_model, recipe, replicas, **layout()).params
        for language, params in zip(languages, trained, strict=True):
            setting, seed = best[language]
            found = copy_and_decode(plan, setting, seed, params)
            decoded.append({"of": keys[language], "exhibit": found._asdict()})
            known[keys[language]] = found
    return {language: known[key] for language, key in keys.items()}


def copy_and_decode(plan, setting, seed, params):
    """Returns the exhibit of a tied translator with these parameters."""
    words = number_words(setting.make_task.language).words
    short, everything = (
        MakeTranslation(setting.make_task.language, below)(seed).test
        for below in (SHORT, ALL)
    )
    source, target, lengths = (
        np.concatenate([read(short), read(everything)])
        for read in (
            lambda test: test.inputs.source,
            lambda test: test.targets,
            lambda test: test.lengths,
        )
    )
    num_short, end = SHORT // 10, len(short.lengths)  # `short` ends in longer numbers
    is_short = setting.make_task.trained_below == SHORT
    held_out = slice(0, num_short) if is_short else slice(end, None)
    places = {"held out": held_out, "longer": slice(num_short, end)}
    truth = np.array(read_answers(target))
    answers = {
        arm: np.array(read_answers(decode(setting, arm, params, source, lengths)))
        for arm in plan.arms
    }
    pairs = list(zip(truth[held_out], answers["Tied"][held_out], strict=True))
    wrong = [pair for pair in pairs if pair[0] != pair[1]][: NUM_EXAMPLES // 2]
    right = [pair for pair in pairs if pair[0] == pair[1]]
    shown = right[: NUM_EXAMPLES - len(wrong)] + wrong
    return Exhibit(
        {
            arm: {
                what: float(np.mean(answer[place] == truth[place]))
                for what, place in places.items()
            }
            for arm, answer in answers.items()
        },
        sum(int(np.sum(answer != answers["Tied"])) for answer in answers.values()),
        seed,
        [[words[int(digits)], str(digits), str(answer)] for digits, answer in shown],
    )


def decode(setting, arm, params, source, lengths):
    """Returns the symbols that tied parameters, copied to an arm's steps, write."""
    encoder_sharing, decoder_sharing = ARMS[arm]
    like = dataclasses.replace(
        setting, sharing=encoder_sharing, decoder_sharing=decoder_sharing
    )
    network = Blueprint.of(like.make_model()).bind(copied(params, arm))
    run_it = jax.jit(
        lambda source, lengths: network.decode(
            source, NUM_TARGET_STEPS, seq_lengths=lengths
        )
    )
    return np.asarray(run_it(source, lengths))


def copied(params, arm):
    """Returns tied parameters with their cells copied to every step of an arm."""
    parts = dict(zip(("encoder", "decoder"), ARMS[arm], strict=True))
    return params | {
        part: {"weights": expand(Tied(), params[part]["weights"], sharing.num_steps)}
        for part, sharing in parts.items()
        if sharing != Tied()
    }
