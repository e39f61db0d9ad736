"""Promote or roll back: the candidate's model where it passes every check, else the incumbent's."""

import shutil

from preftune.artifacts import write_json_atomic
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.stages.gate import DECISION, findings_of
from preftune.recipe import Promote


def run(context: StageContext[Promote]) -> StageOutcome:
    findings = findings_of(context, context.settings.checks)
    promoted = all(finding.passed for finding in findings)
    chosen = "candidate" if promoted else "incumbent"
    target = context.folder / "model"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(context.inputs[chosen], target)
    summary = {
        "promoted": promoted,
        "passed": promoted,
        "model_is": chosen,
        "checks": [finding.as_json() for finding in findings],
    }
    write_json_atomic(context.folder / DECISION, summary)
    for finding in findings:
        context.console.line(f"{'passed' if finding.passed else 'failed'}: {finding.sentence}")
    context.console.line("promoted" if promoted else "rolled back: the incumbent stays")
    return StageOutcome({"model": "model", "decision": DECISION}, summary)
