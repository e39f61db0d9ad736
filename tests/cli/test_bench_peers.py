"""``preftune bench`` for training: what it asks the repository's benchmark, and what it refuses."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from preftune.cli import bench_peers
from preftune.records import BadInput, RunFailed

ROW = {"work": "dpo", "model": "2m", "precision": "float32", "ours": 1.0}


def asked(data: Path | None, **more: Any) -> dict[str, Any]:
    given = {"data": data, "peers": None, "results": None, "rounds": 2}
    return given | {"model": "2m", "precision": "float32"} | more


class Benchmark:
    """Stands in for the process, which takes minutes; keeps what it was asked."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.command: list[str] = []

    def run(self, command: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        self.command = command
        rows = [ROW, ROW | {"work": "sft"}, ROW | {"model": "17m"}, ROW | {"precision": "bfloat16"}]
        return subprocess.CompletedProcess(command, self.code, json.dumps({"rows": rows}))


def test_rows_of_what_was_asked_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, benchmark = tmp_path / "pairs.jsonl", Benchmark()
    data.write_text("{}\n")
    monkeypatch.setattr(bench_peers.subprocess, "run", benchmark.run)
    assert bench_peers.against_peers(asked(data, peers=tmp_path), ("dpo",)) == [ROW]
    told = " ".join(benchmark.command[1:])
    assert told.startswith(
        f"-m benchmarks.peers --json --data {data} --work dpo --peers {tmp_path}"
    )
    assert told.endswith("--model 2m --precision float32 --rounds 2")


def test_a_process_that_failed_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "pairs.jsonl"
    data.write_text("{}\n")
    monkeypatch.setattr(bench_peers.subprocess, "run", Benchmark(code=3).run)
    with pytest.raises(RunFailed, match="ended with 3"):
        bench_peers.against_peers(asked(data), ("dpo",))


def test_without_data_without_the_file_or_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match="needs comparisons"):
        bench_peers.against_peers(asked(None), ("dpo",))
    with pytest.raises(BadInput, match="does not exist"):
        bench_peers.against_peers(asked(tmp_path / "none.jsonl"), ("dpo",))
    monkeypatch.setattr(bench_peers.preftune, "__file__", str(tmp_path / "a/b/__init__.py"))
    with pytest.raises(BadInput, match="repository"):
        bench_peers.against_peers(asked(tmp_path), ("dpo",))
