"""Settings published papers and released code used, as presets.

Only what the source reports is set. A value for which there is no key, or which our code does not
implement, is left out and named in the note.
"""

from typing import Any, NamedTuple


class Preset(NamedTuple):
    """One stage of one source."""

    kind: str
    name: str
    source: str
    """Paper or code."""
    settings: dict[str, Any]
    """Sections of the stage, partly filled."""
    note: str
    """What the source reports and these settings do not, or do differently."""


ZIEGLER = "Ziegler et al. 2019, Fine-Tuning Language Models from Human Preferences, released code"
STIENNON = "Stiennon et al. 2020, Learning to Summarize from Human Feedback"
N_PLUS = "Huang et al. 2024, The N+ Implementation Details of RLHF with PPO, released code"
INSTRUCTGPT = "Ouyang et al. 2022, Training Language Models to Follow Instructions (InstructGPT)"
HH = "Bai et al. 2022, Training a Helpful and Harmless Assistant with RLHF"
LLAMA2 = "Touvron et al. 2023, Llama 2: Open Foundation and Fine-Tuned Chat Models"
ALPACA_FARM = "Dubois et al. 2023, AlpacaFarm, released code"
DEEPSPEED_CHAT = "DeepSpeed-Chat 2023, released code"
TRLX = "trlX, released code, default PPO configuration"
TRL = "TRL 1.12.0, released code, defaults"

_EOS_REPLACED = {"kind": "replace", "score": -1.0}

