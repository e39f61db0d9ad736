"""How varied texts are: distinct n-grams, repetition, and how they begin.

Tokens are whatever whitespace separates; case and punctuation count as written.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from preftune.records import BadInput


def word_count(text: str) -> int:
    """The number of words: what whitespace separates."""
    return len(text.split())


def ngrams(text: str, n: int) -> list[tuple[str, ...]]:
    """All runs of ``n`` words, in order; none when the text is shorter."""
    if n < 1:
        raise BadInput(f"An n-gram has at least one word, not {n}.")
    words = text.split()
    return [tuple(words[place : place + n]) for place in range(len(words) - n + 1)]


def distinct_n(texts: Iterable[str], n: int) -> float:
    """Different n-grams over all n-grams of the whole corpus (Li et al. 2016); 0 without any.

    It falls as a corpus grows: compare corpora of the same number of texts.
    """
    grams = [gram for text in texts for gram in ngrams(text, n)]
    return len(set(grams)) / len(grams) if grams else 0.0


def repetition(texts: Sequence[str], n: int = 3) -> float:
    """The share of a text's n-grams that it has written before, mean over texts.

    1 − different / all n-grams of one text (Welleck et al. 2020); a text too short has 0.
    """
    if not texts:
        return 0.0
    return sum(_repeated(ngrams(text, n)) for text in texts) / len(texts)


def top_openers(
    texts: Sequence[str], words: int = 3, top: int = 5
) -> tuple[tuple[str, float], ...]:
    """The most frequent first ``words`` words and the share of texts that begin so.

    Most frequent first, equal ones in alphabetical order; a shorter text opens with all it has.
    """
    counts = Counter(" ".join(text.split()[:words]) for text in texts)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple((opener, count / len(texts)) for opener, count in ranked[:top])


def stock_phrase(texts: Sequence[str], n: int = 5) -> tuple[str, float]:
    """The run of ``n`` words that most texts hold, and the share of texts with it.

    Of equally frequent ones the first in alphabetical order; ("", 0) without any.
    """
    counts = Counter(gram for text in texts for gram in set(ngrams(text, n)))
    if not counts:
        return "", 0.0
    gram, count = min(counts.items(), key=lambda item: (-item[1], item[0]))
    return " ".join(gram), count / len(texts)


def _repeated(grams: list[tuple[str, ...]]) -> float:
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
