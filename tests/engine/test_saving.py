"""What is saved loads as the variant it was: the same bits, in the fewest that hold them."""

import json
from pathlib import Path

import pytest
import torch
import transformers as hf
from safetensors import safe_open
from safetensors.torch import save_file

from qdash.engine.saving import narrow, narrowest
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from qdash.records import Question
from tests.engine.conftest import ignore, never, spec_of
from tests.support import checkpoints, prequantized
from tests.support.held import model_of

ASKED, TEXT = Question(prompt="Say something."), "The quick brown fox jumps."
PLENTY = 10**12


def saved_and_loaded(folder: Path, scheme: str, out: Path, png: bytes | None = None, **changes: str):
    """What was written of a version, and how far what loads again is from it."""
    spec = spec_of(folder, scheme, **changes)
    subject = Worker(spec)
    out.mkdir()
    written = subject.save(str(out), PLENTY, emit=ignore, stop=never)
    question = ASKED.model_copy(update={"png": png})
    expected = subject.logits(question, TEXT, emit=ignore, stop=never)
    again = Worker(spec_of(out, "original", dtype=written.loaded.dtype))
    return written, again.compare_logits(question, TEXT, expected, emit=ignore, stop=never)


@pytest.mark.parametrize(
    ("architecture", "scheme"),
    [
        ("qwen3", "original"), ("qwen3", "bf16"), ("qwen3", "bnb-int8"), ("qwen3", "bnb-nf4"), ("bloom", "bnb-fp4"), ("qwen3", "ao-int8wo"),
        ("bloom", "ao-int8dyn"), ("qwen3", "ao-fp8wo"), ("qwen3", "fp8-e4m3"), ("bloom", "int3-g64"), ("llava", "bnb-nf4"),
        ("llava", "fp6-e2m3"),
    ],
)  # fmt: skip
def test_what_is_saved_is_the_variant_to_the_last_bit(checkpoint, tmp_path, png, architecture, scheme):
    written, check = saved_and_loaded(checkpoint(architecture), scheme, tmp_path / "out", png if architecture == "llava" else None)
    assert check.equal and check.passed and check.tokens > 4
    assert written.files is not None
    names = {file.name for file in written.files}
    assert {"config.json", "tokenizer.json", "model.safetensors", "generation_config.json"} <= names
    assert ("processor_config.json" in names) == (architecture == "llava")
    assert sum(file.size_bytes for file in written.files if file.name == "model.safetensors") <= written.needed_bytes + 2**16


@pytest.mark.parametrize("name", ["bnb-nf4", "ao-int8wo", "ct-int4", "ct-fp8"])
def test_a_checkpoint_that_was_published_quantized_is_saved_as_it_is(tmp_path, name):
    base = prequantized.build_base(tmp_path / "base")
    folder = prequantized.build(name, base, tmp_path / "published")
    _, check = saved_and_loaded(folder, "original", tmp_path / "out")
    assert check.equal


def test_the_difference_to_another_model_is_seen(checkpoint, tmp_path):
    _, check = saved_and_loaded(checkpoint("qwen3"), "mxfp4", tmp_path / "out")
    assert not check.passed and check.apart_nats > 10 * check.allowed_nats, "inputs are no longer rounded"


def test_floats_take_16_bits_where_these_hold_them(checkpoint, tmp_path):
    written, _ = saved_and_loaded(checkpoint("qwen3"), "fp8-e4m3", tmp_path / "out")
    assert written.narrowed is not None
    assert written.narrowed.in_16_bits > 0 and written.narrowed.in_more > 0
    model = hf.AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert model.dtype == torch.float32, "config.json names the type that it computes in"
    subject = Worker(spec_of(checkpoint("qwen3"), "fp8-e4m3"))
    subject.load(emit=ignore, stop=never)
    expected = model_of(subject).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())
    with safe_open(tmp_path / "out" / "model.safetensors", "pt") as stored:
        kinds = [stored.get_slice(name).get_dtype() for name in stored.keys()]  # noqa: SIM118
    assert kinds.count("F32") == written.narrowed.in_more and len(kinds) - kinds.count("F32") == written.narrowed.in_16_bits


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1.0, 0.5, -3.0], torch.bfloat16),
        ([1e38, 1.0], torch.float32),
        ([65504.0, 1 + 2**-10], torch.float16),
        ([1 + 2**-12], torch.float32),
        ([float("nan")], torch.float32),
        ([float("inf"), 1.0], torch.bfloat16),
    ],
)
def test_a_tensor_is_written_in_the_fewest_bits_that_hold_it(values, dtype):
    assert narrowest(torch.tensor(values)).dtype == dtype


