from dataclasses import replace
from pathlib import Path

from preftune.records import Estimate
from preftune.reports import read_run
from preftune.reports.evidence import WinRate, measured, watched
from preftune.reports.verdict import Story, tell, win_sentence
from tests.reports.folders import (
    estimate,
    stage_content,
    whole_run,
    write_json,
    write_lines,
    write_recipe,
    write_stage,
)

S = "\u202f"


def story_of(folder: Path) -> Story:
    run = read_run(folder)
    return tell(run, measured(run), watched(run))


def test_a_good_run_is_told_in_its_numbers(tmp_path: Path) -> None:
    story = story_of(whole_run(tmp_path))
    assert story.headline == (
        f"PPO was preferred to SFT on 71{S}% (67–75) of 600 held-out prompts by the gold judge."
    )
    assert story.sentences == (
        f"PPO was preferred to base on 93{S}% (89–97) and SFT was preferred to base "
        f"on 86{S}% (82–90).",
        "Mean score by the gold judge: base 0.38, SFT 0.61, PPO 0.74 and the reward model's "
        "best of 64 samples 0.79.",
        f"PPO closes 72{S}% of the gap from one sample to the best of 64.",
        f"The reward model agrees with the labels on 79{S}% (76–81) on the pairs of 1,000 held-out "
        f"prompts, against a ceiling of 80.4{S}% (79.8–81.0) that the labels' noise allows; "
        f"“longer answer wins” reaches 56{S}% and “TF-IDF words” reaches 70{S}%.",
        "PPO ended 9.4 nats a response from SFT.",
    )
    assert story.warnings == () and story.state == ""
    assert [(tile.value, tile.detail) for tile in story.numbers] == [
        (f"71{S}%", "between 67 and 75"),
        (f"93{S}%", "between 89 and 97"),
        (f"79{S}%", f"ceiling 80{S}%"),
        ("0.74", "SFT 0.61"),
        (f"72{S}%", "of the judge's gap"),
        ("9.4", "nats a response"),
        (f"9{S}min 10{S}s", "8 stages"),
    ]


def test_a_hacked_run_is_warned_of_twice(tmp_path: Path) -> None:
    story = story_of(whole_run(tmp_path, hacked=True))
    assert story.headline.startswith(f"PPO was worse than SFT: preferred on only 31{S}% (27–35)")
    assert len(story.warnings) == 2
    assert story.warnings[0].startswith("Overoptimised: in stage ppo the judge's score was best")
    assert story.warnings[1] == (
        "Proxy and judge part: the reward model prefers PPO to SFT (2.70 against 0.20), and the "
        "gold judge does not (0.49 against 0.61): on held-out prompts the score no longer means "
        "quality."
    )
    assert "PPO closes none of the gap from one sample to the best of 64." in story.sentences


def test_no_difference_is_said_as_that() -> None:
    win = WinRate("ppo", "sft", Estimate(0.51, 0.47, 0.55, 200), None, None)
    assert win_sentence(win, "the judge") == (
        f"No clear difference between PPO and SFT: preferred on 51{S}% (47–55) "
        "of 200 held-out prompts by the judge."
    )
    worse = replace(win, rate=Estimate(0.4, 0.36, 0.44, 200))
    assert win_sentence(worse, "the judge").startswith("PPO was worse than SFT")


def test_a_failed_run_says_where_and_why(tmp_path: Path) -> None:
    write_recipe(tmp_path, ["world", "base", "sft"])
    write_stage(tmp_path, 1, "world", 1.0)
    error = {"sentence": "The loss is not a number.", "remedy": "Lower the learning rate."}
    told = [{"name": "base", "kind": "pretrain", "status": "failed"}]
    write_json(tmp_path / "summary.json", {"status": "failed", "stages": told, "error": error})
    assert story_of(tmp_path).headline == (
        "The run failed in stage base; 1 of 3 stages are done. "
        "The loss is not a number. Lower the learning rate."
    )


def test_a_refused_run_gives_the_gates_reason(tmp_path: Path) -> None:
    write_recipe(tmp_path, ["world", "base"])
    write_stage(tmp_path, 1, "world", 1.0)
    told = [{"name": "base", "status": "refused", "reason": "Accuracy .52 is below .60."}]
    write_json(tmp_path / "summary.json", {"status": "refused", "stages": told})
    assert story_of(tmp_path).headline == (
        "A gate stopped the run in stage base; 1 of 2 stages are done. Accuracy .52 is below .60."
    )


def test_a_run_that_only_trained_tells_its_last_numbers(tmp_path: Path) -> None:
    write_recipe(tmp_path, ["sft"])
    folder = write_stage(tmp_path, 1, "sft", 20.0)
    write_lines(
        folder / "metrics.jsonl", [{"step": 9, "loss": 1.5}, {"step": 10, "eval_loss": 1.25}]
    )
    story = story_of(tmp_path)
    assert story.headline == f"The run finished 1 stage in 20{S}s."
    assert story.sentences == ("Stage sft is at validation loss 1.25 after 10 steps.",)


def test_a_cross_validation_compares_with_its_baselines(tmp_path: Path) -> None:
    stages = {"folds": {"kind": "cross_validate", "by": "topic"}}
    write_json(tmp_path / "recipe.json", {"title": "Debates", "stages": stages})
    summary = {
        "folds": [{"group": "a", "model": estimate(0.7, 0.02, 500), "count": 500}] * 12,
        "accuracy": estimate(0.71, 0.01, 9428),
        "differences": {
            "longer": estimate(0.08, 0.02, 9428),
            "tfidf_length": estimate(0.01, 0.02, 9428),
        },
    }
    write_json(tmp_path / "stages" / "01-folds" / "summary.json", summary)
    write_json(tmp_path / "summary.json", {"status": "done"})
    story = story_of(tmp_path)
    assert story.headline == (
        "With each topic left out in turn (12 in all), the reward model picks the preferred side "
        f"of 71{S}% (70–72) of 9,428 pairs."
    )
    assert story.sentences == (
        f"Against “longer answer wins”: +8.0{S}points (6.0 to 10.0).",
        f"Against TF-IDF with length: +1.0{S}points (−1.0 to 3.0); the interval holds zero.",
    )


def test_the_runs_own_summary_stands_in_for_a_missing_evaluation(tmp_path: Path) -> None:
    summary = {
        "status": "done",
        "win_rate": estimate(0.7, 0.04, 500),
        "reward_model_accuracy": estimate(0.8, 0.02, 900),
        "kl": estimate(8.0, 0.1, 500),
        "gold": {
            "base": estimate(0.3, 0.01, 500),
            "sft": estimate(0.6, 0.01, 500),
            "ppo": estimate(0.7, 0.01, 500),
            "best_of_64": estimate(0.8, 0.01, 500),
        },
    }
    write_json(tmp_path / "summary.json", summary)
    story = story_of(tmp_path)
    assert f"70{S}% (66–74)" in story.headline
    assert f"PPO closes 50{S}% of the gap from one sample to the best of 64." in story.sentences


def test_sampling_that_differs_from_training_is_warned_of(tmp_path: Path) -> None:
    whole_run(tmp_path)
    rows = stage_content("ppo")["metrics.jsonl"]
    rows[1] |= {"first_pass/ratio_max_error": 0.25}
    write_lines(tmp_path / "stages" / "07-ppo" / "metrics.jsonl", rows)
    (warning,) = story_of(tmp_path).warnings
    assert "off by 0.25 before the first update" in warning
