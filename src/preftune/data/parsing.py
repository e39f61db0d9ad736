"""One row to records, by format. A row that cannot be used raises RowFault or LeftOut."""

import math
from collections.abc import Mapping
from typing import Any

from preftune.data.cells import kind_of
from preftune.data.faults import LeftOut, RowFault
from preftune.data.formats import COLUMNS, Format, missing_column
from preftune.data.texts import (
    answer_to,
    identical,
    last_answer,
    not_empty,
    shared_prompt,
    string_of,
    text_of,
)
from preftune.data.votes import VOTES, ranked_pairs, share_for_a, tally
from preftune.records import (
    Comparison,
    Demonstration,
    Document,
    Judged,
    Prompt,
    Ranking,
    Rating,
    Rewarded,
    Stepwise,
    Text,
    Vote,
    VotedPair,
)

Columns = Mapping[str, Any]
ONE_ROW_A_PROMPT = (Format.PROMPT, Format.PROMPT_COMPLETION, Format.MESSAGES)


def require(columns: Columns, form: Format) -> None:
    """RowFault when the row lacks a column its format must have."""
    for name in COLUMNS[form]:
        if columns.get(name) is None:
            raise RowFault("missing_column", missing_column(name, columns))


def prompt_with(text: Text, columns: Columns, form: Format) -> Prompt:
    """The prompt with the columns of its row.

    Where several rows share a prompt, their ``id`` names the row and not the prompt: it stays
    out, and ``prompt_id``, where there is one, takes its place.
    """
    if form in ONE_ROW_A_PROMPT:
        return Prompt(text, dict(columns))
    kept = {name: value for name, value in columns.items() if name != "id"}
    if columns.get("prompt_id") is not None:
        kept["id"] = columns["prompt_id"]
    return Prompt(text, kept)


def documents(columns: Columns, form: Format) -> list[Document]:
    return [Document(not_empty(string_of(columns["text"], "text"), "text"))]


def prompts(columns: Columns, form: Format) -> list[Prompt]:
    """The prompt of a row of any format that has one."""
    if form is Format.MESSAGES:
        turns = text_of(columns["messages"], "messages")
        if not isinstance(turns, str) and turns[-1].role == "assistant":
            turns = turns[:-1]
        return [prompt_with(turns, columns, form)]
    if form is Format.PREFERENCE_IMPLICIT:
        text, _, _ = shared_prompt(columns["chosen"], columns["rejected"])
    else:
        text = text_of(columns["prompt"], "prompt")
    if form is Format.PREFERENCE:
        text, _ = answer_to(text, columns["chosen"], "chosen")
    return [prompt_with(text, columns, form)]


def demonstrations(columns: Columns, form: Format) -> list[Demonstration]:
    """A prompt and a completion; of a conversation the last assistant turn is the completion."""
    if form is Format.MESSAGES:
        turns = text_of(columns["messages"], "messages")
        if isinstance(turns, str):
            raise RowFault("wrong_type", '"messages" is a string, not a list of messages.')
        text, completion = last_answer(turns, "messages")
    else:
        text, completion = _pair_of(columns)
    return [Demonstration(prompt_with(text, columns, form), completion)]


def _pair_of(columns: Columns) -> tuple[Text, str]:
    return answer_to(text_of(columns["prompt"], "prompt"), columns["completion"], "completion")


def comparisons(columns: Columns, form: Format) -> list[Comparison]:
    """Pairs with a winner, from preferences, votes or a ranking."""
    if form is Format.VOTES:
        return [_comparison_of_votes(columns)]
    if form is Format.RANKING:
        return _comparisons_of_ranking(columns)
    if form is Format.PREFERENCE_IMPLICIT:
        text, chosen, rejected = shared_prompt(columns["chosen"], columns["rejected"])
    else:
        given = text_of(columns["prompt"], "prompt")
        text, chosen = answer_to(given, columns["chosen"], "chosen")
        _, rejected = answer_to(given, columns["rejected"], "rejected")
        _differ(chosen, rejected)
    return [
        Comparison(
            prompt=prompt_with(text, columns, form),
            chosen=chosen,
            rejected=rejected,
            probability=_probability(columns),
            margin=_number(columns, "margin", default=0.0),
            weight=_at_least_zero(columns, "weight"),
            columns=columns,
        )
    ]


def _differ(one: str, two: str) -> None:
    if one.strip() == two.strip():
        raise identical()


