"""Locating, refusing, estimating and downloading checkpoints: folders written here, and a hub on this machine."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import save_file

from qdash import checkpoints
from qdash.catalog.schemes import SCHEMES, unavailable
from qdash.checkpoints.supported import native_tasks, task_of
from qdash.errors import QdashError
from qdash.machine import this_machine
from qdash.planning import worker_spec
from qdash.records import Step
from qdash.settings import Settings
from tests.fake_hub import COMMIT, FakeHub

LINEAR = (64, 128)
TENSORS = {
    "model.embed_tokens.weight": (100, 128),
    "model.layers.0.self_attn.q_proj.weight": LINEAR,
    "model.layers.0.self_attn.q_proj.bias": (64,),
    "model.norm.weight": (128,),
    "lm_head.weight": (100, 128),
}
EMBEDDING = 100 * 128
OTHER = 64 + 128


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A text model with one linear layer, in float16."""
    path = tmp_path / "model"
    path.mkdir()
    edit(path, "config.json", model_type="qwen3", tie_word_embeddings=True, max_position_embeddings=2048)
    edit(path, "tokenizer.json")
    save_file({name: np.zeros(shape, np.float16) for name, shape in TENSORS.items()}, path / "model.safetensors")
    return path


def edit(folder: Path, name: str, **entries: Any) -> None:
    """Add entries to a JSON file, made if need be."""
    path = folder / name
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **entries}))


def refusal(model: object) -> QdashError:
    with pytest.raises(QdashError) as caught:
        checkpoints.locate(str(model))
    assert caught.value.remedy
    return caught.value


def finish(download: Iterator[Step]) -> tuple[list[Step], checkpoints.Checkpoint]:
    """The steps and the result of a download."""
    steps = []
    while True:
        try:
            steps.append(next(download))
        except StopIteration as end:
            return steps, end.value


# ── folders ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_bundled_model_is_located_by_its_key() -> None:
    found = checkpoints.locate("tiny-vlm")
    assert (found.task, found.model_type, found.label) == ("image-text-to-text", "llava", "Bundled drawing reader")
    assert found.folder is not None and found.download_bytes == 0
    assert found.native_dtype == "bfloat16"


def test_a_folder_is_described_from_its_headers(folder: Path) -> None:
    found = checkpoints.locate(str(folder))
    assert (found.task, found.folder, found.label, found.context_length) == ("text-generation", str(folder), "model", 2048)
    assert found.native_dtype == "float16"
    assert found.parameters == EMBEDDING + 64 * 128 + OTHER, "the stored copy of a tied head is no parameter"


def test_a_relative_folder_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert checkpoints.locate("model").folder == checkpoints.locate("./model").folder == str(folder)


def test_an_edited_folder_is_another_revision(folder: Path) -> None:
    before = checkpoints.locate(str(folder)).revision
    assert checkpoints.locate(str(folder)).revision == before
    edit(folder, "config.json", extra=1)
    assert checkpoints.locate(str(folder)).revision != before


def test_shards_are_read_through_their_index(folder: Path) -> None:
    whole = checkpoints.locate(str(folder))
    shard(folder)
    assert set(checkpoints.locate(str(folder)).tensors) == set(whole.tensors)


def shard(folder: Path) -> None:
    """Turn the single file into one file a tensor and an index."""
    (folder / "model.safetensors").unlink()
    names = {name: f"model-{number:05}-of-{len(TENSORS):05}.safetensors" for number, name in enumerate(TENSORS, 1)}
    for name, file in names.items():
        save_file({name: np.zeros(TENSORS[name], np.float16)}, folder / file)
    edit(folder, "model.safetensors.index.json", metadata={}, weight_map=names)


@pytest.mark.parametrize(
    ("model_type", "extra", "task"),
    [
        ("qwen3", {}, "text-generation"),
        ("bloom", {}, "text-generation"),
        ("llava", {"vision_config": {}}, "image-text-to-text"),
        ("fast_vlm", {"vision_config": {}}, "image-text-to-text"),
        ("idefics3", {"vision_config": {}}, "image-text-to-text"),
        ("qwen3_vl", {"vision_config": {}}, "image-text-to-text"),
        ("gemma3", {"vision_config": {}}, "image-text-to-text"),
        ("gemma3", {}, "text-generation"),
        ("vit", {}, None),
        ("llava_qwen2", {}, None),
    ],
)
def test_the_task_comes_from_transformers_own_tables(model_type: str, extra: dict[str, Any], task: str | None) -> None:
    assert task_of({"model_type": model_type, **extra}) == task


