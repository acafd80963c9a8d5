"""Files of one model against each other, from GGUF files on disk to a report, against the numbers of the `gguf` package."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from bitsandbytes import functional
from gguf import GGMLQuantizationType as Kind
from gguf.quants import dequantize
from safetensors import safe_open

from qdash import checkpoints
from qdash.checkpoints import PublishedQuantization, TensorInfo
from qdash.checkpoints.gguf import files
from qdash.cli.display.blocks import Paragraph, Table
from qdash.cli.shown.weight_files import file_layers_table, files_blocks
from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.execution.inline import InlineExecutor
from qdash.present.weight_files import changes_of_type, headline, matrices
from qdash.records import LayerWeights, MeasuredLayer, StoredType, WeightReport
from qdash.report import weights_to_csv, weights_to_html, weights_to_json
from qdash.runs import weight_files
from qdash.runs.weight_error import measure_weight_error
from qdash.runs.weight_files import compare_files
from qdash.settings import Settings
from tests.support import prequantized
from tests.support.gguf_files import write_llama

DOWN, KEY, EMBEDDING = "blk.1.ffn_down.weight", "blk.0.attn_k.weight", "token_embd.weight"
HEAD = "output.weight"


@dataclass(frozen=True)
class Files:
    """Files of one model, written once; `blocks` are what each holds, by its path."""

    folder: Path
    blocks: dict[Path, dict[str, np.ndarray]]

    def __getitem__(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    """ann's and bob's files have one name; the latter has another type for one layer and other numbers in a second."""
    folder, patch = tmp_path_factory.mktemp("files"), pytest.MonkeyPatch()
    patch.setattr(files, "settings", lambda: Settings(cache_dir=folder / "cache"))
    options: dict[str, dict[str, Any]] = {
        "ann/m-Q4.gguf": {},
        "bob/m-Q4.gguf": {"kinds": {DOWN: Kind.Q8_0}, "changed": [KEY]},
        "tied.gguf": {"kind": Kind.Q8_0, "tied": True},
    }
    blocks = {}
    for name, entries in options.items():
        (folder / name).parent.mkdir(exist_ok=True)
        blocks[folder / name] = write_llama(folder / name, **entries)
    yield Files(folder, blocks)
    patch.undo()


def compared(*models: Path, seen: Callable[[object], object] = lambda step: None) -> WeightReport:
    own, *others = map(str, models)
    return result_of(compare_files(own, others, InlineExecutor()), seen)


@pytest.fixture(scope="module")
def report(made: Files) -> WeightReport:
    return compared(made["ann/m-Q4.gguf"], made["bob/m-Q4.gguf"])


def sqnr_db(before: np.ndarray, after: np.ndarray) -> float:
    before, after = before.astype(float), after.astype(float)
    return 10 * np.log10((before**2).sum() / ((after - before) ** 2).sum())


def by_name(report: WeightReport) -> dict[str, LayerWeights]:
    return {layer.name: layer for layer in report.schemes[0].layers}


def test_layers_that_differ_are_told_by_type_and_number(made: Files, report: WeightReport) -> None:
    found, layers = report.schemes[0], by_name(report)
    ours, theirs = made.blocks[made["ann/m-Q4.gguf"]], made.blocks[made["bob/m-Q4.gguf"]]
    down, key = layers["model.layers.1.mlp.down_proj"], layers["model.layers.0.self_attn.k_proj"]
    assert (down.stored, down.other) == (StoredType(type="Q4_1", bits=5.0), StoredType(type="Q8_0", bits=8.5))
    assert key.stored == key.other and not key.identical
    assert {layer.name for layer in found.layers if not layer.identical} == {down.name, key.name}
    assert len(found.layers) == 21 and [len(layer.shape) for layer in found.layers] == [2] * 16 + [1] * 5
    before, after = dequantize(ours[DOWN], Kind.Q4_1), dequantize(theirs[DOWN], Kind.Q8_0)
    assert down.sqnr_db == pytest.approx(sqnr_db(before, after), rel=1e-9)
    assert down.max_abs_error == pytest.approx(np.abs(after - before).max()) and down.clipped == 0
    assert (found.label, report.stored and report.stored.label) == ("bob/m-Q4.gguf", "ann/m-Q4.gguf")
    assert changes_of_type(found) == [("Q4_1", "Q4_1", 15, 14, 69504), ("Q4_1", "Q8_0", 1, 0, 8192), ("F32", "F32", 5, 5, 320)]


def test_sizes_count_everything(made: Files, report: WeightReport) -> None:
    own, other = report.stored, report.schemes[0].other
    assert own and other
    assert own.bits_per_weight == (77696 * 5 + 320 * 32) / 78016
    assert other.bits_per_weight == report.schemes[0].bits_per_weight == ((77696 - 8192) * 5 + 8192 * 8.5 + 320 * 32) / 78016
    assert other.types == {"Q4_1": 77696 - 8192, "Q8_0": 8192, "F32": 320}
    assert own.file_bytes == made["ann/m-Q4.gguf"].stat().st_size > own.tensor_bytes == 77696 * 5 // 8 + 320 * 4


def test_a_gguf_file_alone_tells_its_types_too(made: Files, report: WeightReport) -> None:
    typed = {layer.name: layer for layer in checkpoints.typed_layers(checkpoints.locate(str(made["bob/m-Q4.gguf"])))}
    assert typed.keys() == {layer.name for layer in matrices(report.schemes[0])}
    down = typed["model.layers.1.mlp.down_proj"]
    assert (down.part, down.block, down.projection, down.parameters) == ("language", 1, "down_proj", 8192)
    assert down.stored.type == "Q8_0" and typed["lm_head"].part == "head"
    assert checkpoints.typed_layers(checkpoints.locate("tiny-lm")) == ()
    scheme = result_of(measure_weight_error(str(made["bob/m-Q4.gguf"]), ["q8_0"], InlineExecutor(), device="cpu"))
    assert scheme.stored is None and {layer.name: layer for layer in scheme.types} == typed


def test_a_copy_of_the_unpacked_model_is_the_same(made: Files, report: WeightReport, tmp_path: Path) -> None:
    """A folder of plain floats tells its types itself; `report` has unpacked the file."""
    unpacked = checkpoints.locate(str(made["ann/m-Q4.gguf"])).folder
    shutil.copytree(str(unpacked), tmp_path / "floats")
    seen: list[object] = []
    found = compared(made["ann/m-Q4.gguf"], tmp_path / "floats", seen=seen.append)
    assert found.schemes[0].sqnr_db is None and all(layer.identical for layer in found.schemes[0].layers)
    assert all(layer.other == StoredType(type="F32", bits=32.0) for layer in found.schemes[0].layers)
    assert "".join(words for words, _ in headline(found)) == "Every weight of floats is the same as in m-Q4.gguf."
    assert [step.name for step in seen if isinstance(step, MeasuredLayer)] == list(by_name(found))


def test_a_head_of_its_own_is_compared_with_the_embedding_it_shares_elsewhere(made: Files, tmp_path: Path) -> None:
    """As llama.cpp writes it for models that tie the two, when asked for another type of output."""
    head = by_name(compared(made["tied.gguf"], made["ann/m-Q4.gguf"]))["lm_head"]
    assert head.stored and head.other and (head.stored.type, head.other.type) == ("Q8_0", "Q4_1")
    ours, theirs = made.blocks[made["tied.gguf"]], made.blocks[made["ann/m-Q4.gguf"]]
    before, after = dequantize(ours[EMBEDDING], Kind.Q8_0), dequantize(theirs[HEAD], Kind.Q4_1)
    assert head.sqnr_db == pytest.approx(sqnr_db(before, after), rel=1e-9)
    shutil.copytree(str(checkpoints.locate(str(made["tied.gguf"])).folder), tmp_path / "floats")
    assert "lm_head" not in by_name(compared(made["tied.gguf"], tmp_path / "floats"))


def test_a_language_model_is_compared_with_that_of_a_model_that_also_sees(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    """As a GGUF file with the original of a vision-language model."""
    seeing = checkpoint("llava")
    whole = hf.AutoModelForImageTextToText.from_pretrained(seeing, dtype=torch.float32)
    config = whole.config.text_config
    text: Any = hf.AutoModelForCausalLM.from_config(config)
    text.model.load_state_dict(whole.model.language_model.state_dict())
    text.lm_head.load_state_dict(whole.lm_head.state_dict())
    text.save_pretrained(tmp_path / "text")
    hf.AutoTokenizer.from_pretrained(seeing).save_pretrained(tmp_path / "text")
    found = compared(seeing, tmp_path / "text")
    assert all(layer.identical for layer in found.schemes[0].layers) and len(found.schemes[0].layers) > 10
    counts = {part: weights for part, weights in found.schemes[0].not_compared.items() if weights}
    assert counts.keys() == {"vision", "projector"}
    assert sum(counts.values()) + found.schemes[0].parameters == sum(parameter.numel() for parameter in whole.parameters())
    assert "Not compared, as only one of the files has it: vision" in "".join(
        block.text for block in files_blocks(found) if isinstance(block, Paragraph)
    )


def test_other_models_are_refused(made: Files, checkpoint: Callable[[str], Path]) -> None:
    own = made["ann/m-Q4.gguf"]
    with pytest.raises(QdashError, match="are not files of one model: .*has the shape"):
        compared(own, checkpoint("qwen3"))
    with pytest.raises(QdashError, match="are not files of one model: only the first has .* and 18 more"):
        compared(own, checkpoint("bloom"))
    with pytest.raises(QdashError, match="is the model itself"):
        compared(own, own)
    with pytest.raises(QdashError, match="No other file is chosen"):
        compared(own)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prequantized.build_base(tmp_path_factory.mktemp("base"))


def restored(name: str, folder: Path, layer: str) -> torch.Tensor:
    """The weight of a layer as the library that packed it gives it back, from the file itself."""
    model: Any = hf.AutoModelForCausalLM.from_pretrained(folder, device_map="cpu")
    found: Any = model.get_submodule(layer)
    if name == "bnb-nf4":
        return functional.dequantize_4bit(found.weight.data, found.weight.quant_state).float()
    if name == "bnb-int8":
        return functional.int8_vectorwise_dequant(found.weight.data, found.weight.SCB)
    if name.startswith("ao"):
        return found.weight.dequantize().float()
    with safe_open(folder / "model.safetensors", "pt") as file:
        packed = file.get_tensor(f"{layer}.weight_packed")
        codes = torch.stack([(packed >> 4 * place) & 15 for place in range(8)], -1).flatten(1).float() - 8
        scales = file.get_tensor(f"{layer}.weight_scale").repeat_interleave(prequantized.GROUP, 1)
    return (codes.bfloat16() * scales).float()


@pytest.mark.parametrize(
    ("name", "label", "bits"),
    [
        # Codes, a scale for 64 in 8 bits with a second scale for 256 of those, and the tables of each layer.
        ("bnb-nf4", "bitsandbytes 4-bit", 8 * (65536 + 2048 + 8 * 4 + 256 * 4 + 16 * 4 + 170) / 131072),
        ("bnb-int8", "bitsandbytes 8-bit", 8 * (131072 + 256 * 4 + 1) / 131072),
        ("ao-int4", "torchao 4-bit", 8 * (131072 + 256 * 16 * 3) / 131072),
        ("ct-int4", "compressed-tensors 4-bit", 8 * (256 * 64 * 4 + 256 * 16 * 2 + 2 * 8) / 131072),
    ],
)
def test_packed_weights_against_their_original(base: Path, tmp_path: Path, name: str, label: str, bits: float) -> None:
    folder, layer = prequantized.build(name, base, tmp_path), "model.layers.1.mlp.down_proj"
    found = compared(base, folder)
    layers, other = by_name(found), found.schemes[0].other
    quantized = [own for own in layers.values() if own.other and own.other.type == label]
    assert len(quantized) == 14 and not any(own.identical for own in quantized)
    assert all(own.identical for own in layers.values() if own not in quantized) and len(layers) == 14 + 1 + 4 * 2 + 1
    original: Any = hf.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    before, after = original.get_submodule(layer).weight.detach().numpy(), restored(name, folder, layer).numpy()
    assert layers[layer].sqnr_db == pytest.approx(sqnr_db(before, after), rel=1e-6)
    assert layers[layer].other == StoredType(type=label, bits=bits)
    assert layers[layer].stored == StoredType(type="BF16", bits=16.0)
    assert other and other.parameters == pytest.approx(found.stored.parameters if found.stored else 0, rel=1e-4)
    assert other.tensor_bytes < other.file_bytes and other.types[label] == sum(own.parameters for own in quantized)


def test_packed_weights_that_no_library_here_unpacks_are_refused(made: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = PublishedQuantization(method="gptq", bits=4, parameters=1, weights_bytes=1)
    located = checkpoints.locate("tiny-lm").model_copy(update={"quantization": packed})
    monkeypatch.setattr(checkpoints, "locate", lambda model, stop=None: located)
    with pytest.raises(QdashError, match=r"in packed weights \(GPTQ 4-bit\)") as caught:
        compared(made["ann/m-Q4.gguf"], Path("tiny-lm"))
    assert caught.value.kind == "unavailable"


def test_experts_are_reserved_for_as_the_model_has_them() -> None:
    tensors = [TensorInfo(name=f"model.layers.0.mlp.experts.{at}.up_proj.weight", shape=(4, 8), dtype="BF16") for at in range(16)]
    found = checkpoints.locate("tiny-lm").model_copy(update={"tensors": (TensorInfo(name="a", shape=(100,), dtype="BF16"), *tensors)})
    assert weight_files._largest(found) == 2 * 16 * 32


def test_what_is_shown(report: WeightReport) -> None:
    said, sizes, errors, types, how = files_blocks(report)
    assert isinstance(said, Paragraph) and "differ from those of ann/m-Q4.gguf by" in said.text
    assert "19 of 21 layers are the same" in said.text
    assert isinstance(sizes, Table) and sizes.rows[1][0] == "bob/m-Q4.gguf" and sizes.rows[0][2] == "5.111"
    assert isinstance(errors, Table) and errors.rows[0][-2:] == ("21", "19")
    assert isinstance(types, Table) and types.headings[:2] == ("type in ann/m-Q4.gguf", "type in bob/m-Q4.gguf")
    assert isinstance(how, Paragraph) and "embeddings, norms and biases too" in how.text
    first, *_others, last = file_layers_table(report).rows
    assert first[:4] == ("model.layers.0.self_attn.k_proj", "bob/m-Q4.gguf", "Q4_1, 5.00 bits", "Q4_1, 5.00 bits")
    assert last[4] == "identical"


def test_what_is_written(report: WeightReport) -> None:
    assert WeightReport.model_validate_json(weights_to_json(report)) == report
    row = next(line for line in weights_to_csv(report).splitlines() if ",model.layers.1.mlp.down_proj," in line)
    assert ",Q4_1,5.0,Q8_0,8.5," in row
    page = weights_to_html(report)
    assert "against other files" in page and "Q8_0, 8.50 bits" in page and "Grey: ann/m-Q4.gguf. Colour: bob/m-Q4.gguf." in page
    assert "real kernels" not in page and "not quantized" not in page
