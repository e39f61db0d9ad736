"""Guided decoding: tokens by log π + β (Q − V), with the states the network really has."""

import pytest
import torch

from preftune.evaluation import kl_to_reference, sampled_kl
from preftune.models import ValueHeads, build_value_heads
from preftune.records import BadInput, Sampling
from preftune.rollouts import NativeEngine
from tests.models.made import FAMILIES, make_policy, make_prompts, renderer_of


def make_engine(family: str, heads: bool = True) -> NativeEngine:
    policy = make_policy(family)
    made = build_value_heads(policy, seed=5) if heads else None
    return NativeEngine(policy, renderer_of(policy), "v", value_heads=made)


@torch.no_grad()
def by_hand(engine: NativeEngine, ids: tuple[int, ...], strength: float) -> torch.Tensor:
    """log π + β (min(Q₁, Q₂) − V) of the token after ``ids``, normalised, from the whole text."""
    body = getattr(engine.policy, engine.policy.base_model_prefix)
    heads = engine.value_heads
    assert isinstance(heads, ValueHeads)
    state = body(torch.tensor([ids])).last_hidden_state[0, -1]
    logits = engine.policy(torch.tensor([ids])).logits[0, -1]
    q = torch.minimum(heads.slow[0](state), heads.slow[1](state))
    return (logits.log_softmax(-1) + strength * (q - heads.v(state))).log_softmax(-1)


@pytest.mark.parametrize("family", FAMILIES)
def test_guided_tokens_are_the_formula_s(family: str) -> None:
    engine = make_engine(family)
    sampled = engine(make_prompts(6), Sampling(8, value_guidance=3.0, seed=1))
    for completion in sampled:
        ids = completion.prompt_token_ids
        for token, logprob in zip(completion.token_ids, completion.logprobs, strict=True):
            assert logprob == pytest.approx(float(by_hand(engine, ids, 3.0)[token]), abs=2e-3)
            ids = (*ids, token)
    greedy = engine(make_prompts(6), Sampling(8, temperature=0, value_guidance=3.0))
    for completion in greedy:
        ids = completion.prompt_token_ids
        for token in completion.token_ids:
            assert token == int(by_hand(engine, ids, 3.0).argmax())
            ids = (*ids, token)


def test_no_guidance_is_the_plain_policy() -> None:
    prompts, sampling = make_prompts(6), Sampling(8, seed=2)
    assert make_engine("llama")(prompts, sampling) == make_engine("llama", heads=False)(
        prompts, sampling
    )
    guided = Sampling(8, seed=2, value_guidance=3.0)
    assert make_engine("llama")(prompts, guided) != make_engine("llama")(prompts, sampling)


def test_guidance_without_heads_is_refused() -> None:
    with pytest.raises(BadInput, match="no value heads"):
        make_engine("llama", heads=False)(make_prompts(1), Sampling(4, value_guidance=1.0))


def test_the_kl_of_guided_text_is_that_of_what_was_sampled_from() -> None:
    """Unguided both ways agree; guided by hand: Σ log p_sampled − log π_ref."""
    engine, prompts = make_engine("llama"), make_prompts(12)
    reference = make_policy("llama", seed=1)
    plain = engine(prompts, Sampling(8, seed=3))
    settings = {"pad_id": 1, "temperature": 1.0}
    one = sampled_kl(reference, plain, **settings)  # type: ignore[arg-type]
    other = kl_to_reference(engine.policy, reference, plain, **settings)  # type: ignore[arg-type]
    assert one == pytest.approx(other, abs=1e-3)
    guided = engine(prompts[:1], Sampling(8, seed=3, value_guidance=4.0))
    ids = guided[0].prompt_token_ids + guided[0].token_ids
    with torch.no_grad():
        logprobs = reference(torch.tensor([ids])).logits[0].log_softmax(-1)
    start = len(guided[0].prompt_token_ids)
    expected = sum(guided[0].logprobs) - sum(
        float(logprobs[start - 1 + t, token]) for t, token in enumerate(guided[0].token_ids)
    )
    found = sampled_kl(reference, guided, **settings)  # type: ignore[arg-type]
    assert found.value == pytest.approx(expected, abs=1e-3)