def test_the_tables_read_from_source_are_those_transformers_uses() -> None:
    auto = pytest.importorskip("transformers.models.auto.modeling_auto")
    vision = {key for key, tasks in native_tasks().items() if "image-text-to-text" in tasks}
    text = {key for key, tasks in native_tasks().items() if "text-generation" in tasks}
    assert vision == set(auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES)
    assert text == set(auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


@pytest.mark.parametrize("architecture", ["llava", "fastvlm", "smolvlm", "qwen3-vl", "qwen3", "bloom"])
def test_every_architecture_is_located_and_counted(checkpoint: Callable[[str], Path], architecture: str) -> None:
    hf = pytest.importorskip("transformers")
    found = checkpoints.locate(str(checkpoint(architecture)))
    auto = hf.AutoModelForImageTextToText if found.task == "image-text-to-text" else hf.AutoModelForCausalLM
    model = auto.from_pretrained(checkpoint(architecture), dtype="float32")
    assert found.parameters == sum(weight.numel() for weight in model.parameters())


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("names", [["pytorch_model.bin"], ["model-00001.pt", "model-00002.pt"]])
def test_pickled_weights_are_refused_by_name(folder: Path, names: list[str]) -> None:
    (folder / "model.safetensors").unlink()
    for name in names:
        (folder / name).write_bytes(b"\x80\x04.")
    error = refusal(folder)
    assert error.kind == "checkpoint" and "pickled" in error.message and all(name in error.message for name in names)
    assert "save_pretrained" in error.remedy


def test_an_adapter_is_refused_by_name(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    assert "adapter_model.safetensors" in refusal(folder).message


def test_a_folder_without_weights_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "holds no weights" in refusal(folder).message


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    assert "no config.json" in refusal(tmp_path).message


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "processor_config.json"])
def test_remote_code_is_refused(folder: Path, name: str) -> None:
    edit(folder, name, auto_map={"AutoModel": "modeling.Evil"})
    error = refusal(folder)
    assert error.kind == "checkpoint" and "auto_map" in error.message and name in error.message


@pytest.mark.parametrize("model_type", ["my_own", "vit", "llava_qwen2"])
def test_types_that_transformers_has_no_class_for_are_refused(folder: Path, model_type: str) -> None:
    edit(folder, "config.json", model_type=model_type)
    assert f"“{model_type}”" in refusal(folder).message


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model_type": 3}', "\x00\xff"])
def test_a_damaged_config_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text, encoding="latin-1")
    error = refusal(folder)
    assert error.kind == "checkpoint" and "config.json" in error.message and "damaged" in error.message


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_damaged_weights_are_refused(folder: Path, keep: int) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    error = refusal(folder)
    assert error.kind == "checkpoint" and "model.safetensors" in error.message and "damaged or cut short" in error.message


def test_a_header_of_noise_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 5000)
    assert "damaged" in refusal(folder).message


def test_missing_shards_are_named(folder: Path) -> None:
    shard(folder)
    (folder / "model-00002-of-00005.safetensors").unlink()
    error = refusal(folder)
    assert "model-00002-of-00005.safetensors of 5 weight files missing" in error.message


def test_a_missing_tokenizer_is_named(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    assert "no tokenizer" in refusal(folder).message


def test_a_missing_image_processor_is_named(folder: Path) -> None:
    edit(folder, "config.json", model_type="llava", vision_config={})
    assert "no image processor" in refusal(folder).message


@pytest.mark.parametrize("model", ["", "  ", "../no/such/folder", "/no/such/folder", "a b", "http://x/y", "owner/name/extra", "x\0y"])
def test_what_cannot_be_a_model_is_bad_input(model: str) -> None:
    assert refusal(model).kind == "bad_input"


def test_a_file_is_not_a_model(folder: Path) -> None:
    error = refusal(folder / "model.safetensors")
    assert "is a file" in error.message and str(folder) in error.remedy


def test_public_mode_offers_the_catalogue_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "settings", lambda: Settings(public=True))
    assert checkpoints.locate("tiny-vlm").folder
    for model in (str(folder), "someone/else", "assets/models/tiny-vlm"):
        error = refusal(model)
        assert error.kind == "bad_input" and "not one of the models offered" in error.message


