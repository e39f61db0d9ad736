"""What a reward model's config.json says of its head: normalisation, axes, steps, temperature.

Plain keys, which transformers keeps and ignores; here they are written, read and nowhere else.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from transformers import PretrainedConfig, PreTrainedTokenizerBase

from preftune.records import BadInput

GAIN, BIAS = "score_gain", "score_bias"
"""score = gain · raw + bias."""
AXES, STEPS = "score_axes", "score_steps"
TEMPERATURE = "score_temperature"
"""P(one answer beats another) = sigmoid(score difference / temperature)."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The outputs of a head, in order: value = gain · output + bias, score = Σ weight · value."""

    names: tuple[str, ...]
    weights: tuple[float, ...]
    gains: tuple[float, ...]
    biases: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Steps:
    """Where steps end, and how their scores become one (``min``, ``product`` or ``last``)."""

    separator_ids: tuple[int, ...]
    end_id: int
    aggregate: str


def axes_of(config: PretrainedConfig) -> Axes | None:
    """The named outputs; None for a model with one unnamed score."""
    stored = getattr(config, AXES, None)
    if stored is None:
        return None
    return Axes(**{name: tuple(stored[name]) for name in ("names", "weights", "gains", "biases")})


def set_axes(config: PretrainedConfig, axes: Axes) -> None:
    """Names the outputs, also where transformers looks (``id2label``)."""
    config.id2label = dict(enumerate(axes.names))
    config.label2id = {name: index for index, name in enumerate(axes.names)}
    setattr(config, AXES, {name: list(part) for name, part in asdict(axes).items()})


def steps_of(config: PretrainedConfig) -> Steps | None:
    """How steps are scored; None for a model that scores whole answers."""
    stored = getattr(config, STEPS, None)
    if stored is None:
        return None
    return Steps(tuple(stored["separator_ids"]), int(stored["end_id"]), str(stored["aggregate"]))


def set_steps(config: PretrainedConfig, steps: Steps) -> None:
    setattr(config, STEPS, asdict(steps) | {"separator_ids": list(steps.separator_ids)})


def separator_ids(tokenizer: PreTrainedTokenizerBase, separator: str) -> tuple[int, ...]:
    """Every token whose text holds the separator, so that merges like ``.\\n`` end a step too.

    Raises :class:`BadInput` when no single token does.
    """
    ids = sorted(tokenizer.get_vocab().values())
    texts = tokenizer.batch_decode([[i] for i in ids], clean_up_tokenization_spaces=False)
    special = set(tokenizer.all_special_ids)
    found = [
        i for i, text in zip(ids, texts, strict=True) if separator in text and i not in special
    ]
    if not found:
        raise BadInput(
            f"The separator {separator!r} is in no single token of this tokenizer.",
            remedy="Choose another objective.separator, a line break for instance.",
        )
    return tuple(found)


def temperature_of(config: PretrainedConfig) -> float:
    """T of P = sigmoid(Δ / T); 1 where none was fitted."""
    return float(getattr(config, TEMPERATURE, 1.0))


def set_temperature(config: PretrainedConfig, temperature: float) -> None:
    setattr(config, TEMPERATURE, temperature)


def require_axes(config: PretrainedConfig, names: Sequence[str], source: object) -> None:
    """Raises :class:`BadInput` when a reward model has other outputs than ``names``."""
    axes = axes_of(config)
    there = axes.names if axes is not None else ("score",)
    if tuple(names) != there:
        raise BadInput(
            f"This reward model has the outputs {', '.join(there)}, and the objective needs "
            f"{', '.join(names)}.",
            file=str(source),
            remedy="Start from a language model, or from a reward model with the same outputs.",
        )