def _number(columns: Columns, name: str, *, default: float) -> float:
    value = columns.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RowFault("wrong_type", f'"{name}" is {kind_of(value)}, not a number.')
    if not math.isfinite(value):
        raise RowFault("wrong_type", f'"{name}" is not a finite number.')
    return float(value)


def _at_least_zero(columns: Columns, name: str, default: float = 1.0) -> float:
    value = _number(columns, name, default=default)
    if value < 0:
        raise RowFault("wrong_type", f'"{name}" is {value:g}; it cannot be negative.')
    return value


def _probability(columns: Columns) -> float:
    """The stated probability, or else the share of counted votes, or else 1."""
    if columns.get("probability") is None and columns.get("votes_chosen") is not None:
        return _counted_share(columns)
    value = _number(columns, "probability", default=1.0)
    if not 0.5 <= value <= 1:
        raise RowFault(
            "wrong_type",
            f'"probability" is {value:g}; the probability that chosen is better is .5 to 1.',
        )
    return value


def _counted_share(columns: Columns) -> float:
    """Of ``votes_chosen``, ``votes_rejected`` and ``votes_tie``, a tie counting half.

    At least .5: the row says who won, also where its vote count does not (a winner found by
    weighing annotators, for instance).
    """
    counts = [
        _at_least_zero(columns, name, default=0.0)
        for name in ("votes_chosen", "votes_rejected", "votes_tie")
    ]
    chosen, _, ties = counts
    return max((chosen + ties / 2) / sum(counts), 0.5) if sum(counts) else 1.0


def _comparison_of_votes(columns: Columns) -> Comparison:
    pair = voted_pairs(columns, Format.VOTES)[0]
    share = share_for_a(tally(pair.votes))
    if share is None:
        raise LeftOut("no votes")
    if share == 0.5:
        raise LeftOut("undecided votes")
    return comparison_of(pair, share)


def comparison_of(pair: VotedPair, share: float) -> Comparison:
    """A pair whose side a has this share of the votes; even votes name a the chosen one."""
    a_won = share >= 0.5
    return Comparison(
        prompt=pair.prompt,
        chosen=pair.response_a if a_won else pair.response_b,
        rejected=pair.response_b if a_won else pair.response_a,
        probability=max(share, 1 - share),
        margin=_number(pair.columns, "margin", default=0.0),
        weight=_at_least_zero(pair.columns, "weight"),
        columns=pair.columns,
    )


def _comparisons_of_ranking(columns: Columns) -> list[Comparison]:
    ranking = rankings(columns, Format.RANKING)[0]
    pairs = ranked_pairs(ranking.ranks)
    if not pairs:
        raise LeftOut("all ranks tied")
    made = []
    for better, worse in pairs:
        _differ(ranking.completions[better], ranking.completions[worse])
        kept = dict(columns) | {
            "group_id": ranking.group_id,
            "rank_chosen": ranking.ranks[better],
            "rank_rejected": ranking.ranks[worse],
        }
        made.append(
            Comparison(
                prompt=ranking.prompt,
                chosen=ranking.completions[better],
                rejected=ranking.completions[worse],
                columns=kept,
            )
        )
    return made


def judged(columns: Columns, form: Format) -> list[Judged]:
    """One completion and a yes or no; a preference is a yes and a no."""
    if form is not Format.UNPAIRED:
        return [
            Judged(pair.prompt, text, label)
            for pair in comparisons(columns, form)
            for text, label in ((pair.chosen, True), (pair.rejected, False))
        ]
    label = columns["label"]
    if not isinstance(label, bool) and label not in (0, 1):
        raise RowFault("wrong_type", f'"label" is {kind_of(label)}, not true or false.')
    text, completion = _pair_of(columns)
    return [Judged(prompt_with(text, columns, form), completion, bool(label))]


def rewarded(columns: Columns, form: Format) -> list[Rewarded]:
    """One completion and its ``reward``; of a preference, chosen is worth +1 and rejected −1."""
    if form is not Format.PROMPT_COMPLETION:
        return [
            Rewarded(pair.prompt, text, reward)
            for pair in comparisons(columns, form)
            for text, reward in ((pair.chosen, 1.0), (pair.rejected, -1.0))
        ]
    if columns.get("reward") is None:
        raise RowFault("missing_column", missing_column("reward", columns))
    text, completion = _pair_of(columns)
    reward = _number(columns, "reward", default=0.0)
    return [Rewarded(prompt_with(text, columns, form), completion, reward)]


