"""What a scheme may need of a machine, and how it says that something is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from qdash.errors import CHOOSE_ANOTHER


class Surroundings(Protocol):
    """Where a scheme is to run: the device that was chosen, what it can do, and the installed packages with their versions."""

    @property
    def device(self) -> str:
        """The chosen device: “cpu”, “cuda:0” …"""
        ...

    @property
    def compute_capability(self) -> tuple[int, int] | None:
        """What a CUDA device can do; None elsewhere."""
        ...

    @property
    def choices(self) -> tuple[str, ...]:
        """What could be chosen as device instead."""
        ...

    @property
    def public(self) -> bool:
        """Whether strangers choose, who cannot install what is missing."""
        ...

    @property
    def packages(self) -> Mapping[str, str]:
        """Versions of what is installed, by name."""
        ...


MISSING = {
    "package": "{package}, which is not installed here",
    "cpu": "the CPU",
    "cuda": "a CUDA device",
    "capability": "a GPU with compute capability {least} or higher; this one has {own}",
}
"""What may be missing, as the end of “… needs”."""


@dataclass(frozen=True)
class Need:
    """Something that a scheme cannot do without; what is None does not matter.

    `capability` is the least compute capability of a CUDA device; other devices are not asked for one. `elsewhere` is the remedy on a
    machine that has no such device at all; empty: the same.
    """

    remedy: str
    package: str | None = None
    device: Literal["cpu", "cuda"] | None = None
    capability: tuple[int, int] | None = None
    elsewhere: str = ""

    def remedy_in(self, here: Surroundings) -> str:
        """What to do about it `here`: nobody is sent to a device that the machine does not have, and no visitor is to install anything."""
        if self.package is not None and here.public:
            return CHOOSE_ANOTHER
        has_device = self.device is None or any(choice.partition(":")[0] == self.device for choice in here.choices)
        return self.remedy if has_device else self.elsewhere or self.remedy

    def missing(self, here: Surroundings) -> str | None:
        """What is not there, as the end of “… needs”; None if all is."""
        if self.package is not None and self.package not in here.packages:
            return MISSING["package"].format(package=self.package)
        here_type = here.device.partition(":")[0]
        if self.device is not None and here_type != self.device:
            return MISSING[self.device]
        if self.capability is not None and here_type == "cuda" and (here.compute_capability or (0, 0)) < self.capability:
            own = ".".join(map(str, here.compute_capability or ("unknown",)))
            least = ".".join(map(str, self.capability))
            return MISSING["capability"].format(least=least, own=own)
        return None
