"""Another's engine: its log-probabilities are the policy's, its weights arrive or it is told."""

import pytest
import torch
from transformers import PreTrainedModel

from preftune.models import Row, add_adapter, collate, compute_in, response_logprobs
from preftune.recipe import Adapter, TransformersRollouts
from preftune.records import BadInput, RunFailed, Sampling, StopReason
from preftune.rollouts import HostedEngine, TransformersBackend
from tests.models.made import CPU, FAMILIES, make_policy, make_prompts, renderer_of

SAMPLING = Sampling(max_new_tokens=10, temperature=0.7, seed=11)
SMALL = TransformersRollouts(page_size=16, pages=64, batch_tokens=64)


def engine_of(policy: PreTrainedModel, backend: TransformersBackend | None = None) -> HostedEngine:
    backend = backend or TransformersBackend(policy, SMALL)
    return HostedEngine(policy, renderer_of(policy), "v0", backend)


def parity(engine: HostedEngine, sampling: Sampling = SAMPLING) -> float:
    """Largest difference of a sampled token's log-probability from the policy's own."""
    completions = engine(make_prompts(7), sampling)
    rows = [Row(one.prompt_token_ids, one.token_ids) for one in completions]
    batch = collate(rows, 1, CPU)
    ours = response_logprobs(engine.policy, batch, sampling.temperature)[batch.action_mask_BT]
    theirs = torch.tensor([number for one in completions for number in one.logprobs])
    return float((ours - theirs).detach().abs().max())


@pytest.mark.parametrize("family", FAMILIES)
def test_sampled_logprobs_are_the_policy_s(family: str) -> None:
    engine = engine_of(make_policy(family))
    assert parity(engine) < 1e-4
    assert engine.policy.config._attn_implementation == make_policy().config._attn_implementation


def test_responses_end_at_a_stop_token_and_keep_it() -> None:
    engine = engine_of(make_policy())
    stop = engine(make_prompts(3), SAMPLING)[1].token_ids[2]
    again = engine(make_prompts(3), Sampling(10, 0.7, seed=11, stop_token_ids=(stop,)))
    for one in again:
        assert stop not in one.token_ids[:-1]
        ended = one.token_ids[-1] in (stop, 0)
        reason = StopReason.EOS if one.token_ids[-1] == 0 else StopReason.STOP
        assert one.stop_reason == (reason if ended else StopReason.LENGTH)
        assert ended or len(one.token_ids) == 10
    assert any(one.stop_reason == StopReason.STOP for one in again)


def test_answers_come_in_the_prompts_order_under_the_version_of_the_weights() -> None:
    policy = make_policy()
    engine = engine_of(policy)
    engine.publish("iteration-3")
    completions = engine(make_prompts(5), SAMPLING)
    assert [one.prompt for one in completions] == make_prompts(5)
    assert {one.policy_version for one in completions} == {"iteration-3"}
    read = renderer_of(policy)
    assert [one.prompt_token_ids for one in completions] == [
        read.prompt_ids(prompt.text) for prompt in make_prompts(5)
    ]


class Deaf(TransformersBackend):
    """Takes no weights: it writes with those it began with."""

    def take(self, policy: PreTrainedModel, version: str) -> None:
        pass


def test_weights_that_did_not_arrive_are_told() -> None:
    """One optimizer step away is enough: a difference of 0.05 nats a token, not a large one."""
    policy = make_policy()
    engine = engine_of(policy, Deaf(make_policy(), SMALL))
    engine.publish("iteration-0")
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter += 1e-3 * parameter.sign()
    with pytest.raises(RunFailed, match=r"weights it was given \(iteration-1\)"):
        engine.publish("iteration-1")
    heard = engine_of(policy)
    heard.publish("iteration-1")
    assert heard.gaps[0] < 1e-5


def test_weights_are_checked_before_the_first_answer() -> None:
    engine = engine_of(make_policy(), Deaf(make_policy(seed=1), SMALL))
    with pytest.raises(RunFailed):
        engine(make_prompts(2), SAMPLING)


def test_a_policy_that_computes_in_bfloat16_may_round() -> None:
    policy = make_policy()
    compute_in(policy, torch.bfloat16)
    engine = engine_of(policy)
    engine.publish("iteration-0")
    assert 1e-5 < engine.gaps[0] < 0.1


def test_an_adapter_is_sampled_with() -> None:
    policy = add_adapter(make_policy(), Adapter(rank=4), "policy", seed=1)
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter += 0.2
    assert parity(engine_of(policy)) < 1e-4


def test_a_response_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(BadInput, match="no room"):
        engine_of(make_policy())(make_prompts(1), Sampling(max_new_tokens=64))
