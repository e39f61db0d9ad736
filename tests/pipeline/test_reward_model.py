"""Every objective through the command line: what is saved, what is read back, what is refused."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from preftune.models import build_policy, load_linear, read_ensemble, save_model, train_tokenizer
from preftune.pipeline.engines import as_completion, reward_model_score
from preftune.pipeline.stages.reward_model import resampled
from preftune.recipe import Architecture
from preftune.records import Prompt
from preftune.training import weights_of
from tests.algorithms.test_reward_model import planted
from tests.cli.command import Done, preftune, write_rows

CPU = torch.device("cpu")
GOOD, BAD = "good answer with reasons", "bad answer"
Train = Callable[..., Done]


def answers(k: int) -> list[str]:
    return [f"{GOOD} {k}", f"fair answer {k}", f"{BAD} {k}"]


PROMPTS = [f"Question {k}?" for k in range(12)]
PAIRS = [
    {
        "prompt": p,
        "chosen": answers(k)[0],
        "rejected": answers(k)[2],
        "strength": ("significantly better", "slightly")[k % 2],
        "safe_chosen": True,
        "safe_rejected": [False, None][k % 2],
    }
    for k, p in enumerate(PROMPTS)
]
RANKINGS = [
    {"prompt": p, "completions": answers(k), "ranks": [1, 2, 3]} for k, p in enumerate(PROMPTS)
]
RATINGS = [
    {
        "prompt": p,
        "completion": answers(k)[place],
        "ratings": {"help": 5.0 - 2 * place, "brief": float(place) if k % 2 else None},
    }
    for k, p in enumerate(PROMPTS)
    for place in range(3)
]
STEPS = [
    {
        "prompt": p,
        "completions": [GOOD, f"{(GOOD, BAD)[k % 2]} {k}", BAD][: 2 + k % 2],
        "labels": [True, k % 2 == 0, None][: 2 + k % 2],
    }
    for k, p in enumerate(PROMPTS)
]
VOTES = [
    {
        "prompt": p,
        "response_a": answers(k)[0],
        "response_b": answers(k)[2],
        "votes": [{"annotator": "ann", "vote": "a"}, {"annotator": "bob", "vote": "b"}],
    }
    for k, p in enumerate(PROMPTS)
]
AXES = {"kind": "axes", "axes": ["help", "brief"]}
ROWS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "bradley_terry": (PAIRS, {"kind": "bradley_terry", "label_smoothing": 0.1}),
    "margins": (PAIRS, {"margins": "llama2_small"}),
    "safety": (PAIRS, {"safety": {"weight": 0.5}}),
    "ties": (VOTES, {"ties": "half"}),
    "k_wise": (RANKINGS, {"kind": "k_wise"}),
    "plackett_luce": (RANKINGS, {"kind": "plackett_luce"}),
    "best_of_softmax": (RANKINGS, {"kind": "best_of_softmax"}),
    "rating": (RATINGS, {"kind": "rating", "axis": "help"}),
    "axes": (RATINGS, AXES | {"weights": {"help": 1.0, "brief": 0.5}}),
    "process": (STEPS, {"kind": "process"}),
}
FEW = {"epochs": 2, "batch_size": 4, "evaluate_every": 3, "checkpoint_every": 4}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny language model with random weights."""
    folder = tmp_path_factory.mktemp("start")
    texts = [text for k in range(12) for text in (PROMPTS[k], *answers(k), f"{GOOD}\n{BAD}")]
    tokenizer = train_tokenizer(texts, 300)
    shape = Architecture(hidden_size=16, layers=1, heads=2, intermediate_size=32, context=64)
    save_model(build_policy(shape, tokenizer, 0), tokenizer, folder, "tiny")
    return folder


@pytest.fixture
def train(start: Path, tmp_path: Path) -> Train:
    def go(
        rows: list[dict[str, Any]], objective: Mapping[str, Any], out: str = "run", **settings: Any
    ) -> Done:
        data = write_rows(tmp_path / "rows.jsonl", *rows)
        stage = {
            "kind": "reward_model",
            "model": str(start),
            "train": str(data),
            "validation": str(data),
            "objective": dict(objective),
            "optimizer": {"learning_rate": 1e-2, "warmup_steps": 0},
        }
        recipe = tmp_path / "recipe.json"
        recipe.write_text(json.dumps(stage | FEW | settings))
        return preftune("run", recipe, "--out", tmp_path / out, "--json")

    return go


