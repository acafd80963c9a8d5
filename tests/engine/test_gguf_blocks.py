"""The blocks of a GGUF file, kept in its layers: the same answers as the unpacked model to the last bit, in less memory."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from gguf import GGMLQuantizationType as Type
from torch.nn.functional import linear
from transformers import AutoModelForCausalLM

from qdash.catalog.schemes import SCHEMES
from qdash.engine.formats.packed import PackedRows, unpack_rows
from qdash.engine.gguf_unpacking import MATCHED, unpack
from qdash.engine.layers import quantized_layers
from qdash.engine.model_report import report_model
from qdash.engine.schemes import family_of
from qdash.engine.schemes.gguf import PackedEmbedding, PackedLinear, StoredBlocks
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from tests.engine.conftest import ignore, never, spec_of
from tests.support.gguf_files import HEADS, WORDS, write_llama
from tests.support.held import model_of

GGUF = SCHEMES["gguf"]
FILES = {
    "q4_1": {},
    "tied": {"kind": Type.Q8_0, "tied": True},
    "mixed": {
        "kind": Type.Q6_K,
        "kinds": {"attn_v": Type.Q4_1, "ffn_up": Type.Q8_0, "ffn_down": Type.F16, "token_embd.weight": Type.Q4_K},
        "hidden": 256,
    },
}
MATRICES = 15


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder that a tiny file was unpacked to."""
    made: dict[str, Path] = {}

    def find(name: str) -> Path:
        if name not in made:
            home = tmp_path_factory.mktemp("gguf")
            write_llama(home / "model.gguf", **FILES[name])
            made[name] = home / "unpacked"
            made[name].mkdir()
            unpack(home / "model.gguf", made[name])
        return made[name]

    return find


@pytest.fixture(scope="module")
def loaded(unpacked: Callable[[str], Path]) -> Callable[..., Worker]:
    workers: dict[tuple[str, ...], Worker] = {}

    def find(name: str, scheme: str, dtype: str = "float32") -> Worker:
        key = (name, scheme, dtype)
        if key not in workers:
            workers[key] = Worker(spec_of(unpacked(name), scheme, dtype=dtype))
            workers[key].load(emit=ignore, stop=never)
        return workers[key]

    return find


def logits(worker: Worker) -> torch.Tensor:
    assert worker.held is not None
    with torch.no_grad():
        return worker.held.model(torch.arange(len(WORDS))[None]).logits


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("file", FILES)
def test_answers_are_those_of_the_unpacked_model_to_the_bit(loaded: Callable[..., Worker], file: str, dtype: str) -> None:
    assert torch.equal(logits(loaded(file, "gguf", dtype)), logits(loaded(file, "original", dtype)))


@pytest.mark.parametrize("file", FILES)
def test_memory_is_that_of_the_blocks(loaded: Callable[..., Worker], unpacked: Callable[[str], Path], file: str) -> None:
    kept, original = loaded(file, "gguf").held, loaded(file, "original").held
    assert kept is not None and original is not None
    blocks = StoredBlocks.below(unpacked(file))
    stored = sum(blocks.rows(name).packed.nbytes for name in blocks.packed)
    floats = sum(parameter.nbytes for name, parameter in original.model.named_parameters() if name not in blocks.packed)
    beside = kept.loaded.weights_bytes - stored - floats
    assert beside == original.loaded.weights_bytes - sum(parameter.nbytes for parameter in original.model.parameters())
    assert kept.loaded.weights_bytes < 0.6 * original.loaded.weights_bytes
    assert kept.loaded.saved_bytes == stored + floats


def test_every_layer_has_the_type_of_the_file(loaded: Callable[..., Worker]) -> None:
    held = loaded("mixed", "gguf").held
    assert held is not None
    kinds = {name: layer.kind for name, layer in held.model.named_modules() if isinstance(layer, PackedLinear | PackedEmbedding)}
    assert kinds["model.embed_tokens"] == "Q4_K" and kinds["lm_head"] == "Q6_K"
    assert {name.rpartition(".")[2]: kind for name, kind in kinds.items() if "layers.1." in name} == {
        "q_proj": "Q6_K", "k_proj": "Q6_K", "v_proj": "Q4_1", "o_proj": "Q6_K", "gate_proj": "Q6_K", "up_proj": "Q8_0",
    }  # fmt: skip
    coverage = held.loaded.coverage
    assert (coverage.quantized, coverage.total) == (13, MATRICES)
    assert {skip.name: skip.reason for skip in coverage.skipped} == {
        f"model.layers.{layer}.mlp.down_proj": "the GGUF file has it as F16" for layer in (0, 1)
    }


def test_a_tied_head_shares_the_blocks_of_the_embedding(loaded: Callable[..., Worker]) -> None:
    held = loaded("tied", "gguf").held
    assert held is not None
    model, coverage = held.model, held.loaded.coverage
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert coverage.quantized == coverage.total == MATRICES
    counted = sum(parameter.numel() for parameter in model_of(loaded("tied", "original")).parameters())
    assert coverage.parameters == counted
    report = report_model(model, GGUF, held.family, None, None)
    assert report.quantized is not None and report.quantized.parameters == coverage.quantized_parameters
    assert report.parameters == counted
    assert report.quantized.stored == {"uint8": report.quantized.counted}


