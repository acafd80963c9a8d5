"""Random weights and the checkpoints made of them: the draw, the files, the cache, and what can go wrong meanwhile. No torch."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from tokenizers import Tokenizer

from qdash import checkpoints
from qdash.catalog import models
from qdash.catalog.models import MODELS, Model
from qdash.checkpoints.random import Architecture, architecture, make
from qdash.checkpoints.random.vocabulary import tokenizer_json
from qdash.checkpoints.random.weights import chunk, chunk_rows, chunks, outliers
from qdash.checkpoints.record import TensorInfo
from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.records import Step
from qdash.settings import Settings

KEY = "random:tiny"
PUBLISHED = {key: model for key, model in MODELS.items() if model.kind == "random"}
QUERY = TensorInfo(name="model.layers.0.self_attn.q_proj.weight", shape=(1024, 2560), dtype="F32")


def drawn(tensor: TensorInfo) -> np.ndarray:
    """A whole float32 tensor."""
    data = b"".join(chunk(tensor, number) for number in range(chunks(tensor)))
    return np.frombuffer(data, "<f4").reshape(tensor.shape)


def finish(steps: Iterator[Step]) -> list[Step]:
    return list(steps)


# ── the draw ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_matrices_are_normal_but_for_a_few_large_columns() -> None:
    weight = drawn(QUERY)
    large = outliers(2560).scaled
    usual = np.delete(weight, large, axis=1)
    assert usual.std() == pytest.approx(0.02, rel=0.005) and abs(usual.mean()) < 1e-4
    assert np.mean(np.abs(usual) > 0.04) == pytest.approx(0.0455, rel=0.02), "as many beyond two standard deviations as a normal has"
    factors = weight[:, large].std(axis=0) / 0.02
    assert len(large) == 5 and factors.min() > 3.7 and factors.max() < 8.6
    assert np.corrcoef(usual[0], usual[1])[0, 1] < 0.1


def test_norms_are_ones_but_for_a_few_large_gains() -> None:
    gains = drawn(QUERY.model_copy(update={"name": "model.layers.3.input_layernorm.weight", "shape": (2560,)}))
    large = outliers(2560).gained
    assert set(np.flatnonzero(gains != 1)) == set(large) and gains[large].min() >= 8 and gains[large].max() <= 16
    assert not set(large) & set(outliers(2560).scaled)
    assert (drawn(QUERY.model_copy(update={"name": "model.layers.3.self_attn.q_norm.weight", "shape": (128,)})) == 1).all()


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "value"),
    [
        ("vision.bn.running_var", (96,), "F32", 1),
        ("vision.bn.running_mean", (96,), "F32", 0),
        ("layers.0.q_proj.bias", (96,), "F32", 0),
        ("vision.layer_scale.gamma", (96, 1, 1), "F32", np.float32(0.1)),
        ("vision.bn.num_batches_tracked", (), "I64", 0),
    ],
)
def test_constants_are_those_of_a_trained_model_at_rest(name: str, shape: tuple[int, ...], dtype: str, value: float) -> None:
    data = np.frombuffer(chunk(TensorInfo(name=name, shape=shape, dtype=dtype), 0), {"F32": "<f4", "I64": "<i8"}[dtype])
    assert data.size == max(1, np.prod(shape)) and (data == value).all()


def test_convolutions_keep_the_variance_of_what_passes() -> None:
    kernels = drawn(TensorInfo(name="stem.conv.weight", shape=(256, 64, 3, 3), dtype="F32"))
    assert np.square(kernels).sum(axis=(1, 2, 3)).mean() == pytest.approx(1, rel=0.02)
    depthwise = drawn(TensorInfo(name="mixer.conv.weight", shape=(64, 1, 7, 7), dtype="F32"))
    assert np.allclose(depthwise[:, 0, 3, 3], 1, atol=0.1) and np.delete(depthwise.reshape(64, 49), 24, 1).std() < 0.025


@pytest.mark.parametrize(("code", "dtype"), [("BF16", ml_dtypes.bfloat16), ("F16", np.float16)])
def test_sixteen_bits_are_the_nearest(code: str, dtype: type) -> None:
    small = QUERY.model_copy(update={"shape": (64, 2560)})
    assert chunk(small.model_copy(update={"dtype": code}), 0) == drawn(small).astype(dtype).tobytes()


def test_a_chunk_depends_on_its_name_and_number_alone() -> None:
    assert chunks(QUERY) == 3 and chunk_rows(QUERY) * 2560 <= 2**20
    assert chunk(QUERY, 1) == chunk(QUERY, 1) != chunk(QUERY, 0)
    assert chunk(QUERY, 0) != chunk(QUERY.model_copy(update={"name": "model.layers.1.self_attn.q_proj.weight"}), 0)


# ── the vocabulary ───────────────────────────────────────────────────────────────────────────────────────────────

SPECIAL = {"<|endoftext|>": 0, "<image>": 49190, "<end>": 49279}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_str(tokenizer_json(49280, SPECIAL))


def test_a_vocabulary_has_the_size_and_the_ids_asked_for(tokenizer: Tokenizer) -> None:
    assert sorted(tokenizer.get_vocab().values()) == list(range(49280))
    assert {token: tokenizer.token_to_id(token) for token in SPECIAL} == SPECIAL
    assert tokenizer.encode("a<image>b").ids[1] == 49190


@given(text=st.text())
def test_every_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text).ids
    assert tokenizer.decode(ids, skip_special_tokens=False) == text and all(0 <= index < 49280 for index in ids)


def test_prompts_are_about_as_long_as_with_a_trained_vocabulary(tokenizer: Tokenizer) -> None:
    chinese, english = "这张图片中有什么？请描述一下。", "She had been looking for the key all morning, and there it was in the old box"
    assert len(tokenizer.encode(chinese).ids) <= len(chinese) + 1
    assert len(tokenizer.encode(english).ids) < len(english) / 1.7


# ── the checkpoint ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`tiny(embedding=…)` writes a small architecture, offered as `random:tiny`, and returns its folder in an empty cache."""

    def write(embedding: tuple[int, int] = (300, 64)) -> Path:
        folder = tmp_path / "assets" / "architectures" / "tiny"
        folder.mkdir(parents=True, exist_ok=True)
        rows = {"model.embed_tokens.weight": embedding, "model.layers.{3}.mlp.up_proj.weight": (64, 64), "model.norm.weight": (64,)}
        added = {"299": {"content": "<end>", "special": True}}
        files = {
            "config.json": {"model_type": "qwen3", "vocab_size": 300, "tie_word_embeddings": True, "max_position_embeddings": 99},
            "tokenizer_config.json": {"eos_token": "<end>", "added_tokens_decoder": added},
            "tensors.json": {"BF16": rows, "I64": {"vision.bn.num_batches_tracked": ()}},
        }
        for name, content in files.items():
            (folder / name).write_text(json.dumps(content))
        return tmp_path / "cache" / "random" / "tiny"

    monkeypatch.setattr(models, "ASSETS", tmp_path / "assets")
    monkeypatch.setitem(MODELS, KEY, Model(KEY, "Tiny", "text-generation", "tiny", "random", 0, "", ""))
    monkeypatch.setattr(checkpoints, "settings", lambda: Settings(cache_dir=tmp_path / "cache", public=True))
    return write


