"""What fresh samples say: best of n, shift, sequential win rates, variety, on a finished run."""

from pathlib import Path

import pytest

from tests.cli.command import preftune
from tests.cli.test_evaluate import stage


def prompts(run: Path) -> Path:
    return stage(run, "world") / "prompts_test.jsonl"


def test_best_of_n_has_a_curve(run_folder: Path) -> None:
    models = ["--policy", stage(run_folder, "sft"), "--reward-model", stage(run_folder, "reward")]
    given = [*models, "--prompts", prompts(run_folder), "--max-new-tokens", 8, "-n", 6]
    found = preftune("evaluate", "best-of-n", *given, "--judge", "gold:helpdesk", "--json").json
    assert [point["n"] for point in found["curve"]] == [1, 2, 4, 6]
    proxies = [point["proxy"]["value"] for point in found["curve"]]
    assert proxies == sorted(proxies) and proxies[0] == pytest.approx(
        found["sampled"]["proxy"]["value"]
    )
    assert all(p["oracle"]["value"] >= p["judge"]["value"] - 1e-12 for p in found["curve"])
    assert "judge's own pick" in preftune("evaluate", "best-of-n", *given).out


def test_a_policy_close_to_the_labels_has_shifted_little(run_folder: Path) -> None:
    model = ("--model", stage(run_folder, "reward"))
    given = ["--policy", stage(run_folder, "sft"), "--prompts", stage(run_folder, "world")]
    given[-1] = stage(run_folder, "world") / "prompts_train.jsonl"
    found = preftune("evaluate", "shift", *model, *given, "--json").json
    assert found["train"] == str(stage(run_folder, "labels") / "train.jsonl")
    assert found["uncertainty"] is None and 0 <= found["apart"]["value"] <= 1
    assert "single model" in preftune("evaluate", "shift", *model, *given).out
    neither = preftune("evaluate", "shift", *model, "--json")
    assert neither.code == 2 and "a policy with prompts" in neither.error["sentence"]


def test_a_sequential_win_rate_stops_where_nothing_can_change(run_folder: Path) -> None:
    """A policy against itself with equal seeds would tie; two seeds of one model never decide."""
    sft = stage(run_folder, "sft")
    given = ["--policy", sft, "--against", sft, "--prompts", prompts(run_folder)]
    given += ["--judge", "gold:helpdesk", "--max-new-tokens", 4, "--sequential"]
    found = preftune("evaluate", "win-rate", *given, "--json").json
    assert found["decision"] == "undecided" and found["stopped_at"] == found["prompts"] == 16
    assert found["error_rate"] == 0.05
    wide = preftune("evaluate", "win-rate", *given, "--half-width", 0.5, "--json").json
    assert wide["decision"] == "precise"
    lonely = preftune("evaluate", "win-rate", *given[:-1], "--half-width", 0.1, "--json")
    assert lonely.code == 2


def test_variety_is_measured_when_asked(run_folder: Path) -> None:
    sft = stage(run_folder, "sft")
    given = ["--policy", sft, "--prompts", prompts(run_folder), "--max-new-tokens", 8]
    asked = ["--variety", "self_bleu", "--variety", "embedding_spread"]
    found = preftune("evaluate", "policy", *given, *asked, "--reference", sft, "--json").json
    assert 0 <= found["self_bleu"] <= 100 and 0 <= found["embedding_spread"] <= 2
    assert "self bleu" in preftune("evaluate", "policy", *given, "--variety", "self_bleu").out
    missing = preftune("evaluate", "policy", *given, *asked, "--json")
    assert missing.code == 2 and "needs a model that reads" in missing.error["sentence"]
    other = preftune("evaluate", "policy", *given, "--variety", "colour", "--json")
    assert "no measure 'colour'" in other.error["sentence"]
