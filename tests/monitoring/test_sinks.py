"""Fan-out and the adapters. TensorBoard is the real one; the others are stood in for."""

import importlib
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from preftune.monitoring import (
    MetricsFile,
    MLflowSink,
    Sinks,
    TensorBoardSink,
    TrackioSink,
    WandbSink,
    read_metrics,
)
from preftune.records import BadInput


class Recorder:
    """A dashboard that remembers, and fails from one step on."""

    def __init__(self, fails_at: int = 99) -> None:
        self.fails_at = fails_at
        self.rows: list[tuple[int, dict[str, float]]] = []
        self.closed = 0

    def append(self, step: int, values: Mapping[str, float]) -> None:
        if step >= self.fails_at:
            raise ConnectionError("server away")
        self.rows.append((step, dict(values)))

    def close(self) -> None:
        self.closed += 1


def test_every_sink_gets_every_step(tmp_path: Path) -> None:
    first, second, warned = Recorder(), Recorder(), list[str]()
    sinks = Sinks([first, MetricsFile(tmp_path / "m.jsonl"), second], warned.append)
    sinks.append(1, {"loss": 0.5})
    sinks.append(2, {"loss": 0.25})
    sinks.sync()
    sinks.close()
    assert first.rows == second.rows == [(1, {"loss": 0.5}), (2, {"loss": 0.25})]
    assert read_metrics(tmp_path / "m.jsonl") == [
        {"step": 1, "loss": 0.5},
        {"step": 2, "loss": 0.25},
    ]
    assert (first.closed, second.closed, warned) == (1, 1, [])


def test_a_failing_dashboard_is_reported_once_and_left_out(tmp_path: Path) -> None:
    failing, working, warned = Recorder(fails_at=2), Recorder(), list[str]()
    sinks = Sinks([MetricsFile(tmp_path / "m.jsonl"), failing, working], warned.append)
    for step in (1, 2, 3):
        sinks.append(step, {"loss": 0.5})
    sinks.close()
    assert [step for step, _ in failing.rows] == [1]
    assert [step for step, _ in working.rows] == [1, 2, 3]
    assert warned == ["Recorder failed and gets no more metrics: ConnectionError: server away"]
    assert len(read_metrics(tmp_path / "m.jsonl")) == 3


def test_an_error_of_the_file_is_the_runs_error_and_reaches_no_dashboard(tmp_path: Path) -> None:
    dashboard = Recorder()
    sinks = Sinks([dashboard, MetricsFile(tmp_path / "m.jsonl")], print)
    with pytest.raises(ValueError, match="is no metric"):
        sinks.append(1, {"typo": 1.0})
    assert dashboard.rows == []


def test_tensorboard_files_are_read_back_by_tensorboard(tmp_path: Path) -> None:
    accumulator = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    sink = TensorBoardSink(tmp_path / "tb")
    sink.append(1, {"objective/kl": 0.5, "loss": 2})
    sink.append(3, {"objective/kl": float("nan")})
    sink.close()
    events = accumulator.EventAccumulator(str(tmp_path / "tb"))
    events.Reload()
    read = {
        tag: [(e.step, float(events_value(e))) for e in events.Tensors(tag)]
        for tag in ("objective/kl", "loss")
    }
    assert read["loss"] == [(1, 2.0)]
    assert read["objective/kl"][0] == (1, 0.5)
    assert read["objective/kl"][1][0] == 3 and math.isnan(read["objective/kl"][1][1])


def events_value(event: Any) -> float:
    from tensorboard.util import tensor_util

    return float(tensor_util.make_ndarray(event.tensor_proto))


MISSING = {
    "tensorboard.summary": lambda: TensorBoardSink("unused"),
    "wandb": lambda: WandbSink("p", "n"),
    "mlflow": lambda: MLflowSink("e", "n"),
    "trackio": lambda: TrackioSink("p", "n"),
}


@pytest.mark.parametrize("module", MISSING)
def test_a_missing_package_names_its_extra(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadInput) as caught:
        MISSING[module]()
    assert f"pip install 'preftune[{module.split('.')[0]}]'" in caught.value.remedy


class Calls:
    """Answers any call and remembers it."""

    def __init__(self, **answers: Any) -> None:
        self.made: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.answers = answers

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.made.append((name, args, kwargs))
            return self.answers.get(name)

        return call


def test_wandb_continues_a_named_run(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Calls()
    wandb = Calls(init=run)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    sink = WandbSink("project", "name", run_id="abc", config={"seed": 1})
    sink.append(4, {"loss": 1})
    sink.close()
    assert wandb.made == [
        (
            "init",
            (),
            {
                "project": "project",
                "name": "name",
                "id": "abc",
                "resume": "allow",
                "config": {"seed": 1},
            },
        )
    ]
    assert run.made == [("log", ({"loss": 1.0},), {"step": 4}), ("finish", (), {})]


def test_mlflow_makes_the_experiment_and_logs_finite_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Calls(
        create_experiment="7", create_run=SimpleNamespace(info=SimpleNamespace(run_id="r1"))
    )
    entities = SimpleNamespace(Metric=lambda key, value, time, step: (key, value, step))
    mlflow = SimpleNamespace(MlflowClient=lambda tracking_uri: client, entities=entities)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    sink = MLflowSink("experiment", "name")
    sink.append(4, {"loss": 1, "lr": float("nan")})
    sink.close()
    assert client.made == [
        ("get_experiment_by_name", ("experiment",), {}),
        ("create_experiment", ("experiment",), {}),
        ("create_run", ("7",), {"run_name": "name"}),
        ("log_batch", ("r1",), {"metrics": [("loss", 1.0, 4)]}),
        ("set_terminated", ("r1",), {}),
    ]


def test_trackio_prints_nothing_on_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Calls()

    def init(**kwargs: Any) -> Calls:
        print("* Trackio project initialized")
        assert (kwargs["project"], kwargs["name"], kwargs["resume"]) == ("p", "n", "allow")
        return run

    monkeypatch.setitem(sys.modules, "trackio", SimpleNamespace(init=init))
    sink = TrackioSink("p", "n")
    sink.append(4, {"loss": 1, "lr": float("inf")})
    sink.close()
    assert run.made == [("log", ({"loss": 1.0},), {"step": 4}), ("finish", (), {})]
    out, err = capsys.readouterr()
    assert out == "" and "initialized" in err


def test_no_dashboard_is_imported_before_it_is_asked_for() -> None:
    program = (
        "import sys, preftune.monitoring, preftune.artifacts\n"
        "heavy = 'torch transformers sklearn tensorboard wandb mlflow trackio'.split()\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, timeout=120
    )
    assert done.stdout == b"[]\n"
