"""Run by ``test_dashboards.py`` in an interpreter that has the dashboards: a sink writes a run, and
the dashboard's own reader reads it back. Prints {step: {metric: value}} as JSON in its last line.
"""

import json
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STEPS: dict[int, dict[str, float]] = {
    1: {"objective/kl": 0.25, "loss": 1.5},
    2: {"objective/kl": 0.5, "loss": float("nan")},
    3: {"objective/kl": 0.75, "loss": 1.25},
}
BLOCK = 32 * 1024
Read = dict[int, dict[str, float]]


def wandb_offline(folder: Path) -> Read:
    """Offline runs are a log of protobuf records, read with W&B's own messages."""
    os.environ.update(WANDB_MODE="offline", WANDB_DIR=str(folder), WANDB_SILENT="true")
    from preftune.monitoring.adapters import WandbSink

    sink = WandbSink("preftune-test", "one", run_id="one", config={"seed": 1})
    _write(sink)
    import wandb
    from wandb.proto import wandb_internal_pb2

    wandb.teardown()  # its writer is a process of its own, and done when it has ended

    [log] = folder.rglob("*.wandb")
    found: Read = {}
    for data in logged(log.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") != "history":
            continue
        row = {
            "/".join(item.nested_key) or item.key: json.loads(item.value_json)
            for item in record.history.item
        }
        step = int(record.history.step.num)
        found[step] = {name: row[name] for name in ("objective/kl", "loss") if name in row}
    return found


def logged(content: bytes) -> Iterator[bytes]:
    """The records of a LevelDB log: blocks of 32 KiB with parts of (checksum, length, type)."""
    assert content[:4] == b":W&B"
    place, whole = 7, b""
    while place + 7 <= len(content):
        left = BLOCK - place % BLOCK
        if left < 7:
            place += left
            continue
        _, size, kind = struct.unpack("<IHB", content[place : place + 7])
        whole += content[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):
            yield whole
            whole = b""


def mlflow_files(folder: Path) -> Read:
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    from preftune.monitoring.adapters import MLflowSink

    sink = MLflowSink("preftune-test", "one", tracking_uri=folder.as_uri())
    _write(sink)
    found: Read = {}
    for name in ("objective/kl", "loss"):
        for metric in sink.client.get_metric_history(sink.run_id, name):
            found.setdefault(metric.step, {})[name] = metric.value
    assert sink.client.get_run(sink.run_id).info.status == "FINISHED"
    return found


def trackio_local(folder: Path) -> Read:
    os.environ["TRACKIO_DIR"] = str(folder)
    from preftune.monitoring.adapters import TrackioSink

    _write(TrackioSink("preftune-test", "one", {"seed": 1}))
    from trackio.sqlite_storage import SQLiteStorage

    logs: list[dict[str, Any]] = SQLiteStorage.get_logs("preftune-test", "one")
    names = ("objective/kl", "loss")
    return {int(row["step"]): {n: row[n] for n in names if n in row} for row in logs}


def _write(sink: Any) -> None:
    for step, values in STEPS.items():
        sink.append(step, values)
    sink.close()


SINKS = {"wandb": wandb_offline, "mlflow": mlflow_files, "trackio": trackio_local}

if __name__ == "__main__":
    name, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    read = SINKS[name](folder)
    print("\n" + json.dumps(read), flush=True)
