"""A person as the teacher: two clips move side by side in a browser, the answer is typed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from examples.christiano2017.teacher import Clips

ANSWERS = {"1": 1.0, "2": 0.0, "=": 0.5, "?": float("nan")}
SLOWER = 2.0
STEP_SECONDS = 0.05
QUESTION = "Which clip is better? 1, 2, = (equally good) or ? (cannot tell): "


class Person:
    """Writes each question as a page of its own into a folder and waits for the answer."""

    def __init__(self, folder: Path, read: Callable[[str], str] = input) -> None:
        self.folder = folder
        self._read = read
        self._asked = 0

    def __call__(self, first: Clips, second: Clips) -> torch.Tensor:
        self.folder.mkdir(parents=True, exist_ok=True)
        answers = [
            self._ask(one, other)
            for one, other in zip(first.features_NTF, second.features_NTF, strict=True)
        ]
        return torch.tensor(answers, dtype=torch.float32)

    def _ask(self, first_TF: torch.Tensor, second_TF: torch.Tensor) -> float:
        self._asked += 1
        path = self.folder / f"question-{self._asked:04}.svg"
        path.write_text(side_by_side(first_TF, second_TF), encoding="utf-8")
        answer = self._read(f"{path}\n{QUESTION}").strip()
        while answer not in ANSWERS:
            answer = self._read(QUESTION).strip()
        return ANSWERS[answer]


def side_by_side(first_TF: torch.Tensor, second_TF: torch.Tensor) -> str:
    """Two clips as one moving picture that any browser shows, at half speed, over and over."""
    clips = "".join(
        _pendulum(clip_TF, 110 + 220 * place, str(place + 1))
        for place, clip_TF in enumerate((first_TF, second_TF))
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 440 250" width="880" height="500">'
        f'<rect width="440" height="250" fill="white"/>{clips}</svg>\n'
    )


def angles(clip_TF: torch.Tensor) -> np.ndarray:
    """Degrees clockwise from upright, without jumps at half a turn."""
    turned = np.unwrap(np.arctan2(clip_TF[:, 1].numpy(), clip_TF[:, 0].numpy()))
    return -np.degrees(turned)


def _pendulum(clip_TF: torch.Tensor, x: int, name: str) -> str:
    values = ";".join(f"{angle:.1f} {x} 130" for angle in angles(clip_TF))
    seconds = SLOWER * STEP_SECONDS * len(clip_TF)
    return (
        f'<text x="{x}" y="24" text-anchor="middle" font-family="sans-serif">{name}</text>'
        f'<line x1="{x}" y1="130" x2="{x}" y2="40" stroke="#b5482a" stroke-width="14" '
        f'stroke-linecap="round"><animateTransform attributeName="transform" type="rotate" '
        f'values="{values}" dur="{seconds:.2f}s" repeatCount="indefinite"/></line>'
        f'<circle cx="{x}" cy="130" r="4" fill="#222"/>'
    )
