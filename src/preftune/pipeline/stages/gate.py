"""A gate: measured conditions, and a refusal that says which one failed and what to do."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from preftune.artifacts import write_json_atomic
from preftune.data import load, read_rows
from preftune.pipeline import gates
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.gates import Finding
from preftune.recipe import Gate
from preftune.recipe.gate import AgreementCheck, GateCheck, PreferredCheck, RewardCheck
from preftune.records import GateRefused, VotedPair

DECISION = "decision.json"
DECIDE: dict[str, Callable[..., Finding]] = {
    "agreement": gates.agreement,
    "accuracy": gates.accuracy,
    "calibration": gates.calibration,
    "win_rate": gates.win_rate,
    "reward": gates.reward,
    "alignment_tax": gates.alignment_tax,
    "diversity": gates.diversity,
    "audit": gates.audit,
    "preferred": gates.preferred,
    "number": gates.number,
}


def run(context: StageContext[Gate]) -> StageOutcome:
    findings = findings_of(context, context.settings.checks)
    summary = {
        "passed": all(finding.passed for finding in findings),
        "checks": [finding.as_json() for finding in findings],
    }
    write_json_atomic(context.folder / DECISION, summary)
    for finding in findings:
        context.console.line(f"{'passed' if finding.passed else 'REFUSED'}: {finding.sentence}")
    refused = [finding for finding in findings if not finding.passed]
    if refused:
        write_json_atomic(context.folder / "summary.json", summary)
        said = "; ".join(f"{each.sentence} ({each.evidence})" for each in refused)
        raise GateRefused(
            f"Gate {context.name} refused: {said}.",
            file=context.folder,
            remedy=refused[0].remedy,
        )
    return StageOutcome({"decision": DECISION}, summary)


def findings_of(context: StageContext[Any], checks: Mapping[str, GateCheck]) -> list[Finding]:
    """Every check of a stage held against what its sources measured."""
    return [_find(context, name, check) for name, check in checks.items()]


def _find(context: StageContext[Any], name: str, check: GateCheck) -> Finding:
    if isinstance(check, AgreementCheck | PreferredCheck):
        evidence: Any = load(VotedPair, context.inputs[f"checks.{name}.labels"]).records
    elif isinstance(check, RewardCheck):
        evidence = read_rows(context.inputs[f"checks.{name}.of"])
    else:
        path = context.inputs[f"checks.{name}.of"]
        evidence = json.loads(path.read_text(encoding="utf-8"))
    return DECIDE[check.kind](name, check, evidence)
