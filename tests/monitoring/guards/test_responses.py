"""Guards over the responses, each on a history that must alarm and one that must not."""

import pytest

from preftune.monitoring.guards import responses
from tests.monitoring.guards.made import DEFAULT, steady, then


@pytest.mark.parametrize(
    ("now", "level"),
    [(10, "ok"), (19, "ok"), (21, "warn"), (41, "halt"), (6, "ok"), (4, "warn"), (2, "halt")],
)
def test_length_may_neither_grow_nor_shrink(now: float, level: str) -> None:
    history = steady(8, completions__mean_length=then(10.0, now))
    assert responses.length(DEFAULT, history).level == level


def test_one_odd_iteration_is_no_alarm() -> None:
    lengths = [10.0] * 12 + [40.0]
    assert responses.length(DEFAULT, steady(13, completions__mean_length=lengths)).level == "ok"


@pytest.mark.parametrize(("now", "level"), [(0.1, "ok"), (0.17, "warn"), (0.5, "halt")])
def test_repetition_is_a_rise(now: float, level: str) -> None:
    history = steady(8, completions__repetition=then(0.05, now))
    assert responses.repetition(DEFAULT, history).level == level


def test_texts_that_always_repeated_are_no_news() -> None:
    assert responses.repetition(DEFAULT, steady(8, completions__repetition=0.6)).level == "ok"


@pytest.mark.parametrize(("now", "level"), [(0.3, "ok"), (0.5, "warn"), (0.9, "halt")])
def test_stock_phrases(now: float, level: str) -> None:
    history = steady(8, completions__stock_phrase=then(0.1, now))
    verdict = responses.stock_phrases(DEFAULT, history)
    assert verdict.level == level
    if level == "halt":
        assert verdict.reason == (
            "One phrase of five words stands in 90% of the responses, 10% at the beginning."
        )


@pytest.mark.parametrize(("ended", "level"), [(0.95, "ok"), (0.7, "warn"), (0.3, "halt")])
def test_truncation(ended: float, level: str) -> None:
    history = steady(8, completions__eos_rate=then(1.0, ended))
    assert responses.truncation(DEFAULT, history).level == level


def test_nothing_is_said_before_there_is_a_beginning_and_an_end() -> None:
    history = steady(7, completions__eos_rate=then(1.0, 0.0, 7))
    assert responses.truncation(DEFAULT, history).level == "ok"
