"""A tokenizer trained on the spot loses no byte and saves what it is."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftune.models import load_tokenizer, stop_ids, train_tokenizer
from preftune.records import BadInput
from tests.models.made import TEXTS, tokenizer


@given(st.text(max_size=40).filter(lambda text: "<|" not in text))
def test_every_text_comes_back(text: str) -> None:
    ids = tokenizer()(text, add_special_tokens=False)["input_ids"]
    assert tokenizer().decode(ids) == text


def test_end_and_pad_are_two_tokens() -> None:
    assert (tokenizer().eos_token_id, tokenizer().pad_token_id) == (0, 1)
    assert len(tokenizer()) == 300


def test_common_words_become_one_token() -> None:
    assert len(tokenizer()(" where it arrives on")["input_ids"]) < len(" where it arrives on") / 2


def test_the_same_texts_give_the_same_tokenizer(tmp_path: Path) -> None:
    again = train_tokenizer(TEXTS, 300)
    assert again.get_vocab() == tokenizer().get_vocab()
    again.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert loaded(TEXTS[0])["input_ids"] == tokenizer()(TEXTS[0])["input_ids"]


@pytest.mark.parametrize("size", [260, 280])
def test_the_vocabulary_is_at_most_what_was_asked_for(size: int) -> None:
    assert len(train_tokenizer(TEXTS, size)) == size


def test_stop_texts_are_single_tokens() -> None:
    (dot,) = tokenizer()(".")["input_ids"]
    assert stop_ids(tokenizer(), ["."]) == (dot,)
    with pytest.raises(BadInput, match="not one"):
        stop_ids(tokenizer(), ["zebra crossing"])