def summary_of(done: Done) -> dict[str, Any]:
    assert done.code == 0, done.out
    found: dict[str, Any] = json.loads(
        (Path(done.json["stages"][0]["folder"]) / "summary.json").read_text()
    )
    return found


def model_of(done: Done) -> Path:
    return Path(done.json["models"]["reward_model"])


def scores_of(folder: Path, texts: list[str], prompt: str = PROMPTS[0]) -> list[dict[str, float]]:
    score = reward_model_score(folder, CPU)
    read = score([as_completion(Prompt(prompt), text) for text in texts])
    return [dict(axes) for axes in read if axes is not None]


@pytest.mark.parametrize("name", ROWS)
def test_an_objective_trains_and_prefers_what_it_was_told(train: Train, name: str) -> None:
    rows, objective = ROWS[name]
    done = train(rows, objective, epochs=8)
    found = summary_of(done)
    good, _, bad = (axes["score"] for axes in scores_of(model_of(done), answers(0)))
    if name == "ties":
        assert abs(good - bad) < 0.5 and found["best_eval_loss"] > 0.69
    elif name == "process":
        good, bad = (a["score"] for a in scores_of(model_of(done), [GOOD, f"{GOOD}\n{BAD} 1"]))
        assert good > bad
    else:
        assert good > bad
    counted = {"process": "answers", "rating": "ratings", "axes": "ratings"}
    expected = "rankings" if name in ("plackett_luce", "best_of_softmax") else "pairs"
    size = 3 * len(rows) if name == "k_wise" else len(rows)
    assert found[counted.get(name, expected)] == size
    assert ("temperature" in found) == (expected == "pairs" and name not in counted)


def test_axes_are_ordinary_outputs_with_names(train: Train) -> None:
    folder = model_of(train(*ROWS["axes"], epochs=30))
    config = json.loads((folder / "config.json").read_text())
    assert config["id2label"] == {"0": "help", "1": "brief"}
    model = AutoModelForSequenceClassification.from_pretrained(str(folder))
    assert model.config.num_labels == 2 and model.score.weight.shape[0] == 2
    good, fair, bad = scores_of(folder, answers(1), PROMPTS[1])
    assert (good["help"], fair["help"], bad["help"]) == pytest.approx((5, 3, 1), abs=0.8)
    assert bad["brief"] > good["brief"]
    assert good["score"] == pytest.approx(good["help"] + 0.5 * good["brief"], abs=1e-5)


def test_a_safety_label_is_a_second_output(train: Train) -> None:
    good, _, bad = scores_of(model_of(train(*ROWS["safety"], epochs=20)), answers(0))
    assert good["safe"] > 0 > bad["safe"]


def test_votes_count_by_annotator(train: Train) -> None:
    for weights, sign in (({"bob": 3.0}, -1), ({"ann": 3.0}, 1)):
        done = train(VOTES, {}, f"run{sign}", annotator_weights=weights, labels="soft", epochs=20)
        good, _, bad = (a["score"] for a in scores_of(model_of(done), answers(0)))
        # three against one: log-odds ln 3 = 1.0986
        assert good - bad == pytest.approx(sign * 1.0986, abs=0.3)


def test_the_temperature_is_stored_and_used(train: Train) -> None:
    done = train(PAIRS, {}, epochs=1)
    found = summary_of(done)
    assert reward_model_score(model_of(done), CPU).temperature == found["temperature"]
    assert found["calibration"]["after"]["brier"] <= found["calibration"]["before"]["brier"]
    assert found["coverage"][0]["coverage"] == 1.0
    assert found["coverage"][0]["accuracy"]["value"] == pytest.approx(found["best_eval_accuracy"])


