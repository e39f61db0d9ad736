"""What can be configured: every stage's settings, checked without torch."""

from preftune.recipe.convert_trl import Conversion, convert_trl, read_trl_config
from preftune.recipe.dpo import DPO
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
from preftune.recipe.ipo import IPO
from preftune.recipe.kto import KTO
from preftune.recipe.load import load_recipe, parse_recipe
from preftune.recipe.offline import OfflineSettings, PairSettings
from preftune.recipe.on_policy import Critic, OnPolicy, OnPolicyWithCritic
from preftune.recipe.orpo import ORPO
from preftune.recipe.ppo import PPO
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
from preftune.recipe.simpo import SimPO
from preftune.recipe.spin import SPIN
from preftune.recipe.toml_text import toml_text

__all__ = [
    "DPO",
    "ILQL",
    "IPO",
    "KTO",
    "ORPO",
    "PPO",
    "PRESETS",
    "SFT",
<<<<<<< HEAD
    "Aggregation",
=======
    "SPIN",
>>>>>>> a97b4b0 (DPO, IPO, KTO, ORPO, SimPO and SPIN: formulas, settings, stories, stages)
    "Architecture",
    "AxesRegression",
    "BradleyTerry",
    "CandidatePolicy",
    "Candidates",
    "Conversion",
    "Critic",
    "CrossValidate",
    "Dataset",
    "Evaluate",
    "KWise",
    "LabelStage",
<<<<<<< HEAD
    "Objective",
=======
    "OfflineSettings",
>>>>>>> a97b4b0 (DPO, IPO, KTO, ORPO, SimPO and SPIN: formulas, settings, stories, stages)
    "OnPolicy",
    "OnPolicyWithCritic",
    "Optimizer",
    "PairSettings",
    "Population",
    "Pretrain",
    "Process",
    "RatingRegression",
    "Recipe",
    "RejectionSampling",
    "RewardModel",
    "SamplingSettings",
    "ScheduledEvaluation",
    "Section",
    "SimPO",
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
