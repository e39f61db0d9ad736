"""TRL configurations as recipes: nothing is dropped without a word."""

import json
from pathlib import Path

import pytest

from preftune.recipe import DPO, PPO, RewardModel, convert_trl, parse_recipe, read_trl_config
from preftune.records import BadInput

NAMES = json.loads((Path(__file__).parent / "trl_field_names.json").read_text(encoding="utf-8"))
CLASSES = {"ppo": "PPOConfig", "reward": "RewardConfig", "dpo": "DPOConfig"}
SHARED = [
    "transformers 5.23.0 TrainingArguments",
    "transformers 4.57.6 TrainingArguments",
    "TRL 1.12.0 ModelConfig",
    "TRL 1.12.0 ScriptArguments",
]
PPO_FIELDS = {
    "learning_rate": 1e-5,
    "kl_coef": 0.07,
    "cliprange": 0.3,
    "cliprange_value": 0.25,
    "vf_coef": 0.2,
    "gamma": 0.99,
    "lam": 0.9,
    "num_ppo_epochs": 3,
    "num_mini_batches": 4,
    "missing_eos_penalty": 1.5,
    "response_length": 64,
    "temperature": 0.9,
    "stop_token": "eos",
    "whiten_rewards": True,
    "total_episodes": 10_000,
    "per_device_train_batch_size": 16,
    "gradient_accumulation_steps": 4,
    "world_size": 2,
    "max_grad_norm": 0.5,
    "warmup_steps": 5,
    "lr_scheduler_type": "cosine",
    "adam_beta1": 0.8,
    "adam_beta2": 0.95,
    "adam_epsilon": 1e-5,
    "weight_decay": 0.1,
    "local_rollout_forward_batch_size": 32,
    "sft_model_path": "./out/sft",
    "reward_model_path": "me/judge",
    "dataset_name": "trl-lib/tldr",
    "seed": 7,
    "use_cpu": True,
}


@pytest.mark.parametrize("kind", CLASSES)
def test_every_field_of_trl_is_in_exactly_one_of_the_three(kind) -> None:
    fields = {field for group in SHARED for field in NAMES[group]}
    fields |= set(NAMES[f"TRL 1.12.0 {CLASSES[kind]}"])
    done = convert_trl(kind, {})
    parts = [set(done.mapped), set(done.ignored), set(done.unsupported)]
    assert fields <= set.union(*parts)
    assert sum(map(len, parts)) == len(set.union(*parts))
    reasons = [*done.ignored.values(), *done.unsupported.values()]
    assert all(reason.endswith(".") for reason in reasons)


@pytest.mark.parametrize("kind", CLASSES)
def test_no_field_is_claimed_that_no_version_of_this_configuration_has(kind) -> None:
    fields = {field for group in SHARED for field in NAMES[group]}
    fields |= set(NAMES[f"TRL 1.12.0 {CLASSES[kind]}"])
    done = convert_trl(kind, {})
    extra = {*done.mapped, *done.ignored, *done.unsupported} - fields
    # Of the YAML files of TRL's command line, and of older model arguments.
    assert extra <= {"datasets", "env", "streaming", "test_split_size", "trust_remote_code"}


def test_every_ppo_value_arrives() -> None:
    done = convert_trl("ppo", PPO_FIELDS)
    assert set(PPO_FIELDS) - {"stop_token"} <= set(done.mapped)
    recipe = parse_recipe(done.recipe_toml)
    stage = recipe.stages["ppo"]
    assert isinstance(stage, PPO)
    assert (recipe.seed, recipe.machine.device) == (7, "cpu")
    assert (stage.policy, stage.reward_model, stage.prompts) == (
        "./out/sft",
        "hub:me/judge",
        "hub:trl-lib/tldr",
    )
    assert stage.kl.model_dump() == {"kind": "fixed", "coefficient": 0.07}
    assert (stage.cliprange, stage.cliprange_value, stage.vf_coef) == (0.3, 0.25, 0.2)
    assert (stage.gamma, stage.lam, stage.epochs, stage.minibatches) == (0.99, 0.9, 3, 4)
    assert stage.missing_eos.model_dump() == {"kind": "subtract", "penalty": 1.5}
    assert (stage.sampling.max_new_tokens, stage.sampling.temperature) == (64, 0.9)
    assert stage.sampling.batch_size == 32
    assert stage.whiten_rewards and stage.critic_warmup == 0
    assert stage.rollouts == 16 * 4 * 2
    assert stage.iterations == 79  # 10,000 / 128 = 78.1
    assert stage.optimizer == stage.value_optimizer
    assert stage.optimizer.model_dump() == {
        "kind": "adamw",
        "alpha": 0.99,
        "learning_rate": 1e-5,
        "schedule": "cosine",
        "final_fraction": 0.0,
        "warmup_steps": 5 * 3 * 4,
        "betas": (0.8, 0.95),
        "epsilon": 1e-5,
        "weight_decay": 0.1,
        "max_grad_norm": 0.5,
    }
    assert done.lost == ()


