"""What the engine does on CUDA alone, on an emulated GPU: the same answers as on a CPU, and the figures that only a device has."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from qdash.engine.worker import Worker
from tests.engine.everything import NEW_TOKENS, assert_alike, everything, measured, spec_on

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "qdash" / "assets" / "models"
RANDOM = "qwen3"  # tiny, and made for tests
VARIANTS = [
    ("tiny-lm", "original"), ("tiny-lm", "bnb-nf4"), ("tiny-vlm", "bnb-nf4"),
    (RANDOM, "ao-int8static"), (RANDOM, "fp6-e2m3"), (RANDOM, "int3-g64"),
]  # fmt: skip
TIMEOUT_S = 500  # it takes 40 s, and more on a busy machine
pytestmark = [
    pytest.mark.timeout(TIMEOUT_S + 100),
    pytest.mark.skipif(torch.version.cuda is None, reason="the emulation is of CUDA, which this PyTorch is built without"),
]


@dataclass(frozen=True)
class Emulated:
    """What came of each subject of `cuda_emulation`."""

    found: dict[str, Any]
    folders: dict[str, str]

    def __call__(self, model: str, scheme: str) -> Any:
        return self.found[f"{scheme}@{self.folders[model]}"]


@pytest.fixture(scope="module")
def emulated(checkpoint: Callable[[str], Path]) -> Emulated:
    """All of them in one process, which takes ten seconds to start."""
    folders = {"tiny-lm": str(MODELS / "tiny-lm"), "tiny-vlm": str(MODELS / "tiny-vlm"), RANDOM: str(checkpoint(RANDOM))}
    subjects = [*VARIANTS, *((RANDOM, scheme) for scheme in ("weights", "weights-narrow", "int3-g64-narrow"))]
    command = [sys.executable, "-m", "tests.engine.cuda_emulation", *(f"{scheme}@{folders[model]}" for model, scheme in subjects)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return Emulated(json.loads(done.stdout.splitlines()[-1]), folders)


@pytest.mark.parametrize(("model", "scheme"), VARIANTS)
def test_it_does_all_that_a_cpu_does(emulated, model, scheme):
    found = emulated(model, scheme)
    expected = everything(Worker(spec_on("cpu", emulated.folders[model], scheme)))
    assert found["device"] == "cuda:0"
    assert found["answer"]["tokens"] == list(expected["answer"].tokens) and found["replies"] == expected["replies"]
    assert found["load"]["coverage"] == json.loads(expected["load"].coverage.model_dump_json())
    agreement, ppl = found["compare_to_reference"], expected["compare_to_reference"].ppl
    assert agreement["kl_mean_nats"] == pytest.approx(0, abs=1e-9) and agreement["top1"] == 1
    assert agreement["ppl"] == pytest.approx(ppl, rel=0.02)  # 4-bit weights are unpacked to bfloat16 differently
    assert found["report_model"]["parts"][0]["parameters"] == expected["report_model"].parts[0].parameters


@pytest.mark.parametrize(("model", "scheme"), VARIANTS)
def test_peaks_are_what_the_allocator_counts_above_the_idle_level(emulated, model, scheme):
    """Which is that of the libraries' workspaces, 32 MiB here."""
    found = emulated(model, scheme)
    weights_bytes = found["load"]["weights_bytes"]
    for peak_bytes in (found["load"]["load_peak_bytes"], found["warm_up"]["peak_bytes"], found["run_batches"]["peak_bytes"]):
        assert weights_bytes <= peak_bytes < weights_bytes + 2**23
    watched = found["warm_up"]
    assert watched["peak_bytes"] <= watched["reserved_bytes"] and watched["process_bytes"] is None


@pytest.mark.parametrize(("model", "scheme"), VARIANTS)
def test_after_each_call_nothing_is_kept_from_others(emulated, model, scheme):
    """But for the inputs of the call, which are there until it returns; a timed run leaves the next one what it will need again."""
    cached = dict(emulated(model, scheme)["cached"])
    assert cached.pop("time") > 0
    assert cached.keys() == {"load", "answer", "warm_up", "record_reference", "compare_to_reference", "run_batches", "report_model"}
    assert max(cached.values()) < 150_000 and cached["load"] == cached["warm_up"] == cached["run_batches"] == 0


@pytest.mark.parametrize(("model", "scheme"), VARIANTS)
def test_no_clock_is_read_before_the_device_is_done(emulated, model, scheme):
    found = emulated(model, scheme)
    assert not any(found["pending"][method] for method in ("load", "warm_up", "time", "run_batches"))
    preprocess_s, ttft_s, total_s = (found["time"][name] for name in ("preprocess_s", "ttft_s", "total_s"))
    assert 0 < preprocess_s < ttft_s < total_s and found["time"]["tokens"] == NEW_TOKENS


@pytest.mark.parametrize("subject", ["weights", "weights-narrow"])
def test_weights_are_counted_as_on_a_cpu(emulated, subject):
    """Without 64-bit floats on the device they are counted on the CPU."""
    found = emulated(RANDOM, subject)
    report, near = measured(Worker(spec_on("cpu", emulated.folders[RANDOM], None)))
    assert found["report"]["device"] == "cuda:0"
    assert_alike(found["report"]["schemes"], json.loads(report.model_dump_json())["schemes"])
    assert_alike(found["near"], [json.loads(detail.model_dump_json()) for detail in near])


def test_without_64_bit_floats_scores_are_the_same(emulated):
    """As on Apple's GPUs. The model itself computes as it did."""
    found = emulated(RANDOM, "int3-g64-narrow")
    expected = everything(Worker(spec_on("cpu", emulated.folders[RANDOM], "int3-g64")))
    assert found["answer"]["tokens"] == list(expected["answer"].tokens)
    agreement, ppl = found["compare_to_reference"], expected["compare_to_reference"].ppl
    assert agreement["ppl"] == pytest.approx(ppl, rel=1e-6) and agreement["kl_mean_nats"] == 0
