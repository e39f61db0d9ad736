"""Gold at equal KL, on curves made by hand."""

import json
from pathlib import Path

import numpy as np
from pytest import approx

from benchmarks.rounds import compared, curve


def rows(gold: list[float], kl: list[float]) -> list[dict[str, float]]:
    return [
        {"step": i, "judge/score": g, "objective/kl": k}
        for i, (g, k) in enumerate(zip(gold, kl, strict=True))
    ]


def test_a_curve_pairs_gold_with_the_kl_of_the_row_after_it() -> None:
    kl, gold = curve(rows([0.0, 0.3, 0.6, 0.9], [0.0, 1.0, 2.0, 3.0]))
    assert kl == approx([1.5, 2.0, 2.6666667, 3.0])
    assert gold == approx([0.15, 0.3, 0.6, 0.75])
    assert bool((np.diff(kl) >= 0).all())


def test_arms_are_compared_where_both_have_been(tmp_path: Path) -> None:
    """Both curves are gold = KL / 10 + a constant; the rounds' one lies .05 above."""

    def write(stage: str, number: int, gold: list[float], kl: list[float]) -> None:
        place = tmp_path / "stages" / f"{number:02}-{stage}"
        place.mkdir(parents=True)
        lines = [json.dumps(row) for row in rows(gold, kl)]
        (place / "metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")

    write("round_1", 1, [0.15, 0.25], [0.0, 1.0])
    write("round_2", 2, [9.0, 0.35], [2.0, 2.0])
    write("round_3", 3, [9.0, 0.35], [3.0, 3.0])
    write("one", 4, [0.1, 0.2, 0.3, 0.4, 0.5, 0.5], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    found = compared(tmp_path)
    assert (found["rounds_kl"], found["one_kl"]) == (3.0, 5.0) and found["kl"] == 3.0
    assert found["one"] == approx(0.3) and found["rounds"] == approx(0.35)
    assert found["difference"] == approx(0.05)
