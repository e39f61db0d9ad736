"""A reward model as a :class:`preftune.records.Score`."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from preftune.models import Renderer, Row, fit_rows, scores_of_rows
from preftune.records import Axes, Completion


@dataclass(frozen=True, slots=True)
class RewardModelScore:
    """Scores completions on one axis, ``score``, in the model's normalised units.

    ``same_ids``: the model reads the policy's own token ids, so completions are scored exactly as
    they were sampled; otherwise their text is rendered with the model's own tokenizer.
    """

    model: PreTrainedModel
    renderer: Renderer
    same_ids: bool
    micro_batch_tokens: int = 8192
    origin: str = "model"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        rows, _ = fit_rows(
            [self._row(completion) for completion in completions],
            self.renderer.context,
            "truncate_prompt_left",
        )
        return [{"score": score} for score in self.score_rows(rows)]

    @torch.no_grad()
    def score_rows(self, rows: Sequence[Row]) -> list[float]:
        """Scores in the rows' order."""
        pad_id = int(self.renderer.tokenizer.pad_token_id)
        return scores_of_rows(self.model, rows, pad_id, self.micro_batch_tokens).tolist()

    def _row(self, completion: Completion) -> Row:
        if self.same_ids and completion.token_ids:
            return Row(completion.prompt_token_ids, completion.token_ids)
        return self.renderer.completion_row(completion)


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
