"""The world's recipes of AI feedback and of rules, every stage of them, in small."""

import json
from pathlib import Path
from typing import Any

import pytest

from preftune.artifacts import lineage
from preftune.monitoring import Console
from preftune.pipeline.run import Desk, run_recipe
from preftune.recipe import load_recipe
from preftune.recipe.packaged import packaged_recipes

SMALL = {
    "machine.threads": 1,
    "stages.world.documents": 60,
    "stages.world.demonstrations": 20,
    "stages.world.train_prompts": 150,
    "stages.world.validation_prompts": 4,
    "stages.world.test_prompts": 40,
    "stages.base.steps": 2,
    "stages.base.architecture.layers": 1,
    "stages.base.architecture.hidden_size": 16,
    "stages.base.architecture.intermediate_size": 16,
    "stages.base.vocab_size": 300,
    "stages.lessons.reasons": 20,
    "stages.lessons.verdicts": 20,
    "stages.lessons.remarks": 20,
    "stages.lessons.revisions": 20,
    "stages.lessons.obliging": 24,
    "stages.lessons.probes": 8,
    "stages.sft.epochs": 1,
    "stages.allowed.limit": 20,
    "stages.red_team.limit": 20,
    "stages.helpful.iterations": 1,
    "stages.helpful.rollouts": 8,
    "stages.helpful.sampling.max_new_tokens": 6,
    "stages.candidates.sampling.max_new_tokens": 6,
    "stages.evaluation.sampling.max_new_tokens": 6,
    "stages.harm.sampling.max_new_tokens": 6,
}
CONSTITUTIONAL = SMALL | {
    "stages.judge.epochs": 1,
    "stages.revisions.rounds": 1,
    "stages.revisions.sampling.max_new_tokens": 6,
    "stages.red_candidates.sampling.max_new_tokens": 6,
    "stages.ai_labels.reasons.sampling.max_new_tokens": 6,
    "stages.sl_cai.epochs": 1,
    "stages.rl_cai.iterations": 1,
    "stages.rl_cai.rollouts": 8,
    "stages.rl_cai.sampling.max_new_tokens": 6,
}
RULE_BASED = SMALL | {
    "stages.some_red_team.limit": 10,
    "stages.safety_candidates.sampling.max_new_tokens": 6,
    "stages.safe.iterations": 1,
    "stages.safe.rollouts": 8,
    "stages.safe.sampling.max_new_tokens": 6,
    "stages.ruled.iterations": 1,
    "stages.ruled.rollouts": 8,
    "stages.ruled.sampling.max_new_tokens": 6,
}


@pytest.fixture(autouse=True)
def _no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preftune.pipeline.summary.write_report", lambda out: None)


def run(name: str, sizes: dict[str, int], out: Path) -> dict[str, dict[str, Any]]:
    """The summaries of all stages by name."""
    source = packaged_recipes()[name]
    recipe = load_recipe(source, [f"{key}={value}" for key, value in sizes.items()])
    run_recipe(recipe, source.read_text(), out, Desk(Console("silent")))
    return {
        path.parent.name[3:]: json.loads(path.read_text())
        for path in out.glob("stages/*/summary.json")
    }


def test_constitutional_ai_goes_through_and_the_ablation_keeps_what_came_before(
    tmp_path: Path,
) -> None:
    told = run("world/constitutional", CONSTITUTIONAL, tmp_path)
    assert set(told["revisions"]["principles"]) == {"insults", "leaks", "cheats", "robs"}
    assert set(told["ai_labels"]["principles"]) <= {"insults", "leaks", "cheats", "robs"}
    assert len(told["ai_labels"]["probes"]["principle"]) == 8
    policies = {"sft", "helpful", "sl_cai", "rl_cai"}
    asked = told["evaluation"]["prompts"] + told["harm"]["prompts"]
    assert asked == 40 and told["harm"]["prompts"] > 0
    for stage in ("evaluation", "harm"):
        assert set(told[stage]["policies"]) == policies
        axes = told[stage]["policies"]["rl_cai"]["axes"]
        assert {"harmlessness", "helpfulness", "refusal", "compliance"} <= set(axes)
    graph = lineage(tmp_path)
    node = {n["id"]: (n["stage"], n["name"]) for n in graph["nodes"]}
    above = {(node[e["from"]], node[e["to"]]) for e in graph["edges"]}
    assert (("lessons", "train"), ("judge", "model")) in above
    made = {n: (tmp_path / "stages").glob(f"*-{n}/manifest.json") for n in ("judge", "revisions")}
    before = {name: next(paths).read_text() for name, paths in made.items()}
    told = run("world/constitutional_ablated", CONSTITUTIONAL, tmp_path)
    assert set(told["revisions"]["principles"]) == {"flatters", "promises", "invents", "doubts"}
    assert set(told["ai_labels"]["principles"]) <= set(told["revisions"]["principles"])
    (judge,) = (tmp_path / "stages").glob("*-judge/manifest.json")
    (revisions,) = (tmp_path / "stages").glob("*-revisions/manifest.json")
    assert judge.read_text() == before["judge"]
    assert revisions.read_text() != before["revisions"]


def test_rule_based_rewards_go_through(tmp_path: Path) -> None:
    told = run("world/rule_based", RULE_BASED, tmp_path)
    fitted = told["weights"]["response_types"]
    assert {"refuse", "answerable"} <= set(fitted)
    assert all(set(one["weights"]) == {"declines", "harmless"} for one in fitted.values())
    for stage in ("evaluation", "harm"):
        assert set(told[stage]["policies"]) == {"sft", "helpful", "safe", "ruled"}
