"""Both orders asked, averaged, compared; reasons first where wanted."""

from collections.abc import Sequence

import pytest

from preftune.judging import (
    Answer,
    NoVerdict,
    Pair,
    Question,
    Reasoning,
    Template,
    asking,
    asking_writer,
    compare,
    labelled,
    writing,
)
from preftune.records import BadInput, Completion, Prompt, Sampling, StopReason

PLAIN = Template("plain.v1", "{{a}}|{{b}}")
PAIRS = [Pair(Prompt("p", {"id": "p1"}), "good", "bad"), Pair(Prompt("q"), "bad", "good")]


def liking_good(first_bonus: float = 0.0):  # type: ignore[no-untyped-def]
    """P(A) is .7 when A is the good one, .3 when B is, plus a liking for what comes first."""

    def choose(prompt: Prompt, options: Sequence[str]) -> dict[str, float]:
        a, _ = str(prompt.text).split("|")
        p = (0.7 if a == "good" else 0.3) + first_bonus
        return {"A": p, "B": 1 - p}

    return asking(choose)


def test_the_mean_of_both_orders_has_no_liking_for_the_first() -> None:
    """With .1 for the first: .8 and, turned round, 1 − .4 = .6; their mean is .7."""
    one, two = compare(PAIRS, liking_good(0.1), prompt=PLAIN)
    assert (one.forward, one.backward) == pytest.approx((0.8, 0.6))
    assert one.probability == pytest.approx(0.7) and two.probability == pytest.approx(0.3)
    assert one.consistent and two.consistent


def test_a_judge_of_places_is_inconsistent() -> None:
    one, _ = compare(PAIRS, liking_good(0.3), prompt=PLAIN)
    assert one.consistent is False and one.probability == pytest.approx(0.7)


def test_one_order_alone_is_no_verdict() -> None:
    def ask(questions: Sequence[Question]) -> list[Answer]:
        silent = NoVerdict("unclear", "hm"), NoVerdict("failed", "gone")
        return [{"A": 1.0, "B": 0.0}, silent[0], silent[1], silent[0]][: len(questions)]

    one, two = compare(PAIRS, ask, prompt=PLAIN)
    assert (one.probability, one.consistent) == (None, None)
    assert one.missing == NoVerdict("unclear", "hm")
    assert two.missing == NoVerdict("failed", "gone"), "a failure is told before an unclear answer"
    assert labelled(PAIRS, [one, two], judge="j") == []


def test_labels_are_soft_and_say_whose_they_are() -> None:
    rows = labelled(PAIRS, compare(PAIRS, liking_good(), prompt=PLAIN), judge="endpoint/judge")
    assert [(row.chosen, row.rejected) for row in rows] == [("good", "bad"), ("good", "bad")]
    assert [row.probability for row in rows] == pytest.approx([0.7, 0.7])
    assert rows[0].columns == {"id": "p1", "judge": "endpoint/judge"}


def test_reasons_are_written_first_and_the_verdict_is_clamped() -> None:
    """It answers with probability 1 after reasoning; the clamp makes that .6, turned round too."""
    seen: list[str] = []

    def write(prompts: Sequence[Prompt]) -> list[str | NoVerdict]:
        return [f"because {str(prompt.text).split('|')[0]}" for prompt in prompts]

    def choose(prompt: Prompt, options: Sequence[str]) -> dict[str, float]:
        seen.append(str(prompt.text))
        a, _, reasons = seen[-1].split("|")
        assert reasons == f"because {a}"
        return {"A": float(a == "good"), "B": float(a != "good")}

    verdict = Template("v", "{{a}}|{{b}}|{{reasons}}")
    for clamp, expected in (((0.4, 0.6), 0.6), (None, 1.0)):
        reasoning = Reasoning(write, clamp, Template("r", "{{a}}|{{b}}"), verdict)
        one, _ = compare(PAIRS, asking(choose), reasoning=reasoning)
        assert (one.forward, one.backward) == (expected, expected)
    assert seen[0] == "good|bad|because good"


def test_reasons_that_did_not_come_are_no_verdict_and_ask_nothing() -> None:
    asked: list[Question] = []

    def ask(questions: Sequence[Question]) -> list[Answer]:
        asked.extend(questions)
        return [{"A": 0.9, "B": 0.1} for _ in questions]

    gone = NoVerdict("failed", "gone")
    reasoning = Reasoning(lambda prompts: [gone, "x", "y", "z"])
    one, two = compare(PAIRS, ask, reasoning=reasoning)
    assert len(asked) == 3
    assert one.missing == gone and one.probability is None
    assert two.probability == pytest.approx(0.5)


def test_any_generate_judges_by_what_it_writes() -> None:
    def generate(prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        texts = ["Answer: A", "B", "whatever", "A"]
        return [Completion(p, t, StopReason.EOS, "v") for p, t in zip(prompts, texts, strict=True)]

    ask = asking_writer(writing(generate, Sampling(max_new_tokens=8, temperature=0)))
    one, two = compare(PAIRS, ask, prompt=PLAIN)
    assert one.probability == 1.0
    assert two.probability is None and two.missing is not None and two.missing.kind == "unclear"


def test_a_prompt_that_shows_one_response_only_is_refused() -> None:
    with pytest.raises(BadInput, match="no places"):
        compare(PAIRS, liking_good(), prompt=Template("half.v1", "{{a}}"))


def test_a_verdict_may_be_read_off_the_reasons_alone() -> None:
    """The reasons must have seen both responses; then the verdict need not see them again."""

    def write(prompts: Sequence[Prompt]) -> list[str | NoVerdict]:
        return ["first" if str(p.text).startswith("good") else "second" for p in prompts]

    def choose(prompt: Prompt, options: Sequence[str]) -> dict[str, float]:
        assert prompt.text in ("first", "second")
        first = float(prompt.text == "first")
        return {"A": first, "B": 1 - first}

    both, alone = Template("r", "{{a}}|{{b}}"), Template("v", "{{reasons}}")
    found = compare(PAIRS, asking(choose), reasoning=Reasoning(write, None, both, alone))
    assert [one.probability for one in found] == [1.0, 0.0]
    half = Template("half.v1", "{{a}}")
    for reasons, verdict in ((half, alone), (both, half)):
        with pytest.raises(BadInput, match="no places"):
            compare(PAIRS, asking(choose), reasoning=Reasoning(write, None, reasons, verdict))
