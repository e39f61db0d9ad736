"""All guards together: what may halt, what is news, and a stage's events from its metrics."""

import pytest

from preftune.monitoring.guards import GUARDS, as_metrics, events, sound, watch, worse
from preftune.recipe import Guards
from tests.monitoring.guards.made import DEFAULT, steady, then
from tests.monitoring.guards.test_scores import RISING, judged

LONG = steady(8, completions__mean_length=then(10.0, 50.0))


def levels(guards: Guards, history, gold: bool = False) -> dict[str, str]:  # type: ignore[no-untyped-def]
    return {v.guard: v.level for v in watch(guards, history, gold) if v.level != "ok"}


def test_every_guard_has_its_key_in_the_recipe() -> None:
    sections = {
        name for name, field in Guards.model_fields.items() if hasattr(field.default, "action")
    }
    assert set(GUARDS) == sections
    assert [v.guard for v in watch(DEFAULT, [])] == list(GUARDS)


@pytest.mark.parametrize(("action", "level"), [("halt", "halt"), ("warn", "warn"), ("off", None)])
def test_a_guard_does_at_most_what_it_may(action: str, level: str | None) -> None:
    guards = Guards.model_validate({"length": {"action": action}})
    assert levels(guards, LONG).get("length") == level


@pytest.mark.parametrize(("action", "level"), [("halt", "halt"), ("warn", "warn"), ("off", None)])
def test_all_guards_together_may_be_held_back(action: str, level: str | None) -> None:
    guards = Guards.model_validate({"action": action})
    assert levels(guards, LONG).get("length") == level
    mild = Guards.model_validate({"action": action, "length": {"action": "warn"}})
    assert levels(mild, LONG).get("length") == (level and "warn")


def test_gold_stops_nothing() -> None:
    history = judged([0.5, 0.6, 0.7, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3], RISING)
    assert levels(DEFAULT, history)["overoptimization"] == "halt"
    assert levels(DEFAULT, history, gold=True)["overoptimization"] == "warn"


def test_news_is_a_level_that_rose() -> None:
    verdicts = watch(DEFAULT, LONG)
    assert [v.guard for v in worse(verdicts, LONG[:-1])] == ["length"]
    told = [*LONG[:-1], {"step": 7} | as_metrics(verdicts)]
    assert worse(verdicts, told) == []


def test_a_model_is_good_while_no_halting_guard_speaks() -> None:
    assert sound(DEFAULT, watch(DEFAULT, LONG[:3]))
    assert not sound(DEFAULT, watch(DEFAULT, LONG))
    only_warns = Guards.model_validate({"length": {"action": "warn"}})
    assert sound(only_warns, watch(only_warns, LONG))


def test_events_are_read_back_from_the_metrics() -> None:
    lengths = [10.0] * 3 + [10.0, 10.0, 20.0, 30.0, 40.0, 40.0, 40.0, 60.0, 90.0]
    history: list[dict[str, object]] = []
    for row in steady(len(lengths), completions__mean_length=lengths):
        history.append(row | as_metrics(watch(DEFAULT, [*history, row])))
    found = [(event["step"], event["guard"], event["level"]) for event in events(DEFAULT, history)]
    # means of five: 22 after step 8, 28 after 9; above 40 first after step 11
    assert found == [(8, "length", "warn"), (11, "length", "halt")]