PPO_PRESETS = (
    Preset(
        "ppo",
        "ziegler",
        ZIEGLER,
        {
            "iterations": 31_250,
            "rollouts": 64,
            "epochs": 4,
            "minibatches": 1,
            "sampling": {"temperature": 0.7},
            "kl": {
                "kind": "adaptive_horizon",
                "coefficient": 0.2,
                "target": 6.0,
                "horizon": 10_000,
            },
            "missing_eos": _EOS_REPLACED,
            "value": "shared",
            "whiten_rewards": True,
            "gamma": 1.0,
            "lam": 0.95,
            "cliprange": 0.2,
            "cliprange_value": 0.2,
            "vf_coef": 0.1,
            "optimizer": {
                "learning_rate": 5e-6,
                "schedule": "linear",
                "final_fraction": 0.0,
                "epsilon": 1e-5,
            },
            "value_optimizer": {
                "learning_rate": 5e-6,
                "schedule": "linear",
                "final_fraction": 0.0,
                "epsilon": 1e-5,
            },
        },
        "The code's defaults: 2,000,000 episodes of 64. Its tasks differ: books 512 a batch, 1e-5, "
        "coefficient 0.15, 1,000,000 episodes; summarisation 2e-6, temperature 0.5, fixed "
        "coefficient 0.01 or 0.03. One optimizer carried policy and value there; here the value's "
        "head has its own. It did not clip gradients, which `max_grad_norm` always does. "
        "Rewards were whitened per minibatch; here per iteration.",
    ),
    Preset(
        "ppo",
        "stiennon",
        STIENNON,
        {
            "iterations": 1_953,
            "rollouts": 512,
            "epochs": 4,
            "kl": {"kind": "fixed", "coefficient": 0.05},
            "gamma": 1.0,
            "lam": 0.95,
            "optimizer": {"learning_rate": 1.5e-5, "schedule": "linear"},
        },
        "The 1.3B model: 1,000,000 episodes of 512. Clip ranges, value loss weight, minibatches "
        "and the value network's learning rate are not reported.",
    ),
    Preset(
        "ppo",
        "stiennon_6.7b",
        STIENNON,
        {
            "iterations": 3_906,
            "rollouts": 256,
            "epochs": 4,
            "kl": {"kind": "fixed", "coefficient": 0.05},
            "gamma": 1.0,
            "lam": 0.95,
            "optimizer": {"learning_rate": 7e-6, "schedule": "linear"},
        },
        "The 6.7B model: 1,000,000 episodes of 256. The rest as for `stiennon`.",
    ),
    Preset(
        "ppo",
        "n_plus",
        N_PLUS,
        {
            "iterations": 1_953,
            "rollouts": 512,
            "epochs": 4,
            "minibatches": 1,
            "sampling": {"temperature": 0.7, "max_new_tokens": 53},
            "kl": {"kind": "fixed", "coefficient": 0.05},
            "missing_eos": _EOS_REPLACED,
            "whiten_rewards": False,
            "gamma": 1.0,
            "lam": 0.95,
            "cliprange": 0.2,
            "cliprange_value": 0.2,
            "vf_coef": 0.1,
            "optimizer": {
                "learning_rate": 3e-6,
                "schedule": "linear",
                "final_fraction": 0.0,
                "epsilon": 1e-5,
            },
            "value_optimizer": {
                "learning_rate": 3e-6,
                "schedule": "linear",
                "final_fraction": 0.0,
                "epsilon": 1e-5,
            },
        },
        "1,000,000 episodes of 512. One optimizer trained policy and value network together, so "
        "both have its settings here.",
    ),
    Preset(
        "ppo",
        "instructgpt",
        INSTRUCTGPT,
        {
            "iterations": 500,
            "rollouts": 512,
            "epochs": 1,
            "minibatches": 8,
            "sampling": {"temperature": 1.0},
            "kl": {"kind": "fixed", "coefficient": 0.02},
            "gamma": 1.0,
            "cliprange": 0.2,
            "optimizer": {"learning_rate": 8.05e-6, "schedule": "constant", "warmup_steps": 80},
            "value_optimizer": {"learning_rate": 9e-6},
            "ptx": {"coefficient": 27.8, "ratio": 8},
            "ema": 0.992,
        },
        "PPO-ptx: name pretraining text in `ptx.data`, or set `ptx.coefficient = 0` for PPO alone. "
        "256,000 episodes of 512 in minibatches of 64. The learning rate was swept from 2.55e-6 "
        "to 2.55e-5; above 8.05e-6 it diverged without the pretraining mix, so 8.05e-6 is set. The "
        "warm-up of 10 iterations is 80 optimizer steps; it began at a tenth of the peak there. "
        "How often the weights were averaged is not reported: here after each iteration. λ, the "
        "value clip and the value loss weight are not reported.",
    ),
    Preset(
        "ppo",
        "hh",
        HH,
        {
            "epochs": 1,
            "sampling": {"max_new_tokens": 128},
            "kl": {"kind": "fixed", "coefficient": 0.001},
            "gamma": 1.0,
            "cliprange": 0.2,
        },
        "The learning rate is given as 0.01 of the pretraining one only, so set "
        "`optimizer.learning_rate`. Batch sizes are not reported. The robustness runs used 2 "
        "epochs, the online ones 4.",
    ),
    Preset(
        "ppo",
        "llama2",
        LLAMA2,
        {
            "rollouts": 512,
            "epochs": 1,
            "minibatches": 8,
            "kl": {"kind": "fixed", "coefficient": 0.01},
            "cliprange": 0.2,
            "optimizer": {
                "learning_rate": 1e-6,
                "schedule": "constant",
                "betas": [0.9, 0.95],
                "epsilon": 1e-5,
                "weight_decay": 0.1,
                "max_grad_norm": 1.0,
            },
        },
        "7B and 13B; minibatches of 64. 200 to 400 iterations: set `iterations`. The score was "
        "whiten(logit(score)) of two combined reward models, which is not implemented; the KL "
        "coefficient is in units of that whitened score. γ, λ, the value loss and the value "
        "network's optimizer are not reported.",
    ),
    Preset(
        "ppo",
        "llama2_70b",
        LLAMA2,
        {
            "rollouts": 512,
            "epochs": 1,
            "minibatches": 8,
            "kl": {"kind": "fixed", "coefficient": 0.005},
            "cliprange": 0.2,
            "optimizer": {
                "learning_rate": 1e-6,
                "schedule": "constant",
                "betas": [0.9, 0.95],
                "epsilon": 1e-5,
                "weight_decay": 0.1,
                "max_grad_norm": 1.0,
            },
        },
        "34B and 70B. The rest as for `llama2`.",
    ),
    Preset(
        "ppo",
        "alpaca_farm",
        ALPACA_FARM,
        {
            "rollouts": 512,
            "epochs": 2,
            "minibatches": 2,
            "sampling": {"temperature": 1.0},
            "kl": {"kind": "fixed", "coefficient": 0.0067},
            "whiten_rewards": True,
            "gamma": 1.0,
            "lam": 1.0,
            "cliprange": 0.2,
            "cliprange_value": 0.2,
            "vf_coef": 0.1,
            "optimizer": {"learning_rate": 1e-5, "epsilon": 1e-5},
        },
        "Simulated feedback; with human feedback the coefficient was 0.02. Steps of 256 responses. "
        "The best models came after 20 to 80 steps: set `iterations`.",
    ),
    Preset(
        "ppo",
        "deepspeed_chat",
        DEEPSPEED_CHAT,
        {
            "epochs": 1,
            "minibatches": 1,
            "kl": {"kind": "fixed", "coefficient": 0.1},
            "whiten_rewards": False,
            "whiten_advantages": False,
            "clip_scores": 5.0,
            "gamma": 1.0,
            "lam": 0.95,
            "cliprange": 0.2,
            "cliprange_value": 0.2,
            "optimizer": {"learning_rate": 9.65e-6, "schedule": "cosine", "warmup_steps": 100},
            "value_optimizer": {"learning_rate": 5e-6, "schedule": "cosine", "warmup_steps": 100},
        },
        "The batch size depends on the script. Two options that are off there unless asked for: "
        "the pretraining mix (`ptx.coefficient = 27.8`) and the moving average of the weights "
        "(`ema = 0.992`).",
    ),
    Preset(
        "ppo",
        "trlx",
        TRLX,
        {
            "rollouts": 128,
            "epochs": 4,
            "kl": {"kind": "fixed", "coefficient": 0.001},
            "value": "shared",
            "clip_scores": 10.0,
            "gamma": 1.0,
            "lam": 0.95,
            "cliprange": 0.2,
            "cliprange_value": 0.2,
            "vf_coef": 1.0,
            "optimizer": {
                "learning_rate": 3e-5,
                "betas": [0.9, 0.95],
                "epsilon": 1e-8,
                "weight_decay": 1e-6,
            },
        },
        "Policy and value shared a network of which the top two layers were trained; here it is "
        "trained whole. The value's head had two layers and random weights; here it is one, of 0.",
    ),
    Preset(
        "ppo",
        "trl",
        TRL,
        {
            "epochs": 4,
            "minibatches": 1,
            "sampling": {"temperature": 0.7, "max_new_tokens": 53},
            "kl": {"kind": "fixed", "coefficient": 0.05},
            "missing_eos": {"kind": "keep"},
            "whiten_rewards": False,
            "gamma": 1.0,
            "lam": 0.95,
            "cliprange": 0.2,
            "cliprange_value": 0.2,
            "vf_coef": 0.1,
            "optimizer": {
                "learning_rate": 3e-6,
                "schedule": "linear",
                "final_fraction": 0.0,
                "epsilon": 1e-8,
            },
            "value_optimizer": {
                "learning_rate": 3e-6,
                "schedule": "linear",
                "final_fraction": 0.0,
                "epsilon": 1e-8,
            },
        },
        "The batch is 8 responses a device there and the number of episodes comes from the "
        "dataset: set `rollouts` and `iterations`. One optimizer trained both networks. TRL did "
        "not clip gradients and gave its reward after the end-of-sequence token; here it is on "
        "that token.",
    ),
)
