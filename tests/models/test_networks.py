"""What networks say does not depend on padding, company or the pad token."""

import pytest
import torch
from torch import nn

from preftune.models import (
    Row,
    collate,
    response_logits,
    response_logprobs,
    response_statistics,
    scores,
    set_normalisation,
    twice_differentiable,
    values,
)
from tests.models.made import CPU, FAMILIES, make_policy, make_reward_model, make_rows

PAD = 1


@pytest.mark.parametrize("family", FAMILIES)
def test_logprobs_do_not_depend_on_company(family: str) -> None:
    policy, rows = make_policy(family), make_rows(6, seed=1)
    together = response_logprobs(policy, collate(rows, PAD, CPU), 0.7)
    for index, row in enumerate(rows):
        length = len(row.response_ids)
        alone = response_logprobs(policy, collate([row], PAD, CPU), 0.7)[0]
        assert torch.allclose(together[index, :length], alone, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_logprobs_are_those_of_a_plain_forward_pass(family: str) -> None:
    """The oracle: the whole sequence without padding, mask, positions or temperature tricks."""
    policy, (row,) = make_policy(family), make_rows(1, seed=2)
    ids = torch.tensor([row.prompt_ids + row.response_ids])
    logits = policy(ids).logits[0].double() / 0.7
    start = len(row.prompt_ids)
    expected = [
        float(logits[start + t - 1].detach().log_softmax(-1)[token])
        for t, token in enumerate(row.response_ids)
    ]
    found = response_logprobs(policy, collate([row], PAD, CPU), 0.7)[0]
    assert found.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_and_values_do_not_depend_on_company(family: str) -> None:
    model, rows = make_reward_model(family), make_rows(6, seed=3)
    batch = collate(rows, PAD, CPU)
    together, table = scores(model, batch), values(model, batch)
    for index, row in enumerate(rows):
        length = len(row.response_ids)
        alone = collate([row], PAD, CPU)
        assert scores(model, alone)[0].item() == pytest.approx(together[index].item(), abs=1e-5)
        assert torch.allclose(values(model, alone)[0], table[index, :length], atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_pad_id_changes_no_number(family: str) -> None:
    """Also when it is the end token, which every response ends with."""
    policy, model = make_policy(family), make_reward_model(family)
    rows = [Row(row.prompt_ids, (*row.response_ids, 0)) for row in make_rows(5, seed=4)]
    batches = [collate(rows, pad, CPU) for pad in (1, 0, 77)]
    mask = batches[0].action_mask_BT
    expected = scores(model, batches[0]), response_logprobs(policy, batches[0], 1.0)[mask]
    for batch in batches[1:]:
        assert torch.allclose(scores(model, batch), expected[0], atol=1e-6)
        assert torch.allclose(response_logprobs(policy, batch, 1.0)[mask], expected[1], atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_moves_no_gradient(family: str) -> None:
    rows, gradients = make_rows(4, seed=5), []
    for pad in (1, 99):
        policy = make_policy(family)
        batch = collate(rows, pad, CPU)
        logprobs = response_logprobs(policy, batch, 1.0)
        torch.where(batch.action_mask_BT, logprobs, 0.0).sum().backward()
        gradients.append({name: p.grad for name, p in policy.named_parameters()})
    for name, gradient in gradients[0].items():
        assert gradient is not None and torch.allclose(gradient, gradients[1][name], atol=1e-5)


class Echo(nn.Module):
    """A body whose hidden state is the position and the token it reads."""

    def forward(self, input_ids, attention_mask, position_ids, use_cache):  # type: ignore[no-untyped-def]
        self.last_hidden_state = torch.stack([position_ids, input_ids], dim=-1).float()
        return self


class EchoModel(nn.Module):
    """A reward model that scores a row by the token (or the position) it reads."""

    base_model_prefix = "body"

    dtype = torch.float32

    def __init__(self, column: int) -> None:
        super().__init__()
        self.body, self.score, self.config = Echo(), nn.Linear(2, 1, bias=False), nn.Module()
        self.config._attn_implementation = "echo"
        with torch.no_grad():
            self.score.weight.copy_(torch.eye(2)[column : column + 1])


ROWS = [
    Row((20, 21, 22), (30, 31, 0)),  # ended
    Row((23,), (32, 33, 34, 35, 36)),  # cut off at the longest
    Row((24, 25), (0,)),  # ended at once
]


@pytest.mark.parametrize("pad", [1, 0], ids=["pad", "pad is end"])
def test_the_score_is_read_at_the_last_real_token(pad: int) -> None:
    batch = collate(ROWS, pad, CPU)
    assert scores(EchoModel(1), batch).tolist() == [0, 36, 0]  # type: ignore[arg-type]
    assert scores(EchoModel(0), batch).tolist() == [5, 5, 2]  # type: ignore[arg-type]


def test_values_are_read_before_each_token() -> None:
    batch = collate(ROWS, 1, CPU)
    found = values(EchoModel(1), batch)  # type: ignore[arg-type]
    kept = [row[mask].tolist() for row, mask in zip(found, batch.action_mask_BT, strict=True)]
    assert kept == [[22, 30, 31], [23, 32, 33, 34, 35], [25]]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_value_before_a_token_is_the_score_of_what_stands_there(family: str) -> None:
    """A value network that is the reward model values a prefix as the reward model scores it."""
    model, (row,) = make_reward_model(family), make_rows(1, seed=9)
    set_normalisation(model, 2.0, -1.0)
    table = values(model, collate([row], PAD, CPU))[0]
    for t in range(1, len(row.response_ids)):
        prefix = Row(row.prompt_ids, row.response_ids[:t])
        score = scores(model, collate([prefix], PAD, CPU))[0]
        assert table[t].item() == pytest.approx(score.item(), abs=1e-5)


def test_normalisation_applies_once_and_composes() -> None:
    model, rows = make_reward_model(), make_rows(3)
    batch = collate(rows, PAD, CPU)
    raw, raw_values = scores(model, batch), values(model, batch)
    set_normalisation(model, 2.0, 0.5)
    assert torch.allclose(scores(model, batch), 2 * raw + 0.5)
    mask = batch.action_mask_BT
    assert torch.allclose(values(model, batch)[mask], 2 * raw_values[mask] + 0.5)
    set_normalisation(model, 3.0, 1.0)
    assert torch.allclose(scores(model, batch), 3 * (2 * raw + 0.5) + 1)


def test_only_response_positions_meet_the_head() -> None:
    rows = make_rows(3)
    batch = collate(rows, PAD, CPU)
    assert response_logits(make_policy(), batch).shape == (3, batch.width, 300)


def test_entropy_is_of_the_tempered_distribution() -> None:
    policy, (row,) = make_policy(), make_rows(1)
    ids = torch.tensor([row.prompt_ids + row.response_ids])
    logits = policy(ids).logits[0, len(row.prompt_ids) - 1 : -1].double() / 0.5
    p = logits.softmax(-1)
    expected = -(p * p.log()).sum(-1)
    found = response_statistics(policy, collate([row], PAD, CPU), 0.5).entropy_BT[0]
    assert torch.allclose(found.double(), expected, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_can_be_differentiated_twice(family: str) -> None:
    """And says the same as the fused one."""
    policy, batch = make_policy(family), collate(make_rows(3, seed=6), PAD, CPU)
    plain = response_logprobs(policy, batch, 1.0)
    with twice_differentiable():
        logprobs = response_logprobs(policy, batch, 1.0)
        parameters = list(policy.parameters())
        mask = batch.action_mask_BT
        slopes = torch.autograd.grad(logprobs[mask].sum(), parameters, create_graph=True)
        sum(slope.square().sum() for slope in slopes).backward()
    assert torch.allclose(plain[mask], logprobs[mask], atol=1e-5)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in parameters)


def test_entropy_learns_where_it_is_asked_to() -> None:
    policy, batch = make_policy(), collate(make_rows(3, seed=6), PAD, CPU)
    assert not response_statistics(policy, batch, 1.0).entropy_BT.requires_grad
    assert response_statistics(policy, batch, 1.0, entropy_learns=True).entropy_BT.requires_grad
    with torch.no_grad():
        quiet = response_statistics(policy, batch, 1.0, entropy_learns=True)
    assert not quiet.entropy_BT.requires_grad
