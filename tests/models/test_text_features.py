"""Counts by hand, and the weights of words as scikit-learn has them."""

import numpy as np
import pytest

from preftune.models.text_features import (
    COMMONNESS,
    STYLE,
    commonness,
    frequent_terms,
    style_counts,
    term_weights,
    word_counts,
)

TEXT = "The cat sat. It SAT, didn't it?  Noooo! See http://x.y 12 i"


def counts(text: str) -> dict[str, float]:
    return dict(zip(STYLE, style_counts([text])[0].tolist(), strict=True))


def test_counts_by_hand() -> None:
    found = counts(TEXT)
    pieces = 12  # The cat sat. It SAT, didn't it? Noooo! See http://x.y 12 i
    assert found["log_words"] == pytest.approx(np.log(1 + pieces))
    assert found["log_characters"] == pytest.approx(np.log(1 + len(TEXT)))
    # words of letters: The cat sat It SAT didn't it Noooo See http x y i
    assert found["characters_a_word"] == pytest.approx((3 * 5 + 2 * 2 + 6 + 5 + 4 + 3) / 13)
    # distinct: the cat sat it didn't noooo see http x y i
    assert found["distinct_words"] == pytest.approx(11 / 13)
    assert found["long_words"] == 0
    # ends: ". ? ! ." (the last one inside the link)
    assert found["words_a_sentence"] == pytest.approx(pieces / 4)
    assert found["capital_letters"] == pytest.approx(7 / 36)
    assert found["capital_words"] == pytest.approx(1 / 13)
    assert found["starts_with_capital"] == 1
    assert found["sentences_start_with_capital"] == 1
    assert found["ends_with_mark"] == 0
    for name, count in (("commas", 1), ("full_stops", 2), ("apostrophes", 1), ("colons", 1)):
        assert found[name] == pytest.approx(count / pieces), name
    assert found["repeated_characters"] == pytest.approx(1 / pieces)
    assert found["digits"] == pytest.approx(2 / len(TEXT))
    assert found["links"] == 1
    assert found["small_i"] == pytest.approx(1 / 13)


def test_an_empty_text_is_one_sentence_of_nothing() -> None:
    found = counts("")
    assert found.pop("log_sentences") == pytest.approx(np.log(2))
    assert not any(found.values())
    assert style_counts([]).shape == (0, len(STYLE))


def test_dots_and_lines() -> None:
    found = counts("well...\nno… Yes. no")
    assert found["dots"] == pytest.approx(2 / 4)
    assert found["log_lines"] == pytest.approx(np.log(2))
    # after an end comes "n" (after the dots), and "n" again: none is a capital; "Y" follows "…"
    assert found["sentences_start_with_capital"] == 0


def test_common_and_unknown_words() -> None:
    known = word_counts(["The cat, the CAT.", "the " * 9996, "it isn't; don’t"])
    assert known["the"] == 9998 and known["cat"] == 2 and known["isn't"] == known["don’t"] == 1
    total = 10003
    assert sum(known.values()) == total
    found = dict(zip(COMMONNESS, commonness(["The zebra the CAT the"], known)[0], strict=True))
    the, cat, zebra = (np.log((count + 0.5) / total) for count in (9998, 2, 0))
    assert found["mean_log_frequency"] == pytest.approx((3 * the + cat + zebra) / 5)
    assert found["rarest_fifth_log_frequency"] == pytest.approx(zebra)
    assert found["unknown_words"] == pytest.approx(1 / 5)
    assert found["log_unknown_words"] == pytest.approx(np.log(2))
    assert found["hardly_known_words"] == pytest.approx(2 / 5)
    # 2.5 / 10003 is above 1e-4, .5 / 10003 below
    assert found["uncommon_words"] == pytest.approx(1 / 5)
    assert commonness(["12"], known)[0] == pytest.approx(
        [zebra, zebra, 1, np.log(2), 1, 1], abs=1e-9
    )


def test_terms_are_those_of_two_texts_and_more() -> None:
    terms, idf = frequent_terms(["a b", "a c", "a b d"])
    assert terms == ("a", "a b", "b")
    # log((1 + 3) / (1 + df)) + 1
    assert idf == pytest.approx([1.0, np.log(4 / 3) + 1, np.log(4 / 3) + 1])
    row = term_weights(["b b b zebra"], terms, idf).toarray()[0]
    assert row == pytest.approx([0, 0, 1])
    both = term_weights(["a b"], terms, idf).toarray()[0]
    raw = np.array([1.0, np.log(4 / 3) + 1, np.log(4 / 3) + 1])
    assert both == pytest.approx(raw / np.linalg.norm(raw))


def test_texts_that_share_no_word_have_no_terms() -> None:
    terms, idf = frequent_terms(["one", "two"])
    assert terms == () and idf.shape == (0,)
    assert term_weights(["one"], terms, idf).shape == (1, 0)
