"""What a reward model must beat: counting words, and a bag of words fitted on the same rows.

Each function answers row by row whether the baseline prefers the chosen text (1, 0, or .5 where
it cannot say), so that it can be compared with a model on the very same pairs.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags_array, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from preftune.evaluation.reward_accuracy import correctness
from preftune.records import BadInput, Comparison, Estimate
from preftune.stats import Clusters, paired_difference, share_estimate, word_count

Floats = NDArray[np.float64]
Features = TypeVar("Features", csr_matrix, Floats)
Sides = tuple[csr_matrix, csr_matrix]
"""Features of the chosen minus those of the rejected answer: of training and of test pairs."""

INVERSE_PENALTY = 1.0
"""scikit-learn's C: the weight of the data against the squared weights."""
WORD = r"(?u)\b\w+\b"
"""Words of one letter count too: "I" and "a" say something about style."""


@dataclass(frozen=True, slots=True)
class Baselines:
    """Accuracies on the test comparisons; None where nothing could be fitted, and ``reason``."""

    longer: Estimate
    tfidf: Estimate | None
    tfidf_length: Estimate | None
    reason: str | None
    correct: Mapping[str, Floats]
    """Row by row, by name, for paired differences; not part of the JSON."""

    def as_json(self) -> dict[str, object]:
        return {
            "longer": self.longer.as_json(),
            "tfidf": None if self.tfidf is None else self.tfidf.as_json(),
            "tfidf_length": None if self.tfidf_length is None else self.tfidf_length.as_json(),
            "reason": self.reason,
        }


def baselines(
    train: Sequence[Comparison] | None,
    test: Sequence[Comparison],
    clusters: Clusters | None = None,
) -> Baselines:
    """All baselines on ``test``, those with words fitted on ``train`` (None: not at hand).

    ``clusters`` name the independent units of ``test``; without them a prompt is one.
    """
    if not test:
        raise BadInput("There are no comparisons to measure the baselines on.")
    units = [row.prompt.id for row in test] if clusters is None else clusters
    correct = {"longer": longer_correct(test)}
    reason = _cannot_fit(train)
    if train is not None and reason is None:
        words = _words(train, test)
        correct["tfidf"] = _fitted_correct(train, *words)
        correct["tfidf_length"] = _fitted_correct(train, *_beside(words, _lengths(train, test)))
    found = {name: share_estimate(right, units) for name, right in correct.items()}
    return Baselines(
        found["longer"], found.get("tfidf"), found.get("tfidf_length"), reason, correct
    )


def longer_correct(test: Sequence[Comparison]) -> Floats:
    """The answer with more words wins."""
    return correctness([word_count(row.chosen) - word_count(row.rejected) for row in test])


def tfidf_correct(train: Sequence[Comparison], test: Sequence[Comparison]) -> Floats:
    """Logistic regression on the difference of TF-IDF vectors (words and pairs of words).

    Of the responses alone, never the prompt. No intercept and both orders of every pair, so the
    two sides are treated alike; a pair with ``probability`` p counts p for its chosen side and
    1 − p for the other, times its ``weight``.
    """
    return _fitted_correct(train, *_words(train, test))


def tfidf_length_correct(train: Sequence[Comparison], test: Sequence[Comparison]) -> Floats:
    """The same with length features: words, characters, their logarithms, sentences.

    Their differences are divided by their root mean square on the training pairs.
    """
    return _fitted_correct(train, *_beside(_words(train, test), _lengths(train, test)))


def paired_accuracy(
    a_correct: Sequence[float] | Floats,
    b_correct: Sequence[float] | Floats,
    clusters: Clusters | None = None,
) -> Estimate:
    """Accuracy of a minus accuracy of b on the same pairs, with the interval of the difference."""
    return paired_difference(a_correct, b_correct, clusters)


def _cannot_fit(train: Sequence[Comparison] | None) -> str | None:
    if train is None:
        return "The comparisons the reward model was trained on are not at hand."
    if len(train) < 2:
        return f"Fitting needs at least two training comparisons; there are {len(train)}."
    if not any(re.search(WORD, row.chosen) or re.search(WORD, row.rejected) for row in train):
        return "The training comparisons hold no words."
    if not any(row.weight > 0 for row in train):
        return "Every training comparison has the weight 0."
    return None


def _words(train: Sequence[Comparison], test: Sequence[Comparison]) -> Sides:
    """Differences of TF-IDF vectors.

    Document frequencies count a text as often as it is compared; it is read once.
    """
    times = Counter(text for row in train for text in (row.chosen, row.rejected))
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=WORD)
    found = vectorizer.fit_transform(list(times))
    holding = np.asarray(list(times.values())) @ (found > 0)
    vectorizer.idf_ = np.log((1 + times.total()) / (1 + holding)) + 1

    def featurize(texts: Sequence[str]) -> csr_matrix:
        return csr_matrix(vectorizer.transform(texts))

    return _differences(featurize, train), _differences(featurize, test)


def _lengths(train: Sequence[Comparison], test: Sequence[Comparison]) -> Sides:
    """Differences of length features over their root mean square on the training pairs."""
    ours, theirs = (_differences(_length_features, rows) for rows in (train, test))
    scale = np.sqrt(np.mean(ours**2, axis=0))
    scale[scale == 0] = 1.0
    return csr_matrix(ours / scale), csr_matrix(theirs / scale)


def _beside(words: Sides, lengths: Sides) -> Sides:
    train, test = (csr_matrix(hstack(parts)) for parts in zip(words, lengths, strict=True))
    return train, test


def _length_features(texts: Sequence[str]) -> Floats:
    """Shape (texts, 5): words, characters, log(1 + each), sentences (runs of . ! ?)."""
    counts = np.array([[word_count(text), len(text)] for text in texts], dtype=np.float64)
    sentences = np.array([[_sentences(text)] for text in texts], dtype=np.float64)
    return np.hstack([counts, np.log1p(counts), sentences])


def _sentences(text: str) -> int:
    return len(re.findall(r"[.!?]+", text))


def _fitted_correct(train: Sequence[Comparison], sides: csr_matrix, asked: csr_matrix) -> Floats:
    """Fitted on the training pairs' ``sides``, asked about those of the test pairs.

    Without an intercept (x, win) and (-x, loss) are one and the same: each pair stands once for
    either verdict, and every other one is turned round so that there are wins and losses.
    """
    sure = np.array([row.probability for row in train])
    weight = np.array([row.weight for row in train])
    turned = np.tile(np.arange(len(train)) % 2 == 1, 2)
    verdicts = np.repeat([1, 0], len(train))
    weights = np.concatenate([sure, 1 - sure]) * np.tile(weight, 2)
    used = np.flatnonzero(weights > 0)
    signs = diags_array(np.where(turned, -1.0, 1.0)[used])
    pairs = csr_matrix(signs @ sides[used % len(train)])
    model = LogisticRegression(C=INVERSE_PENALTY, fit_intercept=False, max_iter=1000)
    model.fit(pairs, np.where(turned, 1 - verdicts, verdicts)[used], sample_weight=weights[used])
    return correctness(model.decision_function(asked))


def _differences(
    featurize: Callable[[Sequence[str]], Features], rows: Sequence[Comparison]
) -> Features:
    """Chosen minus rejected, each distinct text read once."""
    places: dict[str, int] = {}
    chosen = [places.setdefault(row.chosen, len(places)) for row in rows]
    rejected = [places.setdefault(row.rejected, len(places)) for row in rows]
    found = featurize(list(places))
    return found[chosen] - found[rejected]
