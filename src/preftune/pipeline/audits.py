"""Audits of models outside a run: the functions behind ``preftune evaluate audit-…``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from preftune.data import load, load_prompts
from preftune.evaluation.policy_audit import audit_policy
from preftune.evaluation.probes import PHRASES
from preftune.evaluation.reward_audit import audit_labels, audit_reward
from preftune.monitoring import Console
from preftune.pipeline.measure import Drawing, open_engine, open_score, torch_device, write
from preftune.records import BadInput, Comparison


def audit_reward_model(
    model: str | Path,
    data: str | Path,
    *,
    phrases: str | Path | None = None,
    limit: int | None = None,
    skip_bad: int = 0,
    device: str = "auto",
) -> dict[str, Any]:
    """What a reward model likes too much, on labelled pairs. Raises :class:`BadInput`.

    ``phrases`` is a JSON file {probe: [phrases]} that goes over the built-in English ones.
    """
    said = {} if phrases is None else read_phrases(Path(phrases))
    loaded = load(Comparison, data, skip_bad=skip_bad)
    comparisons = loaded.records[:limit]
    score = open_score(model, torch_device(device))
    found = audit_reward(score, comparisons, phrases=said)
    labels = audit_labels(comparisons)
    return found.as_json() | {
        "model": str(model),
        "data": str(data),
        "pairs": len(comparisons),
        "skipped": len(loaded.faults),
        "labels": [effect.as_json() for effect in labels],
    }


def audit_label_file(
    data: str | Path, *, limit: int | None = None, skip_bad: int = 0
) -> dict[str, Any]:
    """What the labels of a file prefer by themselves. Raises :class:`BadInput`."""
    loaded = load(Comparison, data, skip_bad=skip_bad)
    effects = audit_labels(loaded.records[:limit])
    return {
        "data": str(data),
        "pairs": len(loaded.records[:limit]),
        "skipped": len(loaded.faults),
        "named": [effect.name for effect in effects if effect.named],
        "sentences": [effect.sentence for effect in effects if effect.named],
        "labels": [effect.as_json() for effect in effects],
    }


def audit_two_policies(
    policy: str | Path,
    against: str | Path,
    prompts: str | Path,
    *,
    drawing: Drawing = Drawing(),  # noqa: B008
    console: Console | None = None,
) -> dict[str, Any]:
    """What changed from ``against`` to ``policy`` on the same prompts, one response each.

    Both are drawn with the same seed. Raises :class:`BadInput`.
    """
    desk = console or Console()
    device = torch_device(drawing.device)
    asked = load_prompts(prompts)[: drawing.limit]
    after = write(open_engine(policy, device, drawing), asked, drawing, "policy", desk)
    before = write(open_engine(against, device, drawing), asked, drawing, "against", desk)
    return audit_policy(before, after).as_json() | {
        "policy": str(policy),
        "against": str(against),
        "temperature": drawing.temperature,
        "seed": drawing.seed,
    }


def read_phrases(path: Path) -> Mapping[str, tuple[str, ...]]:
    """A JSON object of lists of texts; ``belief`` phrases hold ``{answer}``."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"The phrases cannot be read: {error}.",
            file=path,
            remedy='Give a JSON object such as {"padding": ["and so on."]}.',
        ) from error
    if not isinstance(found, dict) or not all(
        isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)
        for texts in found.values()
    ):
        raise BadInput(
            "The phrases are no object of lists of texts.",
            file=path,
            remedy='Give a JSON object such as {"padding": ["and so on."]}.',
        )
    unknown = sorted(set(found) - set(PHRASES))
    if unknown:
        raise BadInput(
            f"No probe says {unknown[0]!r}.",
            file=path,
            remedy=f"Probes with phrases are {', '.join(PHRASES)}.",
        )
    if any("{answer}" not in text for text in found.get("belief", ())):
        raise BadInput(
            "A belief names no answer.", file=path, remedy="Write {answer} where it belongs."
        )
    return {name: tuple(texts) for name, texts in found.items()}
