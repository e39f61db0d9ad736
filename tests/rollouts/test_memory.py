"""Shared prompts against copied ones: the same tokens and log-probabilities."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from preftune.models import (
    FUSED_IN_FLOAT32,
    ActionMask,
    add_adapter,
    build_value_heads,
    compute_in,
    reading,
    without_adapter,
)
from preftune.recipe import Adapter
from preftune.records import Completion, Prompt, Sampling
from preftune.rollouts import NativeEngine, memory, native, own_tokens, products
from preftune.rollouts import token_weights as token_weights_room
from preftune.rollouts.guiding import Reader
from preftune.rollouts.lone_rows import LoneRows, filled
from preftune.rollouts.memory import CopiedPrompts, SharedPrompts
from preftune.rollouts.rows import worth_moving
from preftune.rollouts.shared_rows import SharedRows
from preftune.rollouts.sharing import ATTENTION, FAMILIES, attending_to_shared, can_share
from preftune.rollouts.token_weights import passes_tokens, token_weights
from preftune.training import set_workers
from tests.models.made import make_policy, make_prompts, renderer_of

SAMPLING = Sampling(max_new_tokens=10, temperature=0.9, seed=4)


@pytest.fixture(autouse=True)
def weights_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for the few tokens of these tests."""
    monkeypatch.setattr(memory, "COPIED", 1)


