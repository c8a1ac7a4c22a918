"""The tables of the resource ledger's findings, and how their numbers are told."""

import dataclasses

import numpy as np

from experiments.resources.judgement import activations, median_over_rounds

MIB, GIB = 2**20, 2**30


def _names(case):
    return (case.cell, *map(str, (case.hidden_features, case.batch_size)),
            str(case.num_steps))  # fmt: skip


def steps(one):
    """Returns a `Limit`'s largest T."""
    return f"{np.median(one.steps):,.0f}"


def gib(budget):
    """Returns bytes in GiB."""
    return f"{budget / GIB:g} GiB"


def span(interval):
    """Returns an estimate and its interval, which is left out if it has no width."""
    estimate, low, high = interval
    if low == high:
        return f"{estimate:.2f}"
    return f"{estimate:.2f} [{low:.2f}, {high:.2f}]"


def time_table(plan, measured):
    """Returns step times, their ratios and compile times."""
    table = [("cell", "H", "B", "T", "form", "weights", "step (ms)", "tied (ms)",
              "ratio", "compile (s)", "tied (s)")]  # fmt: skip
    for case, tied in _against_tied(measured.times):
        milliseconds = [1e3 * np.median(measured.times[c]) for c in (case, tied)]
        ratio = median_over_rounds(measured.times[case] / measured.times[tied])
        table.append((
            *_names(case), case.form, case.arm,
            *(f"{value:.2f}" for value in milliseconds), span(ratio),
            *(f"{measured.compile_seconds[c]:.2f}" for c in (case, tied)),
        ))  # fmt: skip
    return tuple(table)


def memory_table(plan, measured):
    """Returns bytes by kind, and which of stored and activations is larger."""
    table = [("cell", "H", "B", "T", "weights", "parameters (MiB)", "Adam (MiB)",
              "temporary (MiB)", "in all (MiB)", "larger")]  # fmt: skip
    for case, memory in measured.memory.items():
        if case.form == "unrolled" or case.cell not in plan.law_cells:
            continue
        more = memory.stored > activations(measured.memory, case)
        table.append((
            *_names(case), case.arm, *(f"{value / MIB:.3g}" for value in memory),
            "stored" if more else "activations",
        ))  # fmt: skip
    return tuple(table)


def limit_table(found):
    """Returns the largest T by what allows it."""
    table = [("cell", "H", "weights", "budget", "T by memory (compiled)",
              "it needs (GiB)", "T by time (extrapolated)", "largest T",
              "share of tied's")]  # fmt: skip
    for budget, cells in found.items():
        for (cell, width), arms in cells.items():
            for arm, one in arms.items():
                share = median_over_rounds(one.steps / arms["Tied"].steps)
                table.append((
                    cell, str(width), arm, f"{gib(budget)}, 1 s",
                    f"{one.by_memory:,}", f"{one.needs / GIB:.4g}",
                    f"{np.median(one.by_time):,.0f}", steps(one),
                    span(share) if arm != "Tied" else "",
                ))  # fmt: skip
    return tuple(table)


def _against_tied(times):
    """Yields (case, tied counterpart) of all that are not tied."""
    for case in times:
        if case.arm != "Tied":
            yield case, dataclasses.replace(case, arm="Tied")
