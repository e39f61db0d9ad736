"""A linear reward model: a weight for each count of style and each word of an answer.

A folder with ``linear.json`` (what it reads) and ``linear.safetensors`` (by how much). It reads the
answer's text alone, never the prompt.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix, hstack

from preftune.artifacts import write_json_atomic
from preftune.models.text_features import STYLE, frequent_terms, style_counts, term_weights
from preftune.records import BadInput

Floats = NDArray[np.float64]
NAME, WEIGHTS = "linear.json", "linear.safetensors"


@dataclass(frozen=True, slots=True)
class Reading:
    """How answers become numbers: terms with their idf, and the counts' means and deviations.

    A count is standardised and divided by √(number of counts), a vector of terms has length 1:
    so the two blocks have about the same size, and one penalty serves both.
    """

    terms: tuple[str, ...]
    idf: Floats
    means: Floats
    deviations: Floats

    def __call__(self, texts: Sequence[str]) -> csr_matrix:
        """Shape (texts, len(STYLE) + len(terms))."""
        counts = (style_counts(texts) - self.means) / self.deviations / np.sqrt(len(STYLE))
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


def reading_of(texts: Sequence[str]) -> Reading:
    """Terms, means and deviations of these answers (each counted once)."""
    terms, idf = frequent_terms(texts)
    counts = style_counts(texts)
    deviations = counts.std(0)
    deviations[deviations < 1e-9] = 1.0
    return Reading(terms, idf, counts.mean(0), deviations)


def save_linear(model: LinearModel, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    reading = model.reading
    tensors = {
        "idf": reading.idf,
        "means": reading.means,
        "deviations": reading.deviations,
        "weights": model.weights,
    }
    save_file(
        {name: np.ascontiguousarray(part) for name, part in tensors.items()}, folder / WEIGHTS
    )
    write_json_atomic(
        folder / NAME, {"format": 1, "style": list(STYLE), "terms": list(reading.terms)}
    )


def load_linear(folder: str | Path) -> LinearModel:
    """Raises :class:`BadInput` for a folder that holds no linear reward model of this version."""
    path = Path(folder) / NAME
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        terms, style = tuple(map(str, told["terms"])), tuple(told["style"])
        tensors = load_file(Path(folder) / WEIGHTS)
        parts = [tensors[name] for name in ("idf", "means", "deviations", "weights")]
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise BadInput(
            f"The linear reward model cannot be read: {type(error).__name__}.",
            file=path,
            remedy="Train it again with a reward_model stage.",
        ) from None
    sizes = [part.shape for part in parts]
    counts = len(STYLE)
    if style != STYLE or sizes != [(len(terms),), (counts,), (counts,), (counts + len(terms),)]:
        raise BadInput(
            "The linear reward model reads other counts than this version of preftune has.",
            file=path,
            remedy="Train it again with a reward_model stage.",
        )
    idf, means, deviations, weights = parts
    return LinearModel(Reading(terms, idf, means, deviations), weights)
