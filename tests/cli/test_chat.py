"""``chat``: the stream is what the engine samples, turns add up, control characters do not pass."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from preftune.artifacts import derive_seed
from preftune.cli.chat import CONTROL, turns
from preftune.models import (
    load_policy,
    load_tokenizer,
    renderer_for,
    reward_model_from,
    save_model,
)
from preftune.pipeline.conversation import Conversation, Wishes, open_conversation
from preftune.records import Message, Prompt, Sampling
from preftune.rollouts import NativeEngine
from tests.cli.command import preftune

TEMPLATE = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]"


def engine_of(folder: Path) -> NativeEngine:
    policy = load_policy(folder, torch.device("cpu"))
    return NativeEngine(policy, renderer_for(policy, load_tokenizer(folder), folder), "v")


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3"])
@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_the_stream_is_the_engines_greedy_or_sampled_text(
    models: dict[str, Path], family: str, temperature: float
) -> None:
    sampling = Sampling(12, temperature=temperature, top_p=0.95, seed=3)
    talk = open_conversation(models[family], sampling)
    (completion,) = engine_of(models[family])(
        [Prompt("Is tea hot?")], Sampling(12, temperature=0.0, seed=3)
    )
    pieces = list(talk.say("Is tea hot?"))
    assert talk.turns == (Message("user", "Is tea hot?"), Message("assistant", "".join(pieces)))
    assert 1 <= talk.tokens <= 12
    if temperature == 0:
        assert "".join(pieces) == completion.text
        assert talk.tokens == len(completion.token_ids)
        assert talk.stop_reason == str(completion.stop_reason)


def reading(talk: Conversation) -> list[tuple[int, ...]]:
    """The ids of every prompt the policy is given from now on."""
    seen: list[tuple[int, ...]] = []

    def note(module: object, given: object, named: dict[str, torch.Tensor]) -> None:
        if named["position_ids"][0, 0] == 0:
            seen.append(tuple(named["input_ids"][0].tolist()))

    talk.policy.register_forward_pre_hook(note, with_kwargs=True)
    return seen


def test_without_a_template_the_model_continues_what_was_said(models: dict[str, Path]) -> None:
    talk = open_conversation(models["llama"], Sampling(5, temperature=0.0), system="Be kind.")
    seen = reading(talk)
    first = "".join(talk.say("Is tea hot?"))
    list(talk.say("And ice?"))
    talk.forget()
    assert "".join(talk.say("Is tea hot?")) == first
    texts = ["Be kind.\nIs tea hot?", f"Be kind.\nIs tea hot?\n{first}\nAnd ice?"]
    ids = [tuple(talk.renderer.tokenizer(text)["input_ids"]) for text in texts]
    assert seen == [ids[0], ids[1], ids[0]]


def test_with_a_template_the_turns_go_through_it(models: dict[str, Path]) -> None:
    talk = open_conversation(models["gpt2"], Sampling(5, temperature=0.0), system="Hi.")
    talk.renderer.tokenizer.chat_template = TEMPLATE
    seen = reading(talk)
    first = "".join(talk.say("Tea?"))
    list(talk.say("Ice?"))
    text = f"[system]Hi.[user]Tea?[assistant]{first}[user]Ice?[assistant]"
    assert seen[-1] == tuple(talk.renderer.tokenizer(text)["input_ids"])


def test_a_long_conversation_keeps_its_end(models: dict[str, Path]) -> None:
    talk = open_conversation(models["llama"], Sampling(4, temperature=0.0))
    seen = reading(talk)
    long = " ".join(f"order {number}" for number in range(90))
    list(talk.say(long))
    whole = tuple(talk.renderer.tokenizer(long)["input_ids"])
    assert seen == [whole[-60:]] and len(whole) > 60


def test_the_same_seed_says_the_same_and_another_something_else(models: dict[str, Path]) -> None:
    def said(seed: int) -> str:
        done = preftune("chat", models["llama"], "--prompt", "Tea?", "--seed", seed, "--json")
        assert done.code == 0
        assert set(done.json) == {"model", "prompt", "completion", "tokens", "stop_reason"}
        return str(done.json["completion"])

    assert said(1) == said(1) != said(2)


def test_lines_of_the_input_are_turns(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Is tea hot?\n\n/new\nIs tea hot?\n"))
    done = preftune("chat", models["llama"], "--temperature", 0, "--max-new-tokens", 6)
    assert done.code == 0
    once = preftune(
        "chat", models["llama"], "--temperature", 0, "--max-new-tokens", 6,
        "--prompt", "Is tea hot?",
    )  # fmt: skip
    assert done.out == once.out * 2


def test_a_backslash_goes_on_in_the_next_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("one\\\ntwo\nthree\nfour\\"))
    assert list(turns(terminal=False)) == ["one\ntwo", "three", "four"]


def test_a_model_cannot_command_the_terminal() -> None:
    assert CONTROL.sub("?", "a\x1b[2J\x07b\tc\nd\x9b") == "a?[2J?b\tc\nd?"


def test_json_needs_a_prompt(models: dict[str, Path]) -> None:
    done = preftune("chat", models["llama"], "--json")
    assert done.code == 2 and "--prompt" in done.error["sentence"]


def test_no_room_for_an_answer_is_told(models: dict[str, Path]) -> None:
    done = preftune("chat", models["llama"], "--prompt", "x", "--max-new-tokens", 64, "--json")
    assert done.code == 2
    assert done.error["remedy"] == "Lower --max-new-tokens."


def test_people_see_the_answer_of_a_stage(run_folder: Path) -> None:
    (stage,) = run_folder.glob("stages/*-sft")
    done = preftune("chat", stage, "--prompt", "hello", "--max-new-tokens", 3)
    assert done.code == 0 and done.out.endswith("\n")
    told = preftune("chat", stage, "--prompt", "hello", "--max-new-tokens", 3, "--json")
    assert CONTROL.sub("\ufffd", told.json["completion"]) + "\n" == done.out
    assert json.dumps(told.json)


@pytest.fixture
def judge(models: dict[str, Path], tmp_path: Path) -> Path:
    """A reward model with random weights."""
    folder = tmp_path / "judge"
    folder.mkdir()
    model = reward_model_from(models["llama"], torch.device("cpu"), seed=1)
    save_model(model, load_tokenizer(models["llama"]), folder, "random")
    return folder


def test_the_best_of_several_answers_is_said(models: dict[str, Path], judge: Path) -> None:
    asked = ("--prompt", "Is tea hot?", "--seed", 3, "--max-new-tokens", 8, "--json")
    done = preftune("chat", models["llama"], "--best-of", 6, "--reward-model", judge, *asked)
    assert done.code == 0 and done.json["best_of"] == 6
    wishes = Wishes(best_of=6, reward_model=str(judge))
    talk = open_conversation(models["llama"], Sampling(8, 0.7, seed=3), wishes=wishes)
    assert talk.picker is not None
    sampling = replace(talk.sampling, seed=derive_seed(3, 0))
    drawn = engine_of(models["llama"])([Prompt("Is tea hot?")] * 6, sampling)
    scores = [axes["score"] for axes in talk.picker.score(drawn) if axes is not None]
    assert len({c.text for c in drawn}) > 1
    assert done.json["score"] == pytest.approx(max(scores), abs=1e-4)
    assert done.json["completion"] == drawn[scores.index(max(scores))].text


def test_best_of_and_its_reward_model_belong_together(models: dict[str, Path]) -> None:
    one = preftune("chat", models["llama"], "--prompt", "x", "--best-of", 2, "--json")
    assert one.code == 2 and "--reward-model" in one.error["remedy"]
    other = preftune(
        "chat", models["llama"], "--prompt", "x", "--reward-model", models["llama"], "--json"
    )
    assert other.code == 2 and "--best-of" in other.error["remedy"]
