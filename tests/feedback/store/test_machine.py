"""The state machine on both databases: short here, long in the proof."""

import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from preftune.feedback.store.engine import open_store
from tests.feedback import postgres
from tests.feedback.store.machine import LabelStore

CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


def run(opened: object, examples: int, steps: int) -> None:
    machine = type("OnThisDatabase", (LabelStore,), {"opened": staticmethod(opened)})
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=CHECKS,
        derandomize=True,
        database=None,
    )
    run_state_machine_as_test(machine, settings=chosen)


def on_sqlite(folder: Path) -> object:
    return lambda: open_store(str(folder / f"{uuid.uuid4().hex}.db"), create=True)


def on_postgresql(socket: Path) -> object:
    return lambda: open_store(postgres.new_database(socket), create=True)


def test_promises_hold_on_sqlite(tmp_path: Path) -> None:
    run(on_sqlite(tmp_path), examples=6, steps=25)


def test_promises_hold_on_postgresql(socket: Path) -> None:
    run(on_postgresql(socket), examples=4, steps=25)


@pytest.mark.proof
def test_promises_hold_on_sqlite_for_long(tmp_path: Path) -> None:
    run(on_sqlite(tmp_path), examples=150, steps=60)


@pytest.mark.proof
def test_promises_hold_on_postgresql_for_long(socket: Path) -> None:
    run(on_postgresql(socket), examples=80, steps=60)
