"""Both sides of a comparison are read alike: one prompt, and an end token each."""

import json
from pathlib import Path

from preftune.monitoring import Console
from preftune.pipeline.context import StageContext
from preftune.pipeline.stages.offline import _pairs
from preftune.recipe import DPO
from tests.models.made import CPU, make_renderer

EOS = 0


def test_both_sides_have_one_prompt_and_end(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": "Where is my lamp?", "chosen": " It arrives on Friday.", "rejected": " No."},
        {"prompt": "", "chosen": " Yes.", "rejected": " It arrives."},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = DPO.model_validate({"model": "m", "train": "t"})
    inputs = {"train": path}
    context = StageContext("dpo", settings, inputs, {}, tmp_path, 0, CPU, Console("silent"))
    pairs = _pairs(context, make_renderer(), "train")
    assert len(pairs) == 2
    for pair in pairs:
        assert pair.chosen.prompt_ids == pair.rejected.prompt_ids != ()
        assert pair.chosen.response_ids[-1] == pair.rejected.response_ids[-1] == EOS
        assert EOS not in (*pair.chosen.response_ids[:-1], *pair.rejected.response_ids[:-1])