# ── estimates ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("scheme", "dtype", "linear_bytes", "other_bytes"),
    [
        ("original", "float32", 4 * 64 * 128, 4),
        ("original", "float16", 2 * 64 * 128, 2),
        ("bf16", "float32", 2 * 64 * 128, 2),
        ("bnb-int8", "float32", 64 * 128 + 4 * 64, 4),
        ("bnb-fp4", "bfloat16", 64 * 128 // 2 + 4 * 64 * 128 // 64, 2),
        ("fp6-e2m3", "float16", 2 * 64 * 128, 2),
    ],
)
def test_estimates_follow_from_the_shapes(folder: Path, scheme: str, dtype: str, linear_bytes: int, other_bytes: int) -> None:
    found = checkpoints.locate(str(folder))
    assert checkpoints.estimate_bytes(found, SCHEMES[scheme], dtype) == linear_bytes + other_bytes * (EMBEDDING + OTHER)


def test_a_simulated_format_has_a_projected_size(folder: Path) -> None:
    found = checkpoints.locate(str(folder))
    projected = checkpoints.projected_bytes(found, SCHEMES["fp6-e2m3"], "float16")
    assert projected == 64 * 128 * 6 // 8 + 4 * 64 + 2 * (EMBEDDING + OTHER)


@pytest.mark.parametrize("architecture", [None, "llava", "fastvlm", "smolvlm", "qwen3-vl", "qwen3", "bloom"])
def test_estimates_are_within_a_tenth_of_what_is_measured(checkpoint: Callable[[str], Path], architecture: str | None) -> None:
    """None is the bundled model."""
    workers = pytest.importorskip("qdash.engine.worker")
    found = checkpoints.locate("tiny-vlm" if architecture is None else str(checkpoint(architecture)))
    here = [scheme for scheme in SCHEMES.values() if not unavailable(scheme, this_machine().on("cpu"))]
    for scheme in here:
        loaded = workers.Worker(worker_spec(found, scheme.key, "cpu", "float16")).load(emit=lambda step: None, stop=lambda: False)
        assert checkpoints.estimate_bytes(found, scheme, "float16") == pytest.approx(loaded.weights_bytes, rel=0.1), scheme.key
        if loaded.projected_bytes is not None:
            assert checkpoints.projected_bytes(found, scheme, "float16") == pytest.approx(loaded.projected_bytes, rel=0.01), scheme.key


# ── the hub ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def use_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FakeHub]]:
    """Start a hub with these repositories and an empty cache, for this process and those it starts."""
    hubs: list[FakeHub] = []

    def start(repos: dict[str, Path], **options: Any) -> FakeHub:
        hub = FakeHub(repos, **options)
        hubs.append(hub)
        point_to(hub.url)
        return hub

    def point_to(url: str) -> None:
        home = tmp_path / "hf"
        monkeypatch.setenv("HF_ENDPOINT", url)
        monkeypatch.setenv("HF_HOME", str(home))
        # huggingface_hub reads its environment when it is imported.
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))

    yield start
    for hub in hubs:
        hub.close()


def test_a_hub_model_is_described_without_its_weights(use_hub: Callable[..., FakeHub], folder: Path) -> None:
    hub = use_hub({"acme/tiny": folder})
    (folder / "pytorch_model.bin").write_bytes(b"1")
    (folder / "modeling.py").write_text("raise SystemExit")
    found = checkpoints.locate("acme/tiny")
    assert (found.folder, found.revision, found.label) == (None, COMMIT, "tiny")
    assert found.tensors == checkpoints.locate(str(folder)).tensors
    assert found.files == ("config.json", "tokenizer.json", "model.safetensors")
    assert found.download_bytes == sum((folder / name).stat().st_size for name in found.files)
    assert not any(name in request for request in hub.requests for name in (".bin", ".py", "HEAD /acme/tiny/resolve/main/model"))


def test_a_sharded_hub_model_downloads_its_index_first(use_hub: Callable[..., FakeHub], folder: Path) -> None:
    shard(folder)
    use_hub({"acme/shards": folder})
    steps, found = finish(checkpoints.download(checkpoints.locate("acme/shards")))
    assert found.folder is not None and len(list(Path(found.folder).glob("*.safetensors"))) == len(TENSORS)
    assert checkpoints.locate(found.folder).tensors == checkpoints.locate(str(folder)).tensors


