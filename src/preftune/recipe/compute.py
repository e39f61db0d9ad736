"""How a stage computes what it trains: number format, activation memory, adapters."""

from typing import Literal

from pydantic import Field

from preftune.recipe.sections import Section

Precision = Literal["float32", "bfloat16", "auto"]


class Computing(Section):
    """What every stage that trains a network has."""

    precision: Precision = "float32"
    """Number format of the networks' passes: weights, optimizer, scores and losses stay float32.
    ``auto``: bfloat16 where ``preftune doctor`` finds it in hardware."""
    activation_checkpointing: bool = False
    """Forgets activations inside layers and computes them again for the gradient: less memory,
    about a third more time, the same result."""


class Adapter(Section):
    """Low-rank adaptation (Hu et al. 2021): W + alpha / rank · B A, of which A and B learn.

    The weights underneath stay as they are, so the policy without its adapter is its own
    reference, and no second copy of it is held.
    """

    rank: int = Field(default=16, ge=1)
    """Rows of A and columns of B."""
    alpha: int = Field(default=32, ge=1)
    """Size of the change, as a multiple of ``rank``."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout on what A reads; only where a stage trains with dropout, ``sft`` and
    ``reward_model``."""
    targets: tuple[str, ...] = ()
    """Last names of the linear layers that get one (``["q_proj", "v_proj"]``); all those inside
    the transformer's layers if empty."""
    merge: bool = True
    """``true``: the saved model is an ordinary one, W + alpha / rank · B A. ``false``: a PEFT
    folder that names the model underneath."""
    quantize: Literal["nf4"] | None = None
    """``"nf4"``: the layers that get an adapter hold their own weights in four bits (QLoRA,
    Dettmers et al. 2023), an eighth of their memory. What is saved merged has float32 again."""


class Adapting(Computing):
    """What every stage has that trains a network it did not make."""

    adapter: Adapter | None = None
    """Trains low-rank adapters in place of all weights: ``{ rank = 16, alpha = 32 }``."""


def no_dropout(adapter: Adapter | None, kind: str) -> None:
    """Raises ValueError for adapters with dropout in a stage that computes without any."""
    if adapter is not None and adapter.dropout:
        raise ValueError(
            f"adapter.dropout = {adapter.dropout:g} does nothing in {kind}, which computes "
            "without dropout: leave it out"
        )
