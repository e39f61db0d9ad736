"""A linear reward model's folder, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from preftune.models import LinearModel, load_linear, reading_of, save_linear
from preftune.models.text_features import STYLE
from preftune.records import BadInput

TEXTS = ["A good answer, with care.", "a bad answer", "Good, and long enough!", "bad"]


KNOWN = {"good": 7, "a": 30, "long": 1}


@pytest.fixture(params=[{}, KNOWN], ids=["style", "style and commonness"])
def model(request: pytest.FixtureRequest) -> LinearModel:
    reading = reading_of(TEXTS, request.param)
    size = len(reading.means) + len(reading.terms)
    return LinearModel(reading, np.random.default_rng(0).normal(size=size))


def test_a_reading_is_standardised_and_of_the_same_size() -> None:
    reading = reading_of(TEXTS, {})
    table = reading(TEXTS).toarray()
    counts, words = table[:, : len(STYLE)], table[:, len(STYLE) :]
    assert counts.mean(0) == pytest.approx(np.zeros(len(STYLE)), abs=1e-12)
    spread = counts.std(0) * np.sqrt(len(STYLE))
    assert {round(float(value), 9) for value in spread} <= {0.0, 1.0}
    assert reading.terms == ("a", "answer", "bad", "good")
    assert np.linalg.norm(words, axis=1) == pytest.approx(np.ones(4))


def test_a_score_is_weights_times_reading(model: LinearModel) -> None:
    expected = model.reading(TEXTS).toarray() @ model.weights
    assert model.scores(TEXTS) == pytest.approx(expected)


def test_a_folder_gives_the_same_scores(model: LinearModel, tmp_path: Path) -> None:
    save_linear(model, tmp_path / "linear")
    assert {path.name for path in (tmp_path / "linear").iterdir()} == {
        "linear.json",
        "linear.safetensors",
    }
    again = load_linear(tmp_path / "linear")
    assert again.reading.known == model.reading.known
    assert len(again.reading.means) == len(STYLE) + 6 * bool(again.reading.known)
    assert again.scores(["Something new, good."]) == pytest.approx(
        model.scores(["Something new, good."]), abs=0
    )
    tensors = load_file(tmp_path / "linear" / "linear.safetensors")
    assert tensors["weights"] == pytest.approx(model.weights)


def test_damaged_folders_are_refused(model: LinearModel, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        load_linear(tmp_path)
    save_linear(model, tmp_path)
    told = json.loads((tmp_path / "linear.json").read_text())
    (tmp_path / "linear.json").write_text(json.dumps(told | {"counts": ["wit"]}))
    with pytest.raises(BadInput, match="other counts"):
        load_linear(tmp_path)
    (tmp_path / "linear.json").write_text(json.dumps(told | {"known": ["and"]}))
    with pytest.raises(BadInput, match="cannot be read"):
        load_linear(tmp_path)
    (tmp_path / "linear.json").write_text(json.dumps(told | {"terms": told["terms"][1:]}))
    with pytest.raises(BadInput, match="other counts"):
        load_linear(tmp_path)
