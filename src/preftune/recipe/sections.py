"""What every part of a recipe shares: strict sections, sources, optimizers, engines, schedules."""

from typing import Annotated, Any, Literal, Self, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema


class Section(BaseModel):
    """A part of a recipe. Unknown keys are refused; values never change after validation.

    A part written with some of its keys keeps its default's other keys: setting
    ``optimizer.learning_rate`` leaves the schedule that stage has by default.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        filled: dict[str, Any] = dict(given)
        for name, field in cls.model_fields.items():
            value = given.get(name)
            kinds = {field.annotation, *get_args(field.annotation)}
            if isinstance(value, bool) and kinds & {int, float} and bool not in kinds:
                raise ValueError(
                    f"{name} = {str(value).lower()} cannot be used: it must be a number"
                )
            if isinstance(field.default, Section) and isinstance(value, dict):
                filled[name] = _over(field.default, value)
        return filled


def _over(default: Section, given: dict[str, Any]) -> dict[str, Any]:
    """``given`` with what it leaves out taken from ``default``, unless it is of another kind."""
    kind = getattr(default, "kind", None)
    if given.get("kind", kind) != kind:
        return given
    filled = {name: getattr(default, name) for name in type(default).model_fields}
    for name, value in given.items():
        under = filled.get(name)
        both = isinstance(under, Section) and isinstance(value, dict)
        filled[name] = _over(cast(Section, under), value) if both else value
    return filled


class Source(str):
    """Where an input comes from.

    ``stage:NAME/OUTPUT`` is an earlier stage's output; ``stage:NAME`` its model, or its only one;
    ``data:FILE`` is a file under ``data.root``; ``hub:NAME`` is fetched from the model hub;
    ``store:NAME#PROJECT`` is a label store's project, frozen in the run as it is then, where the
    environment variable NAME holds the store's file or URL (``store:NAME#PROJECT/dawid_skene``
    says how several votes are put together);
    anything else is a path, relative to where the command runs. Where a judge is asked for,
    ``gold:WORLD`` is a built-in world's gold judge.
    """

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source_type: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(min_length=1)
        )

    @property
    def stage(self) -> tuple[str, str] | None:
        """(stage name, output name) of a ``stage:`` source, else None."""
        if not self.startswith("stage:"):
            return None
        name, _, output = self.removeprefix("stage:").partition("/")
        return name, output or "model"


Decay = Annotated[float, Field(ge=0, lt=1)]
TooLong = Literal["truncate_prompt_left", "skip", "fail"]


class Optimizer(Section):
    """AdamW or RMSprop with a warm-up and a schedule, one for each network."""

    kind: Literal["adamw", "rmsprop"] = "adamw"
    """``rmsprop`` is A2C's: no momentum, no weight decay."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """Peak learning rate."""
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    """What the learning rate does after the warm-up, down to ``final_fraction`` of the peak."""
    final_fraction: float = Field(default=0.1, ge=0, le=1)
    """Learning rate at the end, as a share of the peak (ignored by ``constant``)."""
    warmup_steps: int = Field(default=0, ge=0)
    """Optimizer steps of linear warm-up."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """AdamW's decay rates."""
    alpha: Decay = 0.99
    """RMSprop's decay rate."""
    epsilon: float = Field(default=1e-8, gt=0)
    """Added to the root of the mean squared gradient."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay; matrices only, never biases or norms."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are scaled down to this global norm."""

    @model_validator(mode="after")
    def _rmsprop_does_not_decay(self) -> Self:
        if self.kind == "rmsprop" and self.weight_decay:
            raise ValueError(
                f"weight_decay = {self.weight_decay:g} belongs to adamw: leave it out, "
                'or set kind = "adamw"'
            )
        return self


class SamplingSettings(Section):
    """How completions are drawn."""

    max_new_tokens: int = Field(default=32, ge=1)
    """Longest completion, in tokens, the stop token included."""
    temperature: float = Field(default=1.0, ge=0)
    """Divides the logits; 0 is greedy."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Smallest set of tokens with this much probability; 1 is off."""
    top_k: int = Field(default=0, ge=0)
    """This many most likely tokens; 0 is off."""
    stop: tuple[str, ...] = ()
    """Texts, each one token of the tokenizer, that end a completion besides end-of-sequence."""
    value_guidance: float | None = Field(default=None, ge=0)
    """β of log π + β (Q − V), for models with value heads; their own β if not said, 0 is off."""
    batch_size: int = Field(default=256, ge=1)
    """Prompts generated together."""


class ScheduledEvaluation(Section):
    """A win rate against a fixed policy during training. Nothing learns from it; guards read it."""

    judge: Source
    """``gold:WORLD``, or the source of a held-out reward model."""
    measured_by: Source | None = None
    """A second judge of the same responses, for the record only: no guard reads what it says. With
    a held-out reward model as ``judge``, which may stop the run, a world's gold judge here tells
    what that was worth."""
    prompts: Source
    """Held-out prompts."""
    against: Source
    """The policy to beat, usually the SFT model training started from."""
    every: int = Field(default=10, ge=1)
    """Steps between evaluations; the first is before training, the last after it."""
    count: int = Field(default=128, ge=2)
    """Prompts used, the same ones every time."""
    temperature: float = Field(default=1.0, ge=0)
    """Sampling temperature of both policies."""


def sources_of(value: object, role: str = "") -> dict[str, Source]:
    """Every :class:`Source` inside a section by its dotted place (``evaluation.prompts``)."""
    if isinstance(value, Source):
        return {role: value}
    if isinstance(value, BaseModel):
        parts = [(name, getattr(value, name)) for name in type(value).model_fields]
    elif isinstance(value, dict):
        parts = [(str(name), part) for name, part in value.items()]
    elif isinstance(value, list | tuple):
        parts = [(str(index), part) for index, part in enumerate(cast(list[object], value))]
    else:
        return {}
    found: dict[str, Source] = {}
    for name, part in parts:
        found |= sources_of(part, f"{role}.{name}" if role else name)
    return found


def leaves_training(validation_fraction: float, test_fraction: float) -> None:
    """Raises ValueError where the rows kept out are all there are."""
    held = validation_fraction + test_fraction
    if held >= 1:
        raise ValueError(
            f"validation_fraction and test_fraction add up to {held:g}, which leaves no "
            "training data: lower one"
        )
