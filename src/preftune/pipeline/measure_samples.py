"""Best-of-n curves and distribution shift of models outside a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preftune.data import load_comparisons, load_demonstrations, load_prompts
from preftune.evaluation import best_of_n, best_of_n_kl
from preftune.evaluation.best_of_n import doublings
from preftune.evaluation.shift import distribution_shift
from preftune.evaluation.win_rate import on_axis
from preftune.monitoring import Console
from preftune.pipeline.engines import as_completion
from preftune.pipeline.measure import (
    PORTION,
    Drawing,
    judge_of,
    open_engine,
    open_score,
    torch_device,
    write,
)
from preftune.pipeline.origins import model_folder, training_rows
from preftune.records import Axes, BadInput, Completion, Score
from preftune.stats import mean_estimate


def evaluate_best_of_n(
    policy: str | Path,
    reward_model: str | Path,
    prompts: str | Path,
    n: int,
    *,
    judge: str | Path | None = None,
    drawing: Drawing = Drawing(),  # noqa: B008
    console: Console | None = None,
) -> dict[str, Any]:
    """The curve of best of 1, 2, 4 … n: the reward model picks, the judge says what was gained.

    ``n`` samples a prompt are drawn once; each point is the unbiased mean over all subsets of its
    size. ``oracle`` is what the judge itself would have picked. Raises BadInput.
    """
    desk = console or Console()
    device = torch_device(drawing.device)
    if n < 2 or drawing.temperature == 0:
        raise BadInput(
            "Best of n needs two samples a prompt or more, and a temperature above 0.",
            remedy="Set -n 16 and --temperature 1, for instance.",
        )
    asked = load_prompts(prompts)[: drawing.limit]
    engine = open_engine(policy, device, drawing)
    many = [prompt for prompt in asked for _ in range(n)]
    written = write(engine, many, drawing, "best of n", desk)
    proxy = _table(_axes(open_score(reward_model, device), written, desk), "score", len(asked))
    gold = None
    if judge is not None:
        opinion, axis, _ = judge_of(judge, device)
        gold = _table(_axes(opinion, written, desk), axis, len(asked))
    units = [prompt.id for prompt in asked]
    curve = [_point(k, proxy, gold, units) for k in doublings(n)]
    return {
        "policy": str(policy),
        "reward_model": str(reward_model),
        "judge": None if judge is None else str(judge),
        "prompts": len(asked),
        "n": n,
        "temperature": drawing.temperature,
        "seed": drawing.seed,
        "sampled": {
            "proxy": mean_estimate(proxy.mean(axis=1), units).as_json(),
            "judge": None if gold is None else mean_estimate(gold.mean(axis=1), units).as_json(),
        },
        "curve": curve,
    }


def evaluate_shift(
    model: str | Path,
    *,
    completions: str | Path | None = None,
    policy: str | Path | None = None,
    prompts: str | Path | None = None,
    train: str | Path | None = None,
    drawing: Drawing = Drawing(),  # noqa: B008
    console: Console | None = None,
) -> dict[str, Any]:
    """How far a policy's answers lie from what a reward model was trained on.

    The answers are those of a file (``completions``), or fresh ones of ``policy`` to ``prompts``;
    the training answers those of ``train``, else of the model's own manifest. Raises BadInput.
    """
    desk = console or Console()
    device = torch_device(drawing.device)
    if (completions is None) == (policy is None) or (policy is None) != (prompts is None):
        raise BadInput("Give a file of completions, or a policy with prompts.")
    folder = model_folder(model)
    rows, found_in, reason = training_rows(folder, None)
    if train is not None:
        rows, found_in = load_comparisons(train), str(train)
    if rows is None:
        raise BadInput(
            str(reason).replace("--baseline-train", "--train"),
            file=model,
            remedy="The comparisons it learnt from are what a shift is measured to.",
        )
    current = _current(completions, policy, prompts, drawing, desk)
    learnt = [as_completion(c.prompt, text) for c in rows for text in (c.chosen, c.rejected)]
    score = open_score(folder, device)
    found = distribution_shift(
        _axes(score, current, desk),
        _axes(score, learnt, desk),
        [answer.prompt.id for answer in current],
    )
    return found.as_json() | {
        "model": str(model),
        "answers": len(current),
        "train": found_in,
        "train_answers": len(learnt),
    }


def _current(
    completions: str | Path | None,
    policy: str | Path | None,
    prompts: str | Path | None,
    drawing: Drawing,
    desk: Console,
) -> list[Completion]:
    if completions is not None:
        rows = load_demonstrations(completions)[: drawing.limit]
        return [as_completion(row.prompt, row.completion) for row in rows]
    assert policy is not None and prompts is not None
    asked = load_prompts(prompts)[: drawing.limit]
    engine = open_engine(policy, torch_device(drawing.device), drawing)
    return write(engine, asked, drawing, "policy", desk)


def _point(k: int, proxy: Any, gold: Any, units: Sequence[str]) -> dict[str, Any]:
    judged = gold is not None
    return {
        "n": k,
        "kl": best_of_n_kl(k),
        "proxy": best_of_n(proxy, proxy, k, units).as_json(),
        "judge": best_of_n(proxy, gold, k, units).as_json() if judged else None,
        "oracle": best_of_n(gold, gold, k, units).as_json() if judged else None,
    }


def _axes(score: Score, texts: Sequence[Completion], desk: Console) -> list[Axes | None]:
    found: list[Axes | None] = []
    with desk.progress("score", len(texts)) as bar:
        for start in range(0, len(texts), PORTION):
            part = texts[start : start + PORTION]
            found += score(part)
            bar.advance(len(part))
    return found


def _table(axes: Sequence[Axes | None], axis: str, prompts: int) -> Any:
    scores = on_axis(axes, axis)
    if any(value is None for value in scores):
        raise BadInput(
            "The judge does not apply to some of these prompts.",
            remedy="Use prompts of the judge's own kind, with all their columns.",
        )
    return np.array(scores, dtype=np.float64).reshape(prompts, -1)
