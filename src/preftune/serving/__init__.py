"""An OpenAI-shaped endpoint and a playground over local models."""

from preftune.serving.app import create_app
from preftune.serving.profiled import Profiled
from preftune.serving.worker import Served, open_models, profiled_sources

__all__ = ["Profiled", "Served", "create_app", "open_models", "profiled_sources"]
