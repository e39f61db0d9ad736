"""Every deterministic rule on texts whose worth is plain."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from preftune.recipe.rules import Rule
from preftune.records import BadInput
from preftune.rewards import ComposedScore, Part, RuleScore
from preftune.rewards.rules import RULES
from tests.rewards.made import completions

READ: TypeAdapter[Rule] = TypeAdapter(Rule)


def rule(kind: str, **settings: Any) -> RuleScore:
    return RuleScore(READ.validate_python({"kind": kind, **settings}))


def scores(score: RuleScore, *texts: str, **columns: list[Any]) -> list[float | None]:
    found = score(completions(*texts, **columns))
    return [None if axes is None else axes["score"] for axes in found]


def test_every_kind_in_a_recipe_has_its_judge() -> None:
    kinds = {part["properties"]["kind"]["const"] for part in READ.json_schema()["$defs"].values()}
    assert kinds == set(RULES)


def test_format_is_the_whole_text() -> None:
    think = rule("format", pattern=r"<think>.*</think>\s*<answer>.*</answer>")
    good = "<think>a\nb</think>\n<answer>4</answer>"
    assert scores(think, good, good + " more", "<answer>4</answer>") == [1, 0, 0]


def test_a_pattern_present_or_absent() -> None:
    assert scores(rule("regex", pattern=r"\bsorry\b"), "I'm sorry.", "Sorry", "no") == [1, 0, 0]
    wanted = rule("regex", pattern="sorry", ignore_case=True, absent=True)
    assert scores(wanted, "I'm Sorry.", "fine") == [0, 1]


def test_length_falls_off_outside_its_bounds() -> None:
    """Five at most, over 3 more: 6 words are 1 − 1/4, 8 are 1 − 3/4, 9 are 0."""
    soft = rule("length", least=2, most=5, falloff=3)
    texts = [" ".join("w" * n) for n in (1, 2, 5, 6, 8, 9)]
    assert scores(soft, *texts) == [0.75, 1, 1, 0.75, 0.25, 0]
    assert scores(rule("length", unit="characters", most=3), "abc", "abcd") == [1, 0]
    assert scores(rule("length", unit="lines", least=2), "a\nb", "a") == [1, 0]


SENTENCES = {
    "en": "The parcel that you ordered is on its way and will be there on Monday.",
    "de": "Das Paket ist noch nicht angekommen und wir wissen auch nicht, wo es ist.",
    "fr": "Le colis que vous avez commandé est en route, mais il ne sera pas là demain.",
    "es": "El paquete que pediste está en camino y no llega hasta el lunes, pero es muy grande.",
    "it": "Il pacco che hai ordinato è già in viaggio, ma non arriva prima di lunedì.",
    "pt": "O pacote que você pediu está a caminho, mas não chega antes da segunda.",
    "nl": "Het pakket is niet aangekomen en wij weten ook nog niet waar het is.",
    "ru": "Посылка уже в пути и будет в понедельник.",
    "el": "Το δέμα είναι στο δρόμο.",
    "ar": "الطرد في الطريق",
    "he": "החבילה בדרך אליך",
    "hi": "पार्सल रास्ते में है",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_language_is_told_from_the_others(language: str) -> None:
    found = scores(
        rule("language", language=language), *SENTENCES.values(), "Ok!", "", "包裹在路上"
    )
    expected = [float(other == language) for other in SENTENCES]
    assert found == [*expected, None, None, 0.0]


def test_phrases_whole_in_any_case() -> None:
    """Of three demands met: 'best  wishes' there, 'as an AI' and 'ass' not."""
    polite = rule("phrases", required=["best wishes"], forbidden=["as an AI", "ass"])
    texts = ["An assistant. Best\nWishes", "As an AI, best wishes", "As an ai, you ass"]
    assert scores(polite, *texts) == pytest.approx([1, 2 / 3, 0])


def test_json_that_a_schema_allows() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    strict = rule("json_schema", json_schema=schema)
    texts = ['{"n": 3}', '{"n": "3"}', "{}", "n: 3", "[" * 100000, '```json\n{"n": 3}\n```']
    assert scores(strict, *texts) == [1, 0, 0, 0, 0, 0]
    fenced = rule("json_schema", json_schema=schema, fenced=True)
    assert scores(fenced, texts[0], "Here:\n" + texts[5]) == [1, 1]
    with pytest.raises(BadInput, match="no JSON Schema"):
        scores(rule("json_schema", json_schema={"type": "number-ish"}), "1")


def test_exact_answers() -> None:
    plain = rule("exact")
    assert scores(plain, " Tea \n hot", "tea hot", "x", answer=["Tea hot", "Tea hot", None]) == [
        1,
        0,
        None,
    ]
    marked = rule("exact", marker="Answer:", ignore_case=True, column="right")
    assert scores(marked, "So.\nAnswer: YES", "yes Answer: no", right=["yes", "yes"]) == [1, 0]


@pytest.mark.parametrize(
    ("text", "right", "score"),
    [
        ("... #### 72", "48/2=24. 48+24=72. #### 72", 1),
        ("so 24 and 48 make 72.", "#### 72", 1),
        ("#### 72 apples, not 80", "#### 72", 1),
        ("#### 80, no, 72", "#### 72", 0),
        ("It is $1,234.50", "1234.5", 1),
        ("It is −3", "-3", 1),
        ("#### 0.30", "#### .3", 1),
        ("no number", "#### 3", 0),
        ("9" * 50, "#### 3", 0),
        ("72", None, None),
        ("72", "none here", None),
    ],
)
def test_numeric_answers_as_gsm8k_writes_them(
    text: str, right: str | None, score: float | None
) -> None:
    assert scores(rule("numeric"), text, answer=[right]) == [score]


def test_numbers_within_a_tolerance_and_after_the_marker_only() -> None:
    near = rule("numeric", tolerance=0.01)
    assert scores(near, "3.14", "3.2", answer=["3.1416", "3.1416"]) == [1, 0]
    marked = rule("numeric", needs_marker=True)
    assert scores(marked, "it is 3", "#### 3", answer=["3", "3"]) == [0, 1]


def test_the_majority_of_a_prompts_responses() -> None:
    """p: 4, 4, 5 → 4 wins; q: a tie; r: one response alone."""
    texts = ["is 4", "#### 4", "5", "1", "2", "7"]
    ids = ["p", "p", "p", "q", "q", "r"]
    assert scores(rule("majority"), *texts, id=ids) == [1, 1, 0, 0, 0, None]


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("She has <<3*4=12>>12 eggs, then 12 + 5 = 17. #### 17", 1),
        ("3 * 4 = 12 and 12 + 5 = 18. #### 18", 0),
        ("3 * 4 = 12 and 12 + 5 = 17. #### 18", 0),
        ("10 / 3 = 3.33. #### 3.33", 1),
        ("10 / 3 = 3.34. #### 3.34", 0),
        ("(2 + 3) × 4 = 20 so 20", 1),
        ("$1,200 ÷ 4 = $300. #### 300", 1),
        ("5 / 0 = 0. #### 0", None),
        ("x = 4, the answer is 4", None),
        ("no steps, 4", None),
    ],
)
def test_steps_that_imply_their_answer(text: str, score: float | None) -> None:
    assert scores(rule("steps"), text) == [score]


def test_rouge_against_hand_values() -> None:
    """Reference 'the cat sat on the mat', response 'the cat is on a mat': 4 of 6 words on each
    side in the longest common sequence, F1 2/3; the one common bigram of 5 each is .2."""
    reference = ["the cat sat on the mat", None]
    texts = ["the cat is on a mat", "x"]
    assert scores(rule("rouge"), *texts, reference=reference) == pytest.approx([2 / 3, None])
    assert scores(rule("rouge", variant="rouge2"), texts[0], reference=reference[:1]) == [
        pytest.approx(0.2)
    ]


def test_rules_stand_beside_other_parts() -> None:
    parts = (
        Part("short", rule("length", most=2), 0.5),
        Part("right", rule("exact"), 2.0),
    )
    score = ComposedScore(parts)
    assert score.origin == "rule"
    found = score(completions("yes", "yes it is", answer=["yes", None]))
    assert found == [
        {"score": 2.5, "short": 1.0, "right": 1.0},
        {"score": 0.0, "short": 0.0},
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "length"},
        {"kind": "length", "least": 5, "most": 3},
        {"kind": "phrases"},
        {"kind": "regex", "pattern": "("},
        {"kind": "format", "pattern": ""},
        {"kind": "language", "language": "tlh"},
        {"kind": "code", "seconds": 0},
        {"kind": "numeric", "tolerance": -1},
        {"kind": "nonsense"},
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        READ.validate_python(settings)
