"""Asks PyTorch which GPUs it can compute on, in a process of its own: `python device_probe.py` prints one JSON object.

Counting GPUs is not enough. A driver may be too old for this build of PyTorch, a GPU too old for its kernels, all of its memory taken.
So every GPU multiplies two matrices, and one that cannot is reported with PyTorch's own words. It runs apart from the page because
asking opens the GPU, which takes memory and must not happen in a process that workers are forked from. Imports only the standard
library and torch, so that it can be run as a file.
"""

import json
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import torch

HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")


def probe() -> dict[str, Any]:
    """`accelerators`: the GPUs that computed, in PyTorch's order; `problems`: sentences about all that did not."""
    found: list[dict[str, Any]] = []
    problems: list[str] = []
    for kind, count in _counts(problems):
        for index in range(count):
            device = kind if kind == "mps" else f"{kind}:{index}"
            try:
                found.append(_facts(device))
            except Exception as error:  # of any type: whatever a driver throws means that this GPU cannot be used
                problems.append(f"{_name(device)}: {_first_sentence(error)}")
    return {"accelerators": found, "problems": problems}


def _counts(problems: list[str]) -> Iterator[tuple[str, int]]:
    """The kinds of GPU this build of PyTorch knows, and how many there are; why there are none goes to `problems`."""
    if torch.version.cuda or torch.version.hip:
        yield "cuda", _cuda_count(problems)
    elif torch.backends.mps.is_built():
        yield "mps", int(torch.backends.mps.is_available())
    elif torch.xpu._is_compiled():
        yield "xpu", torch.xpu.device_count()
    else:
        problems.append(f"PyTorch {torch.__version__} is a build for CPUs only.")


def _cuda_count(problems: list[str]) -> int:
    try:
        torch.cuda.init()
        return torch.cuda.device_count()
    except Exception as error:  # RuntimeError, and AssertionError for a build without CUDA
        problems.append(_hidden() or _first_sentence(error))
        return 0


def _hidden() -> str | None:
    """The variable that hides every GPU, if there is one."""
    name = next((name for name in HIDING if os.environ.get(name, "0").strip() in ("", "-1", "none", "NoDevFiles")), None)
    return f"{name} is set to “{os.environ[name]}”, which hides every GPU." if name else None


def _facts(device: str) -> dict[str, Any]:
    kind = torch.device(device).type
    # Large enough for the library that real layers use; cudaGetLastError may come late, so the result is read.
    ones = torch.ones(256, 256, device=device, dtype=torch.float16)
    if float((ones @ ones)[0, 0]) != 256:
        raise RuntimeError("a matrix product came out wrong.")
    if kind == "mps":
        total = torch.mps.recommended_max_memory()
        return _described(device, "Apple GPU", total, total - torch.mps.driver_allocated_memory(), True)
    module = torch.get_device_module(device)
    properties = module.get_device_properties(device)
    free, total = module.mem_get_info(device)
    bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False) if kind == "cuda" and torch.version.cuda else True
    facts = _described(device, properties.name, total, free, bfloat16)
    if kind == "cuda" and torch.version.cuda:
        facts |= {"compute_capability": torch.cuda.get_device_capability(device), "uuid": str(properties.uuid)}
    return facts


def _described(device: str, name: str, memory_bytes: int, free_bytes: int, bfloat16: bool) -> dict[str, Any]:
    return {"device": device, "name": name, "memory_bytes": memory_bytes, "free_bytes": free_bytes, "bfloat16": bfloat16}


def _name(device: str) -> str:
    try:
        return str(torch.get_device_module(device).get_device_name(device))
    except Exception:  # a GPU that does not even tell its name
        return device


def _first_sentence(error: Exception) -> str:
    """PyTorch's errors go on with general advice about debugging; what happened comes first."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    sentence = line.split(". ", 1)[0].rstrip(".:")
    return f"{sentence}."


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they say of GPUs that are too old, the matrix product shows
        json.dump(probe(), sys.stdout)
