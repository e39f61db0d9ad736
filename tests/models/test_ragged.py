"""Rows end to end: where tokens go, and that every number is the one a row alone would give."""

from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from preftune.models import (
    Row,
    collate,
    compute_in,
    forget_activations,
    passes,
    portions_of,
    ragged_of,
    response_logits,
    response_logprobs,
    response_statistics,
    scores,
    states_of,
    statistics_of_rows,
    values,
)
from preftune.models import ragged as room
from preftune.models.passes import logits_at, reads_end_to_end
from preftune.models.ragged import Portions, seen_segments, spread, taken
from preftune.models.shared import shares_prompts
from tests.models.made import CPU, FAMILIES, make_policy, make_reward_model
from tests.rollouts.test_memory import family_policy

PAD = 1
ROWS = [
    Row(tuple(range(2, 2 + prompt)), tuple(range(40, 40 + response)))
    for prompt, response in ((3, 12), (15, 2), (4, 4), (9, 1), (2, 8))
]
GROUPS = [[Row((5, 6), (7, 8)), Row((5, 6), (9,))], [Row((5,), (7, 8, 9, 10, 11))], [ROWS[2]]]
OTHERS = ("mistral", "qwen2", "gpt_neox", "phi3", "bloom", "opt", "gemma2")


def test_tokens_and_places_by_hand() -> None:
    """Groups of 5, 6 and 8 tokens in one table: rows of the first group share their prompt."""
    ragged = ragged_of([GROUPS[1], GROUPS[0], GROUPS[2]], CPU)
    assert ragged.ids_N.tolist() == [5, 6, 7, 8, 9, 5, 7, 8, 9, 10, 11, 2, 3, 4, 5, 40, 41, 42, 43]
    assert ragged.positions_N.tolist() == [0, 1, 2, 3, 2, *range(6), *range(8)]
    assert ragged.tokens_T.tolist() == [7, 8, 9, 10, 11, 7, 8, 9, 40, 41, 42, 43]
    assert ragged.before.every.tolist() == [5, 6, 7, 8, 9, 1, 2, 1, 14, 15, 16, 17]
    assert ragged.last.every.tolist() == [10, 3, 4, 18]
    (portion,) = ragged.portions.parts
    assert (portion.tokens, portion.groups, portion.width) == (19, 3, 8)
    table = portion.table(ragged.ids_N)
    assert table.tolist() == [
        [5, 6, 7, 8, 9, 0, 0, 0],
        [5, 7, 8, 9, 10, 11, 0, 0],
        [2, 3, 4, 5, 40, 41, 42, 43],
    ]
    assert torch.equal(portion.line(table), ragged.ids_N)


def test_a_response_sees_its_prompt_and_itself() -> None:
    (portion,) = ragged_of(GROUPS, CPU).portions.parts
    assert portion.seen_G1WW is not None
    seen = [row.nonzero().flatten().tolist() for row in portion.seen_G1WW[0, 0]]
    assert seen[:5] == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 4]]
    assert all(place in row for place, row in enumerate(seen)), "padding sees itself, not nothing"
    plain = seen_segments(torch.tensor([[0, 0, 1, -1]]))[0]
    assert plain.tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 0, 1]]


def test_full_tables_and_rows_alone_need_nothing_more() -> None:
    (portion,) = ragged_of([[Row((2, 3), (4,))]] * 3, CPU).portions.parts
    assert portion.into_N is None and portion.seen_G1WW is None
    states = torch.arange(9.0)
    assert portion.table(states).data_ptr() == states.data_ptr(), "no copy"


def test_a_row_without_an_answer_ends_at_its_prompt() -> None:
    ragged = ragged_of([[Row((2, 3), ())], [Row((4,), (5,))]], CPU)
    assert ragged.before.every.tolist() == [2]
    assert ragged.last.every.tolist() == [1, 3]