def test_a_download_reports_progress_and_then_works_offline(use_hub: Callable[..., FakeHub], folder: Path) -> None:
    save_file({"model.embed_tokens.weight": np.zeros((4096, 128), np.float16)}, folder / "model.safetensors")
    hub = use_hub({"acme/tiny": folder}, chunk_delay_s=0.01)
    steps, found = finish(checkpoints.download(checkpoints.locate("acme/tiny")))
    fractions = [step.fraction for step in steps if step.fraction is not None]
    assert fractions == sorted(fractions) and 0 <= fractions[0] < fractions[-1] <= 1
    assert "MB of acme/tiny" in steps[-1].detail
    assert found.folder is not None and found.revision == COMMIT
    hub.close()
    again = checkpoints.locate("acme/tiny")
    assert again.folder == found.folder and again.revision == COMMIT and again.tensors == found.tensors
    assert finish(checkpoints.download(again)) == ([], again)


def test_a_download_stops_within_a_second_and_leaves_no_part(use_hub: Callable[..., FakeHub], folder: Path) -> None:
    save_file({"model.embed_tokens.weight": np.zeros((8192, 128), np.float16)}, folder / "model.safetensors")
    use_hub({"acme/tiny": folder}, chunk_delay_s=0.2)
    stop = threading.Event()
    steps = checkpoints.download(checkpoints.locate("acme/tiny"), stop)
    while not list(Path(constants.HF_HUB_CACHE).glob("**/*.incomplete")):
        next(steps)
    stop.set()
    with pytest.raises(QdashError) as caught:
        finish(steps)
    assert caught.value.kind == "cancelled"
    assert not list(Path(constants.HF_HUB_CACHE).glob("**/*.incomplete"))
    assert checkpoints.locate("acme/tiny").folder is None, "half a model is not taken for a model"


def test_a_full_disk_is_noticed_before_the_download(use_hub: Callable[..., FakeHub], folder: Path) -> None:
    hub = use_hub({"acme/tiny": folder})
    huge = checkpoints.locate("acme/tiny").model_copy(update={"download_bytes": 10**18})
    hub.requests.clear()
    with pytest.raises(QdashError, match="931322574.6 GiB of disk") as caught:
        finish(checkpoints.download(huge))
    assert caught.value.kind == "download" and not hub.requests


def test_a_download_that_is_refused_says_why(use_hub: Callable[..., FakeHub], folder: Path) -> None:
    hub = use_hub({"acme/tiny": folder})
    found = checkpoints.locate("acme/tiny")
    hub.gated.add("acme/tiny")
    with pytest.raises(QdashError, match="accept its terms") as caught:
        finish(checkpoints.download(found))
    assert caught.value.kind == "download"


def test_unknown_and_gated_models_are_told_apart(use_hub: Callable[..., FakeHub], folder: Path) -> None:
    use_hub({"acme/gated": folder}, gated={"acme/gated"})
    unknown, gated = refusal("acme/unknown"), refusal("acme/gated")
    assert unknown.kind == "bad_input" and "no model “acme/unknown”" in unknown.message
    assert gated.kind == "download" and "terms" in gated.message and "hf auth login" in gated.remedy


def test_hub_models_pass_the_same_checks(use_hub: Callable[..., FakeHub], folder: Path, tmp_path: Path) -> None:
    pickled = shutil.copytree(folder, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    coded = shutil.copytree(folder, tmp_path / "coded")
    edit(coded, "config.json", auto_map={"AutoConfig": "evil.Config"})
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0not json")
    use_hub({"acme/pickled": pickled, "acme/coded": coded, "acme/broken": broken})
    assert "pytorch_model.bin" in refusal("acme/pickled").message
    assert "auto_map" in refusal("acme/coded").message
    assert "damaged" in refusal("acme/broken").message


def test_without_a_network_the_remedy_is_what_is_here(use_hub: Callable[..., FakeHub], folder: Path) -> None:
    use_hub({"acme/tiny": folder}).close()
    error = refusal("acme/tiny")
    assert error.kind == "download" and "could not be reached" in error.message and "bundled" in error.remedy
