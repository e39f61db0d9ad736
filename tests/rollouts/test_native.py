"""The built-in engine: its tokens, their log-probabilities, and what they do not depend on."""

from dataclasses import replace

import pytest
import torch

from preftune.models import (
    ActionMask,
    Row,
    collate,
    masked_response_logits,
    response_logits,
    response_logprobs,
)
from preftune.records import BadInput, Completion, Prompt, Sampling, StopReason
from preftune.rollouts import NativeEngine
from preftune.rollouts.lone_rows import LoneRows
from tests.models.made import CPU, FAMILIES, make_policy, make_prompts, renderer_of, tokenizer

SAMPLING = Sampling(max_new_tokens=12, temperature=0.7, seed=11)


def make_engine(family: str = "llama", batch_size: int = 256, seed: int = 0) -> NativeEngine:
    policy = make_policy(family, seed=seed)
    return NativeEngine(policy, renderer_of(policy), "v7", batch_size=batch_size)


def tokens_of(completions: list[Completion]) -> list[tuple[int, ...]]:
    return [completion.token_ids for completion in completions]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("temperature", [0.7, 1.3])
def test_logprobs_are_those_the_trainer_computes(family: str, temperature: float) -> None:
    engine = make_engine(family)
    sampling = replace(SAMPLING, temperature=temperature)
    written = engine(make_prompts(16), sampling)
    rows = [Row(c.prompt_token_ids, c.token_ids) for c in written]
    trained = response_logprobs(engine.policy, collate(rows, 1, CPU), temperature)
    for completion, logprobs in zip(written, trained, strict=True):
        own = torch.tensor(completion.logprobs)
        assert torch.allclose(own, logprobs[: len(own)], atol=1e-4)
    wrong = response_logprobs(engine.policy, collate(rows, 1, CPU), 1.0)
    assert not torch.allclose(wrong, trained, atol=1e-2), "the temperature matters here"


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_tokens_are_those_of_transformers(family: str) -> None:
    engine = make_engine(family)
    written = engine(make_prompts(6), replace(SAMPLING, temperature=0))
    for completion in written:
        prompt = torch.tensor([completion.prompt_token_ids])
        expected = engine.policy.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=0,
            pad_token_id=1,
        )[0, prompt.shape[1] :]
        assert list(completion.token_ids) == expected.tolist()
        assert set(completion.logprobs) == {0.0}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_cache_changes_no_token(family: str) -> None:
    """The oracle writes one token at a time and reads everything anew."""
    engine = make_engine(family)
    for completion in engine(make_prompts(4), replace(SAMPLING, temperature=0)):
        ids = list(completion.prompt_token_ids)
        for token in completion.token_ids:
            logits = engine.policy(torch.tensor([ids])).logits[0, -1]
            assert int(logits.argmax()) == token
            ids.append(token)


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_depend_on_seed_and_place_only(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = make_prompts(24)
    expected = tokens_of(make_engine(family)(prompts, SAMPLING))
    assert tokens_of(make_engine(family)(prompts, SAMPLING)) == expected
    for batch_size in (1, 5):
        assert tokens_of(make_engine(family, batch_size)(prompts, SAMPLING)) == expected
    for shrink in (0.0, 0.5):
        monkeypatch.setattr(LoneRows, "shrink", shrink)
        assert tokens_of(make_engine(family)(prompts, SAMPLING)) == expected
    assert tokens_of(make_engine(family)(prompts[:5], SAMPLING)) == expected[:5]
    other = tokens_of(make_engine(family)(prompts, replace(SAMPLING, seed=12)))
    assert sum(a == b for a, b in zip(other, expected, strict=True)) < 6


def test_the_global_random_stream_does_not_matter() -> None:
    engine, prompts = make_engine(), make_prompts(4)
    torch.manual_seed(0)
    first = tokens_of(engine(prompts, SAMPLING))
    torch.manual_seed(1)
    assert tokens_of(engine(prompts, SAMPLING)) == first


def test_a_repeated_prompt_gets_different_answers() -> None:
    prompt = make_prompts(1)[0]
    assert len(set(tokens_of(make_engine()([prompt] * 8, SAMPLING)))) > 4


def forced(engine: NativeEngine, token: int, bias: float) -> NativeEngine:
    """The engine with ``bias`` added to one token's logit."""
    forward = engine.policy.forward

    def biased(*args: object, **kwargs: object) -> object:
        output = forward(*args, **kwargs)
        output.logits[..., token] += bias
        return output

    engine.policy.forward = biased  # type: ignore[method-assign]
    return engine


def test_the_end_token_ends_and_is_part_of_the_tokens() -> None:
    (written,) = forced(make_engine(), 0, 1e4)(make_prompts(1), SAMPLING)
    assert written.token_ids == (0,)
    assert (written.text, written.stop_reason) == ("", StopReason.EOS)


def test_a_stop_token_ends_and_is_not_in_the_text() -> None:
    stop = int(tokenizer()(".")["input_ids"][0])
    sampling = replace(SAMPLING, stop_token_ids=(stop,))
    (written,) = forced(make_engine(), stop, 1e4)(make_prompts(1), sampling)
    assert written.token_ids == (stop,)
    assert (written.text, written.stop_reason) == ("", StopReason.STOP)
    (on,) = forced(make_engine(), stop, 1e4)(make_prompts(1), SAMPLING)
    assert on.text == "." * 12 and on.stop_reason == StopReason.LENGTH


def test_a_response_that_never_ends_is_cut_off() -> None:
    written = forced(make_engine(), 0, -1e4)(make_prompts(5), SAMPLING)
    assert all(len(c.token_ids) == len(c.logprobs) == 12 for c in written)
    assert {c.stop_reason for c in written} == {StopReason.LENGTH}


def test_rows_end_at_their_first_stop() -> None:
    written = forced(make_engine(), 0, 5.0)(make_prompts(40), SAMPLING)
    lengths = {len(c.token_ids) for c in written}
    assert len(lengths) > 2
    for completion in written:
        ended = completion.token_ids[-1] == 0
        assert completion.stop_reason == (StopReason.EOS if ended else StopReason.LENGTH)
        assert 0 not in completion.token_ids[:-1]
        assert ended or len(completion.token_ids) == 12


def test_where_completions_come_from_is_kept() -> None:
    prompts = [Prompt("Where is my lamp?", {"id": 3, "answer": "x"})]
    (written,) = make_engine()(prompts, SAMPLING)
    assert written.policy_version == "v7"
    assert written.prompt is prompts[0]
    assert written.prompt_token_ids == tuple(tokenizer()("Where is my lamp?")["input_ids"])


def test_no_prompts_no_completions() -> None:
    assert make_engine()([], SAMPLING) == []


def test_long_prompts_lose_their_start() -> None:
    engine = make_engine()
    long = Prompt("Where is my lamp? " * 30)
    whole = tokenizer()(long.text)["input_ids"]
    (written,) = engine([long], SAMPLING)
    assert written.prompt_token_ids == tuple(whole[-(64 - 12) :])
    engine.longest_prompt = 9
    assert engine([long], SAMPLING)[0].prompt_token_ids == tuple(whole[-9:])
    engine.too_long = "fail"
    with pytest.raises(BadInput, match="leaves room for 9"):
        engine([long], SAMPLING)


def test_no_room_for_a_prompt() -> None:
    with pytest.raises(BadInput, match="no room"):
        make_engine()(make_prompts(1), replace(SAMPLING, max_new_tokens=64))


def test_top_k_one_is_greedy() -> None:
    engine, prompts = make_engine(), make_prompts(6)
    greedy = tokens_of(engine(prompts, replace(SAMPLING, temperature=0)))
    assert tokens_of(engine(prompts, replace(SAMPLING, top_k=1))) == greedy
    assert tokens_of(engine(prompts, replace(SAMPLING, top_p=1e-6))) == greedy


def test_first_tokens_have_the_policy_s_probabilities() -> None:
    engine, prompt = make_engine(), make_prompts(1)[0]
    count = 4000
    written = engine([prompt] * count, Sampling(max_new_tokens=1, temperature=1.5, seed=3))
    ids = torch.tensor([engine.renderer.prompt_ids(prompt.text)])
    expected = (engine.policy(ids).logits[0, -1].double() / 1.5).softmax(-1).detach()
    seen = torch.zeros(300, dtype=torch.float64)
    for completion in written:
        seen[completion.token_ids[0]] += 1
    common = expected * count >= 10
    statistic = ((seen - expected * count) ** 2 / (expected * count))[common].sum()
    freedom = int(common.sum())
    assert freedom > 5
    assert float(statistic) < freedom + 4 * (2 * freedom) ** 0.5


def test_a_prompt_asked_several_times_is_read_once() -> None:
    policy = make_policy("llama")
    engine = NativeEngine(policy, renderer_of(policy), "v")
    prompts = [prompt for prompt in make_prompts(3) for _ in range(4)]
    shapes: list[tuple[int, ...]] = []
    hook = policy.model.embed_tokens.register_forward_pre_hook(
        lambda _, args: shapes.append(tuple(args[0].shape))
    )
    together = engine(prompts, Sampling(24, seed=5))
    hook.remove()
    read = {completion.prompt_token_ids for completion in together}
    assert shapes[0] == (sum(map(len, read)),) and len(read) == 3 and shapes[1] == (12,)
    apart = NativeEngine(policy, renderer_of(policy), "v", batch_size=1)(
        prompts, Sampling(24, seed=5)
    )
    assert [c.token_ids for c in together] == [c.token_ids for c in apart]
    assert len({c.token_ids for c in together}) > 3, "every row draws for itself"


@pytest.mark.parametrize("family", FAMILIES)
def test_under_a_mask_only_what_it_allows_is_written(family: str) -> None:
    """A mask of another network: every token is one of its likely ones, or a special one."""
    policy, network = make_policy(family), make_policy(family, seed=5)
    mask = ActionMask(network, top_p=0.3, min_tokens=1, always=(0, 1))
    engine = NativeEngine(policy, renderer_of(policy), "v", mask=mask)
    written = engine(make_prompts(12), Sampling(8, temperature=0.8, seed=3))
    free = NativeEngine(policy, renderer_of(policy), "v")(
        make_prompts(12), Sampling(8, temperature=0.8, seed=3)
    )
    assert [c.token_ids for c in written] != [c.token_ids for c in free]
    for completion in written:
        row = Row(completion.prompt_token_ids, completion.token_ids)
        batch = collate([row], 1, torch.device("cpu"))
        with torch.no_grad():
            allowed = mask.allowed(response_logits(network, batch), 0.8)[0]
            masked = masked_response_logits(policy, mask, batch, 0.8)[0] / 0.8
        places = range(len(completion.token_ids))
        assert allowed[places, list(completion.token_ids)].all()
        logprobs = masked.log_softmax(-1)[places, list(completion.token_ids)]
        assert logprobs.tolist() == pytest.approx(completion.logprobs, abs=1e-4)


def test_a_mask_that_allows_everything_changes_nothing() -> None:
    policy = make_policy()
    mask = ActionMask(make_policy(seed=5), top_p=1.0, min_tokens=1, always=())
    asked = make_prompts(8), Sampling(8, temperature=0.8, seed=3)
    masked = NativeEngine(policy, renderer_of(policy), "v", mask=mask)(*asked)
    assert masked == NativeEngine(policy, renderer_of(policy), "v")(*asked)
