"""Distinct n-grams, repetition and openers by hand."""

import pytest

from preftune.records import BadInput
from preftune.stats import (
    distinct_n,
    ngrams,
    repetition,
    stock_phrase,
    top_openers,
    word_count,
)


def test_distinct_n_is_over_the_whole_corpus() -> None:
    texts = ["a b a b", "a b c"]
    # Words: a b a b a b c → 3 of 7. Pairs: ab ba ab | ab bc → 3 of 5; none crosses a text.
    assert distinct_n(texts, 1) == 3 / 7
    assert distinct_n(texts, 2) == 3 / 5
    assert distinct_n(texts, 4) == 1.0
    assert distinct_n(["a", ""], 2) == 0.0


def test_repetition_is_inside_each_text() -> None:
    assert repetition(["a b a b a b", "c d e"], n=2) == pytest.approx((1 - 2 / 5) / 2)
    assert repetition(["same words here", "same words here"], n=2) == 0.0
    assert repetition(["short"], n=3) == 0.0
    assert repetition([]) == 0.0


def test_openers_are_ranked_and_shared() -> None:
    texts = ["I am sorry to hear", "I am sorry , but", "You can return", "Yes", "Yes", ""]
    assert top_openers(texts, words=3, top=2) == (("I am sorry", 2 / 6), ("Yes", 2 / 6))
    assert top_openers(texts)[2] == ("", 1 / 6)
    assert top_openers([]) == ()


def test_ngrams_and_words() -> None:
    assert ngrams(" a  b\nc ", 2) == [("a", "b"), ("b", "c")]
    assert word_count(" a  b\nc ") == 3
    with pytest.raises(BadInput, match="at least one word, not 0"):
        ngrams("a", 0)


def test_the_stock_phrase_is_the_one_most_texts_hold() -> None:
    texts = ["happy to help you now", "so happy to help", "to help to help", "no"]
    assert stock_phrase(texts, 2) == ("to help", 3 / 4), "once a text, however often it says it"
    assert stock_phrase(texts, 3) == ("happy to help", 2 / 4)
    assert stock_phrase(texts, 9) == ("", 0.0)
