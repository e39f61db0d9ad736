"""A recipe that begins with another's stages."""

from pathlib import Path

import pytest

from preftune.recipe import load_recipe, parse_recipe
from preftune.records import BadInput

FIRST = """
title = "First"
[stages.world]
kind = "world"
documents = 100
[stages.base]
kind = "pretrain"
data = ["stage:world/documents"]
steps = 7
[stages.sft]
kind = "sft"
model = "stage:base"
train = "stage:world/demonstrations"
epochs = 4
"""


def written(folder: Path, text: str, name: str = "second.toml") -> Path:
    (folder / "first.toml").write_text(FIRST)
    path = folder / name
    path.write_text(text)
    return path


def test_stages_come_from_the_other_and_own_keys_go_over_them(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        extends = { recipe = "first.toml", stages = ["world", "base", "sft"] }
        title = "Second"
        [stages.more]
        kind = "pretrain"
        data = ["stage:world/documents"]
        [stages.sft]
        model = "stage:more"
        """,
    )
    recipe = load_recipe(path, ["stages.base.steps=9"])
    assert recipe.title == "Second"
    assert list(recipe.stages) == ["world", "base", "more", "sft"], "what is changed comes later"
    assert recipe.stages["base"].steps == 9  # type: ignore[union-attr]
    sft = recipe.stages["sft"]
    assert (sft.model, sft.epochs) == ("stage:more", 4)  # type: ignore[union-attr]
    assert parse_recipe(recipe.model_dump_json()) == recipe, "resolved, nothing is left to look up"


def test_a_stage_of_another_kind_replaces_the_inherited_one(tmp_path: Path) -> None:
    text = 'extends = "first.toml"\n[stages.sft]\nkind = "pretrain"\ndata = ["x.jsonl"]\n'
    assert load_recipe(written(tmp_path, text)).stages["sft"].kind == "pretrain"


def test_a_stage_not_asked_for_is_not_inherited(tmp_path: Path) -> None:
    text = """
    extends = { recipe = "first.toml", stages = ["world", "base"] }
    [stages.sft]
    kind = "sft"
    model = "stage:base"
    train = "stage:world/demonstrations"
    """
    assert load_recipe(written(tmp_path, text)).stages["sft"].epochs == 3  # type: ignore[union-attr]


def test_several_recipes_give_their_stages_and_the_later_goes_over_the_earlier(
    tmp_path: Path,
) -> None:
    other = 'extends = "first.toml"\n[stages.sft]\nepochs = 6\n[stages.more]\nkind = "sft"\n'
    other += 'model = "stage:sft"\ntrain = "stage:world/demonstrations"\n'
    written(tmp_path, other, "other.toml")
    text = """
    extends = ["first.toml", { recipe = "other.toml", stages = ["sft", "more"] }]
    [stages.more]
    epochs = 2
    """
    stages = load_recipe(written(tmp_path, text)).stages
    assert list(stages) == ["world", "base", "sft", "more"]
    assert (stages["sft"].epochs, stages["more"].epochs) == (6, 2)  # type: ignore[union-attr]


def test_through_two_recipes(tmp_path: Path) -> None:
    written(tmp_path, 'extends = "first.toml"\n[stages.sft]\nepochs = 5\n', "middle.toml")
    path = written(tmp_path, 'extends = { recipe = "middle.toml", stages = ["world", "base"] }\n')
    assert list(load_recipe(path).stages) == ["world", "base"]
    assert load_recipe(tmp_path / "middle.toml").stages["sft"].epochs == 5  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("line", "sentence", "remedy"),
    [
        ('extends = "frist.toml"', "no such recipe", "Check the path"),
        ("extends = 3", "does not name a recipe", "extends = {"),
        (
            'extends = { recipe = "first.toml", stage = [] }',
            "does not name a recipe",
            "extends = {",
        ),
        ('extends = { recipe = "first.toml", stages = ["wrold"] }', "no stage 'wrold'", "'world'"),
        ('extends = "second.toml"', "extends itself", "come back"),
        ('extends = "world/quickstrat"', "no such recipe", "world/quickstart"),
    ],
)
def test_what_cannot_be_extended(tmp_path: Path, line: str, sentence: str, remedy: str) -> None:
    with pytest.raises(BadInput) as caught:
        load_recipe(written(tmp_path, line))
    assert sentence in caught.value.sentence and remedy in (caught.value.remedy or "")
