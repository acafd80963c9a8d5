"""`qdash doctor`: what works on this machine, and how to get the rest.

Package metadata says what is installed; whether it can be imported is another matter (a missing system library, a wheel for another
CUDA), so a process of its own tries, as a worker would.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from huggingface_hub import constants

from qdash import __version__, checkpoints
from qdash.catalog.models import MODELS
from qdash.catalog.schemes import SCHEMES
from qdash.cli.inventory import availability
from qdash.errors import QdashError
from qdash.machine import available_bytes, this_machine

IMPORTS = ("torch", "transformers", "accelerate", "bitsandbytes", "torchao", "timm")
REQUIRED = ("torch", "transformers", "accelerate")
_TIMEOUT_S = 120
_PROBE = """
import importlib, json, sys, warnings
warnings.simplefilter("ignore")
found = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        found[name] = f"{type(error).__name__}: {error}".splitlines()[0]
torch = sys.modules.get("torch")
found["cuda"] = bool(torch and torch.cuda.is_available())
print(json.dumps(found))
"""


def doctor() -> int:
    """Say what works on this machine, and how to get the rest.

    Exit status: 0 the original runs; 3 it does not.
    """
    machine = this_machine()
    print(f"qdash {__version__}, Python {machine.python} on {machine.platform}")
    failures, cuda = _tried()
    _print_device(cuda)
    print("\nPackages")
    for name in IMPORTS:
        print(f"  {name:14}{_package(name, failures)}")
    print("\nSchemes")
    for scheme in SCHEMES.values():
        broken = next((need.package for need in scheme.needs if need.package in failures), None)
        print(f"  {scheme.key:14}{f'no: {broken} cannot be imported, see above' if broken else availability(scheme)}")
    print("\nModels")
    for model in MODELS.values():
        print(f"  {model.key:38}{_model(model.key)}")
    _print_cache()
    print("\nThe bundled model needs no network; hub models are downloaded once, random weights made once.")
    return 3 if any(name in failures or name not in machine.packages for name in REQUIRED) else 0


def _tried() -> tuple[dict[str, str], bool]:
    """Packages that cannot be imported → why; and whether torch sees a CUDA device."""
    command = [sys.executable, "-c", _PROBE, *IMPORTS]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True).stdout
    except (subprocess.SubprocessError, OSError) as error:
        return dict.fromkeys(REQUIRED, f"importing ended the process ({error})"), False
    found = json.loads(output.splitlines()[-1])
    return found, found.pop("cuda")


def _print_device(cuda: bool) -> None:
    machine = this_machine()
    print(f"CPU: {machine.cores} cores, {available_bytes() / 2**30:.1f} of {machine.memory_bytes / 2**30:.1f} GiB memory free")
    if machine.device_memory_bytes and machine.compute_capability:
        major, minor = machine.compute_capability
        memory = f"{machine.device_memory_bytes / 2**30:.1f} GiB, compute capability {major}.{minor}"
        print(f"GPU: {machine.device_name}, {memory}, {'used by torch' if cuda else 'but torch cannot use it: install a CUDA build'}")
    else:
        print("GPU: none found; everything runs on the CPU. For one: an NVIDIA driver and a CUDA build of PyTorch.")


def _package(name: str, failures: dict[str, str]) -> str:
    version = this_machine().packages.get(name)
    if version is None:
        return "not installed: pip install -r requirements.txt"
    return f"{version}, cannot be imported: {failures[name]}. Reinstall it." if name in failures else version


def _model(key: str) -> str:
    """Whether a model is here already; asks no network."""
    entry = MODELS[key]
    if entry.kind == "random":
        return "made" if checkpoints.is_cached(key) else "will be made on first use"
    if entry.kind == "hub":
        return "downloaded" if checkpoints.is_cached(key) else "will be downloaded on first use"
    try:
        checkpoints.locate(key)
    except QdashError as error:
        return f"broken: {error}"
    return "bundled"


def _print_cache() -> None:
    cache = Path(constants.HF_HUB_CACHE).absolute()
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    print(f"\nDownloads go to {cache}, {shutil.disk_usage(existing).free / 2**30:.1f} GiB free. HF_HOME changes that.")
