"""What is made of the measurements of C2 and Cc1: least sizes, and the verdicts."""

import numpy as np

from experiments.universality.measure import SOLVED
from rnnshare.analysis.statistics import bootstrap_interval

EXACT = 1e-5  # the largest error of a compiled network's outputs
SAME_SIZE = 0.5  # the high end, in powers of two, that still is "no more units"


def least(accuracy, sizes):
    """Returns the least size that solves, [S]; twice the largest where none does.

    Args:
      accuracy: [S, X], at sizes from small to large.
      sizes: [X].
    """
    solved = np.asarray(accuracy) >= SOLVED
    found = np.asarray(sizes)[solved.argmax(1)]
    return np.where(solved.any(1), found, 2 * sizes[-1])


def least_width(accuracy, widths):
    """Returns the least H, [S], of {H: [S]} that may end where all seeds solve it."""
    tried = [w for w in widths if w in accuracy]
    return least(np.stack([accuracy[w] for w in tried], axis=1), tried)


def longest(accuracy, lengths):
    """Returns the longest string that is right in every bit, [S]; 0 where none is."""
    right = np.asarray(accuracy) == 1.0
    return np.max(np.where(right, np.asarray(lengths), 0), axis=1)


def size_ratios(plan, measured):
    """Returns {cell: [S]}, log2 of the least H of tied over that of untied."""
    return {
        cell: np.log2(
            least_width(found.accuracy["Tied"], plan.widths)
            / least_width(found.accuracy["Untied"], plan.widths)
        )
        for cell, found in measured.composed.items()
    }


def undecided_cells(measured):
    """Returns the cells of which in some seed neither model solves the task at any H.

    Two failures make a ratio of 1, but say nothing of who needs more.
    """
    return {
        cell
        for cell, found in measured.composed.items()
        if not np.any(
            [
                np.max(list(by_width.values()), axis=0) >= SOLVED
                for by_width in found.accuracy.values()
            ],
            axis=0,
        ).all()
    }


def judge_power(errors, ratios, undecided=()):
    """Returns the verdict of C2, whether compiling is exact, and {cell: interval}.

    Args:
      errors: [networks], the largest errors of compiled networks.
      ratios: {cell: [S]}, see `size_ratios`.
      undecided: cells whose ratio says nothing, see `undecided_cells`.
    """
    exact = bool(np.max(errors) < EXACT)
    tests = {cell: bootstrap_interval(values) for cell, values in ratios.items()}
    if undecided:
        return "inconclusive", exact, tests
    if exact and all(i.low > 0 for i in tests.values()):
        return "refuted", exact, tests
    if exact and all(i.low <= 0 and i.high <= SAME_SIZE for i in tests.values()):
        return "supported", exact, tests
    return "inconclusive", exact, tests


def columns_of(plan, found, other=None):
    """Returns {column: [S]}, log2 of what one model needs over what another does.

    Args:
      plan: see `Plan`.
      found: `Composed` of a cell: its tied model against its untied one.
      other: that of another cell: tied models of both are compared.
    """
    pair = [(found, "Tied"), (found, "Untied")]
    if other is not None:
        pair = [(found, "Tied"), (other, "Tied")]

    def ratio(need):
        first, second = (need(cell, arm) for cell, arm in pair)
        return np.log2(first / second)

    return {
        "units": ratio(lambda c, arm: least_width(c.accuracy[arm], plan.widths)),
        "updates": ratio(lambda c, arm: c.updates[arm]),
        "sequences": ratio(lambda c, arm: least(c.by_size[arm][:, :-1], plan.sizes)),
    }


def pairs_of(plan, measured):
    """Returns {(one model, another): {column: [S]}}."""
    found = {
        (f"Tied {cell}", f"Untied {cell}"): columns_of(plan, composed)
        for cell, composed in measured.composed.items()
    }
    names = list(measured.composed)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            pair = measured.composed[one], measured.composed[other]
            found[f"Tied {one}", f"Tied {other}"] = columns_of(plan, *pair)
    return found


def judge_columns(pairs):
    """Returns the verdict of Cc1, and {pair: {column: (interval, who needs less)}}.

    Args:
      pairs: see `pairs_of`.
    """
    tests: dict = {}
    for pair, columns in pairs.items():
        tests[pair] = {}
        for name, values in columns.items():
            interval = bootstrap_interval(values)
            less = pair[0] if interval.high < 0 else pair[1] if interval.low > 0 else ""
            tests[pair][name] = interval, less
    winners = [{less for _, less in c.values() if less} for c in tests.values()]
    if any(len(names) == 2 for names in winners):
        return "supported", tests
    if all(len(names) == 1 for names in winners):
        return "refuted", tests
    return "inconclusive", tests
