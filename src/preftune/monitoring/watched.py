"""The metrics that guards read and write, beside the ones every on-policy stage has anyway."""

from preftune.monitoring.metric import Metric


def watched(stems: tuple[str, ...]) -> tuple[Metric, ...]:
    """Those of the stages of these algorithms."""
    return (
        Metric(
            "completions/repetition",
            "share",
            "Word triples that stood in the same response before, mean over responses.",
            stems,
        ),
        Metric(
            "completions/stock_phrase",
            "share",
            "Responses that hold the iteration's most frequent run of five words.",
            stems,
        ),
        Metric(
            "proxy/score",
            "score",
            "Mean score of the responses as the reward model gave it, before scaling and clipping.",
            stems,
        ),
        Metric("proxy/score_std", "score", "Standard deviation of the scores as given.", stems),
        Metric(
            "sampling/sampling_logp_difference/mean",
            "nats/token",
            "Mean distance of the sampler's log-probabilities from the trainer's, before any "
            "update; must be about 0.",
            stems,
        ),
        Metric(
            "sampling/sampling_logp_difference/max", "nats/token", "The largest of them.", stems
        ),
        Metric("guards/{name}", "0, 1 or 2", "What a guard said: ok, warn or halt.", stems),
    )
