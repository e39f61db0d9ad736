"""Deterministic rules a policy may be rewarded by: what can be set.

Every rule gives a number from 0 to 1 for a response, or does not apply to it.
"""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from preftune.recipe.sections import Section


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    return pattern


Pattern = Annotated[str, Field(min_length=1), AfterValidator(_compiles)]


class FormatRule(Section):
    """1 where the whole response matches a regular expression (Python's; a dot matches line
    ends too), else 0."""

    kind: Literal["format"] = "format"
    pattern: Pattern
    """The expression."""


class RegexRule(Section):
    """1 where a regular expression is found somewhere in the response, else 0."""

    kind: Literal["regex"] = "regex"
    pattern: Pattern
    """The expression."""
    ignore_case: bool = False
    """Whether case does not count."""
    absent: bool = False
    """1 where it is not found, instead."""


class LengthRule(Section):
    """1 for a length within bounds, falling to 0 over ``falloff`` more or fewer."""

    kind: Literal["length"] = "length"
    unit: Literal["words", "characters", "lines"] = "words"
    """What is counted."""
    least: int = Field(default=0, ge=0)
    """The shortest that is fine."""
    most: int | None = Field(default=None, ge=1)
    """The longest that is fine."""
    falloff: int = Field(default=0, ge=0)
    """0 is a sharp edge."""

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.most is None and self.least == 0:
            raise ValueError("a length rule needs least, most or both")
        if self.most is not None and self.most < self.least:
            raise ValueError(f"most = {self.most} is less than least = {self.least}")
        return self


class LanguageRule(Section):
    """1 where the response is in a language, 0 where it is in another one; does not apply to a
    response too short to tell. Told by script and function words."""

    kind: Literal["language"] = "language"
    language: Literal["en", "de", "fr", "es", "it", "pt", "nl", "ru", "el", "ar", "he", "hi"] = "en"
    """The language, by its ISO 639-1 code."""


class PhrasesRule(Section):
    """The share of demands met: each of ``required`` present, each of ``forbidden`` absent.

    Phrases are found whole, in any case.
    """

    kind: Literal["phrases"] = "phrases"
    required: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """What should be there."""
    forbidden: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """What should not be there."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.required and not self.forbidden:
            raise ValueError("a phrases rule needs required, forbidden or both")
        return self


class JsonSchemaRule(Section):
    """1 where the response is JSON that a schema allows, else 0. JSON in one fenced block counts
    where ``fenced`` is true."""

    kind: Literal["json_schema"] = "json_schema"
    json_schema: dict[str, Any]
    """JSON Schema, draft 2020-12."""
    fenced: bool = False
    """Whether JSON in a fenced block counts."""


class ExactRule(Section):
    """1 where the response's answer is the column's, else 0; does not apply without a column.

    The answer is what follows the last ``marker``, or the whole response; blanks at the ends and
    runs of blanks do not count.
    """

    kind: Literal["exact"] = "exact"
    column: str = "answer"
    """Where the right answer is."""
    marker: str | None = None
    """What the answer comes after; none is the whole response."""
    ignore_case: bool = False
    """Whether case does not count."""


class NumericRule(Section):
    """1 where the response's number is the column's, else 0; does not apply without a column.

    The number is the one after the last ``marker``, else the last in the response; the column's
    likewise, so GSM8K's ``#### 42`` can stay as it is.
    """

    kind: Literal["numeric"] = "numeric"
    column: str = "answer"
    """Where the right number is."""
    marker: str = "####"
    """What the number comes after."""
    needs_marker: bool = False
    """A response without the marker is wrong."""
    tolerance: float = Field(default=0.0, ge=0)
    """The largest difference that still counts as equal."""


class MajorityRule(Section):
    """1 for the answer that most responses to the same prompt give, else 0: no labels needed.

    Ties go to nobody, and a prompt with one response is left out. The answer is read as the
    numeric rule reads it.
    """

    kind: Literal["majority"] = "majority"
    marker: str = "####"
    """What the number comes after."""


class StepsRule(Section):
    """1 where every worked step is right and the last implies the answer given, else 0.

    A step is an equation of numbers, ``3 * 4 = 12`` or GSM8K's ``<<3*4=12>>``. Does not apply
    where no step is worked.
    """

    kind: Literal["steps"] = "steps"
    marker: str = "####"
    """What the answer comes after."""


class SupportedRule(Section):
    """The share of sentences that a text in a column bears out, by words and numbers; does not
    apply without one (Sparrow's evidence, Glaese et al. 2022)."""

    kind: Literal["supported"] = "supported"
    column: str = "evidence"
    """Where the text is."""
    least: float = Field(default=0.6, ge=0, le=1)
    """Share of a sentence's words that must stand in the text; numbers and names all must."""


class RougeRule(Section):
    """ROUGE's F1 of the response against the column (Lin 2004); does not apply without one."""

    kind: Literal["rouge"] = "rouge"
    column: str = "reference"
    """Where the reference is."""
    variant: Literal["rouge1", "rouge2", "rougeL"] = "rougeL"
    """Words, pairs of words, or the longest common sequence."""
    stem: bool = False
    """Porter's stemmer, as the paper's own script has it on request."""


class CodeRule(Section):
    """The share of a row's tests that the response's Python code passes, run in a sandbox.

    The code is the last fenced block, or the whole response. The column holds tests: a string
    of Python, or a list of them, each run after the code. Linux on x86-64 or arm64 only.
    """

    kind: Literal["code"] = "code"
    column: str = "tests"
    """Where the tests are."""
    seconds: float = Field(default=5.0, gt=0, le=600)
    """For one response's code and all its tests, by the clock."""
    cpu_seconds: int = Field(default=4, ge=1)
    """Processor time of one program."""
    memory_mb: int = Field(default=512, ge=64)
    """Memory of one program, in MiB."""
    open_files: int = Field(default=32, ge=16)
    """Files one program may have open."""
    workers: int = Field(default=2, ge=1, le=64)
    """Programs run at one time."""


Rule = Annotated[
    FormatRule
    | RegexRule
    | LengthRule
    | LanguageRule
    | PhrasesRule
    | JsonSchemaRule
    | ExactRule
    | NumericRule
    | MajorityRule
    | StepsRule
    | SupportedRule
    | RougeRule
    | CodeRule,
    Field(discriminator="kind"),
]
