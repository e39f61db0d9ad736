"""Metric names and their meaning, the metrics file, dashboards, and progress for people."""

from preftune.monitoring.adapters import MLflowSink, TensorBoardSink, TrackioSink, WandbSink
from preftune.monitoring.console import Bar, Console
from preftune.monitoring.metric import Metric
from preftune.monitoring.metrics import METRICS, describe, metrics_page
from preftune.monitoring.metrics_file import MetricsFile, metrics_row, read_metrics
from preftune.monitoring.sinks import Sink, Sinks

__all__ = [
    "METRICS",
    "Bar",
    "Console",
    "MLflowSink",
    "Metric",
    "MetricsFile",
    "Sink",
    "Sinks",
    "TensorBoardSink",
    "TrackioSink",
    "WandbSink",
    "describe",
    "metrics_page",
    "metrics_row",
    "read_metrics",
]
