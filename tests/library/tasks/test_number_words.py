"""Number words, and the task of translating them into digits."""

import dataclasses

import jax
import numpy as np
import pytest

from rnnshare.tasks.base import Batch
from rnnshare.tasks.data.number_words import (
    CHARACTERS,
    LANGUAGES,
    LONGEST,
    NUM_NUMBERS,
    number_words,
)
from rnnshare.tasks.translation import (
    END,
    read_answers,
    translation,
    write_answers,
)
from tests.cases import with_slow

# The SHA-256 of the words of num2words 0.5.14.
WORDS = {
    "de": "4861edde14877493b292badba6d98aeb9829d79c23326ca80b95409461bf2b3e",
    "fr": "5ac4abc9d653cdbc3fecd2aaf553438d8cb6359c7d115963e434d20a3f1d175d",
    "en": "25fe7882ff29a255764fac59daa4c8c638024c0d6d228dfaa81fc6d28934609f",
    "it": "6771223571fb945fd880874ad4a812e475fa3bdef47bf4f2e5b9ac9f91546ef8",
    "da": "a52ab831dc6c30e544da2485605bd0807b4c87352ede22782e11f089a8a50a30",
}


@pytest.mark.parametrize(
    ("language", "number", "text"),
    [
        ("de", 0, "null"),
        ("de", 21, "einundzwanzig"),
        ("de", 9_999, "neuntausendneunhundertneunundneunzig"),
        ("fr", 97, "quatre-vingt-dix-sept"),
        ("en", 1_012, "one thousand and twelve"),
        ("it", 23, "ventitré"),
        ("da", 50, "halvtreds"),
    ],
)
def test_a_number_has_its_words(language, number, text):
    pool = number_words(language)
    assert pool.words[number] == text
    letters = pool.tokens[number, : pool.lengths[number]]
    assert "".join(CHARACTERS[token - 1] for token in letters) == text
    assert not pool.tokens[number, pool.lengths[number] :].any()


def test_every_number_has_words_of_its_own_and_all_fit():
    pools = {language: number_words(language) for language in LANGUAGES}
    assert {language: pool.sha256 for language, pool in pools.items()} == WORDS
    for pool in pools.values():
        assert len(set(pool.words)) == len(pool.words) == NUM_NUMBERS
    used = {c for pool in pools.values() for text in pool.words for c in text}
    assert "".join(sorted(used)) == CHARACTERS
    for below, longest in LONGEST.items():
        assert longest == max(pool.lengths[:below].max() for pool in pools.values())


def test_wrong_words_are_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"language is 'xx'\. Use one of de, fr"):
        number_words("xx")
    import num2words

    monkeypatch.setattr(num2words, "num2words", lambda n, lang: f"{n}#")
    number_words.cache_clear()
    with pytest.raises(ValueError, match=r"German words with the characters \['#'"):
        number_words("de")
    number_words.cache_clear()


@pytest.mark.parametrize("below", with_slow(LONGEST, {1_000}))
def test_the_sets_are_disjoint_and_hold_every_trained_number(below):
    task = translation(3, language="fr", trained_below=below)
    found = [
        [int(text) for text in read_answers(getattr(task, split).targets)]
        for split in ("train", "validation", "test")
    ]
    assert [len(x) for x in found[:2]] == [8 * below // 10, below // 10]
    held_out, longer = found[2][: below // 10], found[2][below // 10 :]
    assert sorted(found[0] + found[1] + held_out) == list(range(below))
    assert len(set(longer)) == len(longer) == (1_000 if below < NUM_NUMBERS else 0)
    assert all(number >= below for number in longer)
    words = number_words("fr").words
    for number, row, length in zip(
        found[2], task.test.inputs.source, task.test.lengths, strict=True
    ):
        assert "".join(CHARACTERS[t - 1] for t in row[:length]) == words[number]
    other = translation(4, language="fr", trained_below=below)
    assert not np.array_equal(other.test.targets, task.test.targets)


def test_languages_share_one_compilation_and_splits_are_paired():
    one, other = translation(1, language="de"), translation(1, language="da")
    assert jax.tree.structure(one) == jax.tree.structure(other)
    shapes = [[np.shape(x) for x in jax.tree.leaves(task)] for task in (one, other)]
    assert shapes[0] == shapes[1]
    np.testing.assert_array_equal(one.train.targets, other.train.targets)
    assert (one.name, other.name) == (
        "number_words_de_below_10000",
        "number_words_da_below_10000",
    )
    assert other.sha256 == WORDS["da"]


def test_wrong_splits_are_refused():
    with pytest.raises(ValueError, match=r"split is -1\. Use 0 or"):
        translation(-1)
    with pytest.raises(ValueError, match=r"below is 500\. Use one of 1000, 10000"):
        translation(0, trained_below=500)
    with pytest.raises(ValueError, match="Use one of train, validation, test"):
        translation(0).held_out("nothing")


def test_answers_are_written_and_read():
    answers, scored = write_answers(np.array([0, 70, 1234]))
    assert answers.tolist() == [
        [0, END, END, END, END],
        [7, 0, END, END, END],
        [1, 2, 3, 4, END],
    ]
    assert scored.sum(1).tolist() == [2, 3, 5]
    assert read_answers(answers) == ["0", "70", "1234"]
    assert read_answers(np.array([[1, 2], [END, 3]])) == ["12...", ""]


def test_metrics_of_answers_that_are_known():
    task = translation(0, trained_below=1_000)
    answers, scored = write_answers(np.array([12, 345, 6, 7890, 1111]))
    batch = Batch(None, answers, None, scored)
    wrong = answers.copy()
    wrong[0, 4] = 1  # not scored
    wrong[1, 2] = 9
    wrong[3, 4] = 0  # no end
    logits = 50 * np.eye(11, dtype=np.float32)[wrong]
    found = jax.tree.map(float, jax.jit(task.metrics)(logits, batch))
    assert found["exact_match"] == pytest.approx(2 / 3)
    assert found["accuracy"] == pytest.approx(8 / 9)
    assert found["loss"] == pytest.approx(50 / 9, rel=1e-5)
    assert found["longer_exact_match"] == 0.5
    assert found["longer_accuracy"] == pytest.approx(9 / 10)
    some = jax.tree.map(lambda x: x[:3], batch)
    assert np.isnan(jax.jit(task.metrics)(logits[:3], some)["longer_exact_match"])
    whole = dataclasses.replace(task, trained_below=NUM_NUMBERS)
    found = jax.tree.map(float, jax.jit(whole.metrics)(logits, batch))
    assert found["exact_match"] == pytest.approx(3 / 5)
    assert not any(name.startswith("longer") for name in found)


def test_chance_is_what_the_frequencies_of_each_place_reach():
    task = translation(2, trained_below=1_000)
    train, lines = task.train, task.baselines["chance"]
    counts = np.zeros((5, 11))
    for row, scored in zip(train.targets, train.mask, strict=True):
        for place in np.flatnonzero(scored):
            counts[place, row[place]] += 1
    logits = np.log(np.maximum(counts, 1e-30)).astype(np.float32)
    logits = np.broadcast_to(logits, (len(train.targets), 5, 11))
    found = jax.jit(task.metrics)(logits, train)
    assert float(found["loss"]) == pytest.approx(lines["loss"], rel=1e-5)
    assert float(found["accuracy"]) == pytest.approx(lines["accuracy"], rel=1e-5)
    assert float(found["exact_match"]) <= 1 / len(train.targets)
    assert lines["exact_match"] == 1 / 1_000
    assert lines["longer_exact_match"] == 1 / 9_000
