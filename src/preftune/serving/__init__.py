"""An OpenAI-shaped endpoint and a playground over local models."""

from preftune.serving.app import create_app
from preftune.serving.worker import Served, open_models

__all__ = ["Served", "create_app", "open_models"]
