"""``evaluate``: numbers that agree with plain transformers, and where baselines come from."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

import preftune as package
from tests.cli.command import preftune, write_rows

ESTIMATE = {"value", "low", "high", "count"}


def stage(run: Path, name: str) -> Path:
    (found,) = run.glob(f"stages/*-{name}")
    return found


def plain_scores(model: Path, rows: list[tuple[str, str]]) -> list[float]:
    """Scores of (prompt, response) by transformers alone, one at a time."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForSequenceClassification.from_pretrained(model).eval()
    gain = getattr(network.config, "score_gain", 1.0)
    bias = getattr(network.config, "score_bias", 0.0)
    found = []
    for prompt, response in rows:
        ids = tokenizer(prompt)["input_ids"] + tokenizer(response)["input_ids"]
        ids.append(tokenizer.eos_token_id)
        with torch.no_grad():
            raw = network(torch.tensor([ids])).logits.item()
        found.append(gain * raw + bias)
    return found


def test_reward_model_accuracy_is_what_transformers_gives(run_folder: Path, pairs: Path) -> None:
    model = stage(run_folder, "reward") / "model"
    rows = [json.loads(line) for line in pairs.read_text().splitlines()]
    chosen = plain_scores(model, [(row["prompt"], row["chosen"]) for row in rows])
    rejected = plain_scores(model, [(row["prompt"], row["rejected"]) for row in rows])
    gaps = [a - b for a, b in zip(chosen, rejected, strict=True)]

    done = preftune("evaluate", "reward-model", "--model", model, "--data", pairs, "--json")
    assert done.code == 0
    found = done.json
    assert found["accuracy"]["value"] == pytest.approx(sum(gap > 0 for gap in gaps) / 6)
    gain = AutoModelForSequenceClassification.from_pretrained(model).config.score_gain
    rounding = 5e-7 * abs(gain)  # of both sides: a hardly trained score is much enlarged
    assert found["margin"]["value"] == pytest.approx(sum(gaps) / 6, abs=rounding)
    assert found["pairs"] == 6 and found["accuracy"]["count"] == 3
    assert set(found["slices"]["topic"]) == {"tea", "ice", "soup"}
    longer = sum(len(r["chosen"].split()) > len(r["rejected"].split()) for r in rows) / 6
    assert found["baselines"]["longer"]["value"] == longer


def test_baselines_are_fitted_on_the_models_own_rows(run_folder: Path, tmp_path: Path) -> None:
    labels = stage(run_folder, "labels")
    given: dict[str, Any] = {"data": labels / "test.jsonl"}
    found = package.evaluate_reward_model(stage(run_folder, "reward"), **given)
    assert found["baselines_reason"] is None
    assert found["baseline_train"] == str(labels / "train.jsonl")
    assert set(found["baselines"]) == {"longer", "tfidf", "tfidf_length"}
    named = package.evaluate_reward_model(
        stage(run_folder, "reward") / "model", **given, baseline_train=labels / "train.jsonl"
    )
    assert named["baselines"] == found["baselines"]
    assert named["accuracy"] == found["accuracy"]
    advantage = found["above_baselines"]["tfidf"]
    expected = found["accuracy"]["value"] - found["baselines"]["tfidf"]["value"]
    assert advantage["value"] == pytest.approx(expected)


def test_where_the_rows_cannot_be_found_the_reason_is_told(
    run_folder: Path, tmp_path: Path, pairs: Path
) -> None:
    def reason(model: Path) -> str:
        done = preftune("evaluate", "reward-model", "--model", model, "--data", pairs, "--json")
        assert done.code == 0
        assert done.json["baselines"]["tfidf"] is None
        assert set(done.json["baselines"]["longer"]) == ESTIMATE
        return str(done.json["baselines_reason"])

    alone = tmp_path / "alone"
    shutil.copytree(stage(run_folder, "reward") / "model", alone)
    assert "in no stage's folder" in reason(alone)

    moved = tmp_path / "moved"
    for name in ("reward", "labels"):
        shutil.copytree(stage(run_folder, name), moved / "stages" / stage(run_folder, name).name)
    rows = stage(moved, "labels") / "train.jsonl"
    rows.write_text(rows.read_text() + rows.read_text().splitlines()[0] + "\n")
    assert "have changed" in reason(stage(moved, "reward"))
    rows.unlink()
    assert "are gone" in reason(stage(moved, "reward") / "model")


