"""Models of a preference profile, made when a client first asks for them by name."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from preftune.recipe.profiles import split_profile
from preftune.records import BadInput
from preftune.serving.shapes import Refused
from preftune.serving.worker import Served, open_served

MOST = 4
"""Profiles held in memory at one time, each as large as its model."""


@dataclass(slots=True)
class Profiled:
    """Opens ``NAME@helpful=.7,harmless=.3`` from the source that stands behind ``NAME``.

    The last few are kept; an older one gives up its place once nobody waits for it.
    """

    sources: Mapping[str, str]
    device: torch.device
    batch_size: int = 64
    most: int = MOST
    _kept: dict[str, Served] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def opened(self) -> list[Served]:
        return list(self._kept.values())

    def find(self, name: str) -> Served:
        """The running model of a name with a profile. Raises ``Refused``."""
        plain, profile = split_profile(name)
        source = self.sources.get(plain)
        if source is None or profile is None:
            raise Refused(
                404, f"There is no model {name!r}.", param="model", code="model_not_found"
            )
        with self._lock:
            served = self._kept.pop(name, None)
            if served is None:
                self._make_room()
                served = self._open(name, f"{source}@{profile}")
            self._kept[name] = served
        return served

    def _open(self, name: str, source: str) -> Served:
        try:
            served = open_served(name, source, self.device, self.batch_size)
        except BadInput as error:
            remedy = f" {error.remedy}" if error.remedy else ""
            raise Refused(404, f"{error.sentence}{remedy}", param="model") from None
        served.start()
        return served

    def _make_room(self) -> None:
        if len(self._kept) < self.most:
            return
        for name, served in self._kept.items():
            if served.idle:
                del self._kept[name]
                served.stop()
                return
        raise Refused(429, "All profiles that fit are in use; try again later.", code="overloaded")
