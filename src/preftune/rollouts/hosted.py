"""Engines that are not ours behind :class:`preftune.records.Generate`, and the proof that they
have the policy's weights.

After the policy's weights went to an engine it is asked for a few tokens, and what it says of
them is compared with what the policy says. An engine whose weights did not arrive would train the
policy on another's responses, with numbers that look all right.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
from transformers import PreTrainedModel

from preftune.models import (
    Renderer,
    Row,
    collate,
    computed_in,
    fit_prompts,
    response_logprobs,
)
from preftune.records import Completion, Prompt, RunFailed, Sampling, StopReason

PROBE_PROMPTS, PROBE_TOKENS = 4, 8
EXACT, ROUNDED = 1e-3, 0.1
"""Mean difference of a token's log-probability that is rounding: all in float32, or not all."""


class Written(NamedTuple):
    """The tokens of a response, its stop token included, and their log-probabilities in nats."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]


class Backend(Protocol):
    """Another's engine."""

    @property
    def exact(self) -> bool:
        """Whether it computes in float32."""
        ...

    def take(self, policy: PreTrainedModel, version: str) -> None:
        """From now on it writes with these weights."""
        ...

    def write(
        self, prompts: Sequence[tuple[int, ...]], sampling: Sampling, stops: Sequence[int]
    ) -> list[Written]:
        """A response to each prompt, in order; log-probabilities are those it was drawn with."""
        ...

    def close(self) -> None:
        """Gives back what it holds."""
        ...


@dataclass(slots=True)
class HostedEngine:
    """A backend as an engine for a stage. ``publish`` gives it the policy's weights.

    Prompts longer than ``longest_prompt`` tokens, or than the context leaves room for, lose their
    start.
    """

    policy: PreTrainedModel
    renderer: Renderer
    version: str
    backend: Backend
    longest_prompt: int | None = None
    batch_size: int = 256
    gaps: list[float] = field(default_factory=list)
    """The probe's difference after each time weights were given."""

    def publish(self, version: str) -> None:
        """Weights to the engine, under this version, and the proof that they arrived.

        Raises :class:`RunFailed` where they did not.
        """
        self.backend.take(self.policy, version)
        self.version = version
        self.gaps.append(self._probe())

    def __call__(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """One completion for each prompt, in order.

        Raises :class:`BadInput` where ``max_new_tokens`` leaves no room for a prompt.
        """
        if not self.gaps:
            self.publish(self.version)
        room = self.renderer.context - sampling.max_new_tokens
        room = room if self.longest_prompt is None else min(room, self.longest_prompt)
        whole = [self.renderer.prompt_ids(prompt.text) for prompt in prompts]
        ids, _ = fit_prompts(whole, room, "truncate_prompt_left")
        eos = int(self.renderer.tokenizer.eos_token_id)
        stops = list(dict.fromkeys([eos, *sampling.stop_token_ids]))
        written = self.backend.write(ids, sampling, stops)
        return [
            self._completion(prompt, prompt_ids, one, stops)
            for prompt, prompt_ids, one in zip(prompts, ids, written, strict=True)
        ]

    def _completion(
        self, prompt: Prompt, prompt_ids: tuple[int, ...], one: Written, stops: Sequence[int]
    ) -> Completion:
        tokens, tokenizer = one.tokens, self.renderer.tokenizer
        ended = bool(tokens) and tokens[-1] in stops
        reason = StopReason.STOP if ended else StopReason.LENGTH
        if ended and tokens[-1] == tokenizer.eos_token_id:
            reason = StopReason.EOS
        body = tokens[:-1] if ended else tokens
        return Completion(
            prompt=prompt,
            text=str(tokenizer.decode(list(body), skip_special_tokens=True)),
            stop_reason=reason,
            policy_version=self.version,
            prompt_token_ids=prompt_ids,
            token_ids=tokens,
            logprobs=one.logprobs,
        )

    @torch.no_grad()
    def _probe(self) -> float:
        """Mean |log-probability of the engine − of the policy| over a few sampled tokens."""
        vocabulary = int(self.policy.config.vocab_size)
        prompts = [((n + 1) * vocabulary // (PROBE_PROMPTS + 1),) for n in range(PROBE_PROMPTS)]
        sampling = Sampling(max_new_tokens=PROBE_TOKENS, temperature=1.0, seed=len(self.gaps))
        written = self.backend.write(prompts, sampling, ())
        rows = [Row(ids, one.tokens) for ids, one in zip(prompts, written, strict=True)]
        pad_id = int(self.renderer.tokenizer.pad_token_id)
        batch = collate(rows, pad_id, self.policy.device)
        ours = response_logprobs(self.policy, batch, 1.0)[batch.action_mask_BT].cpu()
        theirs = torch.tensor([number for one in written for number in one.logprobs])
        gap = float((ours - theirs).abs().mean())
        plain = self.backend.exact and computed_in(self.policy) is torch.float32
        if not gap < (EXACT if plain else ROUNDED):
            raise RunFailed(
                f"The engine does not write with the weights it was given ({self.version}): its "
                f"log-probabilities are {gap:.3g} nats a token from the policy's.",
                remedy="Check that its servers see the folder of the weights and run the same "
                "model, started from a folder of it that vLLM can replace (see Performance); "
                'engine = "native" needs no weights to be given.',
            )
        return gap
