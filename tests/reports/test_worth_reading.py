"""Answers worth a person's eyes, each found for what was built into it."""

from typing import Any

import numpy as np

from preftune.reports.worth_reading import worth_reading


def sample(place: int, text: str, **scores: float) -> dict[str, Any]:
    answers = [{"policy": "sft", "text": "other", "scores": {}}]
    return {
        "id": str(place),
        "samples": [*answers, {"policy": "ppo", "text": text, "scores": scores}],
    }


def test_each_reason_finds_its_answer() -> None:
    rng = np.random.default_rng(0)
    rows = [
        sample(n, f"answer number {n} is here", judge=j, proxy=j + 0.1 * rng.normal(), doubt=0.1)
        for n, j in enumerate(rng.normal(size=40).tolist())
    ]
    rows[3] = sample(3, "liked by one only", judge=-3.0, proxy=3.0, doubt=0.1)
    rows[8] = sample(8, "who knows what this is", judge=0.0, proxy=0.0, doubt=0.9)
    rows[12] = sample(12, " ".join(f"w{n}" for n in range(80)), judge=0.1, proxy=0.1, doubt=0.1)
    rows[13] = sample(13, " ".join(f"v{n}" for n in range(70)), judge=0.1, proxy=0.1, doubt=0.1)
    rows[20] = sample(20, "so it is so it is so it is", judge=0.0, proxy=0.0, doubt=0.1)
    for n in (30, 31, 32):
        rows[n] = sample(n, "the very same", judge=0.0, proxy=0.0, doubt=0.1)
    found = dict(worth_reading(rows, "ppo"))
    assert "likes it more than the judge" in found[3]
    assert found[8] == "the reward model's members disagree most (0.90)"
    assert found[12] == "among the longest, 80 words"
    assert "of its word triples" in found[20]
    assert found[30] == "said word for word 3 times, more than anything else"
    assert len(found) <= 9


def test_without_scores_there_are_still_lengths() -> None:
    rows = [sample(n, "word " * n) for n in range(1, 6)]
    found = dict(worth_reading(rows, "ppo"))
    assert found[4].startswith("among the longest, 5 words")
    assert not any("judge" in why or "members" in why for why in found.values())
    assert worth_reading(rows, "nobody") == []
