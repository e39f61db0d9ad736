"""Guards over the policy: how far it went, and whether it is still random."""

from preftune.monitoring.guards.verdict import History, Verdict, change, graded, mean, series
from preftune.recipe import Guards


def kl(guards: Guards, history: History) -> Verdict:
    """KL to the reference over the mean length, in nats a token."""
    nats, lengths = series(history, "objective/kl"), series(history, "completions/mean_length")
    if min(len(nats), len(lengths)) < guards.window:
        return Verdict("kl", "ok")
    tokens = mean(lengths[-guards.window :])
    now = mean(nats[-guards.window :]) / max(tokens, 1.0)
    level = graded(now, guards.kl.warn, guards.kl.halt)
    return Verdict(
        "kl",
        level,
        f"KL to the reference is {now:.2f} nats a token." if level != "ok" else "",
        {"nats_a_token": now, "nats_a_response": mean(nats[-guards.window :])},
    )


def entropy(guards: Guards, history: History) -> Verdict:
    """Entropy of the next token against the beginning's."""
    found = change(series(history, "policy/entropy_avg"), guards.start, guards.window)
    if found is None or found.before <= 0:
        return Verdict("entropy", "ok")
    share, settings = found.now / found.before, guards.entropy
    level = graded(-share, -settings.warn, -settings.halt)
    reason = (
        f"The policy's entropy fell from {found.before:.2f} to {found.now:.2f} nats a token: it "
        "hardly varies any more."
    )
    return Verdict("entropy", level, reason if level != "ok" else "", found.evidence)


def explained_variance(guards: Guards, history: History) -> Verdict:
    """The critic's explained variance over the last iterations, after its start."""
    values = series(history, "value/explained_variance")
    if len(values) < guards.start + guards.window:
        return Verdict("explained_variance", "ok")
    now, limit = mean(values[-guards.window :]), guards.explained_variance.warn
    if now >= limit:
        return Verdict("explained_variance", "ok", "", {"now": now})
    return Verdict(
        "explained_variance",
        "warn",
        f"The value network explains {now:.0%} of the returns' variance; their mean would "
        "do better.",
        {"now": now},
    )


def mismatch(guards: Guards, history: History) -> Verdict:
    """The sampler's log-probabilities against the trainer's, in the last iteration."""
    values = series(history, "sampling/sampling_logp_difference/mean")
    if not values:
        return Verdict("mismatch", "ok")
    level = graded(values[-1], guards.mismatch.warn, guards.mismatch.halt)
    reason = (
        f"The sampler's log-probabilities differ from the trainer's by {values[-1]:.3f} nats a "
        "token."
    )
    return Verdict("mismatch", level, reason if level != "ok" else "", {"nats": values[-1]})


def non_finite(guards: Guards, history: History) -> Verdict:
    """A metric of the last row that is no finite number."""
    last = history[-1] if history else {}
    names = list(last.get("nonfinite") or ())
    if not names:
        return Verdict("non_finite", "ok")
    return Verdict(
        "non_finite",
        "halt",
        f"{', '.join(names[:3])} is not a finite number.",
        {"metrics": float(len(names))},
    )
