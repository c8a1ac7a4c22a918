"""Number words, their translation into digits, and the laws of the encoder-decoder."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.translation_claims import SOLVED, copies_less_trained, judge
from experiments.translation_exhibits import copied, copy_and_decode
from experiments.translation_settings import ARMS, PLANS, setting_of
from experiments.translation_study import Scores, best_seed
from rnnshare import ElmanCell, LSTMCell, Tied, Untied, expand
from rnnshare.blueprint import Blueprint, pure_params
from rnnshare.encoder_decoder import EncoderDecoder
from rnnshare.number_words import (
    CHARACTERS,
    LANGUAGES,
    LONGEST,
    NUM_NUMBERS,
    number_words,
)
from rnnshare.rnn import step_of
from rnnshare.tasks.base import Batch
from rnnshare.tasks.translation import (
    END,
    Pair,
    read_answers,
    translation,
    write_answers,
)
from rnnshare.training import fit

# The SHA-256 of the words of num2words 0.5.14.
WORDS = {
    "de": "4861edde14877493b292badba6d98aeb9829d79c23326ca80b95409461bf2b3e",
    "fr": "5ac4abc9d653cdbc3fecd2aaf553438d8cb6359c7d115963e434d20a3f1d175d",
    "en": "25fe7882ff29a255764fac59daa4c8c638024c0d6d228dfaa81fc6d28934609f",
    "it": "6771223571fb945fd880874ad4a812e475fa3bdef47bf4f2e5b9ac9f91546ef8",
    "da": "a52ab831dc6c30e544da2485605bd0807b4c87352ede22782e11f089a8a50a30",
}
T, U, B, S, O, E, H = 6, 4, 5, 7, 3, 4, 5  # noqa: E741


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


@pytest.mark.parametrize("below", LONGEST)
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
    train, lines = task.train, task.lines["chance"]
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


# The encoder-decoder.


SHARINGS = {
    "tied": (Tied(), Tied()),
    "untied": (Untied(T), Untied(U)),
    "mixed": (Tied(), Untied(U)),
}


@functools.cache
def make(cell=LSTMCell, sharing="untied", seed=0, **options):
    return EncoderDecoder(
        cell, S, O, E, H, *SHARINGS[sharing], rngs=nnx.Rngs(seed), **options
    )


def sequences(seed=0):
    rng = np.random.default_rng(seed)
    source = rng.integers(0, S, (B, T)).astype(np.int32)
    target = rng.integers(0, O, (B, U)).astype(np.int32)
    return Pair(source, target), np.array([T, 1, 3, T, 4], np.int32)


@jax.jit
def run(model, inputs, lengths):
    """Returns the logits, and what is decoded greedily."""
    logits = model(inputs, seq_lengths=lengths)
    return logits, model.decode(inputs.source, U, seq_lengths=lengths)


@jax.jit
def gradient(model, inputs, lengths):
    def loss(model):
        return jnp.sum(jnp.sin(model(inputs, seq_lengths=lengths)))

    return nnx.to_pure_dict(nnx.grad(loss)(model))


def by_hand(model, source, length, target=None):
    """Translates one sequence step by step; returns logits [U, O] and tokens [U].

    Fed the target where there is one, else its own tokens.
    """
    each = {
        part: jax.device_get(_expand(layer.sharing, layer.stored, count))
        for part, layer, count in (
            ("encoder", model.encoder, T),
            ("decoder", model.decoder, U),
        )
    }
    step = _step(model.encoder.cell)
    embedded = [np.asarray(e.embedding[...]) for e in
                (model.source_embedding, model.target_embedding)]  # fmt: skip
    read = {name: np.asarray(w[...]) for name, w in model.readout.weights.items()}

    def weights(part, t):
        return jax.tree.map(lambda w: w[t], each[part])

    zeros = np.zeros(H, np.float32)
    carry = (zeros, zeros) if _is_lstm(model) else zeros
    order = range(length)
    for t in reversed(order) if model.reverse_source else order:
        carry, _ = step(weights("encoder", t), carry, embedded[0][source[t]])
    token, logits, tokens = O, [], []
    for u in range(U):
        carry, h = step(weights("decoder", u), carry, embedded[1][token])
        logits.append(np.asarray(h) @ read["kernel"] + read["bias"])
        tokens.append(int(np.argmax(logits[-1])))
        token = tokens[-1] if target is None else int(target[u])
    return np.stack(logits), np.array(tokens)


_expand = jax.jit(expand, static_argnums=(0, 2))


@functools.cache
def _step(cell):
    return jax.jit(step_of(cell))


def _is_lstm(model):
    return isinstance(model.encoder.cell.bind(), LSTMCell)


@pytest.mark.parametrize(
    ("cell", "sharing", "reverse"),
    [
        (LSTMCell, "untied", True),
        (ElmanCell, "mixed", False),
    ],
)
def test_it_is_what_single_steps_make(cell, sharing, reverse):
    model = make(cell, sharing, reverse_source=reverse)
    inputs, lengths = sequences()
    logits, tokens = run(model, inputs, lengths)
    assert logits.shape == (B, U, O) and tokens.shape == (B, U)
    for i in range(B):
        forced, _ = by_hand(model, inputs.source[i], lengths[i], inputs.target[i])
        np.testing.assert_allclose(logits[i], forced, rtol=1e-5, atol=1e-6)
        _, greedy = by_hand(model, inputs.source[i], lengths[i])
        np.testing.assert_array_equal(tokens[i], greedy)


@pytest.mark.parametrize("sharing", ["tied", "untied"])
def test_fed_its_own_answer_it_gives_it_again_and_only_then(sharing):
    """Exact match by the logits of the right answer is that of greedy decoding."""
    for seed in range(2):
        model = make(sharing=sharing, seed=seed)
        inputs, lengths = sequences(seed)
        _, own = run(model, inputs, lengths)
        targets = np.where(np.arange(B)[:, None] < 3, own, inputs.target)
        logits, _ = run(model, Pair(inputs.source, targets), lengths)
        np.testing.assert_array_equal(jnp.argmax(logits[:3], -1), own[:3])
        by_logits = (jnp.argmax(logits, -1) == targets).all(1)
        np.testing.assert_array_equal(by_logits, (own == targets).all(1))


def test_untied_weights_that_are_equal_are_the_tied_ones():
    tied, untied = make(sharing="tied"), make(sharing="untied", seed=1)
    params = pure_params(tied)
    for part, sharing in zip(("encoder", "decoder"), SHARINGS["untied"], strict=True):
        stored = params[part]["weights"]
        params[part] = {"weights": expand(Tied(), stored, sharing.num_steps)}
    untied = Blueprint.of(lambda rngs: untied).bind(params)
    inputs, lengths = sequences()
    (logits, tokens), (others, other_tokens) = (
        run(model, inputs, lengths) for model in (tied, untied)
    )
    np.testing.assert_allclose(logits, others, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(tokens, other_tokens)
    # The tied gradient is the sum over steps of the untied one.
    one, each = (gradient(model, inputs, lengths) for model in (tied, untied))
    for part in ("encoder", "decoder"):
        jax.tree.map(
            lambda g, e: np.testing.assert_allclose(g, e.sum(0), rtol=1e-4, atol=1e-5),
            one[part],
            each[part],
        )


@pytest.mark.parametrize("sharing", SHARINGS)
def test_every_leaf_is_trained_and_the_padding_is_not(sharing):
    model = make(sharing=sharing)
    inputs, lengths = sequences()

    found = gradient(model, inputs, lengths)
    for leaf in jax.tree.leaves(found):
        assert float(jnp.abs(leaf).max()) > 0
    other = np.where(np.arange(T) < lengths[:, None], inputs.source, S - 1)
    again = gradient(model, Pair(other, inputs.target), lengths)
    jax.tree.map(np.testing.assert_array_equal, found, again)
    if sharing == "untied":  # no sequence has a fifth step
        cut = gradient(model, inputs, np.minimum(lengths, 4))
        for leaf in jax.tree.leaves(cut["encoder"]):
            assert not leaf[4:].any() and leaf[:4].any()


def test_no_logits_depend_on_later_tokens():
    model = make()
    inputs, lengths = sequences()
    changed = inputs.target.copy()
    changed[:, 2:] = (changed[:, 2:] + 1) % O
    one, other = (
        run(model, Pair(inputs.source, target), lengths)[0]
        for target in (inputs.target, changed)
    )
    np.testing.assert_array_equal(one[:, :3], other[:, :3])
    assert not np.allclose(one[:, 3], other[:, 3])


def test_equal_models_are_traced_once():
    inputs, lengths = sequences()
    traces = []

    @jax.jit
    def logits_of(model, inputs, lengths):
        traces.append(1)
        return model(inputs, seq_lengths=lengths)

    found = [logits_of(make(seed=seed), inputs, lengths) for seed in range(2)]
    assert len(traces) == 1 and not np.allclose(*found)


# The study.


def test_a_translator_learns_and_its_copies_say_the_same():
    plan = dataclasses.replace(
        PLANS["smoke"], cell=LSTMCell, hidden_features=24, embedding_features=8,
        num_steps=200, batch_size=32,
    )  # fmt: skip
    setting = setting_of(plan, "Tied", "de", 1_000, 2e-2, True)
    task = setting.make_task(0)
    params, (row,) = fit(setting.make_model(), setting.recipe, [(task, 0, 2e-2)])
    chance = task.lines["chance"]
    assert row["test_loss"] < 0.6 * chance["loss"]
    assert row["test_exact_match"] > 20 * chance["exact_match"]
    found = copy_and_decode(plan, setting, 0, params[0])
    # Decoded greedily it is what the logits of the right answers said.
    for arm in plan.arms:
        assert found.exact_match[arm]["held out"] == pytest.approx(
            row["test_exact_match"], abs=1e-6
        )
    assert found.exact_match["Tied"]["longer"] == pytest.approx(
        row["test_longer_exact_match"], abs=1e-6
    )
    assert found.num_different == 0
    assert len(found.examples) == 10
    words = number_words("de").words
    right = [digits == answer for _, digits, answer in found.examples]
    assert right == sorted(right, reverse=True) and sum(right) >= 5
    for text, digits, _ in found.examples:
        assert words[int(digits)] == text


def test_copies_are_stored_as_their_arm_stores_them():
    params = pure_params(make(ElmanCell, "tied"))
    for arm, (encoder, decoder) in ARMS.items():
        found = copied(params, arm)
        for part, sharing in (("encoder", encoder), ("decoder", decoder)):
            jax.tree.map(
                lambda w, one, s=sharing: np.testing.assert_array_equal(
                    w, one if s == Tied() else np.repeat(one[None], s.num_steps, 0)
                ),
                found[part]["weights"],
                params[part]["weights"],
            )
        assert found["readout"] is params["readout"]


@pytest.mark.parametrize(
    ("pairs", "verdict", "num_missed"),
    [
        ([(0.96, 0.99), (0.95, 0.97)], "supported", 0),
        ([(0.96, 0.99), (0.94, 0.97)], "refuted", 1),
        ([(0.2, 0.94), (0.94, 0.3)], "inconclusive", 0),
        ([(0.2, 0.94), (0.96, SOLVED)], "supported", 0),
    ],
)
def test_the_rule(pairs, verdict, num_missed):
    found = dict(enumerate(pairs))
    assert judge(found)[0] == verdict and len(judge(found)[1]) == num_missed


def test_the_effect_is_paired_by_seed():
    def scores(*exact):
        return Scores(np.array(exact), np.array(exact))

    measured = {
        1_000: {"de": {"Tied": scores(1.0, 0.9), "Untied": scores(0.8, 0.8)}},
        10_000: {"de": {"Tied": scores(1.0, 1.0), "Untied": scores(1.0, 0.5)}},
    }
    np.testing.assert_allclose(copies_less_trained(measured), [0.1, 0.3])
    assert best_seed(scores(0.2, 0.9, 0.9)) == 1
