"""What the benchmark writes: figures as JSON, tables, ratios and a chart."""

import json
from typing import Any

from experiments.benchmark.memory_race import KEPT
from experiments.lab.racing import geometric_mean
from rnnshare.analysis.statistics import Interval
from rnnshare.training import write_atomically

OURS = "rnnshare "
FLOORS = "floor", "floor in steps"  # products alone


def write(results: dict[str, Any], folder: Any) -> None:
    """Writes benchmark.json, benchmark.md and benchmark.png into a folder."""
    found = {**results, "ratios": ratios(results)}
    text = json.dumps(found, indent=1) + "\n"
    write_atomically(folder / "benchmark.json", text)
    write_atomically(folder / "benchmark.md", tables(results))
    if results["tied"] or results["untied"]:
        from rnnshare.plotting.panels import save

        save(draw(results), folder / "benchmark.png")


def ratios(results: dict[str, Any]) -> dict[str, Any]:
    """Returns what a race says of rnnshare's default, against peers and floor.

    Each is a ratio of medians, above 1 where ours is faster (but 'to the floor' and 'to
    the floor in steps', which are ours to them, and 'auto to the best of ours').
    """
    found: dict[str, Any] = {}
    for race in ("tied", "untied"):
        for entry in results[race]:
            times = {n: c["median_s"] for n, c in entry["contenders"].items()}
            auto = times[OURS + "auto"]
            peers = [t for n, t in times.items() if is_peer(n) and n != "torch"]
            own = [t for n, t in times.items() if n.startswith(OURS)]
            one = found.setdefault(f"{race} {entry['cell']}", {"shapes": {}})
            one["shapes"][shape_name(entry["shape"])] = {
                "best JAX peer to auto": min(peers) / auto,
                "auto to the best of ours": auto / min(own),
                **{f"to the {n}": auto / times[n] for n in FLOORS if n in times},
            }
    for one in list(found.values()):
        values = [s["best JAX peer to auto"] for s in one["shapes"].values()]
        one["geometric mean"] = geometric_mean(values)
        one["least"] = min(values)
    for entry in results["memory"]:
        times = {n: c["median_s"] for n, c in entry["contenders"].items()}
        of = found.setdefault(f"memory kept, {entry['cell']}", {})
        of[shape_name(entry["shape"])] = of_memory(times)
    if "study" in results:
        studied = results["study"]["contenders"]
        times = {n: c["median_s"] for n, c in studied.items()}
        owns = {n: t for n, t in times.items() if n.startswith("rnnshare")}
        best, one_device = min(owns.values()), owns["rnnshare, 1 device"]
        found["study"] = {n: t / best for n, t in times.items() if n not in owns}
        found["study"]["all devices to one"] = one_device / best
    return found


def of_memory(times: dict[str, float]) -> dict[str, float]:
    """Returns what keeping freed memory does for the default and for the peers."""
    auto = OURS + "auto"
    peers = [n for n in times if is_peer(n) and not n.endswith(KEPT) and n != "torch"]
    best, best_kept = (min(times[n + e] for n in peers) for e in ("", KEPT))
    return {
        "best JAX peer to auto, as they are": best / times[auto],
        "the same, memory kept": best_kept / times[auto + KEPT],
        "best JAX peer as it is to auto, memory kept": best / times[auto + KEPT],
        "auto as it is to auto, memory kept": times[auto] / times[auto + KEPT],
        "nnx as it is to nnx, memory kept": times["nnx"] / times["nnx" + KEPT],
    }


def is_peer(name: str) -> bool:
    """Whether a contender is neither ours nor a floor."""
    return not name.startswith(OURS) and name not in FLOORS


def shape_name(shape: Any) -> str:
    """Returns B,T,D,H."""
    return ",".join(map(str, shape))


def tables(results: dict[str, Any]) -> str:
    """Returns the results as a page of Markdown."""
    machine = results["machine"]
    versions = ", ".join(f"{n} {v}" for n, v in machine["versions"].items() if v)
    lines = [
        "# Benchmark",
        "",
        f"{machine['device']}, {machine['cores']} cores, {machine['processor']}; "
        f"{versions}. Medians in milliseconds, quartiles in brackets.",
    ]
    races = {"tied": "tied", "memory": "memory kept or not, tied", "untied": "untied"}
    for race, told in races.items():
        for cell in dict.fromkeys(entry["cell"] for entry in results[race]):
            entries = [e for e in results[race] if e["cell"] == cell]
            lines += ["", f"## Train step, {told} {cell}", "", *_table(entries)]
    if results["compile"]:
        lines += ["", "## Compile time (s)", "", *_compile_table(results["compile"])]
    if "study" in results:
        study = results["study"]
        lines += ["", f"## Study of {study['num_seeds']} seeds", ""]
        lines += ["| contender | s | first run, s |", "|---|---|---|"]
        lines += [
            f"| {n} | {c['median_s']:.2f} | {c['first_s']:.1f} |"
            for n, c in study["contenders"].items()
        ]
    lines += ["", "## Ratios", "", "```", json.dumps(ratios(results), indent=1), "```"]
    return "\n".join(lines) + "\n"


