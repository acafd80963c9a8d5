"""What a config.json may say of quantization, and what is refused: wrong, unsafe or unknown entries, and packages that are missing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from qdash import checkpoints
from qdash.catalog.schemes import SCHEMES
from qdash.errors import QdashError
from qdash.execution.inline import InlineExecutor
from qdash.machine import Machine, this_machine
from qdash.runs.weight_error import measure_weight_error

OUT, IN, VOCABULARY, GROUP = 64, 128, 100, 32
LAYER = "model.layers.0.mlp.up_proj"
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": GROUP}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": GROUP, "version": "gemm"}
AO = {"_type": "Int8WeightOnlyConfig", "_version": 2, "_data": {}}
WEIGHTS = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": GROUP}
CT = {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {"g": {"targets": ["Linear"], "weights": WEIGHTS}}}

PACKED = {
    "gptq": {
        "qweight": (IN * 4 // 32, OUT, np.int32), "qzeros": (IN // GROUP, OUT * 4 // 32, np.int32),
        "scales": (IN // GROUP, OUT, np.float16), "g_idx": (IN, np.int32),
    },
    "awq": {
        "qweight": (IN, OUT * 4 // 32, np.int32), "qzeros": (IN // GROUP, OUT * 4 // 32, np.int32),
        "scales": (IN // GROUP, OUT, np.float16),
    },
    "bitsandbytes": {"weight": (OUT, IN, np.int8), "SCB": (OUT, np.float32)},
    "torchao": {"_weight_qdata": (OUT, IN, np.int8), "_weight_scale": (OUT, 1, np.float32)},
    "compressed-tensors": {"weight_packed": (OUT, IN * 4 // 32, np.int32), "weight_scale": (OUT, IN // GROUP, np.float16)},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def publish(folder: Path, entry: object, packed: str = "gptq", **config: Any) -> Path:
    """A text model of an embedding and one layer of 64 × 128, packed as a method does, whose config.json has `entry`."""
    known: dict[str, Any] = {"model_type": "qwen3", **config}
    (folder / "config.json").write_text(json.dumps(known if entry is None else known | {"quantization_config": entry}))
    (folder / "tokenizer.json").write_text("{}")
    tensors = {f"{LAYER}.{name}": np.zeros(shape, dtype) for name, (*shape, dtype) in PACKED[packed].items()}
    embedding = np.zeros((VOCABULARY, IN), np.float16)
    save_file({**tensors, f"{LAYER}.bias": np.zeros(OUT, np.float16), "model.embed_tokens.weight": embedding}, folder / "model.safetensors")
    return folder


def refusal(folder: Path) -> QdashError:
    with pytest.raises(QdashError) as caught:
        checkpoints.locate(str(folder))
    assert str(folder) in caught.value.message and caught.value.remedy
    return caught.value


def without(*packages: str) -> Machine:
    kept = {name: version for name, version in this_machine().packages.items() if name not in packages}
    return this_machine().model_copy(update={"packages": kept, "device": "cpu"})


@pytest.mark.parametrize(
    ("entry", "packed", "name"),
    [
        (GPTQ, "gptq", "GPTQ 4-bit"),
        (AWQ, "awq", "AWQ 4-bit"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes", "bitsandbytes 8-bit"),
        ({"load_in_8bit": True}, "bitsandbytes", "bitsandbytes 8-bit"),
        ({"quant_method": "torchao", "quant_type": {"default": AO}}, "torchao", "torchao 8-bit"),
        (CT, "compressed-tensors", "compressed-tensors 4-bit"),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_methods_are_recognised_and_weights_counted(folder: Path, entry: object, packed: str, name: str, nested: bool) -> None:
    publish(folder, None if nested else entry, packed, **({"text_config": {"quantization_config": entry}} if nested else {}))
    found = checkpoints.locate(str(folder))
    assert found.quantization is not None and found.quantization.name == name
    assert found.quantization.label == f"As published ({name})"
    assert found.parameters == OUT * IN + OUT + VOCABULARY * IN


def test_packed_weights_stay_packed_but_for_compressed_tensors(folder: Path) -> None:
    floats = 2 * (OUT + VOCABULARY * IN)
    packed = OUT * IN // 2 + 2 * OUT * IN // GROUP
    for entry, name, expected in (
        (AWQ, "awq", packed + OUT * IN // GROUP // 2),
        (CT, "compressed-tensors", 2 * OUT * IN + 2 * OUT * IN // GROUP),
    ):
        found = checkpoints.locate(str(publish(folder, entry, name)))
        assert checkpoints.estimate_bytes(found, SCHEMES["original"], "float32") == floats + expected, name


@pytest.mark.parametrize(
    ("type_name", "data", "bits"),
    [
        ("Int8DynamicActivationInt4WeightConfig", {}, 4),
        ("Int4WeightOnlyConfig", {"group_size": 128}, 4),
        ("Float8DynamicActivationFloat8WeightConfig", {}, 8),
        ("IntxWeightOnlyConfig", {"weight_dtype": {"_type": "torch.dtype", "_data": "int3"}}, 3),
        ("FqnToConfig", {"fqn_to_config": {"_default": AO}}, None),
    ],
)
def test_torchao_configurations_tell_their_bits(folder: Path, type_name: str, data: dict[str, Any], bits: int | None) -> None:
    entry = {"quant_method": "torchao", "quant_type": {"default": {"_type": type_name, "_data": data}}}
    quantization = checkpoints.locate(str(publish(folder, entry, "torchao"))).quantization
    assert quantization is not None and quantization.bits == bits
    assert quantization.needs_cuda == (type_name == "Int4WeightOnlyConfig")
    assert quantization.label == ("As published (torchao)" if bits is None else f"As published (torchao {bits}-bit)")


@pytest.mark.parametrize("method", ["fp8", "mxfp4", "hqq", "quanto", "my-own", "x" * 1000])
def test_other_methods_are_refused_by_name(folder: Path, method: str) -> None:
    error = refusal(publish(folder, {"quant_method": method}))
    assert error.kind == "checkpoint" and f"“{method[:40]}”" in error.message and len(error.message) < 400
    assert "compressed-tensors" in error.remedy


@pytest.mark.parametrize(
    "entry",
    [
        {}, [], "gptq", 4, {"quant_method": 4}, {"quant_method": None}, {"quant_method": "gptq"}, {**GPTQ, "bits": "4"},
        {**GPTQ, "bits": 5}, {**GPTQ, "bits": True}, {**GPTQ, "load_in_4bit": True}, {"quant_method": "bitsandbytes"},
        {"load_in_4bit": True, "load_in_8bit": True}, {"load_in_4bit": "yes"},
        {"quant_method": "torchao", "quant_type": "int8_weight_only"},
        {"quant_method": "torchao", "quant_type": {"default": []}}, {"quant_method": "torchao", "quant_type": {"default": {"_type": 3}}},
        {**CT, "config_groups": {}}, {**CT, "config_groups": {"g": 1}}, {**CT, "config_groups": {"g": {"weights": {"num_bits": "4"}}}},
        {**CT, "format": "marlin-24"}, {**CT, "transform_config": {"config_groups": {}}},
        {**CT, "sparsity_config": {"format": "sparse-bitmask"}},
    ],
)  # fmt: skip
def test_damaged_entries_are_refused(folder: Path, entry: object) -> None:
    assert refusal(publish(folder, entry)).kind == "checkpoint"


@pytest.mark.parametrize(
    "name", ["quantize_", "Float8Tensor", "os.system", "Callable", "__import__", "evil.py:Config", 7, None, ["Config"]]
)
@pytest.mark.parametrize("inside", [False, True])
def test_only_torchaos_own_configurations_are_deserialised(folder: Path, name: object, inside: bool) -> None:
    """torchao calls whatever it finds under the name in its modules, functions included."""
    evil = {"_type": name, "_data": {"model": 1}}
    entry = {"quant_method": "torchao", "quant_type": {"default": {**AO, "_data": {"granularity": [evil]}} if inside else evil}}
    error = refusal(publish(folder, entry, "torchao"))
    assert error.kind == "checkpoint" and str(name)[:20] in error.message


@pytest.mark.parametrize("place", ["format", "config_groups"])
def test_a_format_that_names_a_file_is_refused(folder: Path, place: str) -> None:
    """compressed-tensors' registry imports “file.py:Class”."""
    evil = f"{folder}/evil.py:Compressor"
    entry = {**CT, "format": evil} if place == "format" else {**CT, "config_groups": {"g": {"weights": WEIGHTS, "format": evil}}}
    assert "is not a compressed-tensors format" in refusal(publish(folder, entry, "compressed-tensors")).message


