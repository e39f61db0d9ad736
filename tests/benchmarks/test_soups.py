"""Soups against mixtures, on numbers made by hand."""

import json
from pathlib import Path

from pytest import approx

from benchmarks.soups import AXES, compared


def made(run: Path, soup: float) -> Path:
    """A run whose ends are worth 0 and 1 on every axis."""
    stages = {
        "a": {"kind": "rloo"},
        "mix": {
            "kind": "soup",
            "policies": {"a": "stage:a", "b": "stage:b"},
            "weights": {"a": 3, "b": 1},
        },
        "other": {"kind": "soup", "policies": {"a": "stage:a", "c": "stage:c"}, "weights": {}},
    }
    place = run / "stages" / "01-evaluation"
    place.mkdir(parents=True)
    (run / "recipe.json").write_text(json.dumps({"stages": stages}), encoding="utf-8")
    worth = {"a": 0.0, "b": 1.0, "mix": soup, "other": 9.0}
    policies = {
        name: {"axes": {axis: {"value": value} for axis in AXES}} for name, value in worth.items()
    }
    (place / "summary.json").write_text(json.dumps({"policies": policies}), encoding="utf-8")
    return run


def test_a_mixture_is_the_weighted_mean_of_its_ends(tmp_path: Path) -> None:
    runs = [made(tmp_path / name, soup) for name, soup in (("x", 0.35), ("y", 0.45))]
    found = compared(runs, ("a", "b"), "evaluation")
    assert set(found) == {"mix"} and found["mix"]["share"] == 0.75
    gold = found["mix"]["gold"]
    assert gold["mixture"] == approx(0.25) and gold["soup"] == approx(0.4)
    assert gold["difference"]["value"] == approx(0.15)
    assert gold["difference"]["low"] < 0.15 < gold["difference"]["high"]
    reversed_ends = compared(runs, ("b", "a"), "evaluation")["mix"]
    assert reversed_ends["share"] == 0.25 and reversed_ends["gold"]["mixture"] == approx(0.25)
