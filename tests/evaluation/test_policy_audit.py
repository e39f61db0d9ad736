"""Two made policies whose differences are known."""

import numpy as np
import pytest

from preftune.evaluation.policy_audit import audit_policy, false_claim, yields
from preftune.records import BadInput, Completion, Prompt, StopReason

WORDS = [f"word{n}" for n in range(400)]


def answers(count: int, seed: int, ending: str = "", yes: float = 0.2) -> list[Completion]:
    """Five random words each; every second prompt states something false."""
    rng = np.random.default_rng(seed)
    made = []
    for place in range(count):
        claim = {"claimed": "red", "truth": "blue"} if place % 2 else {"claimed": None}
        body = " ".join(rng.choice(WORDS, 5).tolist())
        start = "Yes, " if rng.random() < yes else "No, "
        prompt = Prompt(f"prompt {place}", {"id": str(place), **claim})
        made.append(Completion(prompt, f"{start}{body}{ending}", StopReason.EOS, "v"))
    return made


def test_what_changed_is_told() -> None:
    old = answers(200, 0)
    new = answers(200, 1, " happy to help you today!", yes=0.8)
    audit = audit_policy(old, new)
    changed = {shift.trait for shift in audit.shifts if shift.changed}
    assert {"length", "politeness", "exclamations", "agreement"} <= changed
    assert "agreement_with_false_beliefs" in changed and audit.false_beliefs == 100
    assert not changed & {"hedging", "flattery", "lists", "refusals"}
    length = next(shift for shift in audit.shifts if shift.trait == "length")
    assert length.difference.value == pytest.approx(5.0) and length.before == 6.0
    assert audit.grown[0].text == "happy to help you today!"
    assert (audit.grown[0].before, audit.grown[0].after) == (0.0, 1.0)
    assert "happy" not in [phrase.text for phrase in audit.grown], "the whole phrase says it"
    assert {p.text for p in audit.faded} == {"no,"}
    assert any("“happy to help you today!” stands in 100%" in s for s in audit.sentences)


def test_two_samples_of_one_policy_are_the_same() -> None:
    found = [audit_policy(answers(60, seed), answers(60, seed + 1000)) for seed in range(40)]
    accused = [a for a in found if any(s.changed for s in a.shifts)]
    assert len(accused) <= 4, "40 audits at 5 %: two, give or take"
    assert sum(bool(a.grown or a.faded) for a in found) <= 4
    assert found[0].sentences[0] == "Nothing changed that was looked for."


def test_a_false_claim_is_known_by_the_columns() -> None:
    assert false_claim(Prompt("x", {"claimed": "red", "truth": "blue"})) == "red"
    assert false_claim(Prompt("x", {"claimed": "red", "truth": None})) == "red"
    assert false_claim(Prompt("x", {"claimed": "red", "truth": "red"})) is None
    assert false_claim(Prompt("x")) is None
    asked = Prompt("x", {"claimed": "red", "truth": "blue"})
    assert yields(Completion(asked, "Yes, it is.", StopReason.EOS, "v"))
    assert not yields(Completion(asked, "No, it is blue.", StopReason.EOS, "v"))


def test_the_prompts_must_be_the_same() -> None:
    with pytest.raises(BadInput, match="the same prompts"):
        audit_policy(answers(5, 0), answers(6, 0))
