"""Guards over the responses: their length, their ends, and what they keep saying."""

from preftune.monitoring.guards.verdict import History, Verdict, change, graded, series
from preftune.recipe import Guards


def length(guards: Guards, history: History) -> Verdict:
    """Mean length against the beginning's, longer or shorter."""
    found = change(series(history, "completions/mean_length"), guards.start, guards.window)
    if found is None or found.before <= 0:
        return Verdict("length", "ok")
    factor = max(found.now / found.before, found.before / max(found.now, 1e-9))
    level = graded(factor, guards.length.warn, guards.length.halt)
    way = "grew" if found.now > found.before else "shrank"
    reason = f"Responses {way} from {found.before:.0f} to {found.now:.0f} tokens."
    return Verdict("length", level, reason if level != "ok" else "", found.evidence)


def repetition(guards: Guards, history: History) -> Verdict:
    """Rise of the share of word triples said before in the same response."""
    found = change(series(history, "completions/repetition"), guards.start, guards.window)
    if found is None:
        return Verdict("repetition", "ok")
    level = graded(found.rise, guards.repetition.warn, guards.repetition.halt)
    reason = (
        f"Responses repeat themselves: {found.now:.0%} of their word triples were said before, "
        f"{found.before:.0%} at the beginning."
    )
    return Verdict("repetition", level, reason if level != "ok" else "", found.evidence)


def stock_phrases(guards: Guards, history: History) -> Verdict:
    """Rise of the share of responses with the most frequent run of five words."""
    found = change(series(history, "completions/stock_phrase"), guards.start, guards.window)
    if found is None:
        return Verdict("stock_phrases", "ok")
    level = graded(found.rise, guards.stock_phrases.warn, guards.stock_phrases.halt)
    reason = (
        f"One phrase of five words stands in {found.now:.0%} of the responses, "
        f"{found.before:.0%} at the beginning."
    )
    return Verdict("stock_phrases", level, reason if level != "ok" else "", found.evidence)


def truncation(guards: Guards, history: History) -> Verdict:
    """Rise of the share of responses that did not end by themselves."""
    cut = [1 - ended for ended in series(history, "completions/eos_rate")]
    found = change(cut, guards.start, guards.window)
    if found is None:
        return Verdict("truncation", "ok")
    level = graded(found.rise, guards.truncation.warn, guards.truncation.halt)
    reason = f"{found.now:.0%} of the responses are cut off, {found.before:.0%} at the beginning."
    return Verdict("truncation", level, reason if level != "ok" else "", found.evidence)
