"""Guards and gates as the report shows them."""

from dataclasses import replace
from pathlib import Path

from preftune.reports import read_run
from preftune.reports.page import render
from preftune.reports.watching import gate_table, guard_table, watching_tables
from tests.reports.folders import whole_run

WARNED = {
    "guard": "stock_phrases",
    "level": "warn",
    "step": 12,
    "reason": "One phrase of five words stands in 50% of the responses, 10% at the beginning.",
}
HALTED = {"guard": "kl", "level": "halt", "step": 20, "reason": "KL is 3.", "kept_step": 10}
CHECK = {
    "metric": "win rate of ppo against sft",
    "value": {"value": 0.55, "low": 0.48, "high": 0.62, "count": 100},
    "threshold": 0.5,
    "at": "least",
    "passed": False,
    "evidence": "100 held-out prompts",
    "remedy": "Keep the old policy.",
}


def test_guards_of_a_finished_stage(tmp_path: Path) -> None:
    stage = replace(
        read_run(whole_run(tmp_path)).stages[-1],
        name="ppo",
        summary={"guards": [WARNED, HALTED], "halt": HALTED},
    )
    table = guard_table(stage)
    assert table is not None
    assert table.caption == "Guards of ppo; halted, the model is that of step 10"
    assert table.body[0] == ("stock phrases", "12", "warn", WARNED["reason"])


def test_guards_of_a_stage_under_way_are_read_from_its_metrics(tmp_path: Path) -> None:
    metrics = tuple(
        {"step": step, "guards/kl": level, "loss": 1.0}
        for step, level in enumerate([0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 2.0], 1)
    )
    stage = replace(read_run(whole_run(tmp_path)).stages[-1], summary={}, metrics=metrics)
    table = guard_table(stage)
    assert table is not None
    assert [row[1:3] for row in table.body] == [("3", "warn"), ("6", "warn"), ("7", "halt")]


def test_silence_is_no_table(tmp_path: Path) -> None:
    run = read_run(whole_run(tmp_path))
    assert watching_tables(run) == []
    assert 'id="watching"' not in render(run)


def test_a_refused_gate_says_what_was_measured_and_needed(tmp_path: Path) -> None:
    run = read_run(whole_run(tmp_path))
    summary = {"passed": False, "checks": [CHECK]}
    gate = replace(run.stages[-1], name="promote", kind="gate", status="refused", summary=summary)
    table = gate_table(gate)
    assert table is not None and table.caption == "Gate promote: refused"
    assert table.body[0] == (
        "win rate of ppo against sft",
        "0.55 (0.48 to 0.62)",
        "at least 0.5",
        "refused. Keep the old policy.",
        "100 held-out prompts",
    )
    page = render(replace(run, stages=(*run.stages, gate)))
    assert 'id="watching"' in page and "Gate promote: refused" in page
