"""The page of all keys."""

import re
from pathlib import Path

from preftune.recipe import Recipe, parse_recipe, recipe_page
from preftune.recipe.walk import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"


def test_the_page_is_the_one_in_the_documentation() -> None:
    assert PAGE.read_text(encoding="utf-8") == recipe_page(), "write recipe_page() to it"


def test_the_examples_are_recipes() -> None:
    examples = re.findall(r"```toml\n(.*?)```", recipe_page(), re.DOTALL)
    first, extending, second = (parse_recipe(example) for example in examples)
    assert list(extending.stages)[-2:] == ["reward", "ppo"]
    ppo = extending.stages["ppo"]
    assert (ppo.kl.coefficient, ppo.iterations) == (0.05, 13)
    assert first.stages["judge"].optimizer.learning_rate == 1e-4
    assert first.stages["judge"].optimizer.warmup_steps == 10
    assert second.stages["sft"].epochs == 2


def test_every_key_of_every_stage_has_a_row_with_a_meaning() -> None:
    page = recipe_page()
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    assert all(value and default and meaning for _, value, default, meaning in rows)
    named = {key for key, *_ in rows}
    for section in (Recipe, *KINDS.values()):
        assert set(section.model_fields) <= named


def test_links_lead_to_headings() -> None:
    page = recipe_page()
    headings = {line.lstrip("# ").lower() for line in page.splitlines() if line.startswith("#")}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= headings


def test_some_rows_word_for_word() -> None:
    page = recipe_page()
    assert "| `minibatches` | whole number, ≥ 1 | 2 | Optimizer steps in a pass;" in page
    assert "| `betas` | [number (≥ 0, < 1), number (≥ 0, < 1)] | [0.9, 0.999] |" in page
    assert (
        "| `optimizer` | [Optimizer](#optimizer) | `schedule = linear`, `final_fraction = 0`, "
        "`epsilon = 1e-05` | Optimizer of the policy. |"
    ) in page
