"""A recipe's engine: what writes the responses of a stage that learns from them."""

from pathlib import Path

import pytest

from preftune.monitoring import read_metrics
from preftune.pipeline import summary as summary_module
from preftune.records import BadInput, RunFailed
from tests.pipeline.test_adapters import BASE, run

REINFORCE = """
[stages.reinforce]
kind = "reinforce"
policy = "stage:base"
prompts = "data:prompts.jsonl"
rewards.short = {{ rule = {{ kind = "length", most = 4 }} }}
iterations = 1
rollouts = 6
sampling = {{ max_new_tokens = 6 }}
engine = {engine}
"""


@pytest.fixture(autouse=True)
def _no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report has tests of its own."""
    monkeypatch.setattr(
        summary_module, "write_report", lambda out: (out / "report.html").write_text("a report")
    )


def test_a_stage_learns_from_the_engine_of_transformers(tmp_path: Path) -> None:
    engine = '{ kind = "transformers", page_size = 16, pages = 64, batch_tokens = 64 }'
    stages, summary = run(tmp_path, BASE + REINFORCE.format(engine=engine))
    assert summary["status"] == "done"
    (row,) = read_metrics(stages / "02-reinforce" / "metrics.jsonl")
    gaps = {name: value for name, value in row.items() if "logp_difference" in name}
    assert gaps and all(abs(value) < 1e-4 for value in gaps.values())
    assert row["first_pass/ratio_max_error"] < 1e-4


def test_servers_that_are_not_there_are_told(tmp_path: Path) -> None:
    engine = '{ kind = "vllm", urls = ["http://127.0.0.1:9"] }'
    with pytest.raises(RunFailed, match="does not answer") as caught:
        run(tmp_path, BASE + REINFORCE.format(engine=engine))
    assert "vllm serve" in str(caught.value.remedy)


def test_vllm_that_is_not_installed_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not installed"):
        run(tmp_path, BASE + REINFORCE.format(engine='"vllm"'))
