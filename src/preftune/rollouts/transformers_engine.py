"""The continuous batching of transformers as a backend: it reads the policy where it lies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel
from transformers.generation.configuration_utils import ContinuousBatchingConfig

from preftune.artifacts import derive_seed
from preftune.models import FUSED, FUSED_IN_FLOAT32
from preftune.recipe import TransformersRollouts
from preftune.records import RunFailed, Sampling
from preftune.rollouts.hosted import Written


@dataclass(slots=True)
class TransformersBackend:
    """Requests come and go in one running batch. All draw from one stream of random numbers, so
    a response depends on its company; the native engine's do not."""

    policy: PreTrainedModel
    settings: TransformersRollouts

    @property
    def exact(self) -> bool:
        return next(self.policy.parameters()).dtype is torch.float32

    def take(self, policy: PreTrainedModel, version: str) -> None:
        self.policy = policy

    def write(
        self, prompts: Sequence[tuple[int, ...]], sampling: Sampling, stops: Sequence[int]
    ) -> list[Written]:
        """Raises :class:`RunFailed` where a request came to nothing."""
        attention = self.policy.config._attn_implementation
        training = self.policy.training
        try:
            if attention == FUSED_IN_FLOAT32:  # a name that its continuous batching does not know
                self.policy.set_attn_implementation(FUSED)
            found = _continuous(self.policy)(
                [list(ids) for ids in prompts],
                generation_config=_generation(sampling, stops),
                continuous_batching_config=ContinuousBatchingConfig(
                    page_size=self.settings.page_size,
                    num_blocks=self.settings.pages,
                    max_batch_tokens=self.settings.batch_tokens,
                    return_logprobs=True,
                    seed=derive_seed(sampling.seed, "tokens") % 2**31,
                    allow_block_sharing=False,
                ),
                warmup=False,
            )
        finally:
            self.policy.set_attn_implementation(attention)
            self.policy.train(training)
        outputs = list(found.values())
        failed = next((one.error for one in outputs if one.error is not None), None)
        if failed is not None or len(outputs) != len(prompts):
            raise RunFailed(
                "The continuous batching of transformers lost a request: "
                f"{failed or f'{len(outputs)} of {len(prompts)} came back'}.",
                remedy='Raise engine.pages, or take engine = "native".',
            )
        return [Written(tuple(one.generated_tokens), tuple(one.logprobs)) for one in outputs]

    def close(self) -> None:
        """Nothing of its own: it read the policy where it lies."""


def _continuous(policy: PreTrainedModel) -> Callable[..., dict[str, Any]]:
    """The method that models which generate have."""
    method: Any = policy.generate_batch
    return method


def _generation(sampling: Sampling, stops: Sequence[int]) -> GenerationConfig:
    """Processed log-probabilities: those of the distribution that is drawn from."""
    return GenerationConfig(
        max_new_tokens=sampling.max_new_tokens,
        do_sample=sampling.temperature > 0,
        temperature=sampling.temperature or 1.0,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        eos_token_id=list(stops) or -1,
    )
