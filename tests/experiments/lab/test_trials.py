"""The lab keeps what it measures, and in judging makes nothing."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from experiments.gap_decomposition import measure as gap_decomposition
from experiments.lab import controls, frames
from experiments.lab.experiment import decide
from experiments.lab.recipes import to_the_end
from experiments.lab.trials import (
    Lab,
    MissingRowError,
    column,
    grid,
    replicates,
    soonest,
    tune_each,
)
from experiments.spectrum import measure as spectrum
from experiments.spectrum import soft
from experiments.translation import translators
from experiments.truncated_bptt import measure as truncated_bptt
from rnnshare import ElmanCell, Tied, Untied
from rnnshare.tasks import Adding
from rnnshare.training import Call, LockedError, Recipe, Setting, public_name


def adding(split, num_steps=4):
    del split
    return Adding(num_steps)


def setting(rate=1e-2, sharing=Tied()):
    recipe = Recipe(num_steps=4, validate_every=2, batch_size=4, patience=None)
    return Setting(Call(adding, num_steps=5), ElmanCell, sharing, 3, rate, recipe)


def test_what_is_kept_is_made_once(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"values": [1.0, 2.0], "lost": float("nan")}

    for _ in range(2):
        lab = Lab(tmp_path)
        row = lab.kept({"what": "x", "seed": 0}, make)
        assert (row["values"], row["lost"], row["what"]) == ([1.0, 2.0], None, "x")
    assert len(made) == 1 and lab.num_made == 0
    lab.kept({"what": "x", "seed": 1}, make)
    assert len(made) == 2 and lab.num_made == 1
    with pytest.raises(MissingRowError, match=r"lacks 1 of 2 rows.*'seed': 2"):
        Lab(tmp_path, judge_only=True).kept_each(
            [{"what": "x", "seed": 1}, {"what": "x", "seed": 2}], lambda missing: []
        )

    # What is missing is kept one by one: a stop loses nothing that was made.
    def stops(missing):
        yield missing[0], make()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lab.kept_each([{"seed": 5}, {"seed": 6}], stops)
    assert "5" in (tmp_path / "kept.jsonl").read_text().splitlines()[-1]


def test_trainings_are_rows_and_judging_trains_nothing(tmp_path):
    lab = Lab(tmp_path / "quick" / "study")
    repeats = replicates(2, 10)
    settings = [setting(), setting(sharing=Untied(5))]
    rows = lab.train(settings, repeats)
    assert lab.num_made == 4 and [row["seed"] for row in rows] == [10, 11, 10, 11]
    again = Lab(lab.folder, judge_only=True)
    assert again.train(settings, repeats) == rows and again.num_made == 0
    with pytest.raises(MissingRowError, match="lacks 2 of 2 rows of adding_5"):
        again.train([setting(0.5)], repeats)
    assert (
        Lab(tmp_path / "quick" / "other").of("study").train(settings, repeats) == rows
    )
    losses = column(rows)
    made = {("adding", "Tied"): settings[0], ("adding", "Untied"): settings[1]}
    frame = frames.train(again, made, ("case", "arm"), 2, 10)
    assert frame["test_loss"].tolist() == losses.tolist()
    apart = frames.contrast(frame, "test_loss", by=["case"])
    np.testing.assert_array_equal(apart.to_numpy()[0], losses[2:] - losses[:2])


def test_one_tuner_for_settings_groups_and_goals(tmp_path, monkeypatch):
    lab, asked = Lab(tmp_path), []

    def train(settings, repeats):
        asked.append((len(settings), [r.seed for r in repeats]))
        return [
            {"validation_loss": None if s.learning_rate > 1 else s.learning_rate,
             "steps": -s.learning_rate}
            for s in settings for _ in repeats
        ]  # fmt: skip

    monkeypatch.setattr(lab, "train", train)
    rates = [setting(rate) for rate in (0.3, 0.1, 40.0, 0.2)]
    assert lab.tune(rates, 8) == rates[1]
    assert lab.tune(rates, 8, by=lambda rows: rows[0]["steps"]) == rates[2]
    groups = [(rates[0], rates[3]), (rates[1], rates[2])]  # the second diverges once
    assert lab.tune(groups, 1, first=7) == groups[0]
    assert asked == [(4, [1_000, 1_001])] * 2 + [(4, [7])]
    assert lab.tune(rates[:1], 8) == rates[0] and len(asked) == 3  # no choice


def test_a_diverged_candidate_is_never_chosen_while_another_stands(
    tmp_path, monkeypatch, capsys
):
    """By no measure of goodness: one that stops early is the soonest done."""
    lab = Lab(tmp_path)

    def train(settings, repeats):
        return [
            {
                "validation_loss": None if s.learning_rate > 1 else 0.5,
                "diverged": 7 if s.learning_rate > 1 else None,
                "steps_trained": 10 if s.learning_rate > 1 else 2_000,
                "stop_loss": 1e-3,
            }
            for s in settings
            for _ in repeats
        ]

    monkeypatch.setattr(lab, "train", train)
    lost, whole = setting(40.0), setting(0.1)
    for by in ("validation_loss", soonest):
        assert lab.tune([lost, whole], 2, by=by) == whole
    assert not capsys.readouterr().err
    assert lab.tune([lost, setting(50.0)], 2) == lost
    assert "each of 2 candidates diverged" in capsys.readouterr().err


def test_classes_of_no_package_keep_their_names_in_keys():
    """Kept rows are known by these, wherever the code stands."""
    names = {
        "experiments.BagSetting": controls.BagSetting,
        "experiments.TranslatorSetting": translators.TranslatorSetting,
        "experiments.NoisyRule": gap_decomposition.NoisyRule,
        "experiments.BeyondDrift": spectrum.BeyondDrift,
        "experiments.SoftSetting": soft.SoftSetting,
        "experiments.SoftDrift": soft.SoftDrift,
        "experiments.adam_without": truncated_bptt._adam_without,
    }
    assert {name: public_name(thing) for name, thing in names.items()} == {
        name: name for name in names
    }


def test_sessions_are_counted_whether_they_end_well_or_not(tmp_path):
    for _ in range(2):
        lab = Lab(tmp_path)
        with pytest.raises(KeyboardInterrupt), lab.clock():
            lab.kept({"seed": len(lab.others.rows)}, dict)
            raise KeyboardInterrupt
    with Lab(tmp_path).clock():  # nothing is made
        pass
    rows = (tmp_path / "sessions.jsonl").read_text().splitlines()
    assert len(rows) == 2 and Lab(tmp_path).seconds > 0


def test_a_grid_is_every_rate_under_every_sharing():
    base, rates = setting(), (0.1, 0.2)
    made = grid(base, rates, [Tied(), Untied(5)])
    assert made == [setting(rate, s) for s in (Tied(), Untied(5)) for rate in rates]
    assert grid(setting(sharing=Untied(5)), rates) == made[2:]
    recipe = Recipe(40, batch_size=64, validate_every=2, patience=None)
    assert to_the_end(40, 20, batch_size=64) == recipe
    assert to_the_end(4, 20).validate_every == 1
    assert to_the_end(250, 20).validate_every == 25


def test_arms_of_one_size_are_tuned_together(tmp_path, monkeypatch):
    lab, asked = Lab(tmp_path), []

    def train(settings, repeats):
        asked.append((len(settings), len(repeats)))
        return [{"validation_loss": s.learning_rate} for s in settings for _ in repeats]

    monkeypatch.setattr(lab, "train", train)
    rates = {"a": (0.2, 0.1), "b": (0.1, 0.2, 0.3), "c": (0.5, 0.4), "d": (9.0,)}
    arms = {arm: [setting(rate) for rate in own] for arm, own in rates.items()}
    best = tune_each(lab, arms, 6)
    assert [one.learning_rate for one in best.values()] == [0.1, 0.1, 0.4, 9.0]
    assert asked == [(4, 3), (3, 2), (2, 3), (3, 2), (2, 3)]


def test_runs_that_diverged_are_counted_filled_and_told():
    found = runs({"Tied": [1.0, None], "Untied": [2.0, 3.0]})
    counted = frames.count_lost(found, {"test_loss": pd.Series([7.0, 8.0, 9.0, 9.0])})
    assert counted["test_loss"].tolist() == [1.0, 8.0, 2.0, 3.0]
    assert counted["lost"].tolist() == [False, True, False, False]
    told = "1 of 4 runs diverged and count as chance."
    assert frames.say_lost(counted["lost"], "chance") == f" {told}"
    assert frames.say_lost(counted["lost"], "chance", "\n\n") == f"\n\n{told}"
    assert frames.say_lost([False], "chance") == ""


def test_a_rule_that_says_neither_is_inconclusive():
    cases = {(True, False): "supported", (False, True): "refuted"}
    for said in itertools.product((True, False), repeat=2):
        wanted = "supported" if all(said) else cases.get(said, "inconclusive")
        assert decide(*said) == wanted


def runs(losses):
    return pd.DataFrame(
        [
            {"T": 4, "arm": arm, "seed": seed, "test_loss": loss}
            for arm, values in losses.items()
            for seed, loss in enumerate(values)
        ]
    )


def test_contrasts_are_paired_and_refuse_what_is_not():
    found = runs({"Tied": [1.0, 2.0, 4.0], "Untied": [0.5, None, 3.0]})
    shuffled = found.sample(frac=1, random_state=0)
    for table in (found, shuffled):
        apart = frames.contrast(table, "test_loss", by=["T"], missing=9.0)
        assert apart.loc[4].sort_index().tolist() == [-0.5, 7.0, -1.0]
    twice = pd.concat([found, found[:1]])
    with pytest.raises(ValueError, match=r"2 runs share case.*'seed': 0"):
        frames.contrast(twice, "test_loss", by=["T"])
    with pytest.raises(ValueError, match="not run on the same cases and repeats"):
        frames.contrast(found[:-1], "test_loss", by=["T"])


def test_wins_ask_for_both_the_interval_and_holm():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(40, 6))
    noise -= noise.mean(1, keepdims=True)
    clear = 1 + 0.01 * rng.normal(size=(2, 6))
    table = pd.DataFrame(np.concatenate([clear * [[1], [-1]], noise]))
    found = frames.tests(table)
    assert found.wins.tolist() == [1, -1, *[0] * 40]
    assert ((found.low <= found.estimate) & (found.estimate <= found.high)).all()


def test_files_are_strict_json(tmp_path):
    Lab(tmp_path).kept({"a": np.int64(1)}, lambda: {"x": np.float32(0.5)})
    (line,) = (tmp_path / "kept.jsonl").read_text().splitlines()
    row = json.loads(line)
    assert (row["a"], row["x"], row["schema"]) == (1, 0.5, 2)


def test_a_session_is_the_one_writer_of_its_folder_and_of_those_that_it_asks(tmp_path):
    lab = Lab(tmp_path / "one")
    with lab.clock():
        lab.of("two").of("three").of("one")  # which is its own
        for name in ("one", "two", "three"):
            with (
                pytest.raises(LockedError, match=f"/{name} is being written by this"),
                Lab(tmp_path / name).clock(),
            ):
                pass
        with Lab(tmp_path / "one", judge_only=True).clock():  # writes nothing
            pass
    with Lab(tmp_path / "two").clock():
        lab.of("three").of("two")