def test_what_is_not_given_has_trls_default() -> None:
    done = convert_trl("ppo", {})
    stage = parse_recipe(done.recipe_toml).stages["ppo"]
    assert isinstance(stage, PPO)
    assert (stage.rollouts, stage.epochs, stage.minibatches) == (8, 4, 1)
    assert (stage.sampling.max_new_tokens, stage.sampling.temperature) == (53, 0.7)
    assert stage.kl.coefficient == 0.05 and stage.missing_eos.kind == "keep"
    assert (stage.optimizer.learning_rate, stage.optimizer.epsilon) == (3e-6, 1e-8)
    # The number of episodes comes from the dataset, and TRL samples on past end-of-sequence.
    assert done.lost == ("num_train_epochs", "stop_token")


def test_every_reward_value_arrives() -> None:
    config = {
        "model_name_or_path": "./sft",
        "learning_rate": 2e-5,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 8,
        "num_train_epochs": 2.0,
        "max_length": 512,
        "center_rewards_coefficient": 0.01,
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": 12,
        "seed": 3,
    }
    done = convert_trl("reward", config)
    assert set(config) <= set(done.mapped) and done.lost == ()
    recipe = parse_recipe(done.recipe_toml)
    stage = recipe.stages["reward_model"]
    assert isinstance(stage, RewardModel)
    assert (recipe.seed, stage.model, stage.train) == (3, "./sft", "TRAIN.jsonl")
    assert (stage.batch_size, stage.epochs, stage.center) == (32, 2, 0.01)
    assert (stage.max_length, stage.too_long, stage.dropout) == (512, "skip", 0.0)
    assert (stage.optimizer.learning_rate, stage.optimizer.schedule) == (2e-5, "constant")
    assert (stage.optimizer.warmup_steps, stage.optimizer.weight_decay) == (12, 0.0)


def test_every_dpo_value_arrives() -> None:
    config = {
        "model_name_or_path": "./sft",
        "dataset_name": "me/pairs",
        "learning_rate": 5e-7,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 16,
        "num_train_epochs": 1.0,
        "max_length": 512,
        "truncation_mode": "keep_end",
        "beta": 0.5,
        "loss_type": ["robust"],
        "label_smoothing": 0.1,
        "warmup_steps": 150,
        "seed": 3,
    }
    done = convert_trl("dpo", config)
    assert set(config) <= set(done.mapped) and done.lost == ()
    recipe = parse_recipe(done.recipe_toml)
    stage = recipe.stages["dpo"]
    assert isinstance(stage, DPO)
    assert (recipe.seed, stage.model, stage.train) == (3, "./sft", "hub:me/pairs")
    assert (stage.batch_size, stage.epochs, stage.max_length) == (64, 1, 512)
    assert (stage.beta, stage.loss, stage.label_smoothing) == (0.5, "robust", 0.1)
    assert stage.too_long == "truncate_prompt_left"
    assert (stage.optimizer.learning_rate, stage.optimizer.warmup_steps) == (5e-7, 150)


