"""The tied translators of Cc2 with their weights copied to every step, and decoded."""

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.lab.trials import layout
from experiments.translation.settings import (
    ALL,
    ARMS,
    NUM_TARGET_STEPS,
    SHORT,
    MakeTranslation,
)
from rnnshare import Tied, expand
from rnnshare.cells.blueprint import Blueprint
from rnnshare.tasks.data.number_words import number_words
from rnnshare.tasks.translation import read_answers
from rnnshare.training.fitting import fit
from rnnshare.training.rows import json_line

NUM_EXAMPLES = 10


class Exhibit(NamedTuple):
    """What the best tied translator of a language does, decoded greedily.

    Attributes:
      exact_match: {arm: {what: exact match}} of its weights copied to every step of an
        arm; what is 'held out' or 'longer'.
      num_different: answers, of all numbers and arms, that the copies change.
      seed: of the training.
      examples: (words, digits, answer) of ten numbers, up to five of them wrong, which
        stand last; held-out ones, then longer ones than were trained.
    """

    exact_match: dict[str, dict[str, float]]
    num_different: int
    seed: int
    examples: list[list[str]]


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
    pairs = [
        pair
        for place in ([held_out, places["longer"]] if is_short else [held_out])
        for pair in zip(truth[place], answers["Tied"][place], strict=True)
    ]
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
