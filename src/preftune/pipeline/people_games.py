"""Games of policies decided by people: comparisons whose rows name the two models."""

from pathlib import Path

from preftune.data import load_comparisons
from preftune.records import BadInput
from preftune.reports.games import Games
from preftune.stats import word_count


def games_of_people(path: str | Path) -> Games:
    """Games from comparisons whose rows name ``model_chosen`` and ``model_rejected``.

    A row is a game, a share of votes of one half a tie: export the votes one by one
    (``per_vote``) for each to count. BadInput where no row names two models.
    """
    games = Games()
    for row in load_comparisons(path):
        one, two = row.columns.get("model_chosen"), row.columns.get("model_rejected")
        if one is None or two is None or one == two:
            continue
        gap = word_count(row.chosen) - word_count(row.rejected)
        games.add(str(one), str(two), 1.0 if row.probability > 0.5 else 0.5, gap, row.prompt.id)
    if not games.first:
        raise BadInput(
            "No row names the models of its two answers.",
            file=path,
            remedy="Export a project whose items name their models (model_chosen, model_rejected).",
        )
    return games
