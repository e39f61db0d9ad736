"""Policies to talk with: a folder's own words, and those of `preftune serve`."""

from pathlib import Path

import pytest

from preftune.models import Renderer, save_model
from preftune.pipeline.talking import open_talker
from preftune.records import BadInput, Message, Prompt, Sampling
from preftune.rollouts import NativeEngine
from tests.models.made import make_policy, tokenizer
from tests.serving.under_way import made, running

TURNS = (Message("system", "Order"), Message("user", "Where is my lamp?"))


def test_a_folder_and_an_endpoint_say_the_same(tmp_path: Path) -> None:
    save_model(make_policy(), tokenizer(), tmp_path, "")
    sampling = Sampling(9, temperature=0)
    (mine,) = open_talker(str(tmp_path))([Prompt(TURNS)], sampling)
    joined = Prompt("Order\nWhere is my lamp?")
    (plain,) = NativeEngine(make_policy(), Renderer(tokenizer(), 64), "v")([joined], sampling)
    assert mine.text == plain.text and mine.prompt.text == TURNS
    with running(made("one")) as url:
        (theirs,) = open_talker(f"{url}/v1#one")([Prompt(TURNS)], sampling)
    assert theirs.text == plain.text


def test_a_long_talk_keeps_its_end(tmp_path: Path) -> None:
    save_model(make_policy(), tokenizer(), tmp_path, "")
    talker = open_talker(str(tmp_path))
    long = tuple(Message("user", f"order {n} lamp") for n in range(60))
    (answer,) = talker([Prompt(long)], Sampling(9, temperature=0))
    assert len(answer.prompt_token_ids) == 64 - 9
    with pytest.raises(BadInput, match="no room"):
        talker([Prompt(TURNS)], Sampling(64))


def test_an_endpoint_needs_its_models_name() -> None:
    with pytest.raises(BadInput, match="names no model"):
        open_talker("http://127.0.0.1:8000/v1")
