"""The small types that catalogue and records share, each owned here once; records/types.py adds those that are checked when read."""

from typing import Literal

Dtype = Literal["float32", "float16", "bfloat16"]
DeviceType = Literal["cpu", "cuda", "mps", "xpu"]

Kind = Literal["real", "simulated"]
"""Whether a scheme runs in its format, or only its numbers are those of the format."""

ModelTask = Literal["image-text-to-text", "text-generation"]
"""What a model does, under transformers' names."""

Granularity = Literal["row", "group", "block", "tensor"]
"""What shares a scale: an output row, a group of inputs (the last may be shorter), a block of inputs (which divides the row), or all."""