def test_entries_nested_too_deep_are_refused(folder: Path) -> None:
    publish(folder, {"quant_method": "torchao", "quant_type": "DEEP"}, "torchao")
    text = (folder / "config.json").read_text()
    for depth in (900, 100_000):
        (folder / "config.json").write_text(text.replace('"DEEP"', '{"default":' + '{"_data":' * depth + "1" + "}" * (depth + 1)))
        assert refusal(folder).kind == "checkpoint"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 9)
    | st.sampled_from(["gptq", "awq", "torchao", "bitsandbytes", "compressed-tensors", "re:"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(
            ["quant_method", "bits", "load_in_4bit", "load_in_8bit", "quant_type", "default", "_type", "_data", "config_groups", "W4A16",
             "weights", "num_bits", "format", "sparsity_config", "transform_config"]
        ), inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(entry=json_values)
def test_whatever_an_entry_holds_the_answer_is_a_record_or_a_clear_error(folder: Path, entry: object) -> None:
    publish(folder, entry)
    try:
        found = checkpoints.locate(str(folder))
    except QdashError as error:
        assert error.kind == "checkpoint"
    else:
        assert found.quantization is not None and found.quantization.method in (
            "gptq",
            "awq",
            "bitsandbytes",
            "torchao",
            "compressed-tensors",
        )


def test_packed_weights_without_a_word_in_the_config_are_refused(folder: Path) -> None:
    error = refusal(publish(folder, None))
    assert f"{LAYER}.qweight" in error.message or f"{LAYER}.scales" in error.message
    assert "quantize_config.json" in error.remedy


@pytest.mark.parametrize(
    ("entry", "packed", "missing", "remedy"),
    [
        (GPTQ, "gptq", "gptqmodel", "pip install 'gptqmodel>=1.4.3'"),
        (AWQ, "awq", "gptqmodel", "pip install 'gptqmodel>=1.4.3'"),
        (CT, "compressed-tensors", "compressed-tensors", "pip install compressed-tensors==0.20.0"),
        ({"load_in_8bit": True}, "bitsandbytes", "bitsandbytes", "pip install bitsandbytes"),
    ],
)
def test_a_missing_package_is_named_with_its_remedy(folder: Path, entry: object, packed: str, missing: str, remedy: str) -> None:
    found = checkpoints.locate(str(publish(folder, entry, packed)))
    problem = checkpoints.published_problem(found, SCHEMES["original"], without(missing))
    assert problem is not None and problem.kind == "unavailable"
    assert f"needs {missing}, which is not installed here" in problem.message and remedy in problem.remedy


def test_kernels_for_cuda_only_are_not_tried_on_a_cpu(folder: Path) -> None:
    entry = {"quant_method": "torchao", "quant_type": {"default": {"_type": "Int4WeightOnlyConfig", "_data": {}}}}
    found = checkpoints.locate(str(publish(folder, entry, "torchao")))
    problem = checkpoints.published_problem(found, SCHEMES["original"], without())
    assert problem is not None and "needs a CUDA device" in problem.message
    assert checkpoints.published_problem(found, SCHEMES["original"], without().model_copy(update={"device": "cuda"})) is None


@pytest.mark.parametrize("front", ["base_model: acme/Original-7B", "license: mit\nbase_model:\n- acme/Original-7B\ntags:\n- x"])
def test_the_remedy_names_the_original_of_the_model_card(folder: Path, front: str) -> None:
    (publish(folder, CT, "compressed-tensors") / "README.md").write_text(f"---\n{front}\n---\n# Model\n")
    problem = checkpoints.published_problem(checkpoints.locate(str(folder)), SCHEMES["bnb-nf4"], without())
    assert problem is not None and problem.kind == "unavailable"
    assert problem.remedy == "Choose Original for this checkpoint, or the unquantized model, acme/Original-7B."


@pytest.mark.parametrize("card", ["", "base_model: a/b", "---\nbase_model: <script>/x y\n---\n", "---\nbase_model:\n---\n", "\0\xff"])
def test_a_model_card_of_nonsense_does_no_harm(folder: Path, card: str) -> None:
    (publish(folder, CT, "compressed-tensors") / "README.md").write_text(card, encoding="latin-1")
    problem = checkpoints.published_problem(checkpoints.locate(str(folder)), SCHEMES["bf16"], without())
    assert problem is not None and problem.remedy.endswith("or the unquantized model that it was made from.")


def test_plain_checkpoints_have_no_such_problem(checkpoint: Callable[[str], Path]) -> None:
    found = checkpoints.locate(str(checkpoint("qwen3")))
    assert found.quantization is None and checkpoints.weights_problem(found) is None
    assert all(checkpoints.published_problem(found, scheme, without()) is None for scheme in SCHEMES.values())


def test_its_weights_cannot_be_weighed(folder: Path) -> None:
    publish(folder, CT, "compressed-tensors")
    with pytest.raises(QdashError, match="no original weights to compare with") as caught:
        list(measure_weight_error(str(folder), ["fp8-e4m3"], InlineExecutor()))
    assert "unquantized model" in caught.value.remedy