def test_dpo_s_defaults_are_trl_s_and_quiet() -> None:
    done = convert_trl("dpo", {"logging_steps": 5})
    stage = parse_recipe(done.recipe_toml).stages["dpo"]
    assert isinstance(stage, DPO)
    assert (stage.beta, stage.loss, stage.epochs, stage.batch_size) == (0.1, "sigmoid", 3, 8)
    assert (stage.optimizer.learning_rate, stage.max_length) == (1e-6, 1024)
    assert done.lost == () and done.ignored["logging_steps"].startswith("Logging: ")


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        ({"loss_type": "sigmoid", "label_smoothing": 0.2}, {"loss": "cdpo", "rpo_alpha": 0.0}),
        ({"loss_type": ["hinge"]}, {"loss": "hinge", "label_smoothing": 0.0}),
        ({"loss_type": ["sigmoid", "sft"]}, {"loss": "sigmoid", "rpo_alpha": 1.0}),
        ({"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.2]}, {"rpo_alpha": 0.2}),
        ({"loss_type": ["ipo"], "beta": 0.3}, {"kind": "ipo", "tau": 0.3, "logprobs": "mean"}),
    ],
)
def test_dpo_s_losses(config, settings) -> None:
    done = convert_trl("dpo", config)
    (stage,) = parse_recipe(done.recipe_toml).stages.values()
    assert {key: getattr(stage, key) for key in settings} == settings and done.lost == ()


@pytest.mark.parametrize(
    ("kind", "config", "field"),
    [
        ("ppo", {"stop_token_id": 50256}, "stop_token_id"),
        ("ppo", {"neftune_noise_alpha": 5.0}, "neftune_noise_alpha"),
        ("ppo", {"optim": "adafactor"}, "optim"),
        ("ppo", {"lr_scheduler_type": "polynomial"}, "lr_scheduler_type"),
        ("ppo", {"lr_scheduler_kwargs": {"num_cycles": 2}}, "lr_scheduler_kwargs"),
        ("ppo", {"warmup_steps": 0.1}, "warmup_steps"),
        ("reward", {"warmup_ratio": 0.03}, "warmup_ratio"),
        ("reward", {"disable_dropout": False}, "disable_dropout"),
        ("reward", {"num_train_epochs": 0.5}, "num_train_epochs"),
        ("reward", {"max_steps": 100}, "max_steps"),
        ("reward", {"use_peft": True}, "use_peft"),
        ("reward", {"lora_r": 32}, "lora_r"),
        ("dpo", {"loss_type": ["bco_pair"]}, "loss_type"),
        ("dpo", {"loss_type": ["sigmoid", "hinge"]}, "loss_type"),
        ("dpo", {"loss_type": ["sigmoid", "sft"], "loss_weights": [0.5, 1]}, "loss_weights"),
        ("dpo", {"ld_alpha": 0.5}, "ld_alpha"),
        ("dpo", {"f_divergence_type": "js_divergence"}, "f_divergence_type"),
        ("dpo", {"sync_ref_model": True}, "ref_model_sync_steps"),
        ("dpo", {"use_weighting": True}, "use_weighting"),
        ("dpo", {"disable_dropout": False}, "disable_dropout"),
    ],
)
def test_values_that_cannot_be_kept_are_loud(kind, config, field) -> None:
    done = convert_trl(kind, config)
    assert field in done.lost and field in done.unsupported
    assert field not in convert_trl(kind, {}).lost
    parse_recipe(done.recipe_toml)


def test_the_same_fields_at_trls_default_are_quiet() -> None:
    quiet = {"optim": "adamw_torch", "neftune_noise_alpha": None, "lora_r": 16, "use_peft": False}
    assert convert_trl("reward", quiet).lost == ()


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        # 50 iterations of 4 epochs of 1 minibatch.
        ({"warmup_steps": 3}, 12),
        ({"warmup_steps": 0.1}, 20),
        ({"warmup_ratio": 0.05}, 12),  # ceil(2.5) iterations
        ({"warmup_steps": 3, "warmup_ratio": 0.5}, 12),
        ({"warmup_steps": 3, "lr_scheduler_type": "constant"}, 0),
    ],
)
def test_warm_up_counts_trls_iterations(fields, steps) -> None:
    done = convert_trl("ppo", {"total_episodes": 400, **fields})
    stage = parse_recipe(done.recipe_toml).stages["ppo"]
    assert (stage.iterations, stage.optimizer.warmup_steps) == (50, steps)