def test_weights_are_those_of_the_file_and_have_no_error(loaded: Callable[..., Worker], unpacked: Callable[[str], Path]) -> None:
    held = loaded("mixed", "gguf").held
    assert held is not None
    floats = AutoModelForCausalLM.from_pretrained(unpacked("mixed"), dtype=torch.float32)
    for name, layer in quantized_layers(held.model).items():
        assert torch.equal(family_of(GGUF).dequantized(layer), floats.get_parameter(f"{name}.weight"))
    worker = Worker(spec_of(unpacked("mixed"), None))
    (report,) = worker.measure_weight_error(["gguf"], emit=ignore, stop=never).schemes
    assert {layer.name.rpartition(".")[2] for layer in report.layers} == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj"}
    assert report.sqnr_db is None and report.max_abs_error == 0
    q6, q4, q8 = 256 * (256 + 128 + 256 + 512), 128 * 256, 512 * 256
    assert report.bits_per_weight == pytest.approx((6.5625 * q6 + 5 * q4 + 8.5 * q8) / (q6 + q4 + q8))
    detail = worker.measure_layer("gguf", "model.layers.0.mlp.up_proj", None, 0, emit=ignore, stop=never)
    assert (detail.shares, detail.last - detail.first, len(detail.codes)) == ("block", 32, 255)
    assert detail.scale is not None
    with pytest.raises(QdashError, match="leaves model.layers.0.mlp.down_proj unchanged"):
        worker.measure_layer("gguf", "model.layers.0.mlp.down_proj", None, 0, emit=ignore, stop=never)


def test_the_snippet_builds_the_same_model(loaded: Callable[..., Worker]) -> None:
    worker = loaded("tied", "gguf")
    assert worker.held is not None
    scope: dict[str, object] = {}
    exec(worker.held.loaded.snippet, scope)
    model = scope["model"]
    assert isinstance(model, torch.nn.Module)
    with torch.no_grad():
        assert torch.equal(model(torch.arange(len(WORDS))[None]).logits, logits(worker))


def test_it_is_not_saved_and_says_why(loaded: Callable[..., Worker], tmp_path: Path) -> None:
    report = loaded("q4_1", "gguf").report_model(str(tmp_path), emit=ignore, stop=never)
    assert "GGUF file that the model comes from" in (report.not_saved or "")


def test_an_embedding_unpacks_only_the_rows_it_looks_up(loaded: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch) -> None:
    held = loaded("tied", "gguf").held
    assert held is not None
    seen: list[int] = []
    monkeypatch.setattr(
        "qdash.engine.schemes.gguf.unpack_rows", lambda packed, *rest: seen.append(len(packed)) or unpack_rows(packed, *rest)
    )
    embedding = held.model.get_input_embeddings()
    assert embedding(torch.tensor([[3, 1], [3, 0]])).shape == (2, 2, 64)
    assert seen == [4]


def test_rows_are_unpacked_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qdash.engine.formats.packed.PIECE", 3 * 64)
    packed = torch.randint(0, 60, (8, 40), dtype=torch.uint8)
    whole = PackedRows(packed, "Q4_1")(torch.empty(8, 64), 0)
    assert torch.equal(whole[2:7], PackedRows(packed, "Q4_1")(torch.empty(5, 64), 2))
    assert torch.equal(unpack_rows(packed, "Q4_1", torch.bfloat16), whole.bfloat16())


def test_a_bias_stays_as_it_is() -> None:
    packed = torch.randint(0, 60, (8, 40), dtype=torch.uint8)
    bias, weight = torch.nn.Parameter(torch.randn(8)), torch.nn.Parameter(packed, requires_grad=False)
    layer, x = PackedLinear(PackedRows(packed, "Q4_1"), weight, bias, 64, torch.float32), torch.randn(2, 3, 64)
    assert torch.equal(layer(x), linear(x, unpack_rows(packed, "Q4_1"), bias))


def test_a_model_of_another_kind_is_refused(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(QdashError, match="does not come from a GGUF file"):
        Worker(spec_of(checkpoint("qwen3"), "gguf")).load(emit=ignore, stop=never)


def test_how_much_is_done_is_told(tmp_path: Path) -> None:
    write_llama(tmp_path / "model.gguf")
    (tmp_path / "unpacked").mkdir()
    told: list[float] = []
    unpack(tmp_path / "model.gguf", tmp_path / "unpacked", told.append)
    assert told == sorted(told) and told[0] == 0 and told[-1] == MATCHED
    assert len(told) > 2 * MATRICES and any(0.2 < fraction < 0.4 for fraction in told)


def test_heads_are_ordered_as_transformers_orders_them(unpacked: Callable[[str], Path]) -> None:
    """llama.cpp keeps the two halves of each rotated pair side by side; rows of blocks move like rows of floats."""
    blocks = StoredBlocks.below(unpacked("q4_1"))
    query = blocks.rows("model.layers.0.self_attn.q_proj.weight")
    stored = write_llama(unpacked("q4_1").parent / "again.gguf")["blk.0.attn_q.weight"]
    pairs = torch.from_numpy(stored).view(HEADS, -1, 2, stored.shape[1])
    assert torch.equal(query.packed, pairs.transpose(1, 2).reshape(stored.shape))
