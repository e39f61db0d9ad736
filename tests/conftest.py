"""Settings every test runs under: repeatable, offline, one thread a process."""

import os
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from hypothesis import settings  # noqa: E402

settings.register_profile("preftune", derandomize=True, database=None, deadline=None)
settings.load_profile("preftune")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The mutants and what killed them."""
    passed = terminalreporter.stats.get("passed", [])
    told = [text for report in passed for name, text in report.user_properties if name == "mutant"]
    if told:
        terminalreporter.section("mutants and their killers")
        for text in told:
            terminalreporter.write_line(text)