@pytest.mark.parametrize(
    "extra", [{"min_lr": 3e-7}, {"min_lr_rate": 0.1}, '{"min_lr_rate": 0.1}', {"min_lr": "3e-7"}]
)
def test_the_floor_of_the_cosine(extra) -> None:
    config = {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": extra}
    done = convert_trl("ppo", config)
    assert done.mapped["lr_scheduler_kwargs"] == "optimizer.final_fraction"
    assert parse_recipe(done.recipe_toml).stages["ppo"].optimizer.final_fraction == 0.1


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"klcoef": 1}, "TRL's PPOConfig has no field 'klcoef'. Did you mean 'kl_coef'?"),
        (
            {"ppo_epochs": 1},
            "TRL's PPOConfig has no field 'ppo_epochs'. Did you mean 'num_ppo_epochs'?",
        ),
        (
            {"chat_template_path": "x"},
            "TRL's PPOConfig has no field 'chat_template_path'. Remove it.",
        ),
        ({"kl_coef": "much"}, "kl_coef = 'much' cannot be used. It must be a number."),
        ({"kl_coef": True}, "kl_coef = True cannot be used. It must be a number."),
        ({"kl_coef": None}, "kl_coef = None cannot be used. It must be a number."),
        ({"kl_coef": float("inf")}, "kl_coef = inf cannot be used. It must be a number."),
        (
            {"num_ppo_epochs": 1.5},
            "num_ppo_epochs = 1.5 cannot be used. It must be a whole number.",
        ),
        (
            {"whiten_rewards": "yes"},
            "whiten_rewards = 'yes' cannot be used. It must be true or false.",
        ),
        (
            {"lr_scheduler_kwargs": "{x"},
            "lr_scheduler_kwargs = '{x' cannot be used. It must be a table.",
        ),
        (
            {"num_mini_batches": 3},
            "minibatches = 3 does not divide rollouts = 8. "
            "Choose a divisor, so that every optimizer step sees equally many responses.",
        ),
        ({"gamma": 0}, "gamma = 0.0 cannot be used. It must be greater than 0."),
    ],
)
def test_bad_configurations(config, message) -> None:
    with pytest.raises(BadInput) as caught:
        convert_trl("ppo", config)
    assert str(caught.value) == message


def test_files(tmp_path) -> None:
    saved = tmp_path / "config.json"
    saved.write_text('{"learning_rate": 3e-06, "_n_gpu": 1}', encoding="utf-8")
    written = tmp_path / "config.yaml"
    written.write_text("learning_rate: 3e-6\nwhiten_rewards: true\n", encoding="utf-8")
    for path in (saved, written):
        stage = parse_recipe(convert_trl("ppo", read_trl_config(path)).recipe_toml).stages["ppo"]
        assert stage.optimizer.learning_rate == 3e-6
    assert read_trl_config(written)["whiten_rewards"] is True


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.py", "", "c.py is neither JSON nor YAML."),
        ("c.json", '{"a": 1,\n b}', "The configuration is not JSON: "),
        ("c.yaml", "a: 1\nb: [", "The configuration is not YAML."),
        ("c.yaml", "- a\n", "The configuration is not a table of fields."),
    ],
)
def test_bad_files(tmp_path, name, text, message) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        read_trl_config(path)
    assert caught.value.sentence.startswith(message)
    assert caught.value.file == str(path)
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        read_trl_config(tmp_path / "none.json")


@pytest.mark.parametrize("name", ["k1", "k3"])
def test_the_estimator_of_the_kl_arrives(name: str) -> None:
    done = convert_trl("ppo", {"kl_estimator": name})
    stage = parse_recipe(done.recipe_toml).stages["ppo"]
    assert isinstance(stage, PPO) and stage.kl_estimator == name
    assert done.mapped["kl_estimator"] == "kl_estimator" and "kl_estimator" not in done.lost
    with pytest.raises(BadInput, match="TRL has k1 and k3"):
        convert_trl("ppo", {"kl_estimator": "k2"})
