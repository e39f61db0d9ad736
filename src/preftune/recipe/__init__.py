"""What can be configured: every stage's settings, checked without torch."""

from preftune.recipe.a2c import A2C
from preftune.recipe.convert_trl import Conversion, convert_trl, read_trl_config
from preftune.recipe.evaluate import CrossValidate, Evaluate
from preftune.recipe.feedback import (
    CandidatePolicy,
    Candidates,
    Dataset,
    LabelStage,
    Population,
    World,
)
from preftune.recipe.ilql import ILQL
from preftune.recipe.load import load_recipe, parse_recipe
from preftune.recipe.nlpo import NLPO
from preftune.recipe.on_policy import Clipped, Critic, OnPolicy, OnPolicyWithCritic
from preftune.recipe.ppo import PPO, PretrainingMix
from preftune.recipe.presets import PRESETS, preset_page
from preftune.recipe.pretrain import Architecture, Pretrain
from preftune.recipe.recipe import Recipe, Stage
from preftune.recipe.reference import recipe_page
from preftune.recipe.rejection_sampling import RejectionSampling
from preftune.recipe.reward_model import RewardModel
from preftune.recipe.reward_objectives import (
    Aggregation,
    AxesRegression,
    BradleyTerry,
    KWise,
    Objective,
    Process,
    RatingRegression,
    UncertaintyWeighted,
)
from preftune.recipe.sections import (
    Optimizer,
    SamplingSettings,
    ScheduledEvaluation,
    Section,
    Source,
    sources_of,
)
from preftune.recipe.sft import SFT
from preftune.recipe.toml_text import toml_text
from preftune.recipe.trpo import TRPO

__all__ = [
    "A2C",
    "ILQL",
    "NLPO",
    "PPO",
    "PRESETS",
    "SFT",
    "TRPO",
    "Aggregation",
    "Architecture",
    "AxesRegression",
    "BradleyTerry",
    "CandidatePolicy",
    "Candidates",
    "Clipped",
    "Conversion",
    "Critic",
    "CrossValidate",
    "Dataset",
    "Evaluate",
    "KWise",
    "LabelStage",
    "Objective",
    "OnPolicy",
    "OnPolicyWithCritic",
    "Optimizer",
    "Population",
    "Pretrain",
    "PretrainingMix",
    "Process",
    "RatingRegression",
    "Recipe",
    "RejectionSampling",
    "RewardModel",
    "SamplingSettings",
    "ScheduledEvaluation",
    "Section",
    "Source",
    "Stage",
    "UncertaintyWeighted",
    "World",
    "convert_trl",
    "load_recipe",
    "parse_recipe",
    "preset_page",
    "read_trl_config",
    "recipe_page",
    "sources_of",
    "toml_text",
]
