"""What can be configured: every stage's settings, checked without torch."""

from preftune.recipe.a2c import A2C
from preftune.recipe.compute import Adapter, Adapting, Computing
from preftune.recipe.convert_trl import Conversion, convert_trl, read_trl_config
from preftune.recipe.dapo import DAPO
from preftune.recipe.dpo import DPO
from preftune.recipe.dr_grpo import DrGRPO
from preftune.recipe.engine import (
    COMPUTING,
    FromEngine,
    NativeRollouts,
    TransformersRollouts,
    VLLMRollouts,
)
from preftune.recipe.evaluate import Audit, CrossValidate, Evaluate
from preftune.recipe.feedback import (
    CandidatePolicy,
    Candidates,
    Dataset,
    LabelStage,
    Population,
    World,
)
from preftune.recipe.gate import Gate
from preftune.recipe.groups import ClippedGroups, Groups
from preftune.recipe.grpo import GRPO
from preftune.recipe.gspo import GSPO
from preftune.recipe.guards import Guards
from preftune.recipe.ilql import ILQL
from preftune.recipe.ipo import IPO
from preftune.recipe.kto import KTO
from preftune.recipe.lessons import Lessons
from preftune.recipe.load import load_recipe, parse_recipe
from preftune.recipe.nlpo import NLPO
from preftune.recipe.offline import OfflineSettings, PairSettings
from preftune.recipe.on_policy import Clipped, Critic, OnPolicy, OnPolicyWithCritic
from preftune.recipe.online_dpo import OnlineDPO
from preftune.recipe.orpo import ORPO
from preftune.recipe.people import People
from preftune.recipe.ppo import PPO, PretrainingMix
from preftune.recipe.presets import PRESETS, preset_page
from preftune.recipe.pretrain import Architecture, Pretrain
from preftune.recipe.recipe import Recipe, Stage
from preftune.recipe.reference import recipe_page
from preftune.recipe.reinforce import Reinforce
from preftune.recipe.reinforce_plus_plus import ReinforcePlusPlus
from preftune.recipe.rejection_sampling import RejectionSampling
from preftune.recipe.reward_model import Linear, RewardModel
from preftune.recipe.reward_objectives import (
    Aggregation,
    AxesRegression,
    BradleyTerry,
    KWise,
    Objective,
    Process,
    RatingRegression,
    Rules,
    UncertaintyWeighted,
)
from preftune.recipe.rloo import RLOO
from preftune.recipe.rounds import Gather, Promote, Select
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
from preftune.recipe.trpo import TRPO

__all__ = [
    "DPO",
    "DAPO",
    "GRPO",
    "GSPO",
    "ILQL",
    "IPO",
    "KTO",
    "ORPO",
    "A2C",
    "NLPO",
    "PPO",
    "People",
    "PRESETS",
    "RLOO",
    "SFT",
    "TRPO",
    "Adapter",
    "Adapting",
    "Aggregation",
    "SPIN",
    "Architecture",
    "AxesRegression",
    "BradleyTerry",
    "COMPUTING",
    "CandidatePolicy",
    "Audit",
    "Candidates",
    "ClippedGroups",
    "Clipped",
    "Computing",
    "Conversion",
    "Critic",
    "CrossValidate",
    "Dataset",
    "DrGRPO",
    "Evaluate",
    "FromEngine",
    "Gate",
    "Gather",
    "Groups",
    "Guards",
    "KWise",
    "LabelStage",
    "Objective",
    "OfflineSettings",
    "OnPolicy",
    "OnPolicyWithCritic",
    "OnlineDPO",
    "Optimizer",
    "PairSettings",
    "Population",
    "Pretrain",
    "PretrainingMix",
    "Process",
    "Rules",
    "Promote",
    "RatingRegression",
    "Recipe",
    "Reinforce",
    "ReinforcePlusPlus",
    "RejectionSampling",
    "RewardModel",
    "SamplingSettings",
    "ScheduledEvaluation",
    "Section",
    "Select",
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
    "Lessons",
    "Linear",
    "NativeRollouts",
    "TransformersRollouts",
    "VLLMRollouts",
]
