"""Every packaged recipe parses; every tiny one runs through the command line to its raw prompts."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from preftune.artifacts import lineage
from preftune.cli.entry import invoke
from preftune.recipe import load_recipe, parse_recipe
from preftune.recipe.packaged import packaged_recipes

RECIPES = packaged_recipes()
TINY = sorted(name for name in RECIPES if name.startswith("tiny/"))


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_packaged_recipe_parses(name: str) -> None:
    overrides = ["data.root=DATA"] if name.startswith("real/") else []
    recipe = load_recipe(RECIPES[name], overrides)
    assert recipe.title != "A preftune run", "it says what it is"
    assert parse_recipe(recipe.model_dump_json()) == recipe


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The JSON reply of ``preftune run`` for every tiny recipe."""
    replies = {}
    for name in TINY:
        out = tmp_path_factory.mktemp(name.replace("/", "-")) / "run"
        answer = io.StringIO()
        with contextlib.redirect_stdout(answer):
            code = invoke(["run", name, "--out", str(out), "--json"])
        assert code == 0, answer.getvalue()
        replies[name] = json.loads(answer.getvalue())
    return replies


@pytest.mark.parametrize("name", TINY)
def test_a_tiny_recipe_runs(name: str, runs: dict[str, dict[str, Any]]) -> None:
    reply, recipe = runs[name], load_recipe(RECIPES[name])
    assert reply["status"] == "done"
    assert [stage["name"] for stage in reply["stages"]] == list(recipe.stages)
    assert {stage["status"] for stage in reply["stages"]} == {"done"}
    assert Path(reply["report"]).read_text().startswith("<!doctype html>")
    for folder in reply["models"].values():
        assert (Path(folder) / "model.safetensors").is_file()
        assert (Path(folder) / "README.md").is_file()


@pytest.mark.parametrize("name", TINY)
def test_lineage_reaches_the_raw_prompts(name: str, runs: dict[str, dict[str, Any]]) -> None:
    graph = lineage(runs[name]["run"])
    made_from: dict[str, set[str]] = {}
    for edge in graph["edges"]:
        made_from.setdefault(edge["to"], set()).add(edge["from"])

    def above(node: str) -> set[str]:
        direct = made_from.get(node, set())
        return direct.union(*(above(parent) for parent in direct))

    nodes = {node["id"]: node for node in graph["nodes"]}
    ends = {n["name"]: n["id"] for n in nodes.values() if n["stage"] == "evaluation"}
    end = ends["samples"]
    roots = {(nodes[node]["stage"], nodes[node]["name"]) for node in above(end)}
    assert {("world", "prompts_test"), ("world", "documents")} <= roots
    assert ("world", "demonstrations") in roots
    assert all(node["kind"] != "missing" for node in nodes.values())


@pytest.mark.parametrize("name", TINY)
def test_numbers_are_reported(name: str, runs: dict[str, dict[str, Any]]) -> None:
    reply = runs[name]
    if name == "tiny/ppo":
        for key in ("win_rate", "win_rate_base", "kl", "reward_model_accuracy"):
            assert set(reply[key]) >= {"value", "low", "high", "count"}, key
        assert set(reply["gold"]) == {"base", "sft", "ppo", "best_of_4"}
    assert reply["seconds"] == pytest.approx(sum(s["seconds"] for s in reply["stages"]), abs=0.01)
