"""``evaluate audit-…`` on a finished run: what is printed, read by a program, or refused."""

import json
from pathlib import Path

from tests.cli.command import preftune
from tests.cli.test_evaluate import stage


def test_a_reward_model_is_audited(run_folder: Path, tmp_path: Path) -> None:
    model, data = stage(run_folder, "reward"), stage(run_folder, "labels") / "train.jsonl"
    phrases = tmp_path / "phrases.json"
    phrases.write_text(json.dumps({"padding": ["that is how it is."]}))
    given = ["evaluate", "audit-reward", "--model", model, "--data", data, "--limit", 20]
    found = preftune(*given, "--phrases", phrases, "--json").json
    names = {effect["name"] for effect in found["effects"] if effect["kind"] == "probe"}
    assert names >= {"padding", "flattery", "confidence", "sycophancy"}
    assert found["pairs"] == 20 and found["sentences"][0].startswith("It agrees with the labels")
    assert set(found["biases"]) <= {effect["name"] for effect in found["effects"]}
    assert {"accuracy", "ece", "slices", "labels"} <= set(found)
    shown = preftune(*given, "--tokens", 6)
    assert shown.code == 0 and "looked for" in shown.out and "mean worth" in shown.out


def test_answers_are_told_token_by_token(run_folder: Path) -> None:
    model, data = stage(run_folder, "reward"), stage(run_folder, "labels") / "train.jsonl"
    given = ["evaluate", "audit-reward", "--model", model, "--data", data, "--limit", 20]
    found = preftune(*given, "--tokens", 4, "--json").json
    assert len(found["tokens"]) == 4
    for answer in found["tokens"]:
        total = sum(worth for _, worth in answer["tokens"])
        assert abs(total - (answer["score"] - answer["baseline"])) < 1e-3
        text = "".join(token for token, _ in answer["tokens"][:-1])
        torn = "\N{REPLACEMENT CHARACTER}"  # bytes that an untrained model leaves incomplete
        told = answer["completion"].replace(torn, "").strip()
        assert text.replace(torn, "").strip() == told


def test_wrong_phrases_are_told(run_folder: Path, tmp_path: Path) -> None:
    model, data = stage(run_folder, "reward"), stage(run_folder, "labels") / "test.jsonl"
    phrases = tmp_path / "phrases.json"
    for written, sentence in (
        ({"pading": ["x"]}, "No probe says 'pading'."),
        ({"belief": ["I think so."]}, "A belief names no answer."),
        ({"padding": "x"}, "The phrases are no object of lists of texts."),
    ):
        phrases.write_text(json.dumps(written))
        given = ["--model", model, "--data", data, "--phrases", phrases, "--json"]
        done = preftune("evaluate", "audit-reward", *given)
        assert (done.code, done.json["error"]["sentence"]) == (2, sentence)


def test_labels_are_audited(run_folder: Path) -> None:
    data = stage(run_folder, "labels") / "train.jsonl"
    done = preftune("evaluate", "audit-labels", "--data", data, "--json")
    assert done.code == 0
    assert "length" in {effect["name"] for effect in done.json["labels"]}


def test_a_policy_is_audited_against_the_one_it_came_from(run_folder: Path) -> None:
    prompts = stage(run_folder, "world") / "prompts_test.jsonl"
    given = ["--against", stage(run_folder, "sft"), "--prompts", prompts, "--max-new-tokens", 8]
    found = preftune(
        "evaluate", "audit-policy", "--policy", stage(run_folder, "ppo"), *given, "--json"
    ).json
    assert found["prompts"] == 16 and "length" in {shift["trait"] for shift in found["shifts"]}
    same = preftune(
        "evaluate", "audit-policy", "--policy", stage(run_folder, "sft"), *given, "--json"
    ).json
    assert not any(shift["changed"] for shift in same["shifts"])
