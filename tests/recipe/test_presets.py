"""The literature's numbers, pinned; and the page that shows them."""

from pathlib import Path

import pytest

from preftune.recipe import PRESETS, parse_recipe, preset_page
from preftune.records import BadInput

SOURCES = {
    "ppo": 'policy = "p"\nreward_model = "r"\nprompts = "x"\n',
    "reward_model": 'model = "m"\ntrain = "x"\n',
    "sft": 'model = "m"\ntrain = "x"\n',
}
NAMES = [(kind, name) for kind, presets in PRESETS.items() for name in presets]

# kind, preset, dotted key, value as the source reports it
REPORTED = [
    ("ppo", "ziegler", "optimizer.learning_rate", 5e-6),
    ("ppo", "ziegler", "kl.horizon", 10_000),
    ("ppo", "ziegler", "kl.target", 6.0),
    ("ppo", "ziegler", "missing_eos.score", -1.0),
    ("ppo", "ziegler", "whiten_rewards", True),
    ("ppo", "ziegler", "rollouts", 64),
    ("ppo", "stiennon", "optimizer.learning_rate", 1.5e-5),
    ("ppo", "stiennon_6.7b", "optimizer.learning_rate", 7e-6),
    ("ppo", "stiennon", "kl.coefficient", 0.05),
    ("ppo", "n_plus", "optimizer.learning_rate", 3e-6),
    ("ppo", "n_plus", "optimizer.epsilon", 1e-5),
    ("ppo", "n_plus", "sampling.max_new_tokens", 53),
    ("ppo", "n_plus", "sampling.temperature", 0.7),
    ("ppo", "n_plus", "epochs", 4),
    ("ppo", "instructgpt", "kl.coefficient", 0.02),
    ("ppo", "instructgpt", "minibatches", 8),
    ("ppo", "instructgpt", "value_optimizer.learning_rate", 9e-6),
    ("ppo", "instructgpt", "optimizer.schedule", "constant"),
    ("ppo", "instructgpt", "ptx.coefficient", 27.8),
    ("ppo", "instructgpt", "ptx.ratio", 8),
    ("ppo", "instructgpt", "ema", 0.992),
    ("ppo", "ziegler", "value", "shared"),
    ("ppo", "deepspeed_chat", "whiten_advantages", False),
    ("ppo", "hh", "kl.coefficient", 0.001),
    ("ppo", "hh", "sampling.max_new_tokens", 128),
    ("ppo", "llama2", "kl.coefficient", 0.01),
    ("ppo", "llama2_70b", "kl.coefficient", 0.005),
    ("ppo", "llama2", "optimizer.learning_rate", 1e-6),
    ("ppo", "llama2", "optimizer.betas", (0.9, 0.95)),
    ("ppo", "llama2", "optimizer.weight_decay", 0.1),
    ("ppo", "alpaca_farm", "kl.coefficient", 0.0067),
    ("ppo", "alpaca_farm", "lam", 1.0),
    ("ppo", "deepspeed_chat", "clip_scores", 5.0),
    ("ppo", "deepspeed_chat", "value_optimizer.learning_rate", 5e-6),
    ("ppo", "trlx", "vf_coef", 1.0),
    ("ppo", "trl", "missing_eos.kind", "keep"),
    ("reward_model", "ziegler", "optimizer.learning_rate", 5e-5),
    ("reward_model", "stiennon", "optimizer.learning_rate", 1.5e-5),
    ("reward_model", "stiennon_6.7b", "optimizer.learning_rate", 5e-6),
    ("reward_model", "n_plus", "optimizer.learning_rate", 3e-6),
    ("reward_model", "instructgpt", "optimizer.learning_rate", 9e-6),
    ("reward_model", "llama2", "batch_size", 512),
    ("reward_model", "llama2", "optimizer.learning_rate", 1e-5),
    ("reward_model", "llama2_70b", "optimizer.learning_rate", 5e-6),
    ("reward_model", "alpaca_farm", "optimizer.learning_rate", 3e-6),
    ("reward_model", "deepspeed_chat", "optimizer.weight_decay", 0.1),
    ("reward_model", "trl", "epochs", 3),
    ("sft", "instructgpt", "epochs", 16),
    ("sft", "instructgpt", "optimizer.learning_rate", 9.65e-6),
    ("sft", "instructgpt_175b", "optimizer.learning_rate", 5.03e-6),
    ("sft", "instructgpt_175b", "batch_size", 8),
    ("sft", "stiennon", "optimizer.learning_rate", 6.35e-5),
    ("sft", "stiennon_6.7b", "optimizer.learning_rate", 2.83e-5),
    ("sft", "llama2", "optimizer.learning_rate", 2e-5),
    ("sft", "llama2", "optimizer.weight_decay", 0.1),
    ("sft", "alpaca_farm", "batch_size", 128),
]


