"""Policies tuned from one start in, a policy between them out."""

from preftune.models import load_soup, load_tokenizer, save_model
from preftune.pipeline.cards import model_card
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.profiles import require_one_start
from preftune.recipe.profiles import Profiles
from preftune.recipe.soup import Soup


def run(context: StageContext[Soup]) -> StageOutcome:
    shares = context.settings.shares()
    folders = {name: context.inputs[f"policies.{name}"] for name in shares}
    require_one_start(Profiles({name: str(folder) for name, folder in folders.items()}))
    policy = load_soup(folders, shares, context.device)
    tokenizer = load_tokenizer(next(iter(folders.values())))
    save_model(policy, tokenizer, context.model_folder, model_card(context, "mixed from policies"))
    return StageOutcome({"model": "model"}, {"weights": shares})
