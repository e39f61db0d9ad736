"""Gates: from what was measured to a decision, pure. Each finding says what, how much and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from preftune.recipe.gate import (
    AccuracyCheck,
    AgreementCheck,
    AlignmentTaxCheck,
    AuditCheck,
    CalibrationCheck,
    Check,
    DiversityCheck,
    NumberCheck,
    PreferredCheck,
    RewardCheck,
    WinRateCheck,
)
from preftune.records import BadInput, Estimate, VotedPair
from preftune.stats import paired_difference, share_estimate

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome.

    ``value`` and its interval are what was measured; ``counted`` is the end that was held against
    ``threshold``, which is a floor where ``floor`` is True.
    """

    check: str
    metric: str
    value: Estimate
    counted: float
    threshold: float
    floor: bool
    evidence: str
    remedy: str

    @property
    def passed(self) -> bool:
        return self.counted >= self.threshold if self.floor else self.counted <= self.threshold

    @property
    def sentence(self) -> str:
        """``win rate of ppo against sft is 0.512 (0.47 to 0.554), needed at least 0.5.``"""
        spread = f" ({self.value.low:.3g} to {self.value.high:.3g})" if self._has_spread else ""
        bar = "at least" if self.floor else "at most"
        end = f" at the {'lower' if self.floor else 'upper'} end" if self._has_spread else ""
        held = end if self.counted != self.value.value else ""
        measured = f"{self.metric} is {self.value.value:.3g}{spread}"
        return f"{measured}, needed {bar} {self.threshold:g}{held}"

    @property
    def _has_spread(self) -> bool:
        return self.value.high > self.value.low

    def as_json(self) -> dict[str, Any]:
        return {
            "check": self.check,
            "metric": self.metric,
            "value": self.value.as_json(),
            "counted": self.counted,
            "threshold": self.threshold,
            "at": "least" if self.floor else "most",
            "passed": self.passed,
            "sentence": self.sentence,
            "evidence": self.evidence,
            "remedy": self.remedy,
        }


def agreement(name: str, check: AgreementCheck, pairs: Sequence[VotedPair]) -> Finding:
    """The share of pairs of votes on one item that agree, over all items, clustered by prompt.

    Votes are a, b, tie or both_bad. BadInput where no item has two votes.
    """
    same: list[float] = []
    prompts: list[str] = []
    for pair in pairs:
        votes = [vote.vote for vote in pair.votes]
        both = [float(one == other) for one, other in combinations(votes, 2)]
        if both:
            same.append(sum(both) / len(both))
            prompts.append(pair.prompt.id)
    if not same:
        raise BadInput(
            f"Check {name} needs pairs with two votes, and there is none.",
            remedy="Set votes_per_pair = 2 or more in the label stage.",
        )
    return _finding(
        name,
        check,
        "agreement of two labelers",
        share_estimate(same, prompts),
        evidence=f"{len(same)} pairs with two votes or more",
        remedy="Sharpen the instructions, train the labelers on the pairs they disagree on, or "
        "drop the criterion they cannot agree on.",
    )


def accuracy(name: str, check: AccuracyCheck, summary: Row) -> Finding:
    """Of an ``evaluate`` stage's held-out labels, or of a ``reward_model`` stage's validation."""
    found = _at(summary, "reward_model.accuracy") or _at(summary, "coverage.0.accuracy")
    found = found if found is not None else _at(summary, "best_eval_accuracy")
    return _finding(
        name,
        check,
        "reward model accuracy",
        _number(name, found, "accuracy"),
        evidence="labels it was not trained on",
        remedy="Label more pairs, clean the ones labelers disagree on, or train a larger model.",
    )


def calibration(name: str, check: CalibrationCheck, summary: Row) -> Finding:
    """Expected calibration error, from the same places."""
    found = _at(summary, "reward_model.ece")
    found = found if found is not None else _at(summary, "calibration.after.ece")
    return _finding(
        name,
        check,
        "reward model calibration error",
        _number(name, found, "calibration"),
        evidence="labels it was not trained on",
        remedy="Train for fewer epochs, or with label smoothing or soft labels.",
    )


def win_rate(name: str, check: WinRateCheck, summary: Row) -> Finding:
    """Of one of the ``win_rates`` that an ``evaluate`` stage measured."""
    for rate in summary.get("win_rates", ()):
        if (rate["policy"], rate["against"]) == (check.policy, check.against):
            return _finding(
                name,
                check,
                f"win rate of {check.policy} against {check.against}",
                _number(name, rate["win_rate"], "win rate"),
                evidence=f"{rate['win_rate']['count']} held-out prompts",
                remedy="Keep the old policy; look at the samples it loses, label those.",
            )
    raise BadInput(
        f"Check {name}: the stage measured no win rate of {check.policy} against {check.against}.",
        remedy=f'Add win_rates = [["{check.policy}", "{check.against}"]] to the evaluate stage.',
    )


def reward(name: str, check: RewardCheck, samples: Sequence[Row]) -> Finding:
    """The difference of two policies' scores on the same prompts."""
    ours, theirs, prompts = [], [], []
    for row in samples:
        scores = {s["policy"]: s["scores"].get(check.score) for s in row["samples"]}
        mine, other = scores.get(check.policy), scores.get(check.against)
        if mine is not None and other is not None:
            ours.append(mine)
            theirs.append(other)
            prompts.append(row["id"])
    if not ours:
        raise BadInput(
            f"Check {name}: the samples have no {check.score} score of {check.policy} and "
            f"{check.against}.",
            remedy="Name both in the evaluate stage's policies, and its reward_model or judge.",
        )
    return _finding(
        name,
        check,
        f"{check.score} score of {check.policy} above {check.against}",
        paired_difference(ours, theirs, prompts),
        evidence=f"{len(ours)} held-out prompts",
        remedy="Keep the old policy; its rewards did not carry over to prompts it had not seen.",
    )


