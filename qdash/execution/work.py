"""What a job asks of a device, in sizes that are known before it runs: enough to estimate how long it takes."""

from dataclasses import dataclass

from qdash.records.types import Device


@dataclass(frozen=True)
class VariantWork:
    """One variant's part of a job. Parts of equal `kind`, `model` and `scheme` take times that are proportional to their sizes.

    `kind`: what is done with it ("compare"). `load_bytes`: what is read and loaded; `passes`: forward passes of the model.
    """

    kind: str
    model: str
    scheme: str
    load_bytes: int = 0
    passes: int = 0


@dataclass(frozen=True)
class Work:
    """A job's work on `device`, variant by variant. An item that the job yields for variant i has an attribute `index` of i; without one it
    belongs to the first.
    """

    device: Device
    variants: tuple[VariantWork, ...] = ()