def test_gradients_of_places_are_written_back() -> None:
    numbers = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    places = torch.tensor([4, 0, 2])
    assert torch.equal(taken(numbers, places), numbers[places])
    assert torch.autograd.gradcheck(lambda x: taken(x, places), numbers)
    assert torch.autograd.gradgradcheck(lambda x: taken(x, places) ** 2, numbers)
    few = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    table = spread(few, places, 6)
    assert (
        torch.equal(table[places], few) and float(table.detach().abs().sum(1)[[1, 3, 5]].sum()) == 0
    )
    assert torch.autograd.gradcheck(lambda x: spread(x, places, 6), few)
    assert torch.autograd.gradgradcheck(lambda x: spread(x, places, 6) ** 2, few)


def alone(model: PreTrainedModel, row: Row) -> torch.Tensor:
    """transformers' own pass of one row without padding, [S, H]."""
    body = getattr(model, model.base_model_prefix)
    ids = torch.tensor([row.prompt_ids + row.response_ids])
    states: torch.Tensor = body(input_ids=ids, use_cache=False).last_hidden_state[0]
    return states


@pytest.mark.parametrize("spared", [0, 10**6])
@pytest.mark.parametrize("family", FAMILIES + OTHERS)
def test_states_are_those_of_rows_alone(
    family: str, spared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a portion for every length and in one for all, by end to end or by tables."""
    monkeypatch.setattr(room, "SPARED", spared)
    model = make_policy(family) if family in FAMILIES else family_policy(family)
    ragged = ragged_of([[row] for row in ROWS], CPU)
    assert len(ragged.portions.parts) == (4 if spared == 0 else 1), "two rows are as long"
    told = states_of(model, ragged)
    for row, last in zip(ROWS, ragged.last.every.tolist(), strict=True):
        own = told[last + 1 - len(row) : last + 1]
        assert torch.allclose(own, alone(model, row), atol=2e-5)


@pytest.mark.parametrize("family", FAMILIES + OTHERS)
def test_shared_prompts_change_no_number(family: str) -> None:
    model = make_policy(family) if family in FAMILIES else family_policy(family)
    rows = [row for group in GROUPS for row in group]
    told = statistics_of_rows(model, rows, 1.0)
    assert shares_prompts(model) == (family not in ("bloom", "gemma2"))
    for row, logprobs in zip(rows, told.logprobs_BT, strict=True):
        own = statistics_of_rows(model, [row], 1.0).logprobs_BT[0]
        assert torch.allclose(logprobs[: len(own)], own, atol=2e-5)
    if shares_prompts(model):
        single = [logits_at(model, ragged_of([[row]], CPU)) for row in rows]
        assert torch.allclose(
            logits_at(model, ragged_of(GROUPS, CPU)), torch.cat(single), atol=2e-5
        )


def test_which_models_read_end_to_end() -> None:
    """Those whose every layer hands the portions on to the attention they are asked within."""
    for family in ("mistral", "qwen2", "gpt_neox", "phi3", "opt"):
        assert reads_end_to_end(family_policy(family), 8), family
    for family in FAMILIES:
        assert reads_end_to_end(make_policy(family), 8), family
    for family in ("bloom", "gemma2"):
        assert not reads_end_to_end(family_policy(family), 8), family
    sliding = family_policy("mistral", sliding_window=8)
    assert reads_end_to_end(sliding, 8) and not reads_end_to_end(sliding, 9)
    eager = make_policy()
    assert reads_end_to_end(eager, 8)
    eager.set_attn_implementation("eager")
    assert not reads_end_to_end(eager, 8), "asked anew for another attention"


def test_trying_leaves_the_model_as_it_was() -> None:
    policy = make_policy(dropout=0.5).train()
    policy.get_input_embeddings().eval()
    modes = [part.training for part in policy.modules()]
    state = torch.random.get_rng_state()
    assert reads_end_to_end(policy, 8)
    assert [part.training for part in policy.modules()] == modes
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_layer_that_keeps_the_portions_to_itself_fails_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = make_policy()
    assert reads_end_to_end(policy, 8)
    layer = policy.model.layers[1]
    plain = layer.forward

    def forgetful(*given: Any, portions: Portions, **more: Any) -> Any:
        return plain(*given, **more)

    monkeypatch.setattr(layer, "forward", forgetful)
    with pytest.raises(RuntimeError, match="1 of 2 layers of LlamaModel"):
        states_of(policy, ragged_of([[row] for row in ROWS], CPU))
    assert not passes._tried(policy, policy.model), "a fresh model of this kind gets tables"


@pytest.mark.parametrize("family", FAMILIES)
def test_numbers_and_gradients_are_those_of_tables(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, value = make_policy(family), make_reward_model(family)
    batch = collate(ROWS, PAD, CPU)
    mask = batch.action_mask_BT

    def told() -> list[torch.Tensor]:
        statistics = response_statistics(policy, batch, 0.7, entropy_learns=True)
        return [
            statistics.logprobs_BT[mask],
            statistics.entropy_BT[mask],
            response_logprobs(policy, batch, 0.7)[mask],
            response_logits(policy, batch)[mask],
            values(value, batch)[mask],
            scores(value, batch),
        ]

    ours = told()
    monkeypatch.setattr(passes, "HANDED_ON", frozenset())
    theirs = told()
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=2e-5)
    for model, places in ((policy, (0, 1)), (value, (4, 5))):
        weights = [p for p in model.parameters() if p.requires_grad]
        grads = [
            torch.autograd.grad(
                sum(part[k].square().sum() for k in places), weights, allow_unused=True
            )
            for part in (ours, theirs)
        ]
        for one, other in zip(*grads, strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                assert torch.allclose(one, other, rtol=1e-3, atol=1e-4)


def test_no_padding_goes_through_the_network() -> None:
    seen: list[torch.Size] = []
    model = make_reward_model("llama")
    values(model, collate(ROWS, PAD, CPU))  # once, as it is tried on its first
    model.model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    values(model, collate(ROWS, PAD, CPU))
    assert seen == [torch.Size([1, 60])]


def test_layers_that_forget_are_asked_again_within_portions() -> None:
    plain, forgetful = make_policy(), make_policy()
    forget_activations(forgetful)
    batch = collate(ROWS, PAD, CPU)
    for model in (plain, forgetful):
        for _ in range(2):  # the second pass counts from where the first backward pass ended
            response_logprobs(model, batch, 1.0).sum().backward()
    for one, other in zip(plain.parameters(), forgetful.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, atol=1e-5)  # type: ignore[arg-type]


def test_bfloat16_keeps_its_attention_in_float32() -> None:
    policy = make_policy()
    exact = states_of(policy, ragged_of([[row] for row in ROWS], CPU))
    compute_in(policy, torch.bfloat16)
    assert reads_end_to_end(policy, 8)
    half = states_of(policy, ragged_of([[row] for row in ROWS], CPU))
    assert 0 < float((half - exact).abs().mean()) < 0.1


def test_windows_that_slide_hide_what_they_hid() -> None:
    """A window of 8 tokens hides the start of a row, and rows end to end would show it."""
    policy = family_policy("mistral", sliding_window=8)
    ragged = ragged_of([[row] for row in ROWS], CPU)
    told = states_of(policy, ragged)
    last = ragged.last.every[0]
    assert torch.allclose(told[last], alone(policy, ROWS[0])[-1], atol=1e-5)
    wide = family_policy("mistral", sliding_window=None)
    assert not torch.allclose(alone(wide, ROWS[0])[-1], told[last], atol=1e-3)


def test_portions_stay_whole_where_little_would_be_spared() -> None:
    assert portions_of([5, 6, 7], spared=4) == [slice(0, 3)]
    assert portions_of([5, 5, 20], spared=4) == [slice(0, 2), slice(2, 3)]
