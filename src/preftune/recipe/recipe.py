"""A whole recipe: stages in order, each reading what earlier ones wrote."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from preftune.recipe.a2c import A2C
from preftune.recipe.constitutional import CritiqueStage, JudgeStage
from preftune.recipe.dapo import DAPO
from preftune.recipe.dpo import DPO
from preftune.recipe.dr_grpo import DrGRPO
from preftune.recipe.evaluate import Audit, CrossValidate, Evaluate
from preftune.recipe.feedback import Candidates, Dataset, LabelStage, World
from preftune.recipe.gate import Gate
from preftune.recipe.grpo import GRPO
from preftune.recipe.gspo import GSPO
from preftune.recipe.ilql import ILQL
from preftune.recipe.ipo import IPO
from preftune.recipe.kto import KTO
from preftune.recipe.lessons import Lessons
from preftune.recipe.nlpo import NLPO
from preftune.recipe.online_dpo import OnlineDPO
from preftune.recipe.orpo import ORPO
from preftune.recipe.people import People
from preftune.recipe.ppo import PPO
from preftune.recipe.pretrain import Pretrain
from preftune.recipe.reinforce import Reinforce
from preftune.recipe.reinforce_plus_plus import ReinforcePlusPlus
from preftune.recipe.rejection_sampling import RejectionSampling
from preftune.recipe.reward_model import RewardModel
from preftune.recipe.rloo import RLOO
from preftune.recipe.rounds import Gather, Promote, Select
from preftune.recipe.rule_model import RuleLabelsStage, RuleWeightsStage
from preftune.recipe.sections import Section, sources_of
from preftune.recipe.sft import SFT
from preftune.recipe.simpo import SimPO
from preftune.recipe.soup import Soup
from preftune.recipe.spin import SPIN
from preftune.recipe.trpo import TRPO

Stage = Annotated[
    World
    | Lessons
    | Dataset
    | Select
    | Pretrain
    | SFT
    | Candidates
    | LabelStage
    | People
    | CritiqueStage
    | JudgeStage
    | RewardModel
    | PPO
    | Reinforce
    | RLOO
    | ReinforcePlusPlus
    | GRPO
    | DrGRPO
    | DAPO
    | GSPO
    | OnlineDPO
    | A2C
    | TRPO
    | NLPO
    | RejectionSampling
    | ILQL
    | DPO
    | IPO
    | KTO
    | ORPO
    | SimPO
    | SPIN
    | Evaluate
    | Audit
    | CrossValidate
    | Gate
    | Gather
    | Promote
    | Soup
    | RuleLabelsStage
    | RuleWeightsStage,
    Field(discriminator="kind"),
]


class DataSettings(Section):
    """Where ``data:`` sources are."""

    root: str | None = None
    """The folder; give it with ``--set data.root=DIR``."""


class Machine(Section):
    """Where the run computes. Nothing here changes what is computed but its last digits."""

    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads; torch's own choice if not said."""
    workers: int = Field(default=1, ge=1)
    """Micro-batches and answers computed side by side on a CPU, each with its share of the threads.
    Two beat two threads on small models, above all where other programs want the cores."""


class Recipe(Section):
    """Stages run in the order written."""

    title: str = "A preftune run"
    """What the report is headed with."""
    seed: int = Field(default=0, ge=0)
    """All randomness comes from this number."""
    data: DataSettings = DataSettings()
    """Where ``data:`` sources are."""
    machine: Machine = Machine()
    """Where the run computes."""
    stages: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Stage] = Field(min_length=1)
    """Named stages."""

    @model_validator(mode="after")
    def _adapters_take_turns(self) -> Self:
        """Networks over one body say at each pass which adapter it uses, so they take turns."""
        for name, stage in self.stages.items():
            if self.machine.workers > 1 and getattr(stage, "adapter", None) is not None:
                raise ValueError(
                    f"machine.workers = {self.machine.workers} and stages.{name}.adapter exclude "
                    "each other: set machine.workers = 1"
                )
        return self

    @model_validator(mode="after")
    def _sources_come_earlier(self) -> Self:
        before: list[str] = []
        for name, stage in self.stages.items():
            for role, source in sources_of(stage).items():
                place = f"stages.{name}.{role} = {str(source)!r}"
                if source.stage and source.stage[0] not in before:
                    known = "earlier stages are " + ", ".join(before) if before else ""
                    raise ValueError(
                        f"{place} names no earlier stage: {known or 'it is the first stage'}"
                    )
                if source.startswith("data:") and self.data.root is None:
                    raise ValueError(f"{place} needs the data folder: add --set data.root=DIR")
            before.append(name)
        return self
