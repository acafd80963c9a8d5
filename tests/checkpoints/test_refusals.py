"""What is no checkpoint, or none to trust, is refused by name and with a remedy."""

from pathlib import Path

import pytest

from qdash import checkpoints, offer
from qdash.settings import Settings
from tests.checkpoints.folders import edit, refusal, shard


@pytest.mark.parametrize("names", [["pytorch_model.bin"], ["model-00001.pt", "model-00002.pt"]])
def test_pickled_weights_are_refused_by_name(folder: Path, names: list[str]) -> None:
    (folder / "model.safetensors").unlink()
    for name in names:
        (folder / name).write_bytes(b"\x80\x04.")
    error = refusal(folder)
    assert error.kind == "checkpoint" and "pickled" in error.message and all(name in error.message for name in names)
    assert ("save_pretrained" in error.remedy) == (names == ["pytorch_model.bin"])  # what transformers can read


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
    monkeypatch.setattr(offer, "settings", lambda: Settings(public=True))
    assert checkpoints.locate("tiny-vlm").folder
    for model in (str(folder), "someone/else", "qdash/assets/models/tiny-vlm"):
        error = refusal(model)
        assert error.kind == "bad_input" and "not one of the models offered" in error.message
