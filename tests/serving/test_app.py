"""The endpoint as the official client sees it: answers are the engine's own, none mixed up."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
import torch
from openai import OpenAI

from preftune.records import Prompt, Sampling
from preftune.rollouts import NativeEngine
from preftune.serving import Served
from tests.models.made import TEXTS, make_policy, renderer_of, tokenizer
from tests.serving.under_way import made, running, with_template

PROMPT = "Order 3: lamp for Ann."


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running(made("one"), made("two", seed=1)) as url:
        yield url


@pytest.fixture(scope="module")
def client(address: str) -> OpenAI:
    return OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=120)


def native(seed: int = 0) -> NativeEngine:
    policy = make_policy(seed=seed)
    return NativeEngine(policy, renderer_of(policy), "v")


def greedy(prompt: str, tokens: int, model: int = 0) -> str:
    (written,) = native(model)([Prompt(prompt)], Sampling(tokens, temperature=0))
    return written.text


def test_models_are_listed(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["one", "two"]
    assert client.models.retrieve("two").id == "two"


def test_an_answer_is_the_engines_own(client: OpenAI) -> None:
    for name, seed in (("one", 0), ("two", 1)):
        done = client.completions.create(model=name, prompt=PROMPT, max_tokens=12, temperature=0)
        assert done.choices[0].text == greedy(PROMPT, 12, seed)
        assert done.model == name and done.usage is not None
        assert done.usage.prompt_tokens == len(renderer_of(make_policy()).prompt_ids(PROMPT))
    assert greedy(PROMPT, 12, 0) != greedy(PROMPT, 12, 1)


def test_n_seeded_choices_are_the_engines_own(client: OpenAI) -> None:
    wanted = native()([Prompt(PROMPT)] * 4, Sampling(10, 0.8, 0.9, seed=7))
    asked: dict[str, Any] = {"model": "one", "temperature": 0.8, "top_p": 0.9, "seed": 7, "n": 4}
    done = client.chat.completions.create(
        messages=[{"role": "user", "content": PROMPT}], max_tokens=10, **asked
    )
    assert [choice.message.content for choice in done.choices] == [w.text for w in wanted]
    reasons = ["length" if w.stop_reason == "length" else "stop" for w in wanted]
    assert [choice.finish_reason for choice in done.choices] == reasons
    assert done.usage is not None
    assert done.usage.completion_tokens == sum(len(w.token_ids) for w in wanted)
    again = client.completions.create(prompt=PROMPT, max_tokens=10, **asked)
    assert [choice.text for choice in again.choices] == [w.text for w in wanted]
    assert len({w.text for w in wanted}) > 1


def test_without_a_seed_answers_differ(client: OpenAI) -> None:
    texts = {
        client.completions.create(model="one", prompt=PROMPT, max_tokens=16).choices[0].text
        for _ in range(3)
    }
    assert len(texts) == 3


def test_streams_say_the_same_in_pieces(client: OpenAI) -> None:
    asked: dict[str, Any] = {"model": "one", "max_tokens": 20, "seed": 3, "n": 2}
    turns: Any = [{"role": "system", "content": "Order"}, {"role": "user", "content": "lamp"}]
    whole = client.chat.completions.create(messages=turns, **asked)
    pieces: dict[int, list[str]] = {0: [], 1: []}
    reasons, usage = {}, None
    stream = client.chat.completions.create(
        messages=turns, stream=True, stream_options={"include_usage": True}, **asked
    )
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            pieces[choice.index].append(choice.delta.content or "")
            reasons[choice.index] = choice.finish_reason or reasons.get(choice.index)
    assert usage == whole.usage
    for choice in whole.choices:
        assert "".join(pieces[choice.index]) == choice.message.content
        assert len(pieces[choice.index]) > 5
        assert reasons[choice.index] == choice.finish_reason
    text = "".join(
        chunk.choices[0].text
        for chunk in client.completions.create(
            model="two", prompt="Where", max_tokens=9, temperature=0, stream=True
        )
    )
    assert text == greedy("Where", 9, 1)


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_text_is_cut_off_and_never_shown(client: OpenAI, stream: bool) -> None:
    """The stop text is one that the greedy answer contains, across the border of two tokens."""
    full = greedy(PROMPT, 20)
    stop = full[5:9]
    asked: dict[str, Any] = {"model": "one", "prompt": PROMPT, "max_tokens": 20, "temperature": 0}
    asked |= {"stop": [stop, "never there"]}
    if stream:
        chunks = list(client.completions.create(stream=True, **asked))
        text = "".join(chunk.choices[0].text for chunk in chunks if chunk.choices)
        reason = chunks[-1].choices[0].finish_reason
    else:
        (choice,) = client.completions.create(**asked).choices
        text, reason = choice.text, choice.finish_reason
    assert text == full[: full.index(stop)] and reason == "stop"


def test_logprobs_are_the_models_own_whatever_the_temperature(client: OpenAI) -> None:
    done = client.chat.completions.create(
        model="one",
        messages=[{"role": "user", "content": PROMPT}],
        max_tokens=4,
        temperature=0.5,
        seed=1,
        logprobs=True,
        top_logprobs=3,
    )
    logprobs = done.choices[0].logprobs
    assert logprobs is not None and logprobs.content is not None
    (written,) = native()([Prompt(PROMPT)], Sampling(4, 0.5, seed=1))
    ids = list(written.prompt_token_ids)
    for place, (token, told) in enumerate(zip(written.token_ids, logprobs.content, strict=False)):
        with torch.no_grad():
            row = make_policy()(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        assert told.logprob == pytest.approx(float(row[token]), abs=1e-4), place
        assert told.token == tokenizer().decode([token])
        best = row.topk(3).values.tolist()
        assert [top.logprob for top in told.top_logprobs] == pytest.approx(best, abs=1e-4)
        ids.append(token)
    plain = client.completions.create(
        model="one", prompt=PROMPT, max_tokens=2, temperature=0, logprobs=2
    ).choices[0]
    assert plain.logprobs is not None and plain.logprobs.top_logprobs is not None
    assert [len(top) for top in plain.logprobs.top_logprobs] == [2, 2]


def test_several_prompts_and_their_choices_keep_their_places(client: OpenAI) -> None:
    prompts = ["Where is my lamp?", "It arrives on"]
    done = client.completions.create(model="one", prompt=prompts, max_tokens=6, temperature=0, n=2)
    assert [choice.index for choice in done.choices] == [0, 1, 2, 3]
    expected = [greedy(prompt, 6) for prompt in prompts for _ in range(2)]
    assert [choice.text for choice in done.choices] == expected


@pytest.mark.parametrize(
    ("asked", "error", "param", "code"),
    [
        ({"model": "none"}, openai.NotFoundError, "model", "model_not_found"),
        ({"max_tokens": 1000}, openai.BadRequestError, "messages", "context_length_exceeded"),
        ({"max_tokens": 0}, openai.BadRequestError, "max_tokens", None),
        ({"temperature": 3}, openai.BadRequestError, "temperature", None),
        ({"n": 0}, openai.BadRequestError, "n", None),
        ({"stop": ["a", "b", "c", "d", "e"]}, openai.BadRequestError, "stop", None),
        ({"top_logprobs": 2}, openai.BadRequestError, "top_logprobs", None),
        ({"messages": []}, openai.BadRequestError, "messages", None),
        ({"presence_penalty": 1}, openai.BadRequestError, "presence_penalty", None),
        ({"tools": []}, openai.BadRequestError, "tools", None),
    ],
)
def test_errors_have_openais_shape(
    client: OpenAI, asked: dict[str, Any], error: type[openai.APIStatusError], param: str, code: Any
) -> None:
    given = {"model": "one", "messages": [{"role": "user", "content": "Where?"}], **asked}
    with pytest.raises(error) as caught:
        client.chat.completions.create(**given)
    assert str(caught.value.param).split(".")[0] == param and caught.value.code == code
    assert caught.value.type == "invalid_request_error"


def test_64_clients_at_one_time_each_get_their_own(client: OpenAI) -> None:
    prompts = [f"{TEXTS[n % len(TEXTS)][: 10 + n % 30]} {n}" for n in range(64)]

    def ask(number: int) -> str:
        asked: dict[str, Any] = {"model": ("one", "two")[number % 2], "prompt": prompts[number]}
        asked |= {"max_tokens": 8 + number % 7, "temperature": 0.9, "seed": number}
        if number % 3:
            return client.completions.create(**asked).choices[0].text
        return "".join(c.choices[0].text for c in client.completions.create(stream=True, **asked))

    with ThreadPoolExecutor(64) as threads:
        found = list(threads.map(ask, range(64)))
    engines = (native(0), native(1))
    for number, text in enumerate(found):
        sampling = Sampling(8 + number % 7, 0.9, seed=number)
        (written,) = engines[number % 2]([Prompt(prompts[number])], sampling)
        assert text == written.text, number
    assert len(set(found)) > 60


def test_a_client_that_leaves_frees_its_place() -> None:
    """Its row leaves the batch: the next request is answered although the first asks for 3900."""
    with running(made("long", context=4000, batch_size=1)) as url:
        body = {"model": "long", "prompt": "Where", "max_tokens": 3900, "stream": True, "seed": 1}
        with httpx.stream("POST", f"{url}/v1/completions", json=body, timeout=120) as answer:
            next(answer.iter_lines())
        body |= {"max_tokens": 2, "stream": False}
        answer2 = httpx.post(f"{url}/v1/completions", json=body, timeout=120)
    assert answer2.status_code == 200


def test_more_than_may_wait_is_refused_at_once() -> None:
    with running(made("one", most_waiting=3)) as url:
        body = {"model": "one", "prompt": "Where", "n": 4, "max_tokens": 2}
        answer = httpx.post(f"{url}/v1/completions", json=body, timeout=120)
    assert answer.status_code == 429 and answer.json()["error"]["code"] == "overloaded"


def test_a_failure_is_told_and_the_thread_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    served = made("one")
    with running(served) as url:
        good = served.policy.forward

        def broken(*_: Any, **__: Any) -> None:
            raise RuntimeError("no memory")

        body = {"model": "one", "prompt": "Where", "max_tokens": 2}
        served.policy.forward = broken  # type: ignore[method-assign, assignment]
        first = httpx.post(f"{url}/v1/completions", json=body, timeout=120)
        streamed = httpx.post(f"{url}/v1/completions", json={**body, "stream": True}, timeout=120)
        served.policy.forward = good  # type: ignore[method-assign]
        second = httpx.post(f"{url}/v1/completions", json=body, timeout=120)
    assert first.status_code == 500 and "no memory" in first.json()["error"]["message"]
    assert "no memory" in streamed.text and "[DONE]" not in streamed.text
    assert second.status_code == 200


def test_a_key_is_asked_for_where_there_is_one() -> None:
    with running(made("one"), key="s3cret") as url:
        wrong = OpenAI(base_url=f"{url}/v1", api_key="s3cre", max_retries=0)
        with pytest.raises(openai.AuthenticationError):
            wrong.models.list()
        right = OpenAI(base_url=f"{url}/v1", api_key="s3cret", max_retries=0)
        assert [model.id for model in right.models.list()] == ["one"]
        assert httpx.get(url).status_code == 200


def test_a_chat_template_is_used() -> None:
    template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
    served: Served = with_template(made("one"), template)
    with running(served) as url:
        client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=120)
        parts: Any = [{"type": "text", "text": "la"}, {"type": "text", "text": "mp"}]
        turns: Any = [{"role": "system", "content": "Ann"}, {"role": "user", "content": parts}]
        done = client.chat.completions.create(
            model="one", messages=turns, max_tokens=8, temperature=0
        )
    text = "<system>Ann<user>lamp<assistant>"
    assert done.choices[0].message.content == greedy(text, 8)


def test_the_playground_needs_nothing_from_elsewhere(address: str) -> None:
    page = httpx.get(address)
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert "http" not in policy and "http" not in page.text and "<script>" not in page.text
    for name in ("/playground.js", "/playground.css"):
        assert httpx.get(address + name).status_code == 200
    assert httpx.get(address + "/nowhere").json()["error"]["message"] == "Not Found"
