"""Describing and downloading models of a hub: one on this machine."""

import shutil
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import save_file

from qdash import checkpoints
from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.records import Step
from tests.checkpoints.folders import TENSORS, edit, refusal, shard
from tests.support.fake_hub import COMMIT, FakeHub


def finish(download: Generator[Step, None, checkpoints.Checkpoint]) -> tuple[list[Step], checkpoints.Checkpoint]:
    """The steps and the result of a download."""
    steps: list[Step] = []
    found = result_of(download, steps.append)
    return steps, found


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
