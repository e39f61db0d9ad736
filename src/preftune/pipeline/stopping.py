"""A win rate that stops as soon as the answer is known, looking after every portion."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from preftune.artifacts import derive_seed
from preftune.data import load_prompts
from preftune.evaluation import compare_scores
from preftune.evaluation.win_rate import on_axis
from preftune.monitoring import Console
from preftune.pipeline.measure import Drawing, judge_of, open_engine, torch_device
from preftune.records import Axes, Completion, Prompt, Sampling
from preftune.rollouts import NativeEngine
from preftune.stats import sequential_win_rate

AT_ONCE = 32
"""Prompts answered between two looks."""


def sequential_evaluation(
    policy: str | Path,
    against: str | Path,
    prompts: str | Path,
    judge: str | Path,
    *,
    half_width: float | None = None,
    level: float = 0.95,
    drawing: Drawing = Drawing(),  # noqa: B008
) -> dict[str, Any]:
    """Like ``evaluate_win_rate``, but prompts are answered in portions until one of the two is
    known to be better, or the interval is ``half_width`` wide on either side.

    A policy that is in truth as good as the other is called better or worse with probability at
    most 1 − ``level``, however often one looks: the interval is a confidence sequence
    (``stats.sequential``). Prompts are taken in the file's order. Raises BadInput.
    """
    device = torch_device(drawing.device)
    asked = load_prompts(prompts)[: drawing.limit]
    opinion, axis, tie_width = judge_of(judge, device)
    engines = [open_engine(one, device, drawing) for one in (policy, against)]
    written: tuple[list[Completion], list[Completion]] = ([], [])
    scores: tuple[list[float | None], list[float | None]] = ([], [])
    rate = stopped = None
    with Console().progress("compare", len(asked)) as bar:
        for start in range(0, len(asked), AT_ONCE):
            part = asked[start : start + AT_ONCE]
            for who, engine in enumerate(engines):
                fresh = _answers(engine, part, drawing, ("policy", "against")[who], start)
                written[who].extend(fresh)
                scores[who].extend(_judged(opinion, fresh, axis))
            rate = compare_scores(*written, *scores, tie_width=tie_width)
            pairs = zip(rate.outcomes, written[0], strict=True)
            known = [(won, answer.prompt.id) for won, answer in pairs if won is not None]
            stopped = sequential_win_rate(
                [won for won, _ in known],
                [prompt for _, prompt in known],
                half_width=half_width,
                level=level,
            )
            bar.advance(len(part))
            if stopped.decision != "undecided":
                break
    assert rate is not None and stopped is not None
    return rate.as_json() | {
        "win_rate": stopped.win_rate.as_json(),
        "decision": stopped.decision,
        "stopped_at": stopped.units,
        "error_rate": round(1 - level, 12),
        "policy": str(policy),
        "against": str(against),
        "judge": str(judge),
        "prompts": len(written[0]),
        "temperature": drawing.temperature,
        "seed": drawing.seed,
    }


def _answers(
    engine: NativeEngine, part: Sequence[Prompt], drawing: Drawing, who: str, start: int
) -> list[Completion]:
    sampling = Sampling(
        max_new_tokens=drawing.max_new_tokens,
        temperature=drawing.temperature,
        seed=derive_seed(drawing.seed, who, start),
    )
    return engine(part, sampling)


def _judged(
    opinion: Callable[[Sequence[Completion]], Sequence[Axes | None]],
    answers: Sequence[Completion],
    axis: str,
) -> list[float | None]:
    return on_axis(opinion(answers), axis)
