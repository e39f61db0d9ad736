"""What every verb shares: help, JSON purity, exit codes, errors, a quick start without torch."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from preftune.cli import entry
from preftune.cli.mistakes import as_known
from preftune.cli.reply import json_text
from preftune.records import BadInput
from tests.cli.command import SOURCE, preftune, process

HEAVY = ("torch", "transformers", "tokenizers", "safetensors", "sklearn", "huggingface_hub")


def test_version() -> None:
    done = preftune("--version")
    assert (done.code, done.out) == (0, "preftune 0.1.0\n")


def test_without_a_verb_the_help_is_shown_and_it_is_bad_usage() -> None:
    done = preftune()
    assert done.code == 2
    assert "quickstart" in done.out and "convert-config" in done.out


@pytest.mark.parametrize("words", [("run",), ("data", "split"), ("evaluate", "win-rate")])
def test_help_shows_examples_on_lines_of_their_own(words: tuple[str, ...]) -> None:
    done = preftune(*words, "--help", "--json")
    assert done.code == 0
    lines = done.out.splitlines()
    start = next(place for place, line in enumerate(lines) if "Example" in line)
    assert lines[start + 1].strip().startswith(f"preftune {' '.join(words)} ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "a.toml", "--sed", "3"), "--seed"),
        (("fly",), "fly"),
        (("run",), "RECIPE"),
        (("chat", "x", "--temperature", "-1"), "--temperature"),
        (("quickstart", "--seed", "two"), "--seed"),
        (("convert-config", "x.json", "--kind", "sft"), "sft"),
    ],
)
def test_bad_usage_is_one_sentence_and_exit_2(words: tuple[str, ...], said: str) -> None:
    plain = preftune(*words)
    assert plain.code == 2 and plain.out == ""
    assert len(plain.err.splitlines()) == 1 and said in plain.err
    told = preftune(*words, "--json")
    assert told.code == 2
    assert said in told.error["sentence"]
    assert "--help" in told.error["remedy"]


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (ZeroDivisionError("oh"), 1, "bug"),
        (KeyboardInterrupt(), 130, "Stopped"),
        (OSError(errno.ENOSPC, "No space left on device", "x"), 1, "disk is full"),
        (RuntimeError("I/O error: File too large (os error 27)"), 1, "disk is full"),
        (MemoryError(), 1, "memory"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 2, "may not be"),
    ],
)
def test_what_a_verb_may_raise(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, said: str
) -> None:
    app = typer.Typer()

    @app.command()
    def verb(as_json: bool = typer.Option(False, "--json")) -> None:
        print("noise of a library")
        raise raised

    monkeypatch.setattr(entry, "app", app)
    told = preftune("--json")
    assert told.code == code
    assert set(told.json) == {"error"} and said in told.json["error"]["sentence"]
    assert "noise" in told.err
    assert ("Traceback" in told.err) == (said == "bug")
    plain = preftune()
    assert plain.code == code and said in plain.err
    assert ("Traceback" in plain.err) == (said == "bug")


def test_an_error_of_ours_stays_as_it_is() -> None:
    error = BadInput("No.", file="a", line=3, remedy="Yes.")
    assert as_known(error) is error
    assert as_known(ValueError("x")) is None


def test_json_has_no_numbers_that_json_lacks() -> None:
    text = json_text({"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": -float("inf")}})
    assert json.loads(text) == {"a": None, "b": [None, 1.5], "c": {"d": None}}


@pytest.mark.parametrize("words", [("--help",), ("check", "tiny/ppo"), ("run", "--help")])
def test_start_is_quick(tmp_path: Path, words: tuple[str, ...]) -> None:
    program = (
        "import sys\nfrom preftune.cli.entry import invoke\n"
        f"invoke({list(words)!r})\n"
        f"print([n for n in {(*HEAVY, 'pyarrow', 'matplotlib', 'scipy')!r} if n in sys.modules],"
        " file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr.strip() == "[]", done.stderr


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the ``train`` extra were not installed."""
    for name in list(sys.modules):
        if name.split(".")[0] in HEAVY or name.startswith(("preftune.pipeline", "preftune.cli.")):
            monkeypatch.delitem(sys.modules, name)
    for name in HEAVY:
        monkeypatch.setitem(sys.modules, name, None)


def test_verbs_that_need_no_torch_work_without_it(
    no_torch: None, tmp_path: Path, run_folder: Path, pairs: Path
) -> None:
    config = tmp_path / "ppo.json"
    config.write_text("{}")
    for words in (
        ("check", "tiny/ppo"),
        ("data", "inspect", pairs),
        ("data", "check", pairs),
        ("data", "convert", pairs, tmp_path / "pairs.csv"),
        ("data", "split", pairs, "--out", tmp_path / "splits"),
        ("lineage", run_folder),
        ("report", run_folder),
        ("convert-config", config, "--kind", "ppo"),
        ("doctor",),
    ):
        done = preftune(*words, "--json")
        assert done.code == 0, (words, done)
        assert done.json
    assert "preftune[train]" in preftune("doctor").out


@pytest.mark.parametrize(
    "words",
    [
        ("quickstart",),
        ("run", "tiny/ppo"),
        ("chat", "m", "--prompt", "x"),
        ("evaluate", "reward-model", "--model", "m", "--data", "d"),
        ("evaluate", "policy", "--policy", "m", "--prompts", "p"),
    ],
)
def test_verbs_that_need_torch_say_what_to_install(no_torch: None, words: tuple[str, ...]) -> None:
    done = preftune(*words, "--json")
    assert done.code == 2
    assert f"`preftune {words[0]}` needs torch" in done.error["sentence"]
    assert done.error["remedy"] == "Run: pip install 'preftune[train]'"


def test_a_reader_that_goes_away_is_no_bug(tmp_path: Path) -> None:
    done = process("--version", cwd=tmp_path)
    assert done.out == "preftune 0.1.0\n"
    piped = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m preftune check tiny/ppo | true"],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in piped.stderr and "Exception" not in piped.stderr
