"""DPO's story: what the first row says, every loss, means, soft labels, what is refused."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.algorithms.preferences import logprob, planted, recipe_of, run

LN2 = math.log(2)


def test_the_first_row_is_what_the_fresh_policy_says(tmp_path: Path) -> None:
    pairs = planted(8, seed=3)
    _, (row,), _ = run(tmp_path, recipe_of("dpo"), pairs)
    assert row["loss"] == pytest.approx(LN2, abs=1e-6)
    assert row["rewards/margins"] == pytest.approx(0, abs=1e-5)
    chosen = [logprob(pair.chosen) for pair in pairs]
    rejected = [logprob(pair.rejected) for pair in pairs]
    assert row["logps/chosen"] == pytest.approx(sum(chosen) / 8, abs=1e-3)
    assert row["logps/rejected"] == pytest.approx(sum(rejected) / 8, abs=1e-3)
    tokens = [len(pair.chosen.response_ids) for pair in pairs]
    nll = [-total / count for total, count in zip(chosen, tokens, strict=True)]
    assert row["nll_loss"] == pytest.approx(sum(nll) / 8, abs=1e-4)
    both = tokens + [len(pair.rejected.response_ids) for pair in pairs]
    assert row["num_tokens"] == sum(both)


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        ({"loss": "cdpo", "label_smoothing": 0.1}, LN2),
        ({"loss": "robust", "label_smoothing": 0.1}, LN2),
        ({"loss": "hinge"}, 1.0),
        ({"logprobs": "mean", "beta": 5.0}, LN2),
    ],
)
def test_every_loss_begins_where_it_must_and_falls(
    settings: dict[str, object], first: float, tmp_path: Path
) -> None:
    recipe = recipe_of("dpo", epochs=4, **settings)
    _, rows, _ = run(tmp_path, recipe, planted(16, seed=3))
    assert rows[0]["loss"] == pytest.approx(first, abs=1e-5)
    assert rows[-1]["loss"] < first - 0.01 and rows[-1]["rewards/margins"] > 0


def test_rpo_adds_the_chosen_answer_s_likelihood_and_holds_it_up(tmp_path: Path) -> None:
    pairs = planted(16, seed=3)
    _, plain, _ = run(tmp_path / "plain", recipe_of("dpo", epochs=6), pairs)
    _, rpo, _ = run(tmp_path / "rpo", recipe_of("dpo", epochs=6, rpo_alpha=1.0), pairs)
    assert rpo[0]["loss"] == pytest.approx(LN2 + rpo[0]["nll_loss"], abs=1e-5)
    assert rpo[-1]["logps/chosen"] > plain[-1]["logps/chosen"] + 1


def test_a_soft_label_s_margin_is_its_log_odds(tmp_path: Path) -> None:
    """One pair that .7 of the voters prefer: βh goes to ln(.7/.3) = .847."""
    pair = replace(planted(1, seed=4)[0], probability=0.7)
    _, rows, _ = run(tmp_path, recipe_of("dpo", epochs=80, beta=0.5), [pair] * 8)
    assert rows[-1]["rewards/margins"] == pytest.approx(math.log(0.7 / 0.3), abs=0.02)


def test_weights_decide_between_contradicting_labels(tmp_path: Path) -> None:
    """Three votes against one at the same pair: βh is ln 3 for the heavier label."""
    pair = planted(1, seed=4)[0]
    turned = replace(pair, chosen=pair.rejected, rejected=pair.chosen)
    pairs = [replace(pair, weight=3.0), turned] * 4
    _, rows, _ = run(tmp_path, recipe_of("dpo", epochs=80, beta=0.5), pairs)
    assert rows[-1]["rewards/accuracies"] == 0.5, "each way once"
    smoothed = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    assert rows[-1]["loss"] == pytest.approx(smoothed, abs=1e-3)


@pytest.mark.parametrize("loss", ["sigmoid", "hinge"])
def test_smoothing_without_a_loss_that_smooths_is_refused(loss: str) -> None:
    with pytest.raises(ValidationError, match='set loss = "cdpo" or loss = "robust"'):
        recipe_of("dpo", loss=loss, label_smoothing=0.1)