def alignment_tax(name: str, check: AlignmentTaxCheck, summary: Row) -> Finding:
    """The rise of a policy's loss on held-out text over the reference policy's."""
    found = _at(summary, f"policies.{check.policy}.alignment_tax")
    return _finding(
        name,
        check,
        f"alignment tax of {check.policy}, nats a token",
        _number(name, found, "alignment tax"),
        evidence="held-out text",
        remedy="Raise the KL coefficient, or mix in pretraining text (PPO's ptx).",
    )


def diversity(name: str, check: DiversityCheck, summary: Row) -> Finding:
    """distinct-2 of one policy over that of another; a corpus has no interval."""
    ours = _number(name, _at(summary, f"policies.{check.policy}.distinct_2"), "diversity").value
    theirs = _number(name, _at(summary, f"policies.{check.against}.distinct_2"), "diversity").value
    share = ours / theirs if theirs > 0 else 0.0
    return _finding(
        name,
        check,
        f"distinct word pairs of {check.policy}, as a share of {check.against}'s",
        Estimate(share, share, share, 1),
        evidence=f"distinct-2 of {ours:.3f} and {theirs:.3f}",
        remedy="Raise the KL coefficient, add an entropy bonus, or stop earlier.",
    )


def audit(name: str, check: AuditCheck, summary: Row) -> Finding:
    """How many biases an audit named, of those that are forbidden."""
    named = [str(bias) for bias in _biases(name, summary)]
    bad = [bias for bias in named if not check.forbid or bias in check.forbid]
    said = [
        str(effect.get("sentence"))
        for effect in summary.get("effects", ())
        if effect.get("named") and effect.get("name") in bad
    ]
    count = float(len(bad))
    return _finding(
        name,
        check,
        f"biases named by the audit ({', '.join(bad) or 'none'})",
        Estimate(count, count, count, 1),
        evidence=" ".join(said) or "an audit of traits and probes, corrected for their number",
        remedy="Label pairs that differ in what is named by people who are told not to reward it, "
        "and train the reward model again; more or larger models would not see it.",
    )


def _biases(name: str, summary: Row) -> Sequence[Any]:
    found = summary.get("biases")
    if not isinstance(found, list):
        raise BadInput(
            f"Check {name}: the stage's summary holds no audit.",
            remedy="Point `of` at the summary of an audit stage.",
        )
    return found


def preferred(name: str, check: PreferredCheck, pairs: Sequence[VotedPair]) -> Finding:
    """The share of votes for one policy's answers against another's, ties half, by prompt."""
    won: list[float] = []
    prompts: list[str] = []
    for pair in pairs:
        sides = {s: (pair.columns.get(f"source_{s}") or {}).get("policy") for s in ("a", "b")}
        if set(sides.values()) != {check.policy, check.against}:
            continue
        for vote in pair.votes:
            if vote.vote in ("a", "b", "tie"):
                mine = 0.5 if vote.vote == "tie" else float(sides[vote.vote] == check.policy)
                won.append(mine)
                prompts.append(pair.prompt.id)
    if not won:
        raise BadInput(
            f"Check {name}: nobody compared {check.policy} with {check.against}.",
            remedy="Let the candidates come from both policies, and set across = true.",
        )
    return _finding(
        name,
        check,
        f"win rate of {check.policy} against {check.against} by labelers",
        share_estimate(won, prompts),
        evidence=f"{len(won)} votes on {len(set(prompts))} prompts",
        remedy="Keep the old policy; look at the pairs it lost.",
    )


def number(name: str, check: NumberCheck, summary: Row) -> Finding:
    """What stands at a path of a summary."""
    return _finding(
        name,
        check,
        check.path,
        _number(name, _at(summary, check.path), check.path),
        evidence="the stage's summary",
        remedy="Change the stage that made it, or the threshold if it was wrong.",
    )


def _finding(
    name: str, check: Check, metric: str, value: Estimate, *, evidence: str, remedy: str
) -> Finding:
    least, most = getattr(check, "at_least", None), getattr(check, "at_most", None)
    floor = least is not None
    worse = value.low if floor else value.high
    return Finding(
        check=name,
        metric=metric,
        value=value,
        counted=worse if check.by == "interval" else value.value,
        threshold=float(least if floor else most),  # type: ignore[arg-type]
        floor=floor,
        evidence=evidence,
        remedy=remedy,
    )


def _at(summary: Row, path: str) -> Any:
    """What stands at ``a.b.0.c``; None where nothing does."""
    here: Any = summary
    for part in path.split("."):
        if isinstance(here, Mapping):
            here = here.get(part)
        elif isinstance(here, Sequence) and part.isdigit() and int(part) < len(here):
            here = here[int(part)]
        else:
            return None
    return here


def _number(name: str, found: Any, what: str) -> Estimate:
    if isinstance(found, Mapping) and {"value", "low", "high"} <= set(found):
        return Estimate(found["value"], found["low"], found["high"], int(found.get("count", 1)))
    if isinstance(found, int | float) and not isinstance(found, bool):
        return Estimate(float(found), float(found), float(found), 1)
    raise BadInput(
        f"Check {name}: the stage's summary has no {what}.",
        remedy="Point `of` at a stage that measures it; see docs/gates.md.",
    )
