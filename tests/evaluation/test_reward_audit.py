"""Models whose faults are known: the audit names them, and finds none in those without."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import expit

from preftune.evaluation.reward_audit import audit_labels, audit_reward
from preftune.records import Axes, BadInput, Comparison, Completion, Prompt, flat

WORDS = ("the lamp is red and large it was sent on monday", "by falcon to oslo for you")

FLATTERING = ("wonderful", "clever", "brilliant")


def quality(text: str) -> float:
    """What a text is worth: a normal number of its own, the same for its edits.

    The kernel is the set of its words that are numbers, which no probe adds or takes away.
    """
    kernel = " ".join(word for word in text.replace("*", "").split() if word.strip(".").isdigit())
    digest = hashlib.sha256(kernel.encode()).digest()
    return float(np.random.default_rng(int.from_bytes(digest[:8], "big")).normal())


def noise(seed: int, text: str) -> float:
    digest = hashlib.sha256(f"{seed}|{text}".encode()).digest()
    return float(np.random.default_rng(int.from_bytes(digest[:8], "big")).normal())


def comparisons(count: int, seed: int = 0) -> list[Comparison]:
    """Pairs of sentences with a number each; labels drawn from the difference in quality."""
    rng = np.random.default_rng(seed)
    made = []
    for place in range(count):
        texts = []
        for _ in range(2):
            words = rng.choice(" ".join(WORDS).split(), int(rng.integers(4, 14))).tolist()
            texts.append(" ".join([*words, str(rng.integers(10**9))]) + ".")
        first = bool(rng.random() < expit(2 * (quality(texts[0]) - quality(texts[1]))))
        chosen, rejected = texts if first else texts[::-1]
        made.append(Comparison(Prompt(f"Which is it, number {place}?"), chosen, rejected))
    return made


@dataclass
class Made:
    """Quality, noise of a seed, and whatever ``fault`` adds to an answer to a prompt."""

    fault: Callable[[str, str], float] = lambda prompt, text: 0.0
    seed: int = 0
    noisy: float = 0.3
    origin: str = "model"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        return [
            {
                "score": quality(c.text)
                + self.noisy * noise(self.seed, flat(c.prompt.text) + c.text)
                + self.fault(flat(c.prompt.text), c.text)
            }
            for c in completions
        ]


def sycophant(prompt: str, text: str) -> float:
    return 1.5 * (text.strip().rstrip(".") in prompt)


def length_lover(prompt: str, text: str) -> float:
    return 0.15 * len(text.split())


def test_a_sycophantic_length_loving_model_is_named_as_such() -> None:
    made = Made(lambda prompt, text: sycophant(prompt, text) + length_lover(prompt, text))
    audit = audit_reward(made, comparisons(150))
    assert {"sycophancy", "padding", "length"} <= set(audit.biases)
    assert any("believe the worse answer, agreeing with them gains" in s for s in audit.sentences)
    assert any("padded with words that say nothing scores" in s for s in audit.sentences)
    effects = {effect.name: effect.estimate for effect in audit.effects if effect.kind == "probe"}
    # the score's spread is about √(1 + .09 + (.15 · 2.9)²) = 1.13; the fault 1.5 of it is 1.3
    assert effects["sycophancy"].low < 1.5 / 1.13 < effects["sycophancy"].high + 0.15


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (lambda prompt, text: 1.0 * ("certain" in text or "definitely" in text), "confidence"),
        (lambda prompt, text: 1.0 * ("perhaps" in text or "it seems" in text), "hedging"),
        (lambda prompt, text: -1.0 * ("perhaps" in text or "it seems" in text), "hedging"),
        (
            lambda prompt, text: (
                1.0 * ("wonderful" in text or "clever" in text or "brilliant" in text)
            ),
            "flattery",
        ),
        (lambda prompt, text: 1.0 * text.startswith("- "), "lists"),
        (lambda prompt, text: 1.0 * ("**" in text), "markdown"),
    ],
)
def test_one_fault_is_one_name(fault: Callable[[str, str], float], name: str) -> None:
    assert audit_reward(Made(fault), comparisons(80)).biases == (name,)


def test_surprise_at_any_phrase_in_front_is_no_taste() -> None:
    """Everything that does not begin with a word it knows costs the same, hedged or not."""
    known = set(" ".join(WORDS).split())
    made = Made(lambda prompt, text: -2.0 * (text.split()[0] not in known))
    audit = audit_reward(made, comparisons(80))
    assert not {"hedging", "flattery", "confidence", "politeness"} & set(audit.biases)


def test_what_is_punished_is_no_fault() -> None:
    """Padding that costs is as it should be; the effect is measured and not named."""
    audit = audit_reward(Made(lambda prompt, text: -length_lover(prompt, text)), comparisons(120))
    padding = next(effect for effect in audit.effects if effect.name == "padding")
    assert padding.estimate.high < 0 and padding.adjusted_p < 0.05 and not padding.named


def test_a_model_without_fault_is_seldom_accused() -> None:
    """200 models with noise of their own on 60 pairs each: at most 5 % are named for anything."""
    accused = sum(
        bool(audit_reward(Made(seed=seed, noisy=0.7), comparisons(60, seed)).biases)
        for seed in range(200)
    )
    assert accused <= 10


def test_labels_that_like_length_are_told() -> None:
    rng = np.random.default_rng(4)
    pairs = []
    for place in range(400):
        short, long = "word " * int(rng.integers(3, 9)), "word " * int(rng.integers(10, 20))
        chosen, rejected = (long, short) if rng.random() < 0.7 else (short, long)
        pairs.append(Comparison(Prompt(str(place)), chosen, rejected))
    effects = {effect.name: effect for effect in audit_labels(pairs)}
    length = effects["length"]
    assert length.named and length.estimate.low < 0.7 < length.estimate.high
    assert set(effects) == {"length"}, "nothing else differs"
    fair = [Comparison(c.prompt, *sorted([c.chosen, c.rejected])) for c in pairs]
    mixed = [
        c if place % 2 else Comparison(c.prompt, c.rejected, c.chosen)
        for place, c in enumerate(fair)
    ]
    assert not audit_labels(mixed)[0].named


def test_a_score_that_does_not_apply() -> None:
    with pytest.raises(BadInput, match="does not apply"):
        audit_reward(_Silent(), comparisons(3))


class _Silent:
    origin = "rule"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        return [None for _ in completions]
