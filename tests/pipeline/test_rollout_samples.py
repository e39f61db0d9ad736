"""Some responses of every iteration are kept with their scores, once each."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from preftune.data import read_rows
from preftune.pipeline.rollout_samples import KEPT, RecordedScore
from preftune.records import Axes, Completion, Message
from tests.rewards.made import completions


class Lengths:
    origin = "rule"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        return [
            {"score": 2.0 * len(c.text), "length": float(len(c.text))} if c.text else None
            for c in completions
        ]


def texts(path: Path) -> list[tuple[str, str]]:
    return [(row["policy_version"], row["completion"]) for row in read_rows(path)]


def test_rows_say_who_wrote_what_and_what_each_part_gave(tmp_path: Path) -> None:
    path = tmp_path / "rollouts.jsonl"
    score = RecordedScore(Lengths(), path)
    asked = completions("abc", "", prompt=(Message("user", "Tea?"),))
    assert score(asked) == Lengths()(asked) and score.origin == "rule"
    one, two = read_rows(path)
    assert one == {
        "prompt": [{"role": "user", "content": "Tea?"}],
        "completion": "abc",
        "stop_reason": "eos",
        "policy_version": "v",
        "score": 6.0,
        "rewards": {"length": 3.0},
    }
    assert two["score"] is None and two["rewards"] == {}


def test_an_iteration_done_again_takes_its_own_place(tmp_path: Path) -> None:
    path = tmp_path / "rollouts.jsonl"

    def rollout(version: str, *written: str) -> None:
        rows = [replace(c, policy_version=version) for c in completions(*written)]
        RecordedScore(Lengths(), path)(rows)

    rollout("iteration-0", "a", "b")
    rollout("iteration-1", "c")
    rollout("iteration-1", "d")
    assert texts(path) == [("iteration-0", "a"), ("iteration-0", "b"), ("iteration-1", "d")]
    rollout("iteration-2", *"abcdefghijkl")
    assert len(texts(path)) == 3 + KEPT
