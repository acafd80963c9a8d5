"""The small types that every record shares: devices and dtypes under PyTorch's names, tasks under those of transformers."""

from typing import Annotated, Literal, get_args

from pydantic import StringConstraints

from qdash.catalog.types import DeviceType, Dtype, Granularity, Kind, ModelTask

__all__ = ["Device", "DeviceChoice", "DeviceType", "Dtype", "Granularity", "Kind", "ModelTask", "Preparation", "Status", "device_type"]

Status = Literal["ok", "failed", "skipped"]
"""How a variant ended."""

Preparation = Literal["downloading", "making", "unpacking"]
"""What brings the files of a model to this machine: a download, random weights, a GGUF file."""

Device = Annotated[str, StringConstraints(pattern=r"^(cpu|mps|(cuda|xpu)(:\d{1,2})?)$")]
"""A device as PyTorch writes it: `cpu`, `cuda:0`, `mps`, `xpu:1`. Without a number: the first of its type."""

DeviceChoice = Annotated[str, StringConstraints(pattern=r"^(auto|cpu|mps|(cuda|xpu)(:\d{1,2})?)$")]
"""What a person may ask for: `auto`, or a `Device`. `cuda` without a number: the one with the most free memory."""


_TYPES: dict[str, DeviceType] = {name: name for name in get_args(DeviceType)}


def device_type(device: str) -> DeviceType:
    """`cuda` of `cuda:1`; raises KeyError for what is not a device."""
    return _TYPES[device.partition(":")[0]]
