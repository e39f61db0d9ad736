"""Comparisons from votes that do not all count the same, and from votes that come out even."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from preftune.data.faults import RowFault
from preftune.data.formats import Format, detect
from preftune.data.loaders import load_comparisons, load_voted_pairs
from preftune.data.parsing import comparison_of
from preftune.data.tables import read_table
from preftune.data.votes import weighed_share
from preftune.records import BadInput, Comparison, VotedPair


def load_weighed(
    path: str | Path,
    *,
    annotator_weights: Mapping[str, float],
    keep_ties: bool,
    skip_bad: int = 0,
) -> list[Comparison]:
    """Comparisons whose ``probability`` is the weighted share of votes (see ``weighed_share``).

    ``keep_ties`` keeps pairs whose votes come out even, with a probability of .5. Rows of other
    formats are read as they are, unless ``annotator_weights`` are given, which need votes.
    """
    rows = [row.columns for row in read_table(path).rows]
    if not annotator_weights and detect(rows, file=str(path)) is not Format.VOTES:
        return load_comparisons(path, skip_bad=skip_bad)
    pairs = load_voted_pairs(path, skip_bad=skip_bad)
    made = [_comparison(pair, annotator_weights, keep_ties, path) for pair in pairs]
    kept = [comparison for comparison in made if comparison is not None]
    if not kept:
        raise BadInput(
            "No pair has votes that decide it.",
            file=path,
            remedy='Give other annotator_weights, or keep ties with objective.ties = "half".',
        )
    return kept


def _comparison(
    pair: VotedPair, weights: Mapping[str, float], keep_ties: bool, path: str | Path
) -> Comparison | None:
    share = weighed_share(pair.votes, weights)
    if share is None or (share == 0.5 and not keep_ties):
        return None
    try:
        return comparison_of(pair, share)
    except RowFault as fault:
        raise BadInput(fault.sentence, file=path, remedy="Correct the row.") from None


def require_annotators(path: str | Path, names: Iterable[str], *, skip_bad: int = 0) -> None:
    """Raises :class:`BadInput` when one of these annotators has no vote in the file."""
    pairs = load_voted_pairs(path, skip_bad=skip_bad)
    known = {vote.annotator for pair in pairs for vote in pair.votes}
    for name in names:
        if name not in known:
            raise BadInput(
                f"annotator_weights names {name!r}, who has no vote here.",
                file=path,
                remedy=f"Annotators: {', '.join(sorted(known)[:8])}.",
            )
