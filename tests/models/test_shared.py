"""One prompt, several responses, read in one sequence: the numbers of each row alone."""

import pytest
import torch
from transformers import PreTrainedModel

from preftune.models import (
    Row,
    collate,
    logprobs_at,
    logprobs_of_rows,
    response_logprobs,
    response_statistics,
    scores,
    scores_of_rows,
    statistics_of_rows,
    tokens_read,
)
from tests.models.made import CPU, FAMILIES, make_policy, make_reward_model, make_rows

PAD = 1
PROMPTS = [row.prompt_ids for row in make_rows(3, seed=8)]
ROWS = [
    Row(PROMPTS[i % 3], row.response_ids)
    for i, row in enumerate(make_rows(10, seed=9))
    if i != 7  # the second prompt has fewer responses
]


def alone(model: PreTrainedModel, row: Row) -> torch.Tensor:
    return scores(model, collate([row], PAD, CPU))[0]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("limit", [1, 60, 4096])
def test_scores_and_gradients_are_those_of_single_rows(family: str, limit: int) -> None:
    model = make_reward_model(family)
    weight = torch.linspace(-1, 1, len(ROWS))
    shared = scores_of_rows(model, ROWS, limit)
    (shared * weight).sum().backward()
    ours = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    single = torch.stack([alone(model, row) for row in ROWS])
    (single * weight).sum().backward()
    assert torch.allclose(shared, single, atol=1e-5)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert torch.allclose(ours[name], parameter.grad, atol=2e-4), name


def test_eager_attention_reads_the_same() -> None:
    """Its mask is added, not chosen by."""
    model = make_reward_model("llama")
    quick = scores_of_rows(model, ROWS, 4096)
    model.set_attn_implementation("eager")
    assert torch.allclose(quick, scores_of_rows(model, ROWS, 4096), atol=1e-5)


def test_prompts_are_read_once() -> None:
    model = make_reward_model("llama")
    tokens: list[int] = []
    model.model.register_forward_pre_hook(
        lambda _, args, kwargs: tokens.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    rows = [Row((5,) * 30, (7 + k, 0)) for k in range(4)]
    scores_of_rows(model, rows, 4096)
    assert tokens[-1] == 38, "30 + 4 · 2, where rows apart are 4 · 32"


def test_long_rows_stay_apart() -> None:
    """Three responses of 400 tokens to one prompt: two fit into 1,024, the third stands alone."""
    model = make_reward_model("llama")
    shapes: list[tuple[int, ...]] = []
    model.model.register_forward_pre_hook(
        lambda _, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    with torch.no_grad():
        scores_of_rows(model, [Row((5,) * 30, (7 + k,) * 400) for k in range(3)], 1 << 20)
    assert shapes[-1] == (1, 830 + 430)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("limit", [1, 60, 4096])
def test_logprobs_and_gradients_are_those_of_single_rows(family: str, limit: int) -> None:
    policy = make_policy(family)
    weight = torch.linspace(-1, 1, len(ROWS))
    shared = logprobs_of_rows(policy, ROWS, limit)
    (shared * weight).sum().backward()
    ours = {name: p.grad.clone() for name, p in policy.named_parameters() if p.grad is not None}
    policy.zero_grad()
    single = torch.stack(
        [response_logprobs(policy, collate([row], PAD, CPU), 1.0).sum() for row in ROWS]
    )
    (single * weight).sum().backward()
    tokens = torch.tensor([len(row.response_ids) for row in ROWS])
    assert ((shared - single).abs() / tokens).max() < 1e-6, "nats a token, in float32"
    for name, parameter in policy.named_parameters():
        if parameter.grad is not None:
            assert torch.allclose(ours[name], parameter.grad, atol=2e-4), name


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("cut", [None, 0])
def test_token_statistics_are_those_of_single_rows(
    family: str, cut: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Log-probabilities, entropies and the gradients of both, off logits and off states."""
    if cut is not None:
        monkeypatch.setattr("preftune.models.language_head.FEW_LOGITS", cut)
    policy = make_policy(family)

    def gradients(logprobs: torch.Tensor, entropies: torch.Tensor) -> dict[str, torch.Tensor]:
        policy.zero_grad()
        weight = torch.linspace(-1, 1, len(logprobs))
        ((logprobs + 0.3 * entropies) * weight).sum().backward()
        return {n: p.grad.clone() for n, p in policy.named_parameters() if p.grad is not None}

    told = statistics_of_rows(policy, ROWS, 0.7, entropy_learns=True)
    table = logprobs_at(policy, ROWS, 0.7)
    singles = [
        response_statistics(policy, collate([row], PAD, CPU), 0.7, entropy_learns=True)
        for row in ROWS
    ]
    sizes = [len(row.response_ids) for row in ROWS]
    for index, (single, size) in enumerate(zip(singles, sizes, strict=True)):
        assert torch.allclose(told.logprobs_BT[index, :size], single.logprobs_BT[0], atol=1e-5)
        assert torch.allclose(told.entropy_BT[index, :size], single.entropy_BT[0], atol=1e-5)
        assert torch.allclose(table[index, :size], single.logprobs_BT[0], atol=1e-5)
    ours = gradients(
        torch.cat([told.logprobs_BT[i, :n] for i, n in enumerate(sizes)]),
        torch.cat([told.entropy_BT[i, :n] for i, n in enumerate(sizes)]),
    )
    theirs = gradients(
        torch.cat([one.logprobs_BT[0] for one in singles]),
        torch.cat([one.entropy_BT[0] for one in singles]),
    )
    assert all(torch.allclose(ours[name], theirs[name], atol=2e-4) for name in theirs)
    quiet = statistics_of_rows(policy, ROWS, 0.7)
    assert quiet.logprobs_BT.requires_grad and not quiet.entropy_BT.requires_grad


def test_eager_attention_gives_the_same_logprobs() -> None:
    policy = make_policy()
    quick = logprobs_of_rows(policy, ROWS, 4096)
    policy.set_attn_implementation("eager")
    assert torch.allclose(quick, logprobs_of_rows(policy, ROWS, 4096), atol=1e-4)


def test_a_row_that_comes_twice_is_told_twice() -> None:
    policy = make_policy()
    twice = logprobs_of_rows(policy, [ROWS[1], ROWS[0], ROWS[1]], 4096)
    assert twice[0] == twice[2] != twice[1]


def test_tokens_read() -> None:
    prompt = (5,) * 20
    rows = [Row(prompt, (7, 8)), Row(prompt, (9,)), Row((6,), (7,)), Row(prompt, (7, 8))]
    assert tokens_read(rows, share=True) == 20 + 2 + 1 + 2
    assert tokens_read(rows, share=False) == 22 + 21 + 2
    far = [Row((5,) * 600, (7,) * size) for size in (300, 200, 100)]
    assert tokens_read(far, share=True) == 2 * 600 + 600, "no longer together than is read at once"