def described(folder: Path) -> Architecture:
    return Architecture(models.ASSETS / "architectures" / folder.name, "The architecture tiny")


def test_a_model_is_known_before_it_is_made_and_the_same_after(tiny: Callable[..., Path]) -> None:
    cache = tiny()
    before = checkpoints.locate(KEY)
    assert (before.folder, before.label, before.task, before.context_length) == (None, "Tiny", "text-generation", 99)
    assert before.parameters == 300 * 64 + 3 * 64 * 64 + 64 and not cache.exists() and not checkpoints.is_cached(KEY)
    steps = checkpoints.obtain(before)
    assert [step.detail for step in steps][-1].endswith(" MB")
    after = checkpoints.locate(KEY)
    assert after.folder is not None and checkpoints.is_cached(KEY)
    assert after == before.model_copy(update={"folder": after.folder, "download_bytes": 0})
    assert finish(checkpoints.obtain(after)) == []
    assert before.download_bytes == (Path(after.folder) / "model.safetensors").stat().st_size


def test_the_files_are_what_the_library_reads(tiny: Callable[..., Path], tmp_path: Path) -> None:
    folder = tiny()
    done = result_of(make(described(folder), KEY, tmp_path / "home"))
    with safe_open(done / "model.safetensors", "numpy") as file:
        assert file.metadata() == {"format": "pt"} and len(list(file.keys())) == 6
        assert file.get_tensor("vision.bn.num_batches_tracked") == 0
        weight = file.get_tensor("model.layers.2.mlp.up_proj.weight")
    info = TensorInfo(name="model.layers.2.mlp.up_proj.weight", shape=(64, 64), dtype="BF16")
    assert weight.tobytes() == chunk(info, 0)
    assert Tokenizer.from_file(str(done / "tokenizer.json")).token_to_id("<end>") == 299


def test_bytes_do_not_depend_on_threads(tiny: Callable[..., Path], tmp_path: Path) -> None:
    folder = tiny(embedding=(300, 30_000))
    folders = [result_of(make(described(folder), KEY, tmp_path / str(threads), threads=threads)) for threads in (1, 4)]
    one, four = ({file.name: file.read_bytes() for file in done.iterdir()} for done in folders)
    assert len(one) == 4 and one == four


