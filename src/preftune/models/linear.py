"""A linear reward model: a weight for each count of style and each word of an answer.

A folder with ``linear.json`` (what it reads) and ``linear.safetensors`` (by how much). It reads the
answer's text alone, never the prompt.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix, hstack

from preftune.artifacts import write_json_atomic
from preftune.models.text_features import (
    COMMONNESS,
    STYLE,
    commonness,
    frequent_terms,
    style_counts,
    term_weights,
)
from preftune.records import BadInput

Floats = NDArray[np.float64]
Known = Mapping[str, int]
"""How often each word stands in a text of reference; empty without one."""
NAME, WEIGHTS = "linear.json", "linear.safetensors"


@dataclass(frozen=True, slots=True)
class Reading:
    """How answers become numbers: terms with their idf, and the counts' means and deviations.

    A count is standardised and divided by √(number of counts), a vector of terms has length 1:
    so the two blocks have about the same size, and one penalty serves both. The counts are those of
    style and, where words of a text of reference are ``known``, those of commonness.
    """

    terms: tuple[str, ...]
    idf: Floats
    means: Floats
    deviations: Floats
    known: Known

    def __call__(self, texts: Sequence[str]) -> csr_matrix:
        """Shape (texts, counts + terms)."""
        counts = (_counts(texts, self.known) - self.means) / self.deviations
        counts /= np.sqrt(counts.shape[1])
        words = term_weights(texts, self.terms, self.idf)
        return csr_matrix(hstack([csr_matrix(counts), words]))


@dataclass(frozen=True, slots=True)
class LinearModel:
    """score = weights · reading(answer), in log-odds; ``weights`` has the counts first."""

    reading: Reading
    weights: Floats

    def scores(self, texts: Sequence[str]) -> Floats:
        """Shape (texts,)."""
        return np.asarray(self.reading(texts) @ self.weights, dtype=np.float64)


def reading_of(texts: Sequence[str], known: Known) -> Reading:
    """Terms, means and deviations of these answers (each counted once)."""
    terms, idf = frequent_terms(texts)
    counts = _counts(texts, known)
    deviations = counts.std(0)
    deviations[deviations < 1e-9] = 1.0
    return Reading(terms, idf, counts.mean(0), deviations, known)


def _counts(texts: Sequence[str], known: Known) -> Floats:
    style = style_counts(texts)
    return np.hstack([style, commonness(texts, known)]) if known else style


def _names(known: Known) -> tuple[str, ...]:
    return (*STYLE, *COMMONNESS) if known else STYLE


def save_linear(model: LinearModel, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    reading = model.reading
    tensors = {
        "idf": reading.idf,
        "means": reading.means,
        "deviations": reading.deviations,
        "weights": model.weights,
        "known": np.array(list(reading.known.values()), dtype=np.int64),
    }
    save_file(
        {name: np.ascontiguousarray(part) for name, part in tensors.items()}, folder / WEIGHTS
    )
    write_json_atomic(
        folder / NAME,
        {
            "format": 1,
            "counts": list(_names(reading.known)),
            "terms": list(reading.terms),
            "known": list(reading.known),
        },
    )


def load_linear(folder: str | Path) -> LinearModel:
    """Raises :class:`BadInput` for a folder that holds no linear reward model of this version."""
    path = Path(folder) / NAME
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        terms, names = tuple(map(str, told["terms"])), tuple(told["counts"])
        tensors = load_file(Path(folder) / WEIGHTS)
        known = dict(zip(told["known"], tensors["known"].tolist(), strict=True))
        parts = [tensors[name] for name in ("idf", "means", "deviations", "weights")]
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise BadInput(
            f"The linear reward model cannot be read: {type(error).__name__}.",
            file=path,
            remedy="Train it again with a reward_model stage.",
        ) from None
    sizes = [part.shape for part in parts]
    counts = len(names)
    if names != _names(known) or sizes != [
        (len(terms),),
        (counts,),
        (counts,),
        (counts + len(terms),),
    ]:
        raise BadInput(
            "The linear reward model reads other counts than this version of preftune has.",
            file=path,
            remedy="Train it again with a reward_model stage.",
        )
    idf, means, deviations, weights = parts
    return LinearModel(Reading(terms, idf, means, deviations, known), weights)
