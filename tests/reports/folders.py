"""Run folders made by code: what a run leaves on the disk, with numbers chosen by the test."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preftune.artifacts import Manifest, Parent, write_manifest

Row = dict[str, Any]

SOURCES: dict[str, Row] = {
    "world": {"kind": "world"},
    "base": {"kind": "pretrain", "data": ["stage:world/documents"]},
    "sft": {"kind": "sft", "model": "stage:base", "train": "stage:world/demonstrations"},
    "candidates": {
        "kind": "candidates",
        "prompts": "stage:world/prompts_train",
        "policies": {"sft": {"model": "stage:sft"}, "base": {"model": "stage:base"}},
    },
    "labels": {"kind": "label", "candidates": "stage:candidates"},
    "reward": {"kind": "reward_model", "model": "stage:sft", "train": "stage:labels/train"},
    "ppo": {
        "kind": "ppo",
        "policy": "stage:sft",
        "reward_model": "stage:reward",
        "prompts": "stage:world/prompts_train",
    },
    "evaluation": {
        "kind": "evaluate",
        "policies": {"base": "stage:base", "sft": "stage:sft", "ppo": "stage:ppo"},
        "prompts": "stage:world/prompts_test",
        "judge": "gold:helpdesk",
        "reference": "sft",
        "best_of_policy": "sft",
        "reward_model": "stage:reward",
        "comparisons": "stage:labels/test",
    },
}
"""A whole loop's stages; every setting that names another stage is there."""


def estimate(value: float, half: float, count: int) -> Row:
    return {"value": value, "low": value - half, "high": value + half, "count": count}


