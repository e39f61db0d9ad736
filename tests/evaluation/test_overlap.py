"""ROUGE and BLEU on texts whose overlap is counted by hand; self-BLEU's two ends."""

import numpy as np
import pytest

from preftune.evaluation.overlap import bleu, rouge, self_bleu
from preftune.records import BadInput
from tests.evaluation.made import completion


def test_rouge_counts_words_pairs_and_the_longest_common_run() -> None:
    """a b c d against a b x d: 3 of 4 words, 1 of 3 pairs, a b d in order."""
    found = rouge([completion("p", "lamp chair red day")], ["lamp chair blue day"])
    assert found["rouge1"].value == pytest.approx(3 / 4)
    assert found["rouge2"].value == pytest.approx(1 / 3)
    assert found["rougeL"].value == pytest.approx(3 / 4)


def test_bleu_by_hand() -> None:
    """Six words of six, but one: precisions 5/6, 3/5, 2/4, 1/3, no brevity penalty."""
    expected = 100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25
    found = bleu([completion("p", "the lamp is red today now")], ["the lamp is red here now"])
    assert found == pytest.approx(expected, rel=1e-6)
    same = bleu([completion("p", "one two three four")], ["one two three four"])
    assert same == pytest.approx(100.0)


def test_self_bleu_of_one_text_and_of_many() -> None:
    rng = np.random.default_rng(0)
    assert self_bleu(["it is red and it is large"] * 5, rng=rng) == pytest.approx(100.0)
    words = [" ".join(f"w{n}{k}" for k in range(8)) for n in range(5)]
    assert self_bleu(words, rng=rng) < 10
    with pytest.raises(BadInput, match="two texts"):
        self_bleu(["one"], rng=rng)


def test_references_must_fit() -> None:
    with pytest.raises(BadInput, match="1 completions but 2 references"):
        rouge([completion("p", "x")], ["a", "b"])
