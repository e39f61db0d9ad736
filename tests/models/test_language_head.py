"""Log-probabilities read off states are those read off logits; who may be read so."""

from typing import Any

import pytest
import torch
from torch import nn

from preftune.cli import memory
from preftune.models import (
    Row,
    collate,
    language_head,
    logprobs_of_rows,
    response_logprobs,
    response_statistics,
)
from preftune.models.language_head import plain_head
from tests.models.made import CPU, FAMILIES, make_policy, make_rows

PAD = 1
PAIRS = [Row((5, 6, 7), (8, 9, 0)), Row((5, 6, 7), (10, 11, 12, 0)), Row((3, 4), (8, 0))]


@pytest.mark.parametrize("family", FAMILIES)
def test_numbers_and_gradients_are_those_of_the_logits(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, found = collate(make_rows(6, seed=1), PAD, CPU), []
    for few in (10**9, 0):
        monkeypatch.setattr(language_head, "FEW_LOGITS", few)
        policy = make_policy(family)
        told = response_statistics(policy, batch, 0.7, entropy_learns=True)
        mask = batch.action_mask_BT
        sums = logprobs_of_rows(policy, PAIRS, 64)
        (told.logprobs_BT[mask].sum() + 0.1 * told.entropy_BT[mask].sum() + sums.sum()).backward()
        found.append(
            [told.logprobs_BT[mask], told.entropy_BT[mask], sums]
            + [p.grad for p in policy.parameters() if p.grad is not None]
        )
    assert len(found[0]) == len(found[1]) > 10
    for plain, ours in zip(*found, strict=True):
        assert torch.allclose(
            plain, ours, atol=1e-4 * float(plain.detach().abs().max().clip(1)), rtol=1e-4
        )
    for plain, ours in zip(found[0][:3], found[1][:3], strict=True):
        assert torch.allclose(plain, ours, atol=1e-5)


@pytest.mark.parametrize("more", [0, 1])
def test_few_logits_are_made_at_once(more: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_head, "FEW_LOGITS", 4 * 300)
    parts: list[int] = []
    made = language_head._in_parts

    def watched(*given: Any) -> Any:
        parts.append(len(given[3]))
        return made(*given)

    monkeypatch.setattr(language_head, "_in_parts", watched)
    states_NH, tokens_N = torch.randn(4 + more, 32), torch.arange(4 + more)
    language_head.read_tokens(make_policy(), states_NH, tokens_N, 1.0, None)
    assert parts == [5] * more


def test_what_memory_is_foretold_by() -> None:
    assert (
        language_head.FEW_LOGITS,
        language_head.KEPT["cpu"],
    ) == (memory.FEW_LOGITS, memory.KEPT_LOGITS)


def test_entropies_have_no_gradient_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_head, "FEW_LOGITS", 0)
    batch, policy = collate(make_rows(3), PAD, CPU), make_policy()
    told = response_statistics(policy, batch, 1.0)
    assert told.logprobs_BT.requires_grad and not told.entropy_BT.requires_grad
    assert response_statistics(policy, batch, 1.0, entropy_learns=True).entropy_BT.requires_grad


def test_a_model_that_scales_its_logits_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial finds it out, whatever the configuration calls it."""
    monkeypatch.setattr(language_head, "FEW_LOGITS", 0)
    policy, batch = make_policy(), collate(make_rows(3), PAD, CPU)
    plain = policy.forward

    def capped(*given: object, **named: object) -> object:
        output = plain(*given, **named)
        output.logits = 5 * torch.tanh(output.logits / 5)
        return output

    monkeypatch.setattr(policy, "forward", capped)
    assert plain_head(policy) is None
    expected = response_logprobs(policy, batch, 1.0)
    assert torch.isfinite(expected).all()


def test_a_head_with_a_bias_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_head, "FEW_LOGITS", 0)
    policy = make_policy("gpt2")
    policy.lm_head = nn.Linear(32, 300)
    assert plain_head(policy) is None


@pytest.mark.parametrize("family", FAMILIES)
def test_trying_draws_no_random_numbers_and_sees_past_dropout(family: str) -> None:
    policy = make_policy(family)
    for part in policy.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.5
    policy.train()
    before = torch.default_generator.get_state()
    assert plain_head(policy) is not None
    assert torch.equal(torch.default_generator.get_state(), before)
    assert all(part.training for part in policy.modules())
