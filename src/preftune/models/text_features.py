"""What a linear model reads of an answer: counts of its style, how common its words are, its words.

The counts are what a byte-pair network of a few hundred answers does not see: capitals, marks,
the length of words and sentences.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

Floats = NDArray[np.float64]

TERM = r"(?u)\b\w+\b"
"""Words of one letter count too."""
FEWEST = 2
"""Answers a term stands in at least; rarer ones say nothing about other answers."""

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
END = re.compile(r"[.!?]+")
NEXT = re.compile(r"[.!?]\s+(\w)")
REPEATED = re.compile(r"(\S)\1\1")
LINK = re.compile(r"https?:|www\.")
LONG_WORD = 7

STYLE = (
    "log_words",
    "log_characters",
    "log_sentences",
    "log_distinct_words",
    "log_lines",
    "characters_a_word",
    "long_words",
    "distinct_words",
    "words_a_sentence",
    "log_words_a_sentence",
    "capital_letters",
    "capital_words",
    "starts_with_capital",
    "sentences_start_with_capital",
    "ends_with_mark",
    "commas",
    "full_stops",
    "exclamation_marks",
    "question_marks",
    "quotation_marks",
    "apostrophes",
    "colons",
    "brackets",
    "dots",
    "repeated_characters",
    "digits",
    "links",
    "small_i",
)
"""The counts in their order; shares unless the name begins with log or says a what."""


def style_counts(texts: Sequence[str]) -> Floats:
    """Shape (texts, len(STYLE)). An empty text counts as one sentence."""
    return np.array([_style(text) for text in texts], dtype=np.float64).reshape(-1, len(STYLE))


def _style(text: str) -> list[float]:
    pieces, words = text.split(), WORD.findall(text)
    tokens, spelled = max(len(pieces), 1), max(len(words), 1)
    letters = sum(char.isalpha() for char in text)
    distinct = len({word.lower() for word in words})
    sentences = max(len(END.findall(text)), 1)
    after = NEXT.findall(text)
    marks = [",", ".", "!", "?", '"“”', "'’", ":;", "(", "…"]
    counted = [sum(text.count(char) for char in mark) / tokens for mark in marks]
    counted[-1] += text.count("...") / tokens
    return [
        np.log1p(len(pieces)),
        np.log1p(len(text)),
        np.log1p(sentences),
        np.log1p(distinct),
        np.log1p(text.count("\n")),
        sum(map(len, words)) / spelled,
        sum(len(word) >= LONG_WORD for word in words) / spelled,
        distinct / spelled,
        len(pieces) / sentences,
        np.log1p(len(pieces) / sentences),
        sum(char.isupper() for char in text) / max(letters, 1),
        sum(word.isupper() and len(word) > 1 for word in words) / spelled,
        float(text[:1].isupper()),
        sum(char.isupper() for char in after) / len(after) if after else 0.5 * bool(pieces),
        float(text.rstrip()[-1:] in (".", "!", "?")),
        *counted,
        len(REPEATED.findall(text)) / tokens,
        sum(char.isdigit() for char in text) / max(len(text), 1),
        float(bool(LINK.search(text))),
        sum(word == "i" for word in words) / spelled,
    ]


COMMONNESS = (
    "mean_log_frequency",
    "rarest_fifth_log_frequency",
    "unknown_words",
    "log_unknown_words",
    "hardly_known_words",
    "uncommon_words",
)
"""Counts of how common an answer's words are in a text of reference, in their order."""
HARDLY = 3
"""Occurrences in the reference up to which a word is hardly known."""
UNCOMMON = 1e-4
"""Share of the reference below which a word is uncommon."""


def word_counts(texts: Iterable[str]) -> Counter[str]:
    """How often each word stands in a text of reference, in small letters."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(WORD.findall(text.lower()))
    return counts


def commonness(texts: Sequence[str], known: Mapping[str, int]) -> Floats:
    """Shape (texts, len(COMMONNESS)); of a text without words, as if it had one unknown word.

    A word's log frequency is log((count + .5) / all words of the reference).
    """
    total = max(sum(known.values()), 1)
    rows = [_commonness(text, known, total) for text in texts]
    return np.array(rows, dtype=np.float64).reshape(-1, len(COMMONNESS))


def _commonness(text: str, known: Mapping[str, int], total: int) -> list[float]:
    counts = np.array([known.get(word, 0) for word in WORD.findall(text.lower())] or [0])
    logs = np.sort(np.log((counts + 0.5) / total))
    return [
        float(logs.mean()),
        float(logs[: max(1, len(logs) // 5)].mean()),
        float((counts == 0).mean()),
        float(np.log1p((counts == 0).sum())),
        float((counts <= HARDLY).mean()),
        float((logs < np.log(UNCOMMON)).mean()),
    ]


def frequent_terms(texts: Sequence[str]) -> tuple[tuple[str, ...], Floats]:
    """Words and pairs of words in at least ``FEWEST`` texts, and each one's log(n/df) weight.

    The inverse document frequency is log((1 + n) / (1 + df)) + 1. None at all is possible.
    """
    counter = _vectorizer(None)
    try:
        counter.fit(texts)
    except ValueError:  # nothing is frequent enough
        return (), np.zeros(0)
    return tuple(counter.get_feature_names_out().tolist()), np.array(counter.idf_)


def term_weights(texts: Sequence[str], terms: Sequence[str], idf: Floats) -> csr_matrix:
    """(1 + log count) · idf of each term, rows of length 1, shape (texts, terms)."""
    if not terms:
        return csr_matrix((len(texts), 0))
    reader = _vectorizer({term: place for place, term in enumerate(terms)})
    reader.idf_ = idf
    return csr_matrix(reader.transform(texts))


def _vectorizer(vocabulary: dict[str, int] | None) -> TfidfVectorizer:
    return TfidfVectorizer(
        vocabulary=vocabulary,
        ngram_range=(1, 2),
        sublinear_tf=True,
        token_pattern=TERM,
        min_df=FEWEST if vocabulary is None else 1,
    )
