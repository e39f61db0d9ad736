"""An endpoint that writes: what is asked of it, and that no failure becomes an answer."""

import pytest

from preftune.judging import HttpGenerate
from preftune.records import BadInput, Message, Prompt, RunFailed, Sampling, StopReason
from tests.judging.server import Reply, answer, serving

TURNS = (Message("user", "Hi"), Message("assistant", "Yes?"), Message("user", "Tea?"))


def whole(text: str, reason: str) -> Reply:
    body = f'{{"choices": [{{"message": {{"content": "{text}"}}, "finish_reason": "{reason}"}}]}}'
    return Reply(body=body.encode())


def test_turns_go_and_a_text_comes_back() -> None:
    with serving(lambda body, n: whole("Hot.", "length" if n else "stop")) as there:
        generate = HttpGenerate(there.url, "m")
        one, two = generate([Prompt(TURNS), Prompt("Ice?")], Sampling(7, 0.3, 0.9, seed=5))
        first, second = there.bodies
    assert (one.text, one.stop_reason, one.policy_version) == ("Hot.", StopReason.EOS, "m")
    assert two.stop_reason == StopReason.LENGTH and two.prompt.text == "Ice?"
    assert first["messages"][1] == {"role": "assistant", "content": "Yes?"}
    assert second["messages"] == [{"role": "user", "content": "Ice?"}]
    asked = {"max_tokens": 7, "temperature": 0.3, "top_p": 0.9, "seed": 5, "model": "m"}
    assert {name: first[name] for name in asked} == asked


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(500), "500"),
        (Reply(429), "429"),
        (Reply(body=b"{}"), "not what the API promises"),
        (Reply(body=b'{"choices": ['), "not what the API promises"),
        (answer("no reason"), "not what the API promises"),
        (Reply(hang=True), "does not answer"),
    ],
)
def test_what_is_no_answer_is_a_failure(reply: Reply, says: str) -> None:
    with serving(lambda body, n: reply) as there:
        generate = HttpGenerate(there.url, "m", timeout=0.4 if reply.hang else 60)
        with pytest.raises(RunFailed, match=says):
            generate([Prompt("Hi")], Sampling(7))


def test_a_key_is_sent_or_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALK_KEY", "s3cret")
    with serving(lambda body, n: whole("x", "stop")) as there:
        HttpGenerate(there.url, "m", "TALK_KEY")([Prompt("Hi")], Sampling(7))
        assert there.keys == ["Bearer s3cret"]
    monkeypatch.delenv("TALK_KEY")
    with pytest.raises(BadInput, match="TALK_KEY"):
        HttpGenerate("http://127.0.0.1:1/v1", "m", "TALK_KEY")