def _table(entries: list[dict[str, Any]]) -> list[str]:
    def told(one: dict[str, Any]) -> str:
        milliseconds = (1e3 * s for s in (one["median_s"], *one["quartiles_s"]))
        needs = one["temporary_mib"]
        memory = "" if needs is None else f", {needs:.0f} MiB"
        return f"{Interval(*milliseconds):.4g}{memory}"

    rows = {shape_name(e["shape"]): e["contenders"] for e in entries}
    return _by_name("B,T,D,H", rows, told)


def _compile_table(entries: list[dict[str, Any]]) -> list[str]:
    return _by_name("T", {e["steps"]: e["seconds"] for e in entries}, "{:.2f}".format)


def _by_name(head: str, rows: dict[Any, dict[str, Any]], told: Any) -> list[str]:
    """Returns a table: a row of {name: what is told}, a column a name."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [f"| {head} | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for key, row in rows.items():
        cells = [told(row[name]) if name in row else "" for name in names]
        lines.append(f"| {key} | " + " | ".join(cells) + " |")
    return lines


def draw(results: dict[str, Any]) -> Any:
    """Returns the chart: each contender's time against rnnshare's, a panel a race.

    Points right of the line are slower than rnnshare's default. A marker is a shape;
    bars are quartiles.
    """
    import numpy as np
    from matplotlib.lines import Line2D

    from rnnshare.plotting.style import COLOURS, MUTED, dress, grid_of, new_figure

    groups: dict[str, list[Any]] = {}
    for race in ("tied", "untied"):
        for entry in results[race]:
            groups.setdefault(f"{race} {entry['cell']}", []).append(entry)
    figure = new_figure(2.6 * -(-len(groups) // 2) + 0.6)
    markers = "osD^v<>"
    shapes = list(
        dict.fromkeys(shape_name(e["shape"]) for es in groups.values() for e in es)
    )
    for panel, (title, entries) in zip(
        grid_of(figure, len(groups), 2), groups.items(), strict=True
    ):
        skipped = (OURS + "auto", OURS + "fused", OURS + "cudnn")
        names = list(dict.fromkeys(n for e in entries for n in e["contenders"]))
        names = [n for n in names if n not in skipped]
        for entry in entries:
            number = shapes.index(shape_name(entry["shape"]))
            base = entry["contenders"][OURS + "auto"]["median_s"]
            for row, name in enumerate(names):
                one = entry["contenders"].get(name)
                if one is None:
                    continue
                colour = COLOURS["Untied"] if is_peer(name) else COLOURS["Tied"]
                colour = MUTED if name in FLOORS else colour
                low, high = (q / base for q in one["quartiles_s"])
                y = row + 0.12 * (number - (len(shapes) - 1) / 2)
                panel.plot([low, high], [y, y], color=colour, lw=1.5, alpha=0.6)
                at = one["median_s"] / base
                panel.plot(at, y, markers[number], color=colour, ms=4)
        panel.axvline(1, color=COLOURS["Tied"], lw=1.5)
        panel.set_xscale("log")
        ticks = [t for t in (0.1, 0.25, 0.5, 1, 2, 4, 10) if _within(panel, t)]
        panel.set_xticks(ticks, [f"{t:g}" for t in ticks])
        panel.set_xticks([], minor=True)
        panel.set_yticks(np.arange(len(names)), names)
        panel.set_ylim(len(names) - 0.5, -0.5)
        dress(panel, "time / rnnshare's", "", "x")
        panel.set_title(title, fontsize=12)
    handles = [
        Line2D([], [], color=MUTED, marker=marker, ls="", ms=4, label=name)
        for marker, name in zip(markers, shapes, strict=False)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False,
                  title="B,T,D,H")  # fmt: skip
    return figure


def _within(panel: Any, tick: float) -> bool:
    low, high = panel.get_xlim()
    return low <= tick <= high