def test_large_models_are_split_with_an_index(tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    tiny()
    whole = checkpoints.locate(KEY)
    monkeypatch.setattr(architecture, "_SHARD_BYTES", 20_000)
    before = checkpoints.locate(KEY)
    assert before.tensors == whole.tensors
    finish(checkpoints.obtain(before))
    after = checkpoints.locate(KEY)
    assert after.folder is not None and len(list(Path(after.folder).glob("model-*-of-00004.safetensors"))) == 4
    assert set(checkpoints.locate(KEY).tensors) == set(whole.tensors)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_what_was_broken_is_made_again(tiny: Callable[..., Path], name: str) -> None:
    tiny()
    finish(checkpoints.obtain(checkpoints.locate(KEY)))
    file = Path(str(checkpoints.locate(KEY).folder)) / name
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if name == "model.safetensors" else b"")
    broken = checkpoints.locate(KEY)
    assert broken.folder is None
    finish(checkpoints.obtain(broken))
    assert file.read_bytes() == whole


def test_another_version_replaces_the_one_before(tiny: Callable[..., Path]) -> None:
    cache = tiny()
    finish(checkpoints.obtain(checkpoints.locate(KEY)))
    before = checkpoints.locate(KEY)
    (cache / "0123456789ab.part").mkdir()
    (cache / "a person's own").mkdir()
    tiny(embedding=(300, 128))
    after = checkpoints.locate(KEY)
    assert after.revision != before.revision and after.folder is None
    finish(checkpoints.obtain(after))
    assert {folder.name for folder in cache.iterdir() if folder.is_dir()} == {after.revision, "a person's own"}


def test_a_full_disk_is_noticed_before_anything_is_written(tiny: Callable[..., Path]) -> None:
    cache = tiny(embedding=(10**9, 10**9))
    with pytest.raises(QdashError, match=r"random:tiny needs 1862645149.2 GiB of disk") as caught:
        finish(checkpoints.obtain(checkpoints.locate(KEY)))
    assert caught.value.kind == "download" and "QDASH_CACHE_DIR" in caught.value.remedy
    assert not [folder for folder in cache.iterdir() if folder.is_dir()]


def test_stop_comes_within_a_piece_and_leaves_nothing(tiny: Callable[..., Path]) -> None:
    cache = tiny(embedding=(300_000, 4096))
    stop = threading.Event()
    steps = checkpoints.obtain(checkpoints.locate(KEY), stop)
    first = next(steps)
    assert first.fraction is not None and first.fraction < 0.5 and list(cache.glob("*.part"))
    stop.set()
    with pytest.raises(QdashError) as caught:
        next(steps)
    assert caught.value.kind == "cancelled"
    assert not [folder for folder in cache.iterdir() if folder.is_dir()] and checkpoints.locate(KEY).folder is None


def test_one_that_is_forgotten_leaves_nothing(tiny: Callable[..., Path]) -> None:
    cache = tiny(embedding=(300_000, 4096))
    steps = checkpoints.obtain(checkpoints.locate(KEY))
    next(steps)
    steps.close()
    assert not [folder for folder in cache.iterdir() if folder.is_dir()]


def test_a_second_program_waits_for_the_first(tiny: Callable[..., Path]) -> None:
    cache = tiny()
    cache.mkdir(parents=True)
    stop = threading.Event()
    with FileLock(cache / ".lock"):
        steps = checkpoints.obtain(checkpoints.locate(KEY))
        assert "another program" in next(steps).detail
        impatient = checkpoints.obtain(checkpoints.locate(KEY), stop)
        next(impatient)
        stop.set()
        with pytest.raises(QdashError):
            next(impatient)
    finish(steps)
    assert checkpoints.locate(KEY).folder


# ── the catalogue ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", PUBLISHED)
def test_the_catalogue_offers_them_everywhere(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "settings", lambda: Settings(cache_dir=tmp_path, public=True))
    found = checkpoints.locate(key)
    assert found.parameters == MODELS[key].parameters and found.task == MODELS[key].task
    assert found.folder is None and found.download_bytes == pytest.approx(2 * found.parameters, rel=1e-3)
    assert models.is_random(key) and "answers hidden" in MODELS[key].about
    counters = {"I64"}  # of batch norms
    assert {tensor.dtype for tensor in found.tensors} - counters == {"F16" if key == "random:bloom-1b7" else "BF16"}


def test_the_tutorials_sizes() -> None:
    sizes = {key.removeprefix("random:"): model.parameters for key, model in PUBLISHED.items()}
    assert sizes.pop("fastvlm-0.5b") == pytest.approx(620e6, rel=0.001)
    assert sizes == {"qwen3-4b": 4_022_468_096, "bloom-1b7": 1_722_408_960, "smolvlm-256m": 256_484_928}
