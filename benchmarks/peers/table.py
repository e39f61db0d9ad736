"""From measurements to ratios: medians, spread, whether the work was equal, the Markdown table."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

SMALL = 1e-3
Measured = Mapping[str, Any]
"""What one run of one side told: see :func:`benchmarks.peers.result.told`."""


class Pace(NamedTuple):
    """Rows a second: the median of the runs, and (largest − smallest) / median."""

    rows_per_second: float
    spread: float
    runs: int


class Agreement(NamedTuple):
    """Whether two runs did equal work, and by how much each curve was apart at the most."""

    equal: bool
    apart: dict[str, float]


def seconds_per_step(run: Measured, clock: str) -> float:
    """The median step without the first, and a step's share of what was done once for all."""
    steps = [step[clock] for step in run["steps"]]
    timed = steps[1:] if len(steps) > 1 else steps
    return median(timed) + run["once"][clock] / len(steps)


def pace(runs: Sequence[Measured], clock: str) -> Pace:
    paces = [run["rows_per_step"] / seconds_per_step(run, clock) for run in runs]
    middle = median(paces)
    return Pace(middle, (max(paces) - min(paces)) / middle, len(paces))


def apart(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The largest difference of two curves at a step, as a share of the larger value.

    Of values below ``SMALL``, as a share of that: a KL of nothing differs by rounding alone.
    """
    if not ours or len(ours) != len(theirs):
        return float("inf")
    gaps = [abs(a - b) / max(abs(a), abs(b), SMALL) for a, b in zip(ours, theirs, strict=True)]
    return max(gaps)


def last_apart(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The same of the means of both curves' last halves."""
    if not ours or not theirs:
        return float("inf")
    ends = [
        sum(curve[len(curve) // 2 :]) / len(curve[len(curve) // 2 :]) for curve in (ours, theirs)
    ]
    return apart(ends[:1], ends[1:])


def agreement(
    ours: Measured,
    theirs: Measured,
    agreeing: Mapping[str, tuple[str, float]],
    loosely: bool = False,
    slack: float = 1.0,
) -> Agreement:
    """``slack`` multiplies the tolerances. Loosely, only the last losses count, within 1 %."""
    if loosely:
        gap = last_apart(ours["curves"].get("loss", []), theirs["curves"].get("loss", []))
        return Agreement(gap <= 0.01 * slack, {"loss": gap})
    gaps, equal = {}, True
    for name, (peer_name, limit) in agreeing.items():
        gaps[name] = apart(ours["curves"].get(name, []), theirs["curves"].get(peer_name, []))
        equal = equal and gaps[name] <= limit * slack
    return Agreement(equal, gaps)


def working_bytes(run: Measured, trained_bytes: int) -> int:
    """The peak above what was loaded and above gradients and two moments of what learns."""
    return run["peak_bytes"] - run["loaded_bytes"] - 3 * trained_bytes


def least_seconds(run: Measured, ceiling: float) -> float:
    """A timed step's useful operations at ``ceiling`` GFLOP/s, and no time for anything else."""
    steps = len(run["steps"])
    timed = max(steps - 1, 1)
    operations = [
        phase["useful_flops"] / (steps if name == "reference" else timed)
        for name, phase in run["phases"].items()
    ]
    return sum(operations) / ceiling / 1e9


def summary(result: Mapping[str, Any], clock: str) -> list[dict[str, Any]]:
    """A row for each peer: its fastest variant against ours, void where the work differs."""
    runs = result["runs"]
    ours = [run for run in runs if run["side"] == "ours"]
    rows = []
    if ours and len(ours) == len(runs):
        rows.append(_alone(result, ours, clock))
    for peer in dict.fromkeys(run["side"] for run in runs if run["side"] != "ours"):
        variants = dict.fromkeys(run["variant"] for run in runs if run["side"] == peer)
        paces = {
            variant: pace([r for r in runs if (r["side"], r["variant"]) == (peer, variant)], clock)
            for variant in variants
        }
        best = max(paces, key=lambda variant: paces[variant].rows_per_second)
        theirs = [r for r in runs if (r["side"], r["variant"]) == (peer, best)]
        if ours:
            rows.append(_row(result, (peer, best), ours, theirs, clock))
    return rows


def _alone(result: Mapping[str, Any], ours: Sequence[Measured], clock: str) -> dict[str, Any]:
    """Our pace where no peer was there to be measured."""
    mine = pace(ours, clock)
    return _named(result) | {
        "ours": mine.rows_per_second,
        "peer": None,
        "peer_name": None,
        "ratio": None,
        "spread": mine.spread,
        "runs": mine.runs,
        "apart": {},
        "peak_memory_ratio": None,
        "limit": None,
    }


def _named(result: Mapping[str, Any]) -> dict[str, Any]:
    names = ("work", "model", "precision", "lengths")
    return {name: result[name] for name in names} | {"unit": f"{result['unit']}/s"}


def _row(
    result: Mapping[str, Any],
    peer: tuple[str, str],
    ours: Sequence[Measured],
    theirs: Sequence[Measured],
    clock: str,
) -> dict[str, Any]:
    mine, other = pace(ours, clock), pace(theirs, clock)
    told = agreement(
        ours[0],
        theirs[0],
        {name: (limit[0], limit[1]) for name, limit in result["agreeing"].items()},
        loosely=peer[1] in result["loosely"],
        slack=10.0 if result["precision"] == "bfloat16" else 1.0,
    )
    sizes = [
        median(working_bytes(r, result["trained_bytes"]) for r in side) for side in (ours, theirs)
    ]
    return _named(result) | {
        "ours": mine.rows_per_second,
        "peer": other.rows_per_second,
        "peer_name": peer[0] if peer[1] == "plain" else f"{peer[0]}, {peer[1]}",
        "ratio": mine.rows_per_second / other.rows_per_second if told.equal else None,
        "spread": max(mine.spread, other.spread),
        "runs": min(mine.runs, other.runs),
        "apart": told.apart,
        "peak_memory_ratio": sizes[0] / sizes[1] if sizes[1] > 0 else None,
        "limit": _limit(result, ours[0], other),
    }


def _limit(result: Mapping[str, Any], ours: Measured, peer: Pace) -> float | None:
    """The ratio of a side that computes useful operations only, all at the machine's ceiling."""
    if not ours.get("phases"):
        return None
    least = least_seconds(ours, result["ceiling"][result["precision"]])
    return float(ours["rows_per_step"] / least / peer.rows_per_second)


PHASES = ("reference", "generate", "score", "credit", "update")


def phase_rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Our phases: their share of the time, useful GFLOP/s, and of the ceiling; medians of runs."""
    told = [run["phases"] for run in result["runs"] if run.get("phases")]
    rows = []
    for name in PHASES:
        found = [phases[name] for phases in told if name in phases]
        if not found:
            continue
        totals = [sum(one["seconds"] for one in phases.values()) for phases in told]
        rates = [one["useful_flops"] / one["seconds"] / 1e9 for one in found]
        shares = [one["seconds"] / total for one, total in zip(found, totals, strict=True)]
        best = result["ceiling"][result["precision"]]
        rows.append(
            {
                "work": result["work"],
                "model": result["model"],
                "precision": result["precision"],
                "lengths": result["lengths"],
                "phase": name,
                "share_of_time": median(shares),
                "useful_gflops": median(rates),
                "share_of_ceiling": median(rates) / best,
            }
        )
    return rows


PHASE_HEAD = (
    "| work | model | precision | lengths | phase | of the time | useful GFLOP/s "
    "| of the ceiling |\n"
    "|---|---|---|---|---|---|---|---|"
)


def phase_markdown(rows: Iterable[Mapping[str, Any]]) -> str:
    """The table of phases."""
    lines = [PHASE_HEAD]
    for row in rows:
        cells = (
            row["work"],
            row["model"],
            row["precision"],
            row["lengths"] or "–",
            row["phase"],
            f"{row['share_of_time']:.0%}",
            f"{row['useful_gflops']:.3g}",
            f"{row['share_of_ceiling']:.0%}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def below_baseline(
    rows: Iterable[Mapping[str, Any]], baseline: Iterable[Mapping[str, Any]], slack: float
) -> list[str]:
    """Sentences about ratios that have fallen by more than ``slack``, or that are void now.

    Ratios alone are compared, never seconds: another machine changes both sides.
    """
    keys = ("work", "model", "precision", "lengths")
    known = {(*(row[key] for key in keys), _plain(row)): row["ratio"] for row in baseline}
    found = []
    for row in rows:
        before = known.get((*(row[key] for key in keys), _plain(row)))
        if before is None or row["peer"] is None:
            continue
        name = f"{row['work']}, {row['model']}, {row['precision']}, {row['peer_name']}"
        if row["ratio"] is None:
            found.append(f"{name}: void, it was {before:.2f} ×")
        elif row["ratio"] < before * (1 - slack):
            found.append(f"{name}: {row['ratio']:.2f} ×, it was {before:.2f} ×")
    return found


def _plain(row: Mapping[str, Any]) -> str:
    """The peer without its variant: its best one may change."""
    return str(row["peer_name"]).partition(",")[0]


HEAD = (
    "| work | model | precision | lengths | peer | ours | peer's | ratio | limit | spread "
    "| memory |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


def markdown(rows: Iterable[Mapping[str, Any]]) -> str:
    """The table. ``void``: the two sides did not do the same work.

    ``limit`` is the ratio that useful operations alone at the machine's matmul rate would give.
    """
    lines = [HEAD]
    for row in rows:
        ratio = "void" if row["ratio"] is None else f"{row['ratio']:.2f} ×"
        if row["peer"] is None:
            ratio = "–"
        memory = row["peak_memory_ratio"]
        cells = (
            row["work"],
            row["model"],
            row["precision"],
            row["lengths"] or "–",
            row["peer_name"] or "–",
            f"{row['ours']:.3g} {row['unit']}",
            "–" if row["peer"] is None else f"{row['peer']:.3g}",
            ratio,
            "–" if row["limit"] is None else f"{row['limit']:.3g} ×",
            f"{row['spread']:.0%}",
            "–" if memory is None else f"{memory:.2f} ×",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
