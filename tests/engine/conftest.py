"""Workers on tiny checkpoints, loaded once a session."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qdash.catalog.families.simulated import SIMULATED as SIMULATED_FAMILY
from qdash.catalog.schemes import SCHEMES
from qdash.engine import calibration, own_texts
from qdash.engine.layers import KIND_REASONS
from qdash.engine.loading import load_processor
from qdash.engine.schemes import QuantizeContext
from qdash.engine.worker import Worker
from qdash.records import Coverage, Question, WorkerSpec

VISION = ("llava", "fastvlm", "smolvlm", "qwen3-vl")
TEXT = ("qwen3", "bloom")
REAL = ("original", "fp32", "fp16", "bf16", "bnb-int8", "bnb-nf4", "bnb-nf4-fp32", "bnb-fp4")
TORCHAO = ("ao-int8wo", "ao-int8dyn", "ao-int8static", "ao-int4wo", "ao-fp8wo")  # those that a CPU can run
DYNAMIC = "torch-int8dyn"
GGUF = ("q4_1", "q8_0", "iq4_nl")  # one of each kind that the tiny models' layers fit; test_gguf has all
ROUNDING = ("gptq-int3", "awq-int4", "hqq-int4")  # one of each method
SIMULATED = (*(key for key, scheme in SCHEMES.items() if scheme.family is SIMULATED_FAMILY), *GGUF)


def ignore(event: object) -> None:
    """An `emit` for tests that look at results only."""


def never() -> bool:
    """A `stop` that nobody presses."""
    return False


def spec_of(folder: Path, scheme: str | None, **changes: Any) -> WorkerSpec:
    """A CPU worker's spec; the task follows from the checkpoint."""
    task = "image-text-to-text" if (folder / "processor_config.json").exists() else "text-generation"
    # One thread: two on a busy machine wait for each other.
    known: dict[str, Any] = {"revision": "", "device": "cpu", "dtype": "float32", "threads": 1}
    return WorkerSpec(folder=str(folder), scheme=scheme, task=task, **{**known, **changes})


def build_of(spec: WorkerSpec) -> QuantizeContext:
    """What a scheme's transform gets, for tests that load a model without a worker."""
    return QuantizeContext(spec, load_processor(spec), lambda fraction, words: None)


def linear_skips(coverage: Coverage) -> dict[str, str]:
    """The linear layers that were left, and why; not the embeddings, convolutions and others that are left by every scheme."""
    others = (*KIND_REASONS.values(), "own weights")
    return {skip.name: skip.reason for skip in coverage.skipped if not any(words in skip.reason for words in others)}


@pytest.fixture(scope="session", autouse=True)
def little_to_read() -> Iterator[None]:
    """Models read and write little to calibrate with, so that tests are quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_texts, "OWN_TEXTS", 4)
        patch.setattr(own_texts, "OWN_LENGTH", 24)
        patch.setattr(own_texts, "ANSWER", 4)
        patch.setattr(calibration, "DRAWINGS", 2)
        yield


@pytest.fixture(scope="session")
def worker(checkpoint: Callable[[str], Path]) -> Callable[..., Worker]:
    """`worker("llava", "bnb-nf4")` is a loaded worker that tests share."""
    loaded: dict[WorkerSpec, Worker] = {}

    def find(architecture: str, scheme: str, **changes: Any) -> Worker:
        spec = spec_of(checkpoint(architecture), scheme, **changes)
        if spec not in loaded:
            loaded[spec] = Worker(spec)
            loaded[spec].load(emit=ignore, stop=never)
        return loaded[spec]

    return find


@pytest.fixture(scope="session")
def question(png: bytes) -> Callable[[str], Question]:
    """`question("llava")` asks about the picture where the architecture can see."""
    return lambda architecture: Question(prompt="What is it?", png=png if architecture in VISION else None)


@pytest.fixture
def own_worker(checkpoint: Callable[[str], Path]) -> Callable[[str], Worker]:
    """A worker of the test's own, for tests that change the model."""

    def load(architecture: str) -> Worker:
        made = Worker(spec_of(checkpoint(architecture), "original"))
        made.load(emit=ignore, stop=never)
        return made

    return load
