"""Audits of models outside a run: the functions behind ``preftune evaluate audit-…``."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from preftune.data import load, load_prompts
from preftune.data.recorded import text_cell
from preftune.evaluation.attribution import attribute, word_worths
from preftune.evaluation.policy_audit import audit_policy
from preftune.evaluation.probes import PHRASES, as_answer
from preftune.evaluation.reward_audit import audit_labels, audit_reward
from preftune.models import fit_rows
from preftune.monitoring import Console
from preftune.pipeline.measure import Drawing, open_engine, open_score, torch_device, write
from preftune.records import BadInput, Comparison
from preftune.rewards import EnsembleScore, RewardModelScore


def audit_reward_model(
    model: str | Path,
    data: str | Path,
    *,
    phrases: str | Path | None = None,
    limit: int | None = None,
    skip_bad: int = 0,
    tokens: int = 0,
    device: str = "auto",
) -> dict[str, Any]:
    """What a reward model likes too much, on labelled pairs. Raises :class:`BadInput`.

    ``phrases`` is a JSON file {probe: [phrases]} that goes over the built-in English ones.
    ``tokens``: so many of the answers are told token by token, by integrated gradients.
    """
    said = {} if phrases is None else read_phrases(Path(phrases))
    loaded = load(Comparison, data, skip_bad=skip_bad)
    comparisons = loaded.records[:limit]
    score = open_score(model, torch_device(device))
    found = audit_reward(score, comparisons, phrases=said)
    labels = audit_labels(comparisons)
    told = {} if tokens == 0 else token_worths(score, comparisons, tokens)
    return (
        told
        | found.as_json()
        | {
            "model": str(model),
            "data": str(data),
            "pairs": len(comparisons),
            "skipped": len(loaded.faults),
            "labels": [effect.as_json() for effect in labels],
        }
    )


def token_worths(
    score: RewardModelScore | EnsembleScore, comparisons: Sequence[Comparison], count: int
) -> dict[str, Any]:
    """``"tokens"``: the first ``count`` answers token by token; ``"words"``: what each token is
    worth on average over them. Of an ensemble its first member's."""
    member = score.members[0] if isinstance(score, EnsembleScore) else score
    texts = [as_answer(c.prompt, text) for c in comparisons for text in (c.chosen, c.rejected)]
    kept = list(dict.fromkeys((c.prompt.text, c.text) for c in texts[: 2 * count]))[:count]
    answers = [next(c for c in texts if (c.prompt.text, c.text) == key) for key in kept]
    renderer = member.renderer
    rows, _ = fit_rows(
        renderer.completion_rows(answers),
        renderer.context,
        "truncate_prompt_left",
    )
    pad_id = int(renderer.tokenizer.pad_token_id)
    found = attribute(member.model, rows, pad_id=pad_id)
    names = [[str(renderer.tokenizer.decode([i])) for i in one.token_ids] for one in found]
    return {
        "tokens": [
            {
                "prompt": text_cell(answer.prompt.text),
                "completion": answer.text,
                "score": one.score,
                "baseline": one.baseline,
                "residual": one.residual,
                "tokens": [[n, w] for n, w in zip(name, one.worths, strict=True)],
            }
            for answer, one, name in zip(answers, found, names, strict=True)
        ],
        "words": [
            {"token": word.token, "worth": word.mean, "count": word.count}
            for word in word_worths(found, names)
        ],
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
