"""A reward model as a :class:`preftune.records.Score`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel

from preftune.models import (
    Renderer,
    Row,
    axes_of,
    axis_scores,
    collate,
    dealt_by_prompt,
    fit_rows,
    micro_batches,
    score_of_axes,
    scores_of_rows,
    temperature_of,
)
from preftune.records import Axes, Completion
from preftune.training import side_by_side, workers


@dataclass(frozen=True, slots=True)
class RewardModelScore:
    """Scores completions on the axis ``score``, in the model's normalised units.

    A model with several outputs gives each by its name as well, in that axis's own units.

    ``same_ids``: the model reads the policy's own token ids, so completions are scored exactly as
    they were sampled; otherwise their text is rendered with the model's own tokenizer.
    """

    model: PreTrainedModel
    renderer: Renderer
    same_ids: bool
    micro_batch_tokens: int = 8192
    origin: str = "model"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        rows, _ = fit_rows(self._rows(completions), self.renderer.context, "truncate_prompt_left")
        names = [*(axes.names if (axes := axes_of(self.model.config)) else ()), "score"]
        return [dict(zip(names, row, strict=True)) for row in self._read(rows)]

    def score_rows(self, rows: Sequence[Row]) -> list[float]:
        """Scores in the rows' order."""
        return [row[-1] for row in self._read(rows)]

    @property
    def temperature(self) -> float:
        """P(one answer beats another) = sigmoid(score difference / temperature)."""
        return temperature_of(self.model.config)

    @torch.no_grad()
    def _read(self, rows: Sequence[Row]) -> list[list[float]]:
        """The axes of each row in the model's order, and its score as the last."""
        pad_id = int(self.renderer.tokenizer.pad_token_id)
        if axes_of(self.model.config) is None:
            read = scores_side_by_side(self.model, rows, self.micro_batch_tokens)
            return [[score] for score in read.tolist()]
        out: list[list[float]] = [[] for _ in rows]
        for indices in micro_batches([len(row) for row in rows], self.micro_batch_tokens):
            batch = collate([rows[i] for i in indices], pad_id, self.model.device)
            axes = axis_scores(self.model, batch)
            table = torch.cat([axes, score_of_axes(self.model, axes).unsqueeze(-1)], dim=-1)
            for index, row in zip(indices, table.tolist(), strict=True):
                out[index] = row
        return out

    def _rows(self, completions: Sequence[Completion]) -> list[Row]:
        """The policy's own ids where they are known; the others are rendered from their text."""
        known = [self.same_ids and bool(c.token_ids) for c in completions]
        rendered = iter(
            self.renderer.completion_rows(
                c for c, own in zip(completions, known, strict=True) if not own
            )
        )
        return [
            Row(c.prompt_token_ids, c.token_ids) if own else next(rendered)
            for c, own in zip(completions, known, strict=True)
        ]


def scores_side_by_side(
    model: PreTrainedModel, rows: Sequence[Row], max_tokens: int
) -> torch.Tensor:
    """The score of each row, [B], in the rows' order, the prompts dealt out to the workers."""
    hands = dealt_by_prompt(rows, workers())

    def read(hand: list[int]) -> torch.Tensor:
        return scores_of_rows(model, [rows[index] for index in hand], max_tokens)

    scores = torch.cat(side_by_side(read, hands))
    return scores[torch.tensor(np.argsort(np.concatenate(hands)), device=scores.device)]


def same_vocabulary(first: Renderer, second: Renderer) -> bool:
    """Whether two tokenizers give every text the same ids (same vocabulary and merges)."""
    a, b = first.tokenizer, second.tokenizer
    if a.get_vocab() != b.get_vocab() or a.eos_token_id != b.eos_token_id:
        return False
    probe = "The quick brown fox, 1234 times;\n\nHuman: didn't it?\tYes!"
    return (
        first.completion_ids(probe) == second.completion_ids(probe)
        and first.prompt_ids(probe) == second.prompt_ids(probe)
        and a.chat_template == b.chat_template
    )
