"""The web application: people label in it, leads watch, adjudicate and export."""

from preftune.web.app import create_app
from preftune.web.settings import WebSettings
from preftune.web.talking import Policy

__all__ = ["Policy", "WebSettings", "create_app"]