# What a preset needs besides, which no paper can name.
NEEDS = {"instructgpt": 'ptx.data = "documents"\n'}


def resolved(kind: str, name: str, more: str = ""):
    given = SOURCES[kind] + (NEEDS.get(name, "") if kind == "ppo" else "") + more
    return parse_recipe(f'kind = "{kind}"\npreset = "{name}"\n{given}').stages[kind]


@pytest.mark.parametrize(("kind", "name", "key", "value"), REPORTED)
def test_what_the_source_reports_is_what_the_stage_uses(kind, name, key, value) -> None:
    here = resolved(kind, name)
    for part in key.split("."):
        here = getattr(here, part)
    assert here == value


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_preset_makes_a_valid_stage_and_says_where_it_is_from(kind, name) -> None:
    preset = PRESETS[kind][name]
    assert resolved(kind, name).kind == kind == preset.kind
    assert preset.source and preset.note.endswith(".")


@pytest.mark.parametrize(("episodes", "name"), [(1e6, "stiennon"), (1e6, "stiennon_6.7b")])
def test_iterations_are_episodes_over_rollouts(episodes: float, name: str) -> None:
    stage = resolved("ppo", name)
    assert stage.iterations == episodes // stage.rollouts


def test_episodes_of_the_exact_ones() -> None:
    ziegler, instructgpt = resolved("ppo", "ziegler"), resolved("ppo", "instructgpt")
    assert ziegler.iterations * ziegler.rollouts == 2_000_000
    assert instructgpt.iterations * instructgpt.rollouts == 256_000
    assert instructgpt.rollouts // instructgpt.minibatches == 64
    assert instructgpt.optimizer.warmup_steps == 10 * instructgpt.minibatches


def test_own_keys_win_section_by_section() -> None:
    stage = resolved(
        "ppo", "llama2", "rollouts = 64\noptimizer.weight_decay = 0.0\nkl.coefficient = 0.2"
    )
    assert (stage.rollouts, stage.minibatches) == (64, 8)
    assert stage.optimizer.weight_decay == 0.0 and stage.optimizer.learning_rate == 1e-6
    assert stage.kl.coefficient == 0.2


def test_another_kind_of_a_section_drops_the_presets_keys() -> None:
    stage = resolved("ppo", "ziegler", 'kl = {kind = "fixed"}\nmissing_eos = {kind = "keep"}')
    assert stage.kl.model_dump() == {"kind": "fixed", "coefficient": 0.05}
    assert stage.missing_eos.model_dump() == {"kind": "keep"}


def test_what_is_not_reported_stays_at_our_default() -> None:
    plain = parse_recipe('kind = "ppo"\n' + SOURCES["ppo"]).stages["ppo"]
    assert resolved("ppo", "llama2").value_optimizer == plain.value_optimizer
    assert resolved("ppo", "hh").optimizer == plain.optimizer
    assert resolved("ppo", "stiennon").cliprange == plain.cliprange


def test_the_page_is_the_one_in_the_documentation() -> None:
    page = Path(__file__).parents[2] / "docs" / "presets.md"
    assert page.read_text(encoding="utf-8") == preset_page(), "write preset_page() to it"


def test_instructgpt_asks_for_its_pretraining_text() -> None:
    with pytest.raises(BadInput, match=r"ptx\.data names none.*ptx\.coefficient = 0"):
        parse_recipe(f'kind = "ppo"\npreset = "instructgpt"\n{SOURCES["ppo"]}')
    off = f'kind = "ppo"\npreset = "instructgpt"\nptx.coefficient = 0\n{SOURCES["ppo"]}'
    assert parse_recipe(off).stages["ppo"].ptx.coefficient == 0