@pytest.fixture
def prompts(run_folder: Path) -> Path:
    return stage(run_folder, "world") / "prompts_test.jsonl"


def test_a_policy_against_itself_greedily_only_ties(run_folder: Path, prompts: Path) -> None:
    sft = stage(run_folder, "sft")
    words = ("--policy", sft, "--against", sft / "model", "--prompts", prompts)
    done = preftune(
        "evaluate", "win-rate", *words, "--judge", "gold:helpdesk", "--temperature", 0,
        "--max-new-tokens", 5, "--limit", 7, "--json",
    )  # fmt: skip
    assert done.code == 0
    assert done.json["win_rate"]["value"] == 0.5 and done.json["ties"] == 1.0
    assert done.json["judged"] == done.json["prompts"] == 7
    assert "length_controlled_win_rate" in done.json


def test_a_reward_model_judges_as_its_scores_say(run_folder: Path, prompts: Path) -> None:
    """Greedy texts by transformers' own generate, scored by transformers' own classifier."""
    reward = stage(run_folder, "reward") / "model"
    sides = [stage(run_folder, name) / "model" for name in ("ppo", "base")]
    asked = [json.loads(line)["prompt"] for line in prompts.read_text().splitlines()][:6]
    written = [[greedy(folder, prompt, 6) for prompt in asked] for folder in sides]
    scores = [greedy_scores(reward, asked, texts) for texts in written]
    wins = [0.5 if abs(a - b) < 1e-6 else float(a > b) for a, b in zip(*scores, strict=True)]
    done = preftune(
        "evaluate", "win-rate", "--policy", sides[0], "--against", sides[1], "--prompts", prompts,
        "--judge", reward, "--temperature", 0, "--max-new-tokens", 6, "--limit", 6, "--json",
    )  # fmt: skip
    assert done.json["win_rate"]["value"] == pytest.approx(sum(wins) / 6)


