"""Every command that the page of the command line shows, run as printed, in its order."""

import io
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

import preftune as package
from tests.cli.command import preftune

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
LONG = "preftune quickstart"
ENDLESS = "preftune serve "
"""Ends when it is told to; tests/cli/test_serve.py starts one."""
ELSEWHERE = ("--judge judge.toml", "preftune bench dpo")
"""Asks an endpoint, measures for hours: tests/cli/test_evaluate_judge.py, test_bench_peers.py."""


def test_the_commands_run_as_printed(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run_folder, tmp_path / "runs/first")
    (tmp_path / "ppo_config.json").write_text(json.dumps({"kl_coef": 0.1}))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    commands = "\n".join(blocks).replace("\\\n", " ").splitlines()
    shown = [line for line in commands if line.startswith("preftune ")]
    assert len(shown) > 12
    for line in shown:
        monkeypatch.setattr("sys.stdin", io.StringIO(""))
        if not line.startswith((LONG, ENDLESS)) and not any(one in line for one in ELSEWHERE):
            done = preftune(*shlex.split(line)[1:])
            assert done.code == 0, (line, done.err)


def test_the_error_shown_is_the_one_given() -> None:
    done = preftune("check", "tiny/ppo", "--set", "stages.ppo.gama=1")
    assert done.err in PAGE.read_text()


@pytest.mark.usefixtures("no_report")
def test_the_python_shown_runs(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    shutil.copytree(run_folder, tmp_path / "runs/first")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    exec(compile(code, str(PAGE), "exec"), {})
    assert set(eval(capsys.readouterr().out)) == {"value", "low", "high", "count"}
    named = re.findall(r"`(\w+)`", PAGE.read_text().split("| function | is |")[1])
    offered = {name for name in named if name in dir(package)}
    assert {"evaluate_policy", "split_data", "write_report", "Drawing"} <= offered
