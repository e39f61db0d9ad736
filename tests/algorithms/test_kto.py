"""KTO's story: the first row, the reference point from other prompts' answers, weights."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from preftune.algorithms.kto import KTOInputs, Verdicts, mismatched, objective
from preftune.models import Row
from preftune.recipe import KTO
from tests.algorithms.made import EOS
from tests.algorithms.preferences import logprob, planted, recipe_of, run, unpaired
from tests.models.made import make_policy


def test_the_first_row_is_what_the_fresh_policy_says(tmp_path: Path) -> None:
    pairs = planted(4, seed=3)
    _, (row,), _ = run(tmp_path, recipe_of("kto"), pairs)
    assert row["loss"] == pytest.approx(0.5, abs=1e-6)
    assert row["kl"] == pytest.approx(0, abs=1e-5)
    assert row["rewards/margins"] == pytest.approx(0, abs=1e-5)
    chosen = sum(logprob(pair.chosen) for pair in pairs) / 4
    assert row["logps/chosen"] == pytest.approx(chosen, abs=1e-3)
    rejected = sum(logprob(pair.rejected) for pair in pairs) / 4
    assert row["logps/rejected"] == pytest.approx(rejected, abs=1e-3)


def test_every_prompt_gets_the_next_answer_to_another_prompt() -> None:
    rows = [Row((p,), (a, EOS)) for p, a in ((1, 11), (1, 12), (2, 13), (3, 14), (3, 15), (1, 16))]
    answers = [row.response_ids[0] for row in mismatched(rows)]
    assert answers == [13, 13, 14, 16, 16, 13], "the last of prompt 1 looks past the first two"
    assert [row.prompt_ids for row in mismatched(rows)] == [row.prompt_ids for row in rows]


def test_with_distinct_prompts_it_is_a_roll_by_one() -> None:
    rows = [Row((p,), (10 + p, EOS)) for p in range(5)]
    assert [row.response_ids[0] for row in mismatched(rows)] == [11, 12, 13, 14, 10]


def test_with_one_prompt_only_there_is_no_mismatch_to_find() -> None:
    rows = [Row((1,), (a, EOS)) for a in (11, 12, 13)]
    assert len(mismatched(rows)) == 3


def part_with_reference(shift: float) -> tuple[KTOInputs, Verdicts]:
    """Four answers; of mismatched rows the reference says ``shift`` nats less than the policy."""
    verdicts = unpaired(planted(2, seed=3))
    others = mismatched([verdict.row for verdict in verdicts])
    own = torch.tensor([logprob(verdict.row) for verdict in verdicts])
    theirs = torch.tensor([logprob(row) for row in others])
    inputs = KTOInputs(make_policy(), verdicts, [], seed=0)
    return inputs, Verdicts(verdicts, others, own, theirs - shift)


@pytest.mark.parametrize(("shift", "kl"), [(3.0, 3.0), (-3.0, 0.0)])
def test_the_reference_point_is_one_number_for_the_whole_step(shift: float, kl: float) -> None:
    """r = 0 for every answer: desirable ones cost σ(β z₀), undesirable ones σ(−β z₀)."""
    inputs, part = part_with_reference(shift)
    recipe = recipe_of("kto", beta=0.5)
    assert isinstance(recipe, KTO)
    loss = objective(recipe, inputs, part, range(4))
    parts = [loss([i]) for i in range(4)]
    up = torch.sigmoid(torch.tensor(0.5 * kl)).item()
    found = [4 * part.total.item() for part in parts]
    assert found == pytest.approx([up, 1 - up] * 2, abs=1e-4)
    assert sum(part.sums["kl"].item() for part in parts) == pytest.approx(kl, abs=1e-3)


def test_weights_multiply_their_side() -> None:
    inputs, part = part_with_reference(0.0)
    recipe = recipe_of("kto", desirable_weight=2.0, undesirable_weight=0.5)
    assert isinstance(recipe, KTO)
    total = objective(recipe, inputs, part, range(4))([0, 1, 2, 3]).total.item()
    assert total == pytest.approx((2 * 0.5 * 2 + 2 * 0.5 * 0.5) / 4, abs=1e-5)


def test_no_weight_at_all_is_refused() -> None:
    with pytest.raises(ValidationError, match="raise one"):
        recipe_of("kto", desirable_weight=0, undesirable_weight=0)
