"""``preftune quickstart``: the whole loop in the built-in world."""

from preftune.cli.options import AsJson, Out, Overrides, Seed
from preftune.cli.reply import Reply
from preftune.cli.run import reply_of
from preftune.cli.train_extra import require_train
from preftune.recipe import load_recipe
from preftune.recipe.packaged import find_recipe


def quickstart(
    out: Out = None, seed: Seed = None, overrides: Overrides = None, as_json: AsJson = False
) -> Reply:
    """The whole loop in the built-in help-desk world, on a CPU, in about ten minutes.

    Pretraining, demonstrations, SFT, candidates, simulated labels, reward model, PPO, evaluation
    and report. Without --out the folder is runs/quickstart-seedN. Run it again and it continues.
    """
    require_train("quickstart")
    load_recipe(find_recipe("world/quickstart"), overrides or [], seed)
    from preftune.pipeline.front import quickstart as run_quickstart

    return reply_of(lambda: run_quickstart(out=out, seed=seed, overrides=overrides or []), out)
