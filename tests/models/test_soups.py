"""Interpolated policies: tensors by hand, and what cannot be mixed."""

from pathlib import Path

import pytest
import torch

from preftune.models import load_policy, load_soup, save_model
from preftune.records import BadInput
from tests.models.made import make_policy, tokenizer

CPU = torch.device("cpu")


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    for name, seed, context in (("a", 0, 64), ("b", 1, 64)):
        folder = tmp_path / name
        folder.mkdir()
        save_model(make_policy(seed=seed, context=context), tokenizer(), folder, "")
    return {name: tmp_path / name for name in ("a", "b")}


def test_every_tensor_lies_between(folders: dict[str, Path]) -> None:
    a, b = (load_policy(folders[name], CPU).state_dict() for name in ("a", "b"))
    soup = load_soup(folders, {"a": 0.25, "b": 0.75}, CPU).state_dict()
    assert set(soup) == set(a)
    differs = 0
    for name, tensor in soup.items():
        torch.testing.assert_close(tensor, 0.25 * a[name] + 0.75 * b[name])
        differs += not torch.equal(a[name], b[name])
    assert differs > 5


def test_all_of_one_is_that_one_and_the_other_is_not_read(folders: dict[str, Path]) -> None:
    (folders["b"] / "model.safetensors").unlink()
    soup = load_soup(folders, {"a": 1.0, "b": 0.0}, CPU)
    for name, tensor in load_policy(folders["a"], CPU).state_dict().items():
        assert torch.equal(soup.state_dict()[name], tensor)


def test_other_shapes_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    other = tmp_path / "c"
    other.mkdir()
    save_model(make_policy("gpt2"), tokenizer(), other, "")
    with pytest.raises(BadInput, match="not of one architecture"):
        load_soup(folders | {"c": other}, {"a": 0.5, "b": 0.0, "c": 0.5}, CPU)