def test_other_tensors_stay():
    for tensor in (torch.tensor([1, 2]), torch.tensor([1.0]).half(), torch.tensor([1.0]).bfloat16(), torch.tensor([True])):
        assert narrowest(tensor) is tensor


def test_the_index_of_several_files_tells_their_size(checkpoint, tmp_path):
    folder = tmp_path / "sharded"
    folder.mkdir()
    for number in (1, 2):
        save_file({f"weight{number}": torch.ones(64)}, folder / f"model-0000{number}-of-00002.safetensors", {"format": "pt"})
    index = {"metadata": {"total_size": 512}, "weight_map": {"weight1": "a", "weight2": "b"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert narrow(folder).in_16_bits == 2
    assert json.loads((folder / "model.safetensors.index.json").read_text())["metadata"]["total_size"] == 256


def test_nothing_is_written_without_room(checkpoint, tmp_path):
    written = Worker(spec_of(checkpoint("qwen3"), "bnb-nf4")).save(str(tmp_path), 1000, emit=ignore, stop=never)
    assert written.files is None and written.needed_bytes > 1000 and not list(tmp_path.iterdir())


def test_files_that_hold_for_every_version_come_along(checkpoint, tmp_path):
    folder = checkpoints.build("qwen3", tmp_path / "own")
    (folder / "LICENSE.txt").write_text("Do good.")
    # Contradicting settings, which transformers refuses to save.
    (folder / "generation_config.json").write_text(json.dumps({"do_sample": False, "temperature": 0.3, "top_p": 0.5}))
    written, check = saved_and_loaded(folder, "bnb-nf4", tmp_path / "out")
    assert check.equal and (tmp_path / "out" / "LICENSE.txt").read_text() == "Do good."
    assert json.loads((tmp_path / "out" / "generation_config.json").read_text())["temperature"] == 0.3


@pytest.mark.parametrize(
    ("architecture", "scheme", "words"),
    [
        ("qwen3", "bnb-nf4", None),
        ("qwen3", "fp8-e4m3", None),
        ("qwen3", "torch-int8dyn", "packed objects"),
        ("qwen3", "ao-int8static", "after it was loaded"),
        ("qwen3", "ao-int4wo", "after it was loaded"),
        ("qwen3", "language=bnb-nf4", "several quantizations"),
        ("qwen3", "kv=int8", "chosen when a model answers"),
    ],
)
def test_what_cannot_be_saved_is_known_without_loading_it(checkpoint, architecture, scheme, words):
    subject = Worker(spec_of(checkpoint(architecture), scheme))
    problem = subject.saving_problem(emit=ignore, stop=never)
    assert (problem is None) if words is None else (words in problem)
    assert subject.held is None


def test_torchaos_form_for_cpus_cannot_be_saved(checkpoint):
    problem = Worker(spec_of(checkpoint("qwen3"), "ao-int4wo", dtype="bfloat16")).saving_problem(emit=ignore, stop=never)
    assert problem is not None and "prototype" in problem


def test_stop_ends_it(checkpoint, tmp_path):
    with pytest.raises(QdashError) as caught:
        Worker(spec_of(checkpoint("qwen3"), "original")).save(str(tmp_path), PLENTY, emit=ignore, stop=lambda: True)
    assert caught.value.kind == "cancelled" and not list(tmp_path.iterdir())
