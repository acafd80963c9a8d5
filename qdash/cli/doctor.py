"""`qdash doctor`: what works on this machine, and how to get the rest.

Package metadata says what is installed, not whether it can be imported (a system library may be missing, a wheel may be for another CUDA),
so a separate process tries, as a worker would.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import constants

from qdash import __version__, checkpoints
from qdash.catalog.models import MODELS
from qdash.catalog.schemes import SCHEMES, Scheme, libraries
from qdash.cli.display import display
from qdash.cli.display.blocks import Listing, Paragraph
from qdash.cli.inventory import availability
from qdash.errors import INSTALL_AGAIN, QdashError
from qdash.machine import UNTESTED, Accelerator, available_bytes, gpu_free_bytes, remedy_for, this_machine
from qdash.records import device_type

REQUIRED = ("torch", "transformers", "accelerate")
IMPORTS = tuple(dict.fromkeys((*REQUIRED, *libraries(), "timm")))
_TIMEOUT_S = 120
_PROBE = """
import importlib, json, sys, warnings
warnings.simplefilter("ignore")
found = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name.replace("-", "_"))
    except Exception as error:
        found[name] = f"{type(error).__name__}: {error}".splitlines()[0]
print(json.dumps(found))
"""


def doctor() -> int:
    """Show what works on this machine, and how to get the rest.

    Exit status: 0 the original runs; 3 it does not.
    """
    machine, shown = this_machine(), display()
    shown.show(Paragraph(f"qdash {__version__}, Python {machine.python} on {machine.platform}"))
    failures = _tried()
    shown.show(
        *map(Paragraph, _devices()),
        Listing("\nPackages", tuple((name, _package(name, failures)) for name in IMPORTS)),
        Listing("\nSchemes", tuple((scheme.key, _scheme(scheme, failures)) for scheme in SCHEMES.values())),
        Listing("\nModels", tuple((key, _model(key)) for key in MODELS)),
        Paragraph(f"\n{_cache()}"),
        Paragraph("\nThe bundled models need no network; hub models are downloaded once, and random weights are made once."),
    )
    return 3 if any(name in failures or name not in machine.packages for name in REQUIRED) else 0


def _tried() -> dict[str, str]:
    """Packages that cannot be imported → why."""
    command = [sys.executable, "-c", _PROBE, *IMPORTS]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True).stdout
    except (subprocess.SubprocessError, OSError) as error:
        return dict.fromkeys(REQUIRED, f"importing it crashed the process ({error})")
    return json.loads(output.splitlines()[-1])


def _devices() -> Iterator[str]:
    machine = this_machine()
    yield f"CPU: {machine.cores} cores, {available_bytes() / 2**30:.1f} of {machine.memory_bytes / 2**30:.1f} GiB memory free"
    for accelerator in machine.accelerators:
        yield f"GPU: {_accelerator(accelerator)}{', chosen by “auto”' if accelerator.device == machine.device else ''}"
    for problem in machine.problems:
        yield f"GPU: cannot be used. {problem} {remedy_for((problem,))}".rstrip()
    if not machine.accelerators:
        yield "Everything runs on the CPU."


def _accelerator(accelerator: Accelerator) -> str:
    free = gpu_free_bytes(accelerator) or accelerator.free_bytes
    facts = [f"{accelerator.device}, {accelerator.name}, {free / 2**30:.1f} of {accelerator.memory_bytes / 2**30:.1f} GiB memory free"]
    if accelerator.compute_capability:
        facts.append(f"compute capability {accelerator.compute_capability[0]}.{accelerator.compute_capability[1]}")
    kind = device_type(accelerator.device)
    if kind in UNTESTED:
        facts.append(f"untested: choose it with --device {kind}")
    return ", ".join(facts)


def _package(name: str, failures: dict[str, str]) -> str:
    version = this_machine().packages.get(name)
    if version is None:
        return f"not installed. {INSTALL_AGAIN}"
    return f"{version}, cannot be imported: {failures[name]}. Reinstall it." if name in failures else version


def _scheme(scheme: Scheme, failures: dict[str, str]) -> str:
    broken = next((need.package for need in scheme.needs if need.package in failures), None)
    return f"no: {broken} cannot be imported, see above" if broken else availability(scheme)


def _model(key: str) -> str:
    """Whether a model is on this machine already, without asking the network."""
    entry = MODELS[key]
    if entry.kind == "random":
        return "made" if checkpoints.is_cached(key) else "will be made on first use"
    if entry.package is not None:
        return "unpacked" if checkpoints.is_cached(key) else f"will be fetched on first use, {entry.package.download_bytes / 1e6:.0f} MB"
    if entry.kind == "hub":
        return "downloaded" if checkpoints.is_cached(key) else "will be downloaded on first use"
    try:
        checkpoints.locate(key)
    except QdashError as error:
        return f"broken: {error}"
    return "bundled"


def _cache() -> str:
    cache = Path(constants.HF_HUB_CACHE).absolute()
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    return f"Downloads go to {cache}, {shutil.disk_usage(existing).free / 2**30:.1f} GiB free. HF_HOME changes that."
