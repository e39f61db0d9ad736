"""A person's answers, and the picture they answer about."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from examples.christiano2017.person import Person, angles, side_by_side
from examples.christiano2017.teacher import Clips
from tests.examples.christiano2017.made import clips


def typing(*lines: str) -> Callable[[str], str]:
    typed = iter(lines)
    return lambda question: next(typed)


def turning(*degrees: float) -> torch.Tensor:
    """A clip at these angles, counter-clockwise from upright as the task counts them."""
    around = torch.tensor(degrees) * math.pi / 180
    nothing = torch.zeros(len(degrees))
    return torch.stack([around.cos(), around.sin(), nothing, nothing], dim=1)


def test_answers_become_preferences(tmp_path: Path) -> None:
    person = Person(tmp_path / "asked", typing("1", " 2", "what", "", "=", "?"))
    made = clips(4, seed=0)
    found = person(made, made)
    assert found[:3].tolist() == [1.0, 0.0, 0.5] and found[3].isnan()
    person(*(Clips(c.features_NTF[:0], c.true_returns_N[:0]) for c in (made, made)))
    assert sorted(path.name for path in (tmp_path / "asked").iterdir()) == [
        f"question-000{n}.svg" for n in (1, 2, 3, 4)
    ]


def test_angles_turn_the_right_way_without_jumps() -> None:
    found = angles(turning(150, 170, 190, 210))
    assert found.tolist() == pytest.approx([-150, -170, -190, -210], abs=1e-3)


def test_the_picture_moves_as_the_clips_did() -> None:
    picture = side_by_side(turning(0, 10, 20), turning(90, 90, 90))
    root = ElementTree.fromstring(picture)
    assert [text.text for text in root.iter() if text.tag.endswith("text")] == ["1", "2"]
    first, second = re.findall(r'values="([^"]+)"', picture)
    assert first == "-0.0 110 130;-10.0 110 130;-20.0 110 130"
    assert second == "-90.0 330 130;-90.0 330 130;-90.0 330 130"
    assert 'dur="0.30s"' in picture, "three steps of .05 s at half speed"
