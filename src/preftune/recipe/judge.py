"""A judge behind an OpenAI-shaped HTTP endpoint: what can be set, and reading it from a file."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, model_validator

from preftune.recipe.sections import Section, Source
from preftune.records import BadInput


class Endpoint(Section):
    """Where a judge is asked, how patiently, and what it costs."""

    base_url: str
    """What comes before ``/chat/completions``, such as ``http://127.0.0.1:8000/v1``."""
    model: str = Field(min_length=1)
    """The model's name there."""
    key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The environment variable that holds the key; the key itself is written nowhere."""
    logprobs: bool = True
    """Whether the endpoint gives the probabilities of first tokens. False reads the verdict from
    the text it writes, which is then sure of itself."""
    least_mass: float = Field(default=0.5, ge=0, lt=1)
    """The options must have more than this share of the first token, or there is no verdict."""
    max_tokens: int = Field(default=512, ge=1)
    """The longest text it may write, in tokens; a choice by log-probabilities takes one."""
    timeout: float = Field(default=60.0, gt=0)
    """Seconds for one whole request."""
    retries: int = Field(default=5, ge=0)
    """How often a request that failed is sent again."""
    longest_wait: float = Field(default=60.0, gt=0)
    """Seconds between two tries at most, also where the endpoint asks for more."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """Requests sent in a minute at most, evenly spaced."""
    concurrency: int = Field(default=4, ge=1, le=64)
    """Requests under way at one time."""
    price_in: float = Field(default=0.0, ge=0)
    """Price of a million prompt tokens, in any currency."""
    price_out: float = Field(default=0.0, ge=0)
    """Price of a million tokens written."""
    most_cost: float | None = Field(default=None, gt=0)
    """Nothing more is asked once so much was spent."""

    @model_validator(mode="after")
    def _plain_address(self) -> Self:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"base_url = {self.base_url!r} is no http:// or https:// address")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(
                "base_url holds a name, a password or a query: "
                "leave them out, and name the key's environment variable in key_env"
            )
        if self.most_cost is not None and not (self.price_in or self.price_out):
            raise ValueError("most_cost needs price_in and price_out to reckon with")
        return self


class Proposition(Section):
    """A statement that a judge says yes or no to."""

    text: str = Field(min_length=1)
    """The statement, or a question that yes answers."""
    weight: float = 1.0
    """What P(yes) is multiplied with; negative for what should not hold."""


class JudgeReward(Section):
    """A judge's opinion of single responses: a rating, or weighed propositions."""

    model: Source | None = None
    """A language model that chooses."""
    endpoint: Endpoint | None = None
    """Or an OpenAI-shaped endpoint."""
    question: str | None = None
    """What a rating is of; helpfulness, truth and harmlessness if not said."""
    highest: int = Field(default=9, ge=2, le=9)
    """Ratings go from 1 to this; the score is their expectation, rescaled to −1 to 1 (d-RLAIF)."""
    propositions: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Proposition] = {}
    """Instead of a rating: the score is Σ weight · P(yes), as in rule-based rewards."""

    @model_validator(mode="after")
    def _one_judge(self) -> Self:
        if (self.model is None) == (self.endpoint is None):
            raise ValueError("a judge is either a model or an endpoint: name one of them")
        if self.model is not None and self.model.startswith("gold:"):
            raise ValueError(
                f"model = {str(self.model)!r} is a gold judge, which measures and never teaches: "
                "name a language model"
            )
        if self.propositions and self.question is not None:
            raise ValueError("question belongs to a rating: leave it or the propositions out")
        return self


def load_endpoint(path: str | Path) -> Endpoint:
    """An endpoint from a TOML file. Raises :class:`BadInput` with the file and the key."""
    place = Path(path)
    try:
        given: dict[str, Any] = tomllib.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"The judge cannot be read: {error.strerror}.", file=place) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"This is no TOML: {error}.", file=place) from None
    try:
        return Endpoint.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise BadInput(
            f"{key}: {what}." if key else f"{what}.",
            file=place,
            remedy=f"An endpoint has {', '.join(Endpoint.model_fields)}.",
        ) from None