def rankings(columns: Columns, form: Format) -> list[Ranking]:
    """K completions with ranks; ``group_id`` is the row's own, or else the prompt's id."""
    completions, ranks = columns["completions"], columns["ranks"]
    if not isinstance(completions, list) or len(completions) < 2:
        raise RowFault("wrong_type", '"completions" is not a list of at least two completions.')
    if not isinstance(ranks, list) or len(ranks) != len(completions):
        raise RowFault("wrong_type", '"ranks" is not a list with one rank for each completion.')
    if any(isinstance(r, bool) or not isinstance(r, int) or r < 1 for r in ranks):
        raise RowFault("wrong_type", '"ranks" must hold whole numbers from 1, the best.')
    text = text_of(columns["prompt"], "prompt")
    answers = [answer_to(text, item, "completions") for item in completions]
    prompt = prompt_with(answers[0][0], columns, form)
    group = columns.get("group_id")
    return [
        Ranking(
            prompt=prompt,
            completions=tuple(answer for _, answer in answers),
            ranks=tuple(ranks),
            group_id=prompt.id if group is None else str(group),
        )
    ]


def ratings(columns: Columns, form: Format) -> list[Rating]:
    """One completion rated on named axes; null is an axis nobody touched."""
    axes = columns["ratings"]
    if not isinstance(axes, Mapping) or not axes:
        raise RowFault("wrong_type", '"ratings" is not an object of axes and numbers.')
    values = {name: _number(axes, name, default=math.nan) for name in axes}
    text, completion = _pair_of(columns)
    return [
        Rating(
            prompt=prompt_with(text, columns, form),
            completion=completion,
            ratings={name: None if math.isnan(v) else v for name, v in values.items()},
        )
    ]


def stepwise(columns: Columns, form: Format) -> list[Stepwise]:
    """A completion in steps: a label for each, true, false, a number from 0 to 1, or null."""
    steps, labels = columns["completions"], columns["labels"]
    if not isinstance(steps, list) or not steps:
        raise RowFault("wrong_type", '"completions" is not a list of steps.')
    if not isinstance(labels, list) or len(labels) != len(steps):
        raise RowFault("wrong_type", '"labels" is not a list with one label for each step.')
    return [
        Stepwise(
            prompt=prompt_with(text_of(columns["prompt"], "prompt"), columns, form),
            steps=tuple(not_empty(string_of(step, "completions"), "completions") for step in steps),
            labels=tuple(_step_label(label) for label in labels),
        )
    ]


def _step_label(label: object) -> float | None:
    if label is None:
        return None
    if isinstance(label, bool | int | float) and 0 <= label <= 1:
        return float(label)
    raise RowFault(
        "wrong_type", f"The label of a step is {label!r}; it is true, false, 0 to 1, or null."
    )


def voted_pairs(columns: Columns, form: Format) -> list[VotedPair]:
    """A pair with every vote kept."""
    votes = votes_of(columns)
    given = text_of(columns["prompt"], "prompt")
    text, one = answer_to(given, columns["response_a"], "response_a")
    _, two = answer_to(given, columns["response_b"], "response_b")
    _differ(one, two)
    return [
        VotedPair(
            prompt=prompt_with(text, columns, form),
            response_a=one,
            response_b=two,
            votes=votes,
            columns=columns,
        )
    ]


def votes_of(columns: Columns) -> tuple[Vote, ...]:
    """The column ``votes``; RowFault when it holds something else."""
    votes = columns["votes"]
    if not isinstance(votes, list):
        raise RowFault("wrong_type", f'"votes" is {kind_of(votes)}, not a list of votes.')
    return tuple(_vote(vote) for vote in votes)


def _vote(vote: object) -> Vote:
    if not isinstance(vote, dict):
        raise RowFault("wrong_type", f"A vote is {kind_of(vote)}, not an object.")
    for name in ("annotator", "vote"):
        if vote.get(name) is None:
            raise RowFault("missing_column", f'A vote has no "{name}".')
    if vote["vote"] not in VOTES:
        raise RowFault("wrong_type", f'A vote is "{vote["vote"]}", not one of {", ".join(VOTES)}.')
    return Vote(str(vote["annotator"]), vote["vote"], str(vote.get("group") or ""))
