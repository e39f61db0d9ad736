"""One stem, everywhere: settings, story, formula, recipes, page and tests share a name."""

from collections.abc import Iterator, Set
from pathlib import Path
from typing import get_args

import pytest

from preftune.recipe import Stage
from tests.house.source import ROOT

# Kinds of stage that are no algorithm: they make, label or measure.
NOT_ALGORITHMS = {
    "world",
    "lessons",
    "dataset",
    "pretrain",
    "candidates",
    "label",
    "people",
    "critique",
    "judge",
    "evaluate",
    "audit",
    "cross_validate",
    "gate",
    "gather",
    "select",
    "promote",
    "rule_labels",
    "rule_weights",
    "soup",
}
KINDS = {stage.model_fields["kind"].default for stage in get_args(get_args(Stage)[0])}
STEMS = sorted(KINDS - NOT_ALGORITHMS)

# A stem without a formula of its own → the stem whose formula it trains with.
USES: dict[str, str] = {
    "dapo": "grpo",
    "dr_grpo": "grpo",
    "nlpo": "ppo",
    "online_dpo": "dpo",
    "reinforce_plus_plus": "ppo",
    "rejection_sampling": "sft",
    "spin": "dpo",
}

# Modules of algorithms/ that are shared steps, no stems.
SHARED_STEPS = {
    "__init__",
    "constraints",
    "critic",
    "groups",
    "guarding",
    "kl_control",
    "offline",
    "on_policy",
    "reference_file",
    "reward_answers",
    "on_policy_inputs",
    "reading",
    "reward_batches",
    "reward_comparisons",
    "scoring",
    "reward_linear",
    "trust_region",
}

PLACES = (
    "src/preftune/recipe/{stem}.py",
    "src/preftune/algorithms/{stem}.py",
    "src/preftune/maths/losses/{stem}.py",
    "src/preftune/recipes/tiny/{stem}.toml",
    "src/preftune/recipes/world/{stem}.toml",
    "docs/algorithms/{stem}.md",
    "tests/algorithms/test_{stem}.py",
    "tests/maths/losses/test_{stem}.py",
)
SHARED_BY_USERS = ("maths/losses",)


def gaps(root: Path, stem: str) -> list[str]:
    """The files that ``stem`` should have in the repository at ``root`` and has not."""
    wanted = [
        place.format(stem=stem)
        for place in PLACES
        if not (stem in USES and any(shared in place for shared in SHARED_BY_USERS))
    ]
    return [place for place in wanted if not (root / place).is_file()]


def strangers(root: Path, stems: Set[str]) -> Iterator[str]:
    """Files where only stems belong, whose name is none."""
    for place in PLACES:
        folder, _, pattern = place.rpartition("/")
        before, after = pattern.split("{stem}")
        if not folder.endswith(("algorithms", "losses")):
            continue
        for path in sorted((root / folder).glob(f"{before}*{after}")):
            name = path.name.removeprefix(before).removesuffix(after)
            if name not in stems | SHARED_STEPS | {"index", "conftest"}:
                yield str(path.relative_to(root))


def test_the_algorithms_of_this_version() -> None:
    assert STEMS == [
        "a2c",
        "dapo",
        "dpo",
        "dr_grpo",
        "grpo",
        "gspo",
        "ilql",
        "ipo",
        "kto",
        "nlpo",
        "online_dpo",
        "orpo",
        "ppo",
        "reinforce",
        "reinforce_plus_plus",
        "rejection_sampling",
        "reward_model",
        "rloo",
        "sft",
        "simpo",
        "spin",
        "trpo",
    ]
    assert KINDS >= NOT_ALGORITHMS


@pytest.mark.parametrize("stem", STEMS)
def test_a_stem_has_everything(stem: str) -> None:
    assert gaps(ROOT, stem) == []


def test_nothing_else_stands_among_the_stems() -> None:
    assert list(strangers(ROOT, set(STEMS))) == []


def test_borrowed_formulas_exist() -> None:
    assert set(USES) <= set(STEMS) and set(USES.values()) <= set(STEMS) - set(USES)


def test_gaps_and_strangers_are_caught(tmp_path: Path) -> None:
    for place in PLACES:
        file = tmp_path / place.format(stem="dpo")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert gaps(tmp_path, "dpo") == []
    (tmp_path / "src/preftune/recipes/tiny/dpo.toml").unlink()
    assert gaps(tmp_path, "dpo") == ["src/preftune/recipes/tiny/dpo.toml"]
    (tmp_path / "src/preftune/algorithms/on_policy.py").touch()
    assert list(strangers(tmp_path, {"dpo"})) == []
    (tmp_path / "src/preftune/algorithms/trainer.py").touch()
    assert list(strangers(tmp_path, {"dpo"})) == ["src/preftune/algorithms/trainer.py"]
