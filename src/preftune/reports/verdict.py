"""What came out, in a few plain sentences and a strip of numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from preftune.records import Estimate
from preftune.reports.evidence import (
    Measured,
    Watched,
    WinRate,
    baselines,
    gap_closed,
    hacked_policies,
)
from preftune.reports.reading import FINISHED, Run, StageView, mapping, number, rows
from preftune.reports.wording import (
    count,
    duration,
    estimate,
    figure,
    has_interval,
    listed,
    model_name,
    percent,
    percent_interval,
    points_interval,
    rounded,
)


@dataclass(frozen=True, slots=True)
class KeyNumber:
    """One tile of the strip: a large ``value`` under its ``label``, and a line of ``detail``."""

    label: str
    value: str
    detail: str


@dataclass(frozen=True, slots=True)
class Story:
    """``headline`` first; ``state`` says so where a run is not done; ``warnings`` are set apart."""

    headline: str
    sentences: tuple[str, ...]
    state: str
    warnings: tuple[str, ...]
    numbers: tuple[KeyNumber, ...]


def tell(run: Run, seen: list[Measured], watching: list[Watched]) -> Story:
    """The story of a run from what was measured; every sentence needs its numbers to be there."""
    sentences = [sentence for each in seen for sentence in _evaluation(each)]
    sentences += [text for stage in run.stages for text in _cross_validation(stage)]
    state = _state(run)
    if not sentences:
        sentences = _bare(run)
    warnings = [text for each in watching if (text := hacking_sentence(each))]
    warnings += [text for each in seen for text in _parted_sentences(each)]
    warnings += [text for stage in run.stages if (text := _first_pass(stage))]
    return Story(
        headline=sentences[0] if sentences else state,
        sentences=tuple(sentences[1:]),
        state=state if sentences and run.status != "done" else "",
        warnings=tuple(warnings),
        numbers=tuple(_key_numbers(run, seen)),
    )


def win_sentence(win: WinRate, judge: str) -> str:
    """A win rate in words: who was preferred, or that no difference was found."""
    prompts = f" of {count(win.rate.count)} held-out prompts" if win.rate.count else ""
    told = _win_words(win, f"{prompts} by {judge}.")
    return told[0].upper() + told[1:] if told.startswith("no clear") else told


def further_wins(wins: Sequence[WinRate]) -> str:
    """The other win rates in one sentence."""
    told = listed([_win_words(win, "") for win in wins])
    return told[0].upper() + told[1:] + "." if told.startswith("no clear") else f"{told}."


def _win_words(win: WinRate, end: str) -> str:
    policy, against = model_name(win.policy), model_name(win.against)
    share = percent_interval(win.rate) + end
    if win.rate.high < 0.5:
        return f"{policy} was worse than {against}: preferred on only {share}"
    if win.rate.low > 0.5 or not has_interval(win.rate):
        return f"{policy} was preferred to {against} on {share}"
    return f"no clear difference between {policy} and {against}: preferred on {share}"


def hacking_sentence(each: Watched) -> str:
    """The warning where a history shows overoptimisation, else an empty string."""
    verdict = each.verdict
    if verdict is None or not verdict.hacked:
        return ""
    share = each.history.judge_name == "judge/win_rate"
    what = "win rate" if share else "score"
    write = percent if share else figure
    return (
        f"Overoptimised: in stage {each.stage.name} the judge's {what} was best around step "
        f"{verdict.peak_step:,} ({write(verdict.judge_peak)}) and fell to "
        f"{write(verdict.judge_last)} in the last third, while the score it was trained on rose "
        f"from {figure(verdict.proxy_at_peak)} to {figure(verdict.proxy_last)}. The policy learned "
        "to please the reward model, not the judge: stop earlier, raise the KL coefficient, or "
        "mend the reward model."
    )


def _evaluation(seen: Measured) -> list[str]:
    found = [win_sentence(win, seen.judge) for win in seen.win_rates[:1]]
    if seen.win_rates[1:]:
        found.append(further_wins(seen.win_rates[1:]))
    known = ((name, seen.mean(name, "judge")) for name in seen.policies)
    scores = [f"{model_name(name)} {rounded(value)}" for name, value in known if value is not None]
    best = estimate(seen.best_of.get("judge"))
    size = number(seen.best_of.get("n"))
    if scores and best is not None and size is not None:
        scores.append(f"the reward model's best of {size:.0f} samples {rounded(best)}")
    if scores:
        found.append(f"Mean score by {seen.judge}: {listed(scores)}.")
    closed = gap_closed(seen)
    if closed is not None and size is not None and seen.target:
        share = percent(closed) if closed > 0 else "none"
        found.append(
            f"{model_name(seen.target)} closes {share} of the gap "
            f"from one sample to the best of {size:.0f}."
        )
    if accuracy := accuracy_sentence(seen):
        found.append(accuracy)
    kl = seen.mean(seen.target, "kl")
    if kl is not None and seen.target and seen.reference and seen.target != seen.reference:
        found.append(
            f"{model_name(seen.target)} ended {rounded(kl)} nats a response "
            f"from {model_name(seen.reference)}."
        )
    return found


def accuracy_sentence(seen: Measured) -> str:
    """How well the reward model agrees with labels, against the ceiling and the baselines."""
    accuracy = seen.accuracy
    if accuracy is None:
        return ""
    pairs = f" on the pairs of {count(accuracy.count)} held-out prompts" if accuracy.count else ""
    text = f"The reward model agrees with the labels on {percent_interval(accuracy)}{pairs}"
    ceiling = seen.noise_ceiling
    if ceiling is not None:
        text += f", against a ceiling of {percent_interval(ceiling)} that the labels' noise allows"
    others = [
        f"“{name}” reaches {percent(v.value)}" for name, v in baselines(seen.reward_model).items()
    ]
    return f"{text}; {listed(others)}." if others else f"{text}."


def _parted_sentences(seen: Measured) -> list[str]:
    reference = model_name(seen.reference or "")
    found = []
    for name in hacked_policies(seen):
        values = [
            seen.mean(who, what) for what in ("proxy", "judge") for who in (seen.reference, name)
        ]
        before_proxy, after_proxy, before, after = (v.value if v else 0.0 for v in values)
        found.append(
            f"Proxy and judge part: the reward model prefers {model_name(name)} to {reference} "
            f"({figure(after_proxy)} against {figure(before_proxy)}), and {seen.judge} does not "
            f"({figure(after)} against {figure(before)}): on held-out prompts the score no longer "
            "means quality."
        )
    return found


def _cross_validation(stage: StageView) -> list[str]:
    accuracy = estimate(stage.summary.get("accuracy"))
    if stage.kind != "cross_validate" or accuracy is None:
        return []
    groups = len(stage.summary.get("folds") or [])
    by = stage.settings.get("by", "group")
    told = [
        f"With each {by} left out in turn ({groups} in all), the reward model picks the preferred "
        f"side of {percent_interval(accuracy)}"
        + (f" of {count(accuracy.count)} pairs." if accuracy.count else " of the pairs.")
    ]
    names = {"longer": "“longer answer wins”", "tfidf_length": "TF-IDF with length"}
    for name, item in mapping(stage.summary.get("differences")).items():
        difference = estimate(item)
        if difference is None:
            continue
        sure = "" if difference.low > 0 or difference.high < 0 else "; the interval holds zero"
        told.append(f"Against {names.get(name, name)}: {points_interval(difference)}{sure}.")
    return told


def _bare(run: Run) -> list[str]:
    """What can be said of stages that only trained: their last validation numbers."""
    told = []
    for stage in run.stages:
        last = {k: v for row in stage.metrics for k, v in row.items() if number(v) is not None}
        parts = [
            f"{words} {figure(last[name])}"
            for name, words in (
                ("eval_accuracy", "validation accuracy"),
                ("eval_loss", "validation loss"),
                ("objective/scores", "score"),
                ("objective/kl", "KL"),
            )
            if name in last
        ]
        if not parts and "loss" in last:
            parts = [f"training loss {figure(last['loss'])}"]
        if parts:
            told.append(f"Stage {stage.name} is at {listed(parts)} after {last['step']:,} steps.")
    if run.status == "done" and run.stages:
        took = f" in {duration(run.seconds)}" if run.seconds is not None else ""
        stages = "stage" if len(run.stages) == 1 else "stages"
        told.insert(0, f"The run finished {len(run.stages)} {stages}{took}.")
    return told


def _state(run: Run) -> str:
    """One sentence for a run that is not done: where it stands and why."""
    done = sum(stage.status in FINISHED for stage in run.stages)
    progress = (
        f"{done} of {len(run.stages)} stages are done" if run.stages else "no stage has begun"
    )
    at = next((s for s in run.stages if s.status not in (*FINISHED, "planned")), None)
    where = f" in stage {at.name}" if at else ""
    why = _why(run, at)
    if run.status == "done":
        return "The run is done."
    if run.status == "failed":
        return f"The run failed{where}; {progress}.{why}"
    if run.status == "refused":
        return f"A gate stopped the run{where}; {progress}.{why}"
    if run.status == "waiting":
        return f"The run is waiting{where}; {progress}.{why}"
    return f"The run is still under way{where}; {progress}.{why}"


def _why(run: Run, stage: StageView | None) -> str:
    told = [
        item
        for item in rows(run.summary.get("stages"))
        if stage is not None and item.get("name") == stage.name
    ]
    for place in (run.summary, *told):
        error = place.get("error") or place.get("waiting")
        parts = (
            [error.get("sentence"), error.get("remedy")]
            if isinstance(error, Mapping)
            else [error, place.get("reason")]
        )
        text = " ".join(str(part) for part in parts if part)
        if text:
            return f" {text}"
    return ""


def _first_pass(stage: StageView) -> str:
    """A warning where fresh rollouts were not the policy's own before the first update."""
    errors = [number(row.get("first_pass/ratio_max_error")) for row in stage.metrics]
    worst = max((e for e in errors if e is not None), default=0.0)
    if worst < 1e-2:
        return ""
    return (
        f"In stage {stage.name} the probability ratio was off by {figure(worst)} before the first "
        "update, where it must be 1: sampling and training see different models."
    )