def family_policy(family: str, grouped: bool = True, **more: object) -> PreTrainedModel:
    """Two layers of random weights; with ``grouped`` two heads of queries to one of keys."""
    made = make_policy("llama").config
    settings: dict[str, object] = {"vocab_size": 300, "eos_token_id": 0, "pad_token_id": 1}
    if family == "gpt2":
        settings |= {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
    else:
        settings |= {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2 if grouped else 4,
            "intermediate_size": 48,
            "max_position_embeddings": made.max_position_embeddings,
            "head_dim": 8,
        }
    config = AutoConfig.for_model(family, **settings, initializer_range=0.2, **more)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        policy: PreTrainedModel = AutoModelForCausalLM.from_config(config).eval()
        with torch.no_grad():
            for weight in policy.parameters():
                if weight.dim() == 1:  # norms are 1 and biases 0 at first
                    weight += 0.1 * torch.randn(weight.shape)
    return policy


@contextmanager
def copied(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr(memory, "can_share", lambda network: False)
        yield


def assert_equal(ours: list[Completion], theirs: list[Completion]) -> None:
    assert [c.token_ids for c in ours] == [c.token_ids for c in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


def ragged() -> list[Prompt]:
    """Prompts of seven lengths asked 1 to 5 times, the copies of one not all together."""
    prompts = make_prompts(7)
    asked = [prompt for k, prompt in enumerate(prompts) for _ in range(1 + k % 5)]
    return asked + prompts[:3]


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("short", [0, 48])
def test_sharing_changes_no_token(family: str, short: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_tokens, "SHORT", short)
    monkeypatch.setattr(products, "SMALL", 0)  # all matrices packed
    monkeypatch.setattr(SharedRows, "shrink", 1.0)
    whole = {"sliding_window": None} if family == "mistral" else {}
    policy = family_policy(family, **whole)
    assert can_share(policy)
    engine = NativeEngine(policy, renderer_of(policy), "v")
    sampling = Sampling(max_new_tokens=16, temperature=0.9, seed=4, stop_token_ids=(*range(40),))
    ours = engine(ragged(), sampling)
    with copied(monkeypatch):
        theirs = engine(ragged(), sampling)
    assert_equal(ours, theirs)
    lengths = {len(completion.token_ids) for completion in ours}
    assert len(lengths) > 4, "rows ended at different times and were compacted each time"


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("small", [0, products.SMALL])
def test_rows_with_a_prompt_to_themselves_change_no_token(
    family: str, grouped: bool, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve prompts in portions of their own lengths; rows that end give their place away. With
    matrices packed, and not."""
    monkeypatch.setattr(products, "SMALL", small)
    monkeypatch.setattr(memory, "SPARED", 16)
    kept: list[np.ndarray] = []
    keep = LoneRows.keep

    def watched(self: LoneRows, rows: np.ndarray) -> None:
        kept.append(rows)
        keep(self, rows)

    monkeypatch.setattr(LoneRows, "keep", watched)
    whole = {"sliding_window": None} if family == "mistral" else {}
    policy = family_policy(family, grouped, **whole)
    engine = NativeEngine(policy, renderer_of(policy), "v")
    sampling = Sampling(max_new_tokens=16, temperature=0.9, seed=4, stop_token_ids=(*range(40),))
    ours = engine(make_prompts(12), sampling)
    with copied(monkeypatch):
        assert_equal(ours, engine(make_prompts(12), sampling))
    assert len(kept) > 4 and len(kept[-1]) < 6
    assert any((np.diff(rows) < 0).any() for rows in kept), "a later row took an earlier place"


def adapted_policy() -> PreTrainedModel:
    """An adapter on every layer that changes much."""
    policy = add_adapter(family_policy("qwen2"), Adapter(rank=2, alpha=64), "policy", seed=3)
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora_B" in name:
                weight.normal_(generator=torch.Generator().manual_seed(len(name)))
    return policy


def test_a_token_goes_through_the_adapter_in_use_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, asked = adapted_policy(), make_prompts(6)
    few = Sampling(max_new_tokens=3, seed=4)

    def written(model: PreTrainedModel) -> list[Completion]:
        with reading(model):
            return NativeEngine(model, renderer_of(model), "v")(asked, few)

    ours = written(policy), written(without_adapter(policy))
    with copied(monkeypatch):
        assert_equal(ours[0], written(policy))
        assert_equal(ours[1], written(without_adapter(policy)))
    assert [c.logprobs for c in ours[0]] != [c.logprobs for c in ours[1]]


def next_logprobs(policy: PreTrainedModel, computed: torch.dtype, own_pass: bool) -> torch.Tensor:
    """Of four tokens that twenty rows write after their prompts: [4, 20, V]."""
    compute_in(policy, computed)
    asked, rows = [(5, 6, 7, k) for k in range(20)], torch.arange(20)
    with torch.no_grad(), reading(policy), attending_to_shared([policy]):
        weights = token_weights(policy) if own_pass else None
        kept, reader = SharedPrompts([policy], [weights], asked, 4), Reader(policy)
        for portion in kept.first():
            reader.masked_logits(SAMPLING, portion)
        kept.answer(rows.numpy())
        told = [reader.masked_logits(SAMPLING, kept.then(rows + 30 * t)) for t in range(4)]
    return torch.stack(told).float().log_softmax(-1)


def test_in_bfloat16_a_token_s_pass_is_as_near_to_float32_as_the_model_s() -> None:
    policy = adapted_policy()
    exact = next_logprobs(policy, torch.float32, own_pass=False)
    near = next_logprobs(policy, torch.float32, own_pass=True)
    assert torch.allclose(near, exact, atol=1e-3) and (near - exact).abs().mean() < 1e-5
    theirs, ours = (
        float((next_logprobs(policy, torch.bfloat16, own) - exact).abs().mean())
        for own in (False, True)
    )
    assert 0 < ours < 1.2 * theirs < 0.2


def test_a_model_whose_pass_was_changed_is_asked_itself() -> None:
    policy = family_policy("llama")
    assert passes_tokens(policy) and not passes_tokens(family_policy("gpt2"))
    hook = policy.register_forward_hook(lambda *_: None)
    assert not passes_tokens(policy)
    hook.remove()
    assert passes_tokens(policy)
    policy.forward = policy.forward
    assert not passes_tokens(policy)


def test_a_large_model_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = family_policy("llama")
    monkeypatch.setattr(token_weights_room, "LARGEST", policy.num_parameters())
    assert passes_tokens(policy)
    monkeypatch.setattr(token_weights_room, "LARGEST", policy.num_parameters() - 1)
    assert not passes_tokens(policy) and token_weights(policy) is None


@pytest.mark.parametrize("longest", [11, 12])
def test_few_tokens_do_not_pay_for_a_copy(longest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "COPIED", 12)
    with memory.reading([family_policy("llama")], longest) as memory_of:
        kept = memory_of([(5, 6, 7)])
    assert isinstance(kept, SharedPrompts)
    assert (kept.caches[0].weights is not None) == (longest == 12)


def test_places_of_rows_that_ended_by_hand() -> None:
    live = np.array([True, False, True, False, True, True])
    assert filled(live).tolist() == [0, 4, 2, 5]
    assert filled(np.array([False, True])).tolist() == [1]
    assert filled(np.array([True, True])).tolist() == [0, 1]
    assert filled(np.array([False])).tolist() == []
    assert worth_moving(live, 1.0) and not worth_moving(live, 0.6)
    assert not worth_moving(np.array([True]), 1.0)


@pytest.mark.parametrize("count", [1, 6])
def test_one_answer_a_prompt_and_one_prompt(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = family_policy("llama", grouped=False)
    engine = NativeEngine(policy, renderer_of(policy), "v")
    ours = engine(make_prompts(count), SAMPLING)
    with copied(monkeypatch):
        assert_equal(ours, engine(make_prompts(count), SAMPLING))


def test_guidance_and_masks_go_on_working(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = make_policy("llama")
    asked = make_prompts(3) * 3
    guided = NativeEngine(
        policy, renderer_of(policy), "v", value_heads=build_value_heads(policy, seed=5)
    )
    strong = Sampling(max_new_tokens=8, seed=2, value_guidance=3.0)
    mask = ActionMask(make_policy("gpt2", seed=5), top_p=0.5, min_tokens=1, always=(0, 1))
    masked = NativeEngine(policy, renderer_of(policy), "v", mask=mask)
    ours = guided(asked, strong), masked(asked, SAMPLING)
    with copied(monkeypatch):
        theirs = guided(asked, strong), masked(asked, SAMPLING)
    assert_equal(ours[1], theirs[1])
    assert [c.token_ids for c in ours[0]] == [c.token_ids for c in theirs[0]]


def kind_of_memory(policy: PreTrainedModel) -> type:
    """The kind of memory an engine of this policy writes with."""
    with memory.reading([policy], 10) as memory_for:
        return memory_for.func  # type: ignore[attr-defined,no-any-return]


def test_what_is_not_plain_attention_keeps_its_own() -> None:
    assert kind_of_memory(family_policy("qwen2")) is SharedPrompts
    assert kind_of_memory(family_policy("mistral")) is CopiedPrompts, "its windows slide"
    sliding = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}
    assert kind_of_memory(family_policy("qwen2", **sliding)) is CopiedPrompts
    other = family_policy("llama")
    other.set_attn_implementation("eager")
    assert kind_of_memory(other) is CopiedPrompts
    assert other.config._attn_implementation == "eager"
    assert not can_share(family_policy("llama").train())
    assert not can_share(family_policy("gemma2"))


def test_the_model_attends_as_before_afterwards() -> None:
    policy = family_policy("llama")
    engine = NativeEngine(policy, renderer_of(policy), "v")
    engine(make_prompts(2), SAMPLING)
    assert policy.config._attn_implementation == "sdpa"
    with pytest.raises(KeyError), attending_to_shared([policy]):
        raise KeyError
    assert policy.config._attn_implementation == "sdpa"
    with attending_to_shared([policy]):
        with attending_to_shared([policy]):
            pass
        assert policy.config._attn_implementation == ATTENTION, "another user is still inside"
    assert policy.config._attn_implementation == "sdpa"
    compute_in(policy, torch.bfloat16)
    with attending_to_shared([policy]):
        assert policy.config._attn_implementation == ATTENTION
    assert policy.config._attn_implementation == FUSED_IN_FLOAT32


def test_another_attention_fails_at_once_rather_than_forget_the_prompt() -> None:
    policy = family_policy("llama")

    def restored(*_: object) -> None:
        policy.set_attn_implementation("sdpa")

    engine = NativeEngine(policy, renderer_of(policy), "v")
    hook = policy.register_forward_hook(restored)
    with pytest.raises((IndexError, RuntimeError)):
        engine(make_prompts(2), SAMPLING)
    hook.remove()


def test_a_prompt_s_answers_share_one_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys stand P times, and prompts that nobody answers any more leave."""
    policy = family_policy("llama")
    seen: list[tuple[int, int]] = []
    keep = SharedRows.keep

    def watched(self: SharedRows, rows: np.ndarray) -> None:
        keep(self, rows)
        seen.append((len(rows), sum(len(keys) for keys, _ in self.prompts[0])))

    monkeypatch.setattr(SharedRows, "keep", watched)
    sampling = Sampling(max_new_tokens=24, seed=4, stop_token_ids=(*range(40),))
    NativeEngine(policy, renderer_of(policy), "v")(make_prompts(6) * 4, sampling)
    assert seen[0][1] == 6 and seen[0][0] > 12
    assert all(prompts <= 6 for _, prompts in seen) and seen[-1][1] < 6


@pytest.mark.parametrize("family", ["gpt2", "qwen3"])
def test_portions_of_prompts_change_no_token(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A padded token is worth a portion of its own here, so that every length has one."""
    monkeypatch.setattr(memory, "SPARED", 0)
    monkeypatch.setattr(SharedRows, "shrink", 1.0)
    widths: list[list[int]] = []
    keep = SharedRows.keep

    def watched(self: SharedRows, rows: np.ndarray) -> None:
        keep(self, rows)
        widths.append([keys.shape[-2] for keys, _ in self.prompts[1]])

    monkeypatch.setattr(SharedRows, "keep", watched)
    policy = family_policy(family)
    engine = NativeEngine(policy, renderer_of(policy), "v")
    sampling = Sampling(max_new_tokens=16, temperature=0.9, seed=4, stop_token_ids=(*range(40),))
    ours = engine(ragged(), sampling)
    with copied(monkeypatch):
        assert_equal(ours, engine(ragged(), sampling))
    lengths = {len(completion.prompt_token_ids) for completion in ours}
    assert widths[0] == sorted(lengths), "a portion for each length"
    assert len(widths[-1]) < len(lengths) > 2, "a portion without rows is gone"


def test_workers_change_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "LEAST", 4)
    policy = family_policy("llama")
    engine = NativeEngine(policy, renderer_of(policy), "v")
    alone = engine(ragged(), SAMPLING)
    set_workers(2)
    try:
        together = engine(ragged(), SAMPLING)
    finally:
        set_workers(1)
    assert_equal(together, alone)


def test_bfloat16_weights_stay_close(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = family_policy("llama").to(torch.bfloat16)
    engine = NativeEngine(policy, renderer_of(policy), "v")
    first = Sampling(max_new_tokens=2, seed=4)
    ours = engine(make_prompts(6) * 2, first)
    with copied(monkeypatch):
        theirs = engine(make_prompts(6) * 2, first)
    for one, other in zip(ours, theirs, strict=True):
        if one.token_ids == other.token_ids:
            assert one.logprobs == pytest.approx(other.logprobs, abs=0.1)
    same = sum(a.token_ids == b.token_ids for a, b in zip(ours, theirs, strict=True))
    assert same >= 10


def test_rows_by_themselves_take_bfloat16_weights() -> None:
    rounded = family_policy("llama").to(torch.bfloat16)
    exact = copy.deepcopy(rounded).float()
    told = [next_logprobs(policy, torch.float32, own_pass=False) for policy in (rounded, exact)]
    assert 0 < (told[0] - told[1]).abs().mean() < 0.03
