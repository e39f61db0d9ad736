"""Methods from made-up run folders: which are one method, over what their intervals are, notes."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from preftune.records import BadInput
from preftune.reports.methods import Method, compare_runs
from tests.reports.folders import SOURCES, estimate, whole_run, write_json, write_lines, write_stage

POLICIES = {"sft": "stage:sft", "ppo": "stage:ppo", "dpo": "stage:dpo"}


def methods_run(
    run: Path, seed: int, judge: Mapping[str, float], *, beta: float = 0.1, title: str = "methods"
) -> Path:
    """A run with one evaluation of several methods, whose judge scores the test chooses."""
    stages: dict[str, Any] = {
        "sft": SOURCES["sft"],
        "ppo": SOURCES["ppo"],
        "dpo": {"kind": "dpo", "model": "stage:sft", "beta": beta},
        "evaluation": {
            "kind": "evaluate",
            "policies": POLICIES,
            "prompts": "prompts.jsonl",
            "judge": "gold:helpdesk",
            "reference": "sft",
            "best_of_policy": "sft",
        },
    }
    write_json(run / "recipe.json", {"title": title, "seed": seed, "stages": stages})
    told = [{"name": n, "kind": s["kind"], "status": "done"} for n, s in stages.items()]
    write_json(run / "summary.json", {"status": "done", "stages": told})
    for number, name in enumerate(stages, start=1):
        folder = write_stage(run, number, name, 100.0 + seed, salt=f"{seed} {beta}")
        if name == "ppo":
            write_json(folder / "summary.json", {"generated_tokens": 5000})
        if name == "evaluation":
            write_json(folder / "summary.json", evaluation(judge))
    return run


def evaluation(judge: Mapping[str, float]) -> dict[str, Any]:
    policies = {
        name: {
            "judge": estimate(value, 0.02, 600),
            "proxy": estimate(value - 0.5, 0.1, 600),
            "kl": estimate(10 * (value - 0.6), 0.2, 600),
            "tokens": estimate(11.0, 0.5, 600),
            "distinct_2": 0.4,
        }
        for name, value in judge.items()
    }
    wins = [
        {"policy": name, "against": "sft", "win_rate": estimate(0.5 + value - 0.6, 0.03, 600)}
        for name, value in judge.items()
        if name != "sft"
    ]
    best = {"n": 64, "kl": 3.17, "judge": estimate(0.9, 0.01, 150), "proxy": estimate(2, 0.1, 150)}
    return {"policies": policies, "win_rates": wins, "best_of": best}


def named(methods: tuple[Method, ...]) -> dict[str, Method]:
    return {method.name: method for method in methods}


def test_one_run_is_told_with_its_own_intervals(tmp_path: Path) -> None:
    run = methods_run(tmp_path / "a", 0, {"sft": 0.6, "ppo": 0.7, "dpo": 0.65})
    compared = compare_runs([run])
    assert [m.name for m in compared.methods] == ["best of 64 of sft", "ppo", "dpo", "sft"]
    ppo = named(compared.methods)["ppo"]
    assert ppo.over == "prompts" and ppo.seeds == (0,) and ppo.kind == "ppo"
    assert ppo.measures["judge"] == pytest.approx((0.7, 0.68, 0.72, 600))
    assert ppo.measures["win_rate"] == pytest.approx((0.6, 0.57, 0.63, 600))
    assert ppo.measures["seconds"] == (100.0, 100.0, 100.0, 1)
    assert ppo.measures["generated_tokens"].value == 5000
    assert "win_rate" not in named(compared.methods)["sft"].measures
    best = named(compared.methods)["best of 64 of sft"]
    assert best.kind == "best_of" and best.measures["kl"].value == 3.17
    assert compared.judge == "the gold judge" and compared.against == "sft"


def test_seeds_of_one_recipe_are_one_method_with_an_interval_over_seeds(tmp_path: Path) -> None:
    judged = (0.70, 0.74, 0.78)
    runs = [
        methods_run(tmp_path / f"s{seed}", seed, {"sft": 0.6, "ppo": value, "dpo": 0.65})
        for seed, value in enumerate(judged)
    ]
    compared = compare_runs(runs)
    assert len(compared.methods) == 4
    ppo = named(compared.methods)["ppo"]
    assert ppo.seeds == (0, 1, 2) and ppo.over == "seeds" and len(ppo.runs) == 3
    # mean .74; sd .04, standard error .04/√3 = .023094; t(.975, 2) = 4.302653: half .099366
    assert ppo.measures["judge"] == pytest.approx((0.74, 0.640634, 0.839366, 3), abs=1e-6)
    assert ppo.measures["seconds"].value == 101.0  # 100, 101, 102
    assert ppo.measures["seconds"].high - 101.0 == pytest.approx(4.302653 / math.sqrt(3), abs=1e-6)
    assert ppo.as_json()["judge"]["count"] == 3 and ppo.as_json()["document_loss"] is None


def test_another_setting_is_another_method(tmp_path: Path) -> None:
    one = methods_run(tmp_path / "a", 0, {"sft": 0.6, "dpo": 0.65}, title="first: of many")
    two = methods_run(tmp_path / "b", 1, {"sft": 0.6, "dpo": 0.66}, beta=0.5, title="second")
    compared = named(compare_runs([one, two]).methods)
    assert {"dpo (first)", "dpo (second)"} <= set(compared)
    assert compared["sft"].over == "seeds"
    assert compared["sft"].label == "SFT" and compared["dpo (first)"].label == "dpo (first)"


def test_the_same_model_in_two_runs_counts_once(tmp_path: Path) -> None:
    one = methods_run(tmp_path / "a", 0, {"sft": 0.6, "ppo": 0.7})
    two = methods_run(tmp_path / "b", 0, {"sft": 0.6, "ppo": 0.7})
    compared = named(compare_runs([one, two, one]).methods)
    assert compared["ppo"].runs == (str(one),)
    assert compared["ppo"].over == "prompts"


def test_what_differs_and_what_is_missing_is_noted(tmp_path: Path) -> None:
    one = methods_run(tmp_path / "a", 0, {"sft": 0.6, "ppo": 0.7})
    two = methods_run(tmp_path / "b", 1, {"sft": 0.6, "ppo": 0.7})
    recipe = {"title": "b", "seed": 1, "stages": {"evaluation": {"kind": "evaluate"}}}
    write_json(two / "recipe.json", recipe | {"stages": {
        "evaluation": {"kind": "evaluate", "policies": POLICIES, "prompts": "other.jsonl",
                       "judge": "gold:helpdesk", "reference": "sft"}}})  # fmt: skip
    empty = tmp_path / "c"
    (empty / "stages").mkdir(parents=True)
    notes = compare_runs([one, two, empty]).notes
    assert any("c has no finished evaluation" in note for note in notes)
    assert any("differ in prompts" in note for note in notes)
    assert not any("differ in judge" in note for note in notes)


def test_old_runs_count_their_tokens_from_their_curves(tmp_path: Path) -> None:
    run = methods_run(tmp_path / "a", 0, {"sft": 0.6, "ppo": 0.7})
    folder = run / "stages" / "02-ppo"
    write_json(folder / "summary.json", {"iterations": 2})
    write_lines(
        folder / "metrics.jsonl",
        [
            {"step": 0, "judge/score": 0.5},
            {"step": 1, "completions/mean_length": 10.0, "episode": 100},
            {"step": 2, "completions/mean_length": 12.0, "episode": 200,
             "sampling/groups_drawn": 1.5},
        ],
    )  # fmt: skip
    ppo = named(compare_runs([run]).methods)["ppo"]
    assert ppo.measures["generated_tokens"].value == 10 * 100 + 12 * 100 * 1.5


def test_a_quickstart_can_be_compared(tmp_path: Path) -> None:
    compared = named(compare_runs([whole_run(tmp_path / "run")]).methods)
    assert compared["ppo"].measures["win_rate"].value == 0.712
    assert compared["ppo"].measures["judge"].value == 0.74


def test_win_rates_against_another_policy(tmp_path: Path) -> None:
    compared = compare_runs([whole_run(tmp_path / "run")], against="base")
    assert named(compared.methods)["ppo"].measures["win_rate"].value == 0.934
    with pytest.raises(BadInput, match="No evaluation has a win rate against 'nobody'"):
        compare_runs([tmp_path / "run"], against="nobody")


def test_without_an_evaluation_there_is_nothing_to_compare(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    with pytest.raises(BadInput, match="nothing to compare"):
        compare_runs([tmp_path])
    with pytest.raises(BadInput, match="no such folder"):
        compare_runs([tmp_path / "nowhere"])