def write_json(path: Path, value: object) -> None:
    """As a run writes it: keys sorted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, sort_keys=True), encoding="utf-8")


def write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_recipe(run: Path, stages: Sequence[str], title: str = "A help desk learns") -> None:
    named = {name: SOURCES[name] for name in stages}
    text = "".join(f'[stages.{name}]\nkind = "{SOURCES[name]["kind"]}"\n' for name in stages)
    run.mkdir(parents=True, exist_ok=True)
    (run / "recipe.toml").write_text(text, encoding="utf-8")
    write_json(run / "recipe.json", {"title": title, "seed": 3, "data": {}, "stages": named})


def write_stage(run: Path, number: int, name: str, seconds: float, salt: str = "") -> Path:
    """A finished stage's folder with its manifest; its parents are those of SOURCES.

    Another ``salt`` makes another identity, as another seed does.
    """
    folder = run / "stages" / f"{number:02d}-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    names = [text.removeprefix("stage:") for text in _texts(SOURCES.get(name))]
    parents = tuple(
        Parent("input", text.split("/")[0], f"stages/{text}", f"{hash_of(text)}") for text in names
    )
    write_manifest(
        folder,
        Manifest(
            name=name,
            kind=SOURCES.get(name, {"kind": name})["kind"],
            identity=hash_of(salt + name),
            recipe=SOURCES.get(name, {}),
            seed=17,
            parents=parents,
            outputs={"model": {"path": "model", "sha256": hash_of("model" + name)}},
            status="done",
            started="2026-02-03T10:11:12+00:00",
            seconds=seconds,
            device="cpu",
            versions={"numpy": "2.0.1", "torch": "2.13.0"},
            python="3.11.9",
            platform="Linux-x86_64",
            code={"version": "0.1.0", "sha256": hash_of("code")},
        ),
    )
    return folder


def hash_of(text: str) -> str:
    return (text.encode().hex() * 64)[:64]


def language_model_rows(steps: int, start: float, end: float, seed: int = 0) -> list[Row]:
    rng = np.random.default_rng(seed)
    found = []
    for step in range(1, steps + 1):
        loss = end + (start - end) * math.exp(-5 * step / steps)
        row = {
            "step": step,
            "loss": loss + 0.03 * rng.normal(),
            "learning_rate": 1e-3 * (1 - step / steps),
            "grad_norm": 1 + 0.1 * rng.normal(),
            "tokens_per_second": 14000.0,
        }
        if step % 10 == 0:
            row["eval_loss"] = loss + 0.05
        found.append(row)
    return found


def reward_rows(steps: int = 60) -> list[Row]:
    rng = np.random.default_rng(1)
    found = []
    for step in range(1, steps + 1):
        t = 1 - math.exp(-4 * step / steps)
        row = {
            "step": step,
            "loss": 0.693 - 0.24 * t + 0.02 * rng.normal(),
            "accuracy": 0.5 + 0.31 * t + 0.03 * rng.normal(),
            "margin": 1.3 * t,
            "learning_rate": 3e-4,
        }
        if step % 6 == 0:
            row |= {"eval_loss": 0.70 - 0.21 * t, "eval_accuracy": 0.5 + 0.28 * t}
        found.append(row)
    return found


def ppo_rows(steps: int = 40, *, hacked: bool = False, seed: int = 2) -> list[Row]:
    """A PPO history; ``hacked`` lets the judge turn down after a third while the proxy rises."""
    rng = np.random.default_rng(seed)
    found: list[Row] = [{"step": 0, **_judged(0.0, hacked, rng)}]
    for step in range(1, steps + 1):
        t = step / steps
        score = 0.1 + (2.6 if hacked else 1.4) * (1 - math.exp(-2.5 * t)) + 0.04 * rng.normal()
        kl = (38 if hacked else 11) * t**0.8
        row = {
            "step": step,
            "objective/scores": score,
            "objective/kl": kl,
            "objective/entropy": 24 - 12 * t + 0.3 * rng.normal(),
            "objective/kl_coef": 0.0 if hacked else 0.05,
            "objective/rlhf_reward": score - (0 if hacked else 0.05) * kl,
            "policy/approxkl_avg": 0.01 + 0.002 * rng.normal(),
            "policy/clipfrac_avg": 0.1 + 0.01 * rng.normal(),
            "loss/value_avg": 0.5 * math.exp(-3 * t) + 0.08,
            "value/explained_variance": 0.75 - 0.8 * math.exp(-4 * t),
            "completions/mean_length": (14 + 14 * t) if hacked else 14 - 2 * t,
            "completions/eos_rate": 0.9 + 0.09 * t,
            "completions/distinct_2": 0.5 - 0.1 * t,
            "first_pass/ratio_max_error": 3e-7 * (1 + rng.random()),
        }
        if step % 4 == 0:
            row |= _judged(t, hacked, rng)
        found.append(row)
    return found


def samples(count: int = 30, seed: int = 5) -> list[Row]:
    rng = np.random.default_rng(seed)
    items = ("lamp", "kettle", "scarf", "bicycle bell", "chess set")
    found = []
    for place in range(count):
        item, day = items[place % len(items)], ("Monday", "Tuesday", "Friday")[place % 3]
        base, sft, ppo = (float(x) for x in np.clip(rng.normal((0.35, 0.6, 0.76), 0.15), 0, 1))
        asked = ("when will it arrive?", "is it already sent?", "can I change the colour?")
        found.append(
            {
                "id": f"p{place}",
                "prompt": f"Order {1000 + place}: one {item}, sent on {day}, arrives in 2 days.\n"
                f"Customer: Hello, about my {item}: {asked[place % 3]}",
                "columns": {"id": f"p{place}", "class": "answerable", "card": {"item": item}},
                "samples": [
                    _sample("base", f"The {item} the {item} arrives. Your order is", base, -0.8),
                    _sample("sft", f"Your {item} was sent on {day}. Thank you.", sft, 0.4),
                    _sample("ppo", f"It was sent on {day} and arrives in 2 days.", ppo, 1.5),
                ],
            }
        )
    return found


def evaluation_summary(*, hacked: bool = False) -> Row:
    judge = {"base": 0.38, "sft": 0.61, "ppo": 0.49 if hacked else 0.74}
    proxy = {"base": -0.9, "sft": 0.2, "ppo": 2.7 if hacked else 1.5}
    policies = {
        name: {
            "count": 600,
            "judge": estimate(judge[name], 0.013, 600),
            "proxy": estimate(proxy[name], 0.06, 600),
            "words": estimate(words, 0.5, 600),
            "eos_rate": estimate(eos, 0.02, 600),
            "distinct_2": distinct,
            "kl": None if name == "base" else estimate(kl, 0.2, 600),
            "axes": {
                "helpfulness": estimate(judge[name] + 0.05, 0.02, 600),
                "honesty": estimate(judge[name] + 0.1, 0.02, 600),
                "gold": estimate(judge[name], 0.013, 600),
            },
            "openers": [["Your order was", 0.31], ["It was sent", 0.22], ["I am sorry", 0.07]],
        }
        for name, words, eos, distinct, kl in (
            ("base", 17.2, 0.71, 0.52, 0.0),
            ("sft", 11.8, 0.97, 0.44, 0.0),
            ("ppo", 10.9, 0.99, 0.39, 9.4),
        )
    }
    wins = [
        ("ppo", "sft", 0.31 if hacked else 0.712),
        ("ppo", "base", 0.934),
        ("sft", "base", 0.86),
    ]
    slices = {
        "chosen_length": {
            "longer": estimate(0.83, 0.03, 512),
            "shorter": estimate(0.72, 0.04, 401),
            "equal": estimate(0.77, 0.07, 87),
        },
        "class": {"answerable": estimate(0.81, 0.03, 610), "refuse": estimate(0.74, 0.05, 390)},
    }
    return {
        "prompts": 600,
        "policies": policies,
        "win_rates": [
            {
                "policy": a,
                "against": b,
                "win_rate": estimate(rate, 0.04, 600),
                "length_controlled_win_rate": estimate(rate - 0.03, 0.045, 600),
                "ties": 0.113,
            }
            for a, b, rate in wins
        ],
        "reward_model": {
            "accuracy": estimate(0.786, 0.025, 1000),
            "ece": 0.024,
            "reliability": [
                {"low": p - 0.05, "high": p + 0.05, "predicted": p, "observed": o, "count": n}
                for p, o, n in (
                    (0.55, 0.56, 310),
                    (0.65, 0.66, 240),
                    (0.75, 0.73, 190),
                    (0.85, 0.81, 150),
                    (0.95, 0.90, 110),
                )
            ],
            "margin": estimate(1.1, 0.05, 1000),
            "slices": slices,
            "length_correlation": -0.12,
            "baselines": {
                "longer": estimate(0.556, 0.03, 1000),
                "tfidf": estimate(0.702, 0.028, 1000),
                "tfidf_length": None,
                "reason": None,
            },
        },
        "noise_ceiling": estimate(0.804, 0.006, 1000),
        "best_of": {
            "n": 64,
            "kl": 3.17,
            "judge": estimate(0.79, 0.01, 150),
            "proxy": estimate(1.9, 0.05, 150),
            "oracle": estimate(0.88, 0.01, 150),
        },
    }


def whole_run(run: Path, *, hacked: bool = False) -> Path:
    """Every stage of a loop, finished, with everything a report shows."""
    write_recipe(run, list(SOURCES))
    seconds = (1.3, 118.0, 21.4, 44.0, 2.2, 86.0, 219.0, 58.0)
    told = []
    for number, (name, took) in enumerate(zip(SOURCES, seconds, strict=True), start=1):
        folder = write_stage(run, number, name, took)
        told.append(
            {
                "name": name,
                "kind": SOURCES[name]["kind"],
                "status": "done",
                "seconds": took,
                "folder": str(folder),
            }
        )
        content = stage_content(name, hacked=hacked)
        for file, value in content.items():
            writer = write_lines if file.endswith(".jsonl") else write_json
            writer(folder / file, value)  # type: ignore[operator]
    write_json(
        run / "summary.json",
        {"run": str(run), "status": "done", "seconds": sum(seconds), "stages": told},
    )
    return run


def stage_content(name: str, *, hacked: bool = False) -> Row:
    """The files of one stage besides its manifest."""
    evaluated = {
        "summary.json": evaluation_summary(hacked=hacked),
        "samples.jsonl": samples(),
    }
    content: dict[str, Row] = {
        "world": {"summary.json": {"documents": 24000, "prompts_train": 5000}},
        "base": {
            "metrics.jsonl": language_model_rows(500, 6.8, 1.9),
            "summary.json": {"steps": 500, "parameters": 1132416, "validation_loss": 1.95},
        },
        "sft": {"metrics.jsonl": language_model_rows(80, 2.1, 1.1), "summary.json": {"steps": 80}},
        "candidates": {"summary.json": {"prompts": 2000, "samples": 10}},
        "labels": {"summary.json": {"labelers": "varied", "train_noise_ceiling": 0.803}},
        "reward": {"metrics.jsonl": reward_rows(), "summary.json": {"pairs": 4000}},
        "ppo": {
            "metrics.jsonl": ppo_rows(hacked=hacked),
            "summary.json": {"iterations": 40, "kl": 10.9, "ended_by": "iterations"},
        },
        "evaluation": evaluated,
    }
    return content[name]


def _judged(t: float, hacked: bool, rng: np.random.Generator) -> Row:
    turn = max(0.0, t - 0.33)
    judge = 0.61 + (0.36 * min(t, 0.33) - 0.35 * turn if hacked else 0.14 * (1 - math.exp(-3 * t)))
    rate = 0.5 + (judge - 0.61) * 1.5
    return {
        "judge/score": judge + 0.005 * rng.normal(),
        "judge/win_rate": rate,
        "judge/win_rate_low": rate - 0.07,
        "judge/win_rate_high": rate + 0.07,
        "proxy/score": (2.5 if hacked else 1.35) * (1 - math.exp(-2.5 * t)) + 0.02 * rng.normal(),
    }


def _sample(policy: str, text: str, judge: float, proxy: float) -> Row:
    scores = {"gold": judge, "judge": judge, "proxy": proxy, "helpfulness": 0.5, "honesty": 1.0}
    return {"policy": policy, "text": text, "scores": scores}


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value] if value.startswith("stage:") else []
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for item in items for text in _texts(item)]
