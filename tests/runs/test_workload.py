"""The work of runs: what calibrating adds to it, against the passes that a model is really given."""

from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from qdash import checkpoints
from qdash.catalog import calibration
from qdash.catalog.families.rounding import COLUMNS_A_PASS
from qdash.catalog.schemes import find_scheme
from qdash.engine.schemes import family_of
from qdash.engine.worker import Worker
from qdash.records import Device
from qdash.runs.workload import context_work, proof_work, sensitivity_work, weight_error_work
from tests.engine.conftest import build_of, ignore, never, spec_of
from tests.support.held import model_of

GPU: Device = "cuda:0"
WRITTEN = calibration.OWN_LENGTH
READ = len(calibration.TEXTS) + calibration.OWN_TEXTS
WHOLE = WRITTEN + READ * (1 + calibration.MOST_STAGES // 2)


def passes(scheme: str) -> int:
    """Of a variant of a model that does not see."""
    return context_work(checkpoints.locate("tiny-lm"), scheme, 10, GPU).variants[0].passes


def test_schemes_that_are_calibrated_take_passes_and_others_none() -> None:
    assert [passes(key) for key in ("original", "bnb-nf4", "ao-int8dyn", "hqq-int4")] == [0] * 4
    assert passes("ao-int8static") == len(calibration.TEXTS) and passes("awq-int4") == WHOLE
    found = checkpoints.locate("tiny-lm")
    columns = sum(tensor.shape[1] for tensor in found.tensors if "proj" in tensor.name)
    assert passes("gptq-int4") == WHOLE + columns // COLUMNS_A_PASS > WHOLE
    assert passes("mlp=awq-int4,attention=ao-int8static") == WHOLE + len(calibration.TEXTS)


def test_every_kind_of_run_counts_them() -> None:
    found = checkpoints.locate("tiny-lm")
    parts = proof_work(found, [("original", 1), ("awq-int4", 2), ("awq-int4", 3)], 7, GPU).variants
    assert [(part.load_bytes, part.passes) for part in parts] == [(1, 7), (2, 7 + WHOLE), (3, 7 + WHOLE)]
    # The weights of INT8 static are known without a model.
    (part,) = weight_error_work(found, ["ao-int8static", "awq-int4"], GPU).variants
    assert part.passes == WHOLE
    layers = sum("proj" in tensor.name for tensor in found.tensors)
    (part,) = sensitivity_work(found, ["ao-int8static", "awq-int4"], 1, 7, GPU).variants
    assert part.passes == 7 + len(calibration.TEXTS) + WRITTEN + READ * (layers * 3 // 2)


@pytest.mark.parametrize("scheme", ["ao-int8static", "awq-int4"])
def test_the_number_is_about_that_of_real_passes(checkpoint: Callable[[str], Path], scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, number in (("own_texts", "OWN_TEXTS", 4), ("own_texts", "OWN_LENGTH", 24)):
        monkeypatch.setattr(f"qdash.engine.{module}.{name}", number)
        monkeypatch.setattr(calibration, name, number)
    monkeypatch.setattr(calibration, "MOST_STAGES", 2)  # of two layers
    subject = Worker(spec_of(checkpoint("qwen3"), "original"))
    subject.load(emit=ignore, stop=never)
    model, begun = model_of(subject), list[nn.Module]()
    for layer in model.model.layers:
        layer.register_forward_pre_hook(lambda layer, given: begun.append(layer))
    family_of(find_scheme(scheme)).transform(model, find_scheme(scheme), build_of(subject.spec))
    told = find_scheme(scheme).family.calibration_passes(find_scheme(scheme), 0, sees=False)
    assert told == pytest.approx(len(begun) / len(model.model.layers), rel=0.35)
