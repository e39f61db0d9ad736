"""Judging by prompts: what is asked, in which order, and what counts as a verdict."""

from preftune.judging.asking import (
    Answer,
    Ask,
    Question,
    Write,
    asking,
    asking_writer,
    writing,
)
from preftune.judging.constitution import Constitution, Principle, load_constitution
from preftune.judging.critique import (
    Exemplar,
    Requests,
    Revision,
    answered,
    load_exemplars,
    revise,
)
from preftune.judging.endpoint import CACHE, HttpJudge, Usage
from preftune.judging.grading import (
    Criterion,
    Graded,
    Response,
    grade,
    propositions_hold,
    rate,
)
from preftune.judging.http_generate import HttpGenerate
from preftune.judging.measuring import (
    JudgeGate,
    JudgeLimits,
    judge_gate,
    measure_pairs,
    measure_proposition,
)
from preftune.judging.pairwise import Pair, PairOpinion, Reasoning, compare, labelled
from preftune.judging.templates import Template, packaged_templates, template, transcript
from preftune.judging.verdicts import (
    NoVerdict,
    clamped,
    expected_score,
    normalised,
    read_choice,
    read_grades,
)

__all__ = [
    "CACHE",
    "Answer",
    "Ask",
    "Constitution",
    "Criterion",
    "Exemplar",
    "Graded",
    "HttpGenerate",
    "HttpJudge",
    "JudgeGate",
    "JudgeLimits",
    "NoVerdict",
    "Pair",
    "PairOpinion",
    "Principle",
    "Question",
    "Reasoning",
    "Response",
    "Requests",
    "Revision",
    "Template",
    "Usage",
    "Write",
    "answered",
    "asking",
    "asking_writer",
    "clamped",
    "compare",
    "expected_score",
    "grade",
    "judge_gate",
    "labelled",
    "load_constitution",
    "load_exemplars",
    "measure_pairs",
    "measure_proposition",
    "normalised",
    "packaged_templates",
    "propositions_hold",
    "rate",
    "read_choice",
    "read_grades",
    "revise",
    "template",
    "transcript",
    "writing",
]