def _key_numbers(run: Run, seen: list[Measured]) -> list[KeyNumber]:
    tiles: list[KeyNumber] = []
    for each in seen[-1:]:
        for win in each.win_rates[:2]:
            label = f"{model_name(win.policy)} preferred to {model_name(win.against)}"
            tiles.append(KeyNumber(label, percent(win.rate.value), _range(win.rate, 100)))
        if each.accuracy is not None:
            ceiling = each.noise_ceiling
            detail = f"ceiling {percent(ceiling.value)}" if ceiling else _range(each.accuracy, 100)
            tiles.append(KeyNumber("reward model accuracy", percent(each.accuracy.value), detail))
        tiles += _policy_numbers(each)
    for stage in run.stages:
        accuracy = estimate(stage.summary.get("accuracy"))
        if stage.kind == "cross_validate" and accuracy is not None:
            label = f"accuracy, each {stage.settings.get('by', 'group')} left out"
            tiles.append(KeyNumber(label, percent(accuracy.value, 1), _range(accuracy, 100)))
    if run.seconds is not None:
        stages = f"{len(run.stages)} stage{'s' * (len(run.stages) != 1)}"
        tiles.append(KeyNumber("time computing", duration(run.seconds), stages))
    return tiles


def _policy_numbers(each: Measured) -> list[KeyNumber]:
    tiles = []
    before, after = each.mean(each.reference, "judge"), each.mean(each.target, "judge")
    if before and after and each.reference and each.target and each.reference != each.target:
        detail = f"{model_name(each.reference)} {rounded(before)}"
        label = f"{model_name(each.target)}, score by the judge"
        tiles.append(KeyNumber(label, rounded(after), detail))
    closed, size = gap_closed(each), number(each.best_of.get("n"))
    if closed is not None and closed > 0 and size is not None:
        detail = "of the judge's gap"
        tiles.append(KeyNumber(f"closed to best of {size:.0f}", percent(closed), detail))
    kl = each.mean(each.target, "kl")
    if kl is not None:
        tiles.append(KeyNumber("KL to the reference", rounded(kl), "nats a response"))
    return tiles


def _range(value: Estimate, factor: float) -> str:
    if not has_interval(value):
        return ""
    return f"between {factor * value.low:.0f} and {factor * value.high:.0f}"