def greedy(model: Path, prompt: str, count: int) -> tuple[str, bool]:
    """The greedy continuation and whether it ended by itself."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForCausalLM.from_pretrained(model).eval()
    ids = torch.tensor([tokenizer(prompt)["input_ids"]])
    out = network.generate(ids, max_new_tokens=count, do_sample=False)[0, ids.shape[1] :].tolist()
    ended = out[-1] == tokenizer.eos_token_id
    return tokenizer.decode(out, skip_special_tokens=True), ended


def greedy_scores(model: Path, prompts: list[str], texts: list[tuple[str, bool]]) -> list[float]:
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForSequenceClassification.from_pretrained(model).eval()
    found = []
    for prompt, (text, ended) in zip(prompts, texts, strict=True):
        ids = tokenizer(prompt)["input_ids"] + tokenizer(text)["input_ids"]
        ids += [tokenizer.eos_token_id] * ended
        with torch.no_grad():
            body = network.model(torch.tensor([ids])).last_hidden_state[0, -1]
            found.append(network.score(body).item())
    return found


def test_a_policy_has_no_distance_from_itself(run_folder: Path, prompts: Path) -> None:
    sft = stage(run_folder, "sft")
    found = package.evaluate_policy(
        sft, prompts, judge="gold:helpdesk", reference=sft,
        drawing=package.Drawing(limit=5, max_new_tokens=6),
    )  # fmt: skip
    assert found["kl"]["value"] == pytest.approx(0, abs=1e-5)
    assert found["count"] == 5 and found["tokens"]["value"] <= 6
    assert set(found["axes"]) >= {"gold", "helpfulness", "honesty", "harmlessness", "conciseness"}
    far = preftune(
        "evaluate", "policy", "--policy", sft, "--prompts", prompts, "--limit", 5, "--reference",
        stage(run_folder, "base"), "--json", "--max-new-tokens", 6,
    )  # fmt: skip
    assert far.json["kl"]["value"] > 0.01
    assert far.json["axes"] == {} and far.json["kl_reason"] is None


def test_no_kl_is_measured_where_it_would_mean_nothing(
    run_folder: Path, prompts: Path, models: dict[str, Path]
) -> None:
    sft = stage(run_folder, "sft")
    words = ("evaluate", "policy", "--policy", sft, "--prompts", prompts, "--limit", 3, "--json")
    greedily = preftune(*words, "--reference", sft, "--temperature", 0)
    assert greedily.json["kl"] is None and "no sample" in greedily.json["kl_reason"]
    foreign = preftune(*words, "--reference", models["gpt2"])
    assert foreign.code == 2 and "different tokenizers" in foreign.error["sentence"]


def test_the_seed_decides_what_is_sampled(run_folder: Path, prompts: Path) -> None:
    def sampled(seed: int) -> dict[str, Any]:
        drawing = package.Drawing(limit=6, seed=seed, max_new_tokens=8)
        return dict(package.evaluate_policy(stage(run_folder, "sft"), prompts, drawing=drawing))

    assert sampled(1) == sampled(1)
    assert sampled(1)["openers"] != sampled(2)["openers"]


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3"])
def test_any_causal_model_can_be_measured(
    models: dict[str, Path], tmp_path: Path, family: str
) -> None:
    prompts = write_rows(tmp_path / "p.jsonl", {"prompt": "Is tea hot?"}, {"prompt": "Is ice hot?"})
    done = preftune(
        "evaluate", "policy", "--policy", models[family], "--prompts", prompts, "--json",
        "--reference", models[family], "--max-new-tokens", 4,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert math.isclose(done.json["kl"]["value"], 0, abs_tol=1e-5)


def test_people_get_tables(run_folder: Path, prompts: Path, pairs: Path) -> None:
    sft, ppo = stage(run_folder, "sft"), stage(run_folder, "ppo")
    few = ("--prompts", prompts, "--limit", 4, "--max-new-tokens", 4)
    rate = preftune(
        "evaluate", "win-rate", "--policy", ppo, "--against", sft, *few, "--judge", "gold:helpdesk"
    )
    assert rate.code == 0 and "at equal length" in rate.out
    policy = preftune("evaluate", "policy", "--policy", ppo, *few)
    assert policy.code == 0 and "No reference was named." in policy.out
    model = preftune(
        "evaluate", "reward-model", "--model", stage(run_folder, "reward"), "--data", pairs
    )
    assert model.code == 0 and "calibration error" in model.out


def test_wrong_models_are_named(run_folder: Path, pairs: Path, prompts: Path) -> None:
    whole = preftune("evaluate", "policy", "--policy", run_folder, "--prompts", prompts, "--json")
    assert whole.code == 2 and "several models" in whole.error["sentence"]
    assert str(stage(run_folder, "ppo") / "model") in whole.error["remedy"]
    policy = preftune(
        "evaluate", "reward-model", "--model", stage(run_folder, "sft"), "--data", pairs, "--json"
    )
    assert policy.code == 2 and "not a reward model" in policy.error["sentence"]
    judge = preftune(
        "evaluate",
        "win-rate",
        "--policy",
        stage(run_folder, "sft"),
        "--against",
        stage(run_folder, "sft"),
        "--prompts",
        prompts,
        "--judge",
        "gold:moon",
        "--json",
    )
    assert judge.code == 2 and "moon" in judge.error["sentence"]
    device = preftune(
        "evaluate",
        "policy",
        "--policy",
        stage(run_folder, "sft"),
        "--prompts",
        prompts,
        "--device",
        "cuda:99",
        "--json",
    )
    assert device.code == 2 and "cuda:99" in device.error["sentence"]
