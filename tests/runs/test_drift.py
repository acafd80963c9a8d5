"""Drift along a text, against transformers' own forward pass over the same tokens."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from qdash.catalog.models import ASSETS
from qdash.cli.display.blocks import Paragraph, Table
from qdash.cli.shown.weight_files import files_blocks
from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.execution.inline import InlineExecutor
from qdash.records import SchemeWeights, StoredModel, WeightReport
from qdash.runs.drift import bundled_text, measure_drift

TINY = ASSETS / "models" / "tiny-lm"
TEXT = "Tom has a red ball. He gave the ball to Anna, and now"


def report(*models: str) -> WeightReport:
    """Of which only the names matter here."""
    own, *others = (
        StoredModel(model=model, label=Path(model).name, parameters=1, tensor_bytes=4, file_bytes=4, bits_per_weight=32, types={"F32": 1})
        for model in models
    )
    schemes = (
        SchemeWeights(
            scheme=other.model, label=other.label, kind="real", sqnr_db=None, mse=0, max_abs_error=0, cosine=1, layers=(), other=other
        )
        for other in others
    )
    return WeightReport(model=own.model, schemes=tuple(schemes), stored=own)


@pytest.fixture(scope="module")
def rounded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tiny-lm with weights of eight levels a tensor, and a chat template of its own that must make no difference."""
    folder = tmp_path_factory.mktemp("models") / "rounded"
    shutil.copytree(TINY, folder)
    tensors = load_file(folder / "model.safetensors")
    coarse = {name: (weight / (step := weight.abs().max() / 40)).round() * step for name, weight in tensors.items()}
    save_file(coarse, folder / "model.safetensors", {"format": "pt"})
    (folder / "chat_template.jinja").write_text("Say it again: {{ messages[0]['content'] }}")
    return folder


def test_it_is_the_divergence_along_the_same_tokens(rounded: Path) -> None:
    found = result_of(measure_drift(report("tiny-lm", str(rounded)), TEXT, InlineExecutor(), device="cpu")).schemes[0].drift
    assert found is not None
    tokenizer = hf.AutoTokenizer.from_pretrained(TINY)
    first = tokenizer("Tom")["input_ids"]
    rest = tokenizer(TEXT.removeprefix("Tom"), add_special_tokens=False)["input_ids"]
    ids = torch.tensor([first + rest])
    with torch.no_grad():
        p, q = (
            hf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)(ids)
            .logits[0, len(first) - 1 : -1]
            .double()
            .log_softmax(-1)
            for folder in (TINY, rounded)
        )
    kl = (p.exp() * (p - q)).sum(-1)
    assert found.tokens == len(rest)
    assert found.kl_mean_nats == pytest.approx(float(kl.mean()), rel=1e-4) and float(kl.mean()) > 1e-4
    assert found.kl_se == pytest.approx(float(kl.std() / len(rest) ** 0.5), rel=1e-4)
    assert found.top1 == pytest.approx(float((p.argmax(-1) == q.argmax(-1)).double().mean()))


def test_other_words_are_told_and_random_weights_refused(rounded: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(rounded, other)
    tokenizer = json.loads((other / "tokenizer.json").read_text(encoding="utf-8"))
    words = tokenizer["model"]["vocab"]
    words["Ġapple"], words["Ġapples"] = words["Ġapples"], words["Ġapple"]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    done = result_of(measure_drift(report("tiny-lm", str(other), str(rounded)), TEXT, InlineExecutor(), device="cpu"))
    told, followed = done.schemes
    assert told.drift is None and told.drift_problem and "its tokenizer has another vocabulary" in told.drift_problem
    assert followed.drift is not None and followed.drift_problem is None
    *_others, table, problem, _how = files_blocks(done)
    assert isinstance(table, Table) and table.rows[0][0] == "rounded" and len(table.rows) == 1
    assert isinstance(problem, Paragraph) and problem.text.startswith("other: This checkpoint cannot be compared word by word")
    with pytest.raises(QdashError, match="has random weights"):
        result_of(measure_drift(report("tiny-lm", "random:bloom-1b7"), TEXT, InlineExecutor()))
    with pytest.raises(QdashError, match="one word only"):
        result_of(measure_drift(report("tiny-lm", str(rounded)), " Tom ", InlineExecutor()))


def test_the_bundled_text_is_long_enough_for_a_figure() -> None:
    assert 2000 < len(bundled_text()) < 4000