@pytest.mark.parametrize(
    "aggregation", [{"kind": "mean"}, {"kind": "worst_case"}, {"kind": "uncertainty_weighted"}]
)
def test_an_ensemble_is_ordinary_folders_and_one_score(
    train: Train, aggregation: dict[str, Any]
) -> None:
    done = train(PAIRS, {}, members=3, bootstrap=True, aggregation=aggregation, epochs=1)
    folder, found = model_of(done), summary_of(done)
    ensemble = read_ensemble(folder)
    assert ensemble is not None and ensemble.centred_on == "validation"
    texts = answers(0)
    alone = np.array([[a["score"] for a in scores_of(folder / m, texts)] for m in ensemble.members])
    assert len({tuple(row) for row in alone.tolist()}) == 3
    held = alone - np.array(ensemble.offsets)[:, None]
    expected = {
        "mean": held.mean(0),
        "worst_case": held.min(0),
        "uncertainty_weighted": held.mean(0) - 0.5 * held.var(0),
    }[aggregation["kind"]]
    read = scores_of(folder, texts)
    assert [axes["score"] for axes in read] == pytest.approx(expected, abs=1e-5)
    assert [a["disagreement"] for a in read] == pytest.approx(held.std(0), abs=1e-5)
    assert len(found["members"]) == 3 and found["temperature"] == ensemble.temperature
    both = [row["chosen"] for row in PAIRS] + [row["rejected"] for row in PAIRS]
    every = [
        scores_of(folder / ensemble.members[0], [text], PROMPTS[i % 12])[0]["score"]
        for i, text in enumerate(both)
    ]
    assert ensemble.offsets[0] == pytest.approx(np.mean(every), abs=1e-4)


@pytest.mark.parametrize(("members", "linear_text"), [(1, False), (2, True)])
def test_members_are_added_to_a_linear_model(
    train: Train, tmp_path: Path, members: int, linear_text: bool
) -> None:
    text = write_rows(tmp_path / "text.jsonl", {"text": "A good Answer"})
    linear: dict[str, Any] = {"text": [str(text)]} if linear_text else {}
    done = train(PAIRS, {}, members=members, linear=linear, epochs=1)
    folder, found = model_of(done), summary_of(done)["linear"]
    ensemble = read_ensemble(folder)
    assert ensemble is not None and ensemble.linear is not None
    assert json.loads((folder / "ensemble.json").read_text())["format"] == 2
    texts = answers(0)
    alone = np.array([[a["score"] for a in scores_of(folder / m, texts)] for m in ensemble.members])
    together = (alone - np.array(ensemble.offsets)[:, None]).mean(0)
    read = load_linear(folder / "linear")
    every = sorted({row[side] for row in PAIRS for side in ("chosen", "rejected")})
    plain = read.scores(texts) - read.scores(every).mean()
    expected = plain + found["members_weight"] * together
    assert [axes["score"] for axes in scores_of(folder, texts)] == pytest.approx(expected, abs=1e-4)
    # reasons and "bad" stand in every answer of a side: the words tell them apart
    assert found["eval_accuracy"] == 1.0
    assert set(read.reading.known) == ({"a", "good", "answer"} if linear_text else set())
    assert plain[0] > plain[2]


def test_a_linear_model_needs_validation_rows(train: Train) -> None:
    done = train(PAIRS, {}, linear={}, validation=None)
    assert done.code == 2 and "adds to linear" in done.error["sentence"]


def test_averaged_weights_are_the_mean_of_members_with_one_head(train: Train) -> None:
    done = train(PAIRS, {}, members=2, average_weights=True, epochs=1)
    folder = model_of(done)
    stage = Path(done.json["stages"][0]["folder"])
    load = AutoModelForSequenceClassification.from_pretrained
    average = weights_of(load(str(folder)))
    one, two = (
        weights_of(load(str(stage / "members" / f"member-{m}" / "model"))) for m in range(2)
    )
    for name, weight in average.items():
        torch.testing.assert_close(weight, (one[name] + two[name]) / 2)
    apart = (one["score.weight"] - two["score.weight"]).abs().max()
    # Members from heads of their own would be about 1/√17 apart; training moved these a little.
    assert 0 < float(apart) < 0.1
    assert summary_of(done)["best_eval_accuracy"] is not None


