"""Random-weight architectures against transformers: the same tensors as its classes, loaded by the usual path, finite in 16 bits."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import transformers as hf  # noqa: E402

from qdash.catalog.models import ASSETS, MODELS  # noqa: E402
from qdash.checkpoints.random import Architecture, make  # noqa: E402
from qdash.engine.prompting import build_inputs, read_image  # noqa: E402
from qdash.engine.worker import Worker  # noqa: E402
from qdash.records import Question  # noqa: E402
from tests.engine.conftest import ignore, never, spec_of  # noqa: E402
from tests.support import checkpoints  # noqa: E402
from tests.support.held import model_of, processor_of  # noqa: E402
from training.published import PUBLISHED, Published, folded, saved_tensors, write  # noqa: E402

FAMILIES = {"qwen3": "qwen3-4b", "bloom": "bloom-1b7", "fastvlm": "fastvlm-0.5b", "smolvlm": "smolvlm-256m"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_tensors_kept_are_those_of_the_class(name: str) -> None:
    """Built from the config.json that is kept, by the class it names."""
    folder = ASSETS / "architectures" / name
    config = hf.AutoConfig.from_pretrained(folder)
    assert config.architectures is not None
    (class_name,) = config.architectures
    published = dataclasses.replace(PUBLISHED[name](), config=config, model_class=getattr(hf, class_name))
    model = published.skeleton()
    kept = {tensor.name: (tensor.dtype, tensor.shape) for tensor in Architecture(folder, name).tensors}
    assert kept == saved_tensors(model)
    tied = set(model.all_tied_weights_keys)
    parameters = sum(weight.numel() for key, weight in model.named_parameters(remove_duplicate=False) if key not in tied)
    assert parameters == MODELS[f"random:{name}"].parameters
    assert json.loads((folder / "tensors.json").read_text()) == folded(saved_tensors(model))


@pytest.mark.parametrize("family", ["bloom", "fastvlm", "smolvlm", "qwen3"])
def test_names_are_those_that_save_pretrained_writes(family: str, tmp_path: Path) -> None:
    model, _ = checkpoints.BUILDERS[family]()
    model = model.to(torch.bfloat16)
    model.save_pretrained(tmp_path)
    assert saved_tensors(model) == header(tmp_path / "model.safetensors")


def header(file: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """name → dtype and shape, read by hand."""
    data = file.read_bytes()
    entries = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return {name: (entry["dtype"], tuple(entry["shape"])) for name, entry in entries.items() if name != "__metadata__"}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory):
    """`small("bloom")` is the folder of random weights for a scaled-down architecture, made as the real ones are."""

    def made(family: str) -> Path:
        folder = tmp_path_factory.mktemp(family)
        model, processor = checkpoints.BUILDERS[family]()
        tokenizer: Any = getattr(processor, "tokenizer", processor)
        model.config.dtype = torch.float16 if family == "bloom" else torch.bfloat16
        roles = {"eos_token": tokenizer.eos_token, "pad_token": tokenizer.pad_token}
        published = Published(model.config, type(model), tokenizer.get_added_vocab(), roles, tokenizer.chat_template)
        write(published, folder / "architecture")
        if tokenizer is not processor:  # pictures of the scaled-down size
            processor.save_pretrained(folder / "processor")
            shutil.copy(folder / "processor" / "processor_config.json", folder / "architecture")
        architecture = Architecture(folder / "architecture", family)
        assert list(make(architecture, family, folder))
        return architecture.made_in(folder)

    return made


@pytest.mark.parametrize("family", FAMILIES)
def test_it_loads_by_the_usual_path_and_computes(family: str, small, png: bytes) -> None:
    folder = small(family)
    question = Question(prompt="这是什么？ What is it?", png=png if family in checkpoints.VISION else None)
    for dtype in ("bfloat16", "float16"):
        worker = Worker(spec_of(folder, "original", dtype=dtype))
        worker.load(emit=ignore, stop=never)
        assert worker.answer(question, 4, emit=ignore, stop=never).new_tokens <= 4
        with torch.no_grad():
            inputs = build_inputs(processor_of(worker), question.prompt, read_image(question), model_of(worker))
            logits = model_of(worker)(**inputs).logits.float()
        assert torch.isfinite(logits).all() and 0.05 < logits.std() < 20
