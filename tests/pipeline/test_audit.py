"""The audit stage and the gate that reads it; labelers' win rate as a check."""

from typing import Any

import pytest

from preftune.pipeline import gates
from preftune.recipe.gate import AuditCheck, PreferredCheck, condition
from preftune.records import BadInput, Prompt, Vote, VotedPair

AUDIT: dict[str, Any] = {
    "biases": ["flattery", "length"],
    "effects": [
        {"name": "flattery", "named": True, "sentence": "Flattery pays."},
        {"name": "length", "named": True, "sentence": "Length pays."},
        {"name": "lists", "named": False, "sentence": "Lists do not."},
    ],
}


def test_named_biases_are_counted_and_told() -> None:
    any_bias = gates.audit("biases", AuditCheck(of="stage:a/summary"), AUDIT)
    assert not any_bias.passed and any_bias.value.value == 2
    assert any_bias.evidence == "Flattery pays. Length pays."
    assert "(flattery, length)" in any_bias.sentence
    one = gates.audit("biases", AuditCheck(of="s", forbid=("flattery", "confidence")), AUDIT)
    assert not one.passed and one.value.value == 1 and one.evidence == "Flattery pays."
    assert gates.audit("b", AuditCheck(of="s", forbid=("confidence",)), AUDIT).passed
    assert gates.audit("b", AuditCheck(of="s", forbid=("flattery",), at_most=1), AUDIT).passed
    assert condition(AuditCheck(of="s")) == "audit at most 0"
    with pytest.raises(BadInput, match="holds no audit"):
        gates.audit("b", AuditCheck(of="s"), {"accuracy": 1})


def pair(prompt: str, a: str, b: str, *votes: str) -> VotedPair:
    given = tuple(Vote(f"l{place}", vote) for place, vote in enumerate(votes))
    sources = {"source_a": {"policy": a}, "source_b": {"policy": b}}
    return VotedPair(Prompt(prompt), "x", "y", given, columns=sources)


def test_labelers_win_rate_counts_blind_pairs_of_the_two() -> None:
    """ppo: 1, then 1 and ½ on one prompt, 0; pairs of one policy and "both bad" do not count."""
    pairs = [
        pair("1", "ppo", "sft", "a"),
        pair("2", "sft", "ppo", "b", "tie"),
        pair("3", "sft", "ppo", "a", "both_bad"),
        pair("4", "ppo", "ppo", "a"),
        pair("5", "ppo", "base", "a"),
    ]
    check = PreferredCheck(labels="s", policy="ppo", against="sft", by="value")
    found = gates.preferred("wins", check, pairs)
    assert found.value.value == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert found.passed and found.evidence == "4 votes on 3 prompts"
    assert condition(check) == "preferred of ppo against sft at least 0.5"
    other = PreferredCheck(labels="s", policy="dpo", against="sft")
    with pytest.raises(BadInput, match="nobody compared dpo with sft"):
        gates.preferred("wins", other, pairs)