def test_members_may_differ_in_learning_rate_and_dropout(train: Train) -> None:
    """One that hardly learns stays where all of them start, the others move away from it."""
    done = train(
        PAIRS,
        {},
        members=3,
        average_weights=True,
        member_learning_rates=[1e-12, 3e-3, 1e-3],
        member_dropouts=[0.2],
        epochs=1,
    )
    stage = Path(done.json["stages"][0]["folder"])
    load = AutoModelForSequenceClassification.from_pretrained
    still, fast, slow = (
        weights_of(load(str(stage / "members" / f"member-{m}" / "model")))["score.weight"]
        for m in range(3)
    )
    assert 0 < float((slow - still).abs().max()) < float((fast - still).abs().max())
    told = [(m["learning_rate"], m["dropout"]) for m in summary_of(done)["members"]]
    assert told == [(1e-12, 0.2), (3e-3, 0.2), (1e-3, 0.2)]


def test_a_bootstrap_draws_whole_prompts() -> None:
    pairs = [pair for pair in planted(10, seed=1) for _ in range(2)]
    named = [type(p)(p.chosen, p.rejected, prompt=f"p{k // 2}") for k, p in enumerate(pairs)]
    drawn = resampled(named, 4)
    counts = {p.prompt: sum(q.prompt == p.prompt for q in drawn) for p in drawn}
    assert len(drawn) == 20 and all(count % 2 == 0 for count in counts.values())
    assert len(counts) < 10 and drawn == resampled(named, 4) != resampled(named, 5)


REFUSED: dict[str, tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any], str]] = {
    "no ratings": (PAIRS, {"kind": "rating"}, {}, "no column"),
    "no axis named": (RATINGS, {"kind": "rating"}, {}, "no axis is named"),
    "axis nobody rated": (RATINGS, {"kind": "rating", "axis": "wit"}, {}, 'rating on "wit"'),
    "one rating only": (
        [row | {"ratings": {"help": 2}} for row in RATINGS],
        {"kind": "rating"},
        {},
        "nothing to learn",
    ),
    "all ratings null": (
        [row | {"ratings": {"help": None}} for row in RATINGS],
        {"kind": "rating"},
        {},
        'No row has a rating on "help"',
    ),
    "rankings of one": (
        [{"prompt": "p", "completions": ["x"], "ranks": [1]}],
        {"kind": "plackett_luce"},
        {},
        "at least two",
    ),
    "tied best": (
        [row | {"ranks": [1, 1, 2]} for row in RANKINGS],
        {"kind": "best_of_softmax"},
        {},
        "best answers that tie",
    ),
    "all tied": (
        [row | {"ranks": [1, 1, 1]} for row in RANKINGS],
        {"kind": "plackett_luce"},
        {},
        "that tie",
    ),
    "separator in a step": (
        [STEPS[0] | {"completions": ["a\nb", "c"]}],
        {"kind": "process"},
        {},
        "holds the separator",
    ),
    "separator of many tokens": (STEPS, {"kind": "process", "separator": "\n###\n"}, {}, "token"),
    "label out of range": ([STEPS[0] | {"labels": [2, 0]}], {"kind": "process"}, {}, "0 to 1"),
    "no strength": (
        [{k: v for k, v in row.items() if k != "strength"} for row in PAIRS],
        {"margins": "llama2_large"},
        {},
        "strength",
    ),
    "stranger": (VOTES, {}, {"annotator_weights": {"eve": 2.0}}, "no vote here"),
    "weights without votes": (PAIRS, {}, {"annotator_weights": {"ann": 2.0}}, "no column"),
    "safety word": (
        [row | {"safe_chosen": "yes"} for row in PAIRS],
        {"safety": {}},
        {},
        "safe_chosen",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unfit_rows_are_refused_in_one_sentence(train: Train, name: str) -> None:
    rows, objective, settings, words = REFUSED[name]
    done = train(rows, objective, **settings)
    assert done.code == 2, done.out
    assert words in done.error["sentence"] + str(done.error["remedy"])
    assert done.error["remedy"]


def test_an_ensemble_is_no_start_for_another_model(train: Train, tmp_path: Path) -> None:
    folder = model_of(train(PAIRS, {}, members=2, epochs=1))
    done = train(PAIRS, {}, "again", model=str(folder))
    assert done.code == 2 and "several reward models" in done.error["sentence"]
    member = train(PAIRS, {}, "member", model=str(folder / "member-1"))
    assert member.code == 0
