"""The tied translators of Cc2 with their weights copied to every step, and decoded."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.lab.machine import layout
from experiments.lab.trials import Lab
from experiments.translation.plan import Plan
from experiments.translation.translators import (
    ARMS,
    NUM_TARGET_STEPS,
    TranslatorSetting,
)
from rnnshare import Tied, expand
from rnnshare.cells.blueprint import Blueprint
from rnnshare.tasks.data.number_words import number_words
from rnnshare.tasks.translation import read_answers
from rnnshare.training import Replicate, fit

NUM_EXAMPLES = 10


class Exhibit(NamedTuple):
    """What the best tied translator of a language does, decoded greedily.

    Attributes:
      exact_match: {arm: {'held out': exact match}} of its weights copied to every step
        of an arm.
      num_different: answers, of all arms, that the copies change.
      seed: of the training.
      examples: (words, digits, answer) of ten held-out numbers, up to five of them
        wrong, which stand last.
    """

    exact_match: dict[str, dict[str, float]]
    num_different: int
    seed: int
    examples: list[list[str]]


def exhibit(
    plan: Plan, best: Mapping[str, tuple[TranslatorSetting, int]], lab: Lab
) -> dict[str, Exhibit]:
    """Returns {language: Exhibit}; trains the best tied translators once more.

    A translator is what its setting and seed make it, so the same one comes out.

    Args:
      plan: see `Plan`.
      best: {language: (setting, seed)}, tied.
      lab: where exhibits are kept.
    """
    keys = {
        setting.key(Replicate(seed, seed)): language
        for language, (setting, seed) in best.items()
    }

    def make(missing: list) -> Iterator[tuple[Any, dict[str, Any]]]:
        by_model: dict[Any, list] = {}
        for key in missing:
            setting, seed = best[keys[key["of"]]]
            by_model.setdefault(setting.make_model(), []).append((key, setting, seed))
        for make_model, group in by_model.items():
            replicas = [
                (setting.make_task(seed), seed, setting.learning_rate)
                for _, setting, seed in group
            ]
            trained = fit(make_model, group[0][1].recipe, replicas, **layout()).params
            for (key, setting, seed), params in zip(group, trained, strict=True):
                found = copy_and_decode(plan, setting, seed, params)
                yield key, {"exhibit": found._asdict()}

    wanted = [{"what": "exhibit", "of": k, "arms": list(plan.arms)} for k in keys]
    rows = lab.kept_each(wanted, make)
    return {
        language: Exhibit(**row["exhibit"])
        for language, row in zip(keys.values(), rows, strict=True)
    }


def copy_and_decode(plan, setting, seed, params):
    """Returns the exhibit of a tied translator with these parameters."""
    language = setting.make_task.keywords["language"]
    words = number_words(language).words
    test = setting.make_task(seed).test
    source, target, lengths = test.inputs.source, test.targets, test.lengths
    truth = np.array(read_answers(target))
    answers = {
        arm: np.array(read_answers(decode(setting, arm, params, source, lengths)))
        for arm in plan.arms
    }
    pairs = [*zip(truth, answers["Tied"], strict=True)]
    wrong = [pair for pair in pairs if pair[0] != pair[1]][: NUM_EXAMPLES // 2]
    right = [pair for pair in pairs if pair[0] == pair[1]]
    shown = right[: NUM_EXAMPLES - len(wrong)] + wrong
    return Exhibit(
        {
            arm: {"held out": float(np.mean(answer == truth))}
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
