"""What generates a training stage's responses: the built-in engine, transformers' or vLLM."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from preftune.recipe.compute import Adapting
from preftune.recipe.sections import Section


class NativeRollouts(Section):
    """The built-in engine: the policy itself, wherever it is."""

    kind: Literal["native"] = "native"


class TransformersRollouts(Section):
    """The continuous batching of transformers: pages of keys and values, made for GPUs."""

    kind: Literal["transformers"] = "transformers"
    page_size: int = Field(default=64, ge=4)
    """Tokens in a page of keys and values."""
    pages: int = Field(default=256, ge=1)
    """Pages there are in all."""
    batch_tokens: int = Field(default=2048, ge=16)
    """Tokens that go through the network at once."""


class VLLMRollouts(Section):
    """vLLM, in this process or as servers that answer over HTTP; weights are replaced in place."""

    kind: Literal["vllm"] = "vllm"
    urls: tuple[str, ...] = ()
    """Servers (``http://host:8000``) started with ``vllm serve``; vLLM in this process if
    empty."""
    weights: str | None = None
    """A folder that servers and this process both see, for the weights of each iteration; the
    stage's own folder if not said."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format of vLLM in this process: ``auto`` is bfloat16 where the hardware has it."""
    memory: float = Field(default=0.3, gt=0, lt=1)
    """Share of the device's memory for vLLM in this process."""
    timeout: float = Field(default=600.0, gt=0)
    """Seconds to wait for a server's answer."""


def _named(given: Any) -> Any:
    return {"kind": given} if isinstance(given, str) else given


Rollouts = Annotated[
    NativeRollouts | TransformersRollouts | VLLMRollouts,
    Field(discriminator="kind"),
    BeforeValidator(_named),
]


class FromEngine(Adapting):
    """What every stage has that learns from what an engine writes."""

    engine: Rollouts = NativeRollouts()
    """What writes the responses: ``"native"``, ``"transformers"``, ``"vllm"``, or a section with
    that kind and its settings."""


COMPUTING = tuple(FromEngine.model_fields)
"""The keys that a recipe written before there were any means by leaving them out."""
