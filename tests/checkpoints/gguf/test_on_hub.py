"""GGUF files on the hub: described from their headers, downloaded with progress, unpacked, and then found without a network."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants
from hypothesis import given
from hypothesis import strategies as st

from qdash import checkpoints
from qdash.catalog.schemes import SCHEMES
from qdash.checkpoints import Checkpoint
from qdash.checkpoints.gguf import files, on_hub
from qdash.checkpoints.gguf.on_hub import HubGguf, hub_gguf
from qdash.errors import QdashError
from qdash.machine import this_machine
from qdash.records import Step
from qdash.settings import Settings
from tests.support.fake_hub import COMMIT, FakeHub
from tests.support.gguf_files import split, write_llama

UseHub = Callable[..., FakeHub]
MODEL = "acme/tiny:tiny-Q4_1.gguf"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(files, "settings", lambda: Settings(cache_dir=tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    write_llama(folder / "tiny-Q4_1.gguf")
    return folder


def obtained(model: str, stop: threading.Event | None = None) -> tuple[Checkpoint, list[Step]]:
    steps, call = [], checkpoints.obtain(checkpoints.locate(model), stop)
    while True:
        try:
            steps.append(next(call))
        except StopIteration as ended:
            return ended.value, steps


def test_a_file_is_described_from_its_header(use_hub: UseHub, repo: Path) -> None:
    with (repo / "tiny-Q4_1.gguf").open("ab") as file:
        file.write(bytes(5 * 2**20))  # what is not read is not fetched
    hub, size = use_hub({"acme/tiny": repo}), (repo / "tiny-Q4_1.gguf").stat().st_size
    found, local = checkpoints.locate(MODEL), checkpoints.locate(str(repo / "tiny-Q4_1.gguf"))
    assert (found.folder, found.gguf, found.preparation, found.revision, found.label) == (None, None, "downloading", COMMIT, "tiny-Q4_1")
    assert (found.files, found.download_bytes) == (("tiny-Q4_1.gguf",), size)
    assert (found.tensors, found.blocks, found.notes) == (local.tensors, local.blocks, local.notes)
    assert checkpoints.unsuited(found, SCHEMES["gguf"], this_machine()) is None
    assert len([request for request in hub.requests if "/resolve/" in request]) == 1
    told = checkpoints.sizes_of(found, SCHEMES["gguf"], "float32", "cpu", wait_s=0)
    assert found.blocks is not None and told.estimated_bytes == found.blocks.nbytes + 4 * found.blocks.beside


def test_it_is_downloaded_unpacked_and_then_works_offline(use_hub: UseHub, repo: Path) -> None:
    hub = use_hub({"acme/tiny": repo}, chunk_delay_s=0.05)
    found, steps = obtained(MODEL)
    assert found.folder is not None and found.blocks is not None and found.label == "tiny-Q4_1"
    assert [step.preparation for step in steps][-1] == "unpacking"
    assert any("MB of acme/tiny" in step.detail for step in steps)
    hub.close()
    assert checkpoints.locate(MODEL) == found
    assert checkpoints.is_cached(MODEL) and checkpoints.is_from_gguf(MODEL) and not checkpoints.is_cached("acme/tiny:other.gguf")


def test_a_stop_during_the_download_leaves_no_part(use_hub: UseHub, repo: Path) -> None:
    use_hub({"acme/tiny": repo}, chunk_delay_s=0.3)
    stop = threading.Event()
    steps = checkpoints.obtain(checkpoints.locate(MODEL), stop)
    while not list(Path(constants.HF_HUB_CACHE).glob("**/*.incomplete")):
        next(steps)
    stop.set()
    with pytest.raises(QdashError) as caught:
        list(steps)
    assert caught.value.kind == "cancelled"
    assert checkpoints.locate(MODEL).gguf is None and not list(Path(constants.HF_HUB_CACHE).glob("**/*.incomplete"))


def test_all_parts_of_a_model_are_fetched(use_hub: UseHub, tmp_path: Path, repo: Path) -> None:
    split(repo / "tiny-Q4_1.gguf", tmp_path / "parts", 2)
    use_hub({"acme/parts": tmp_path / "parts"})
    found, _steps = obtained("acme/parts:model-00002-of-00002.gguf")
    assert found.folder is not None and found.parameters == checkpoints.locate(str(repo)).parameters
    (tmp_path / "parts" / "model-00001-of-00002.gguf").unlink()
    use_hub({"acme/half": tmp_path / "parts"})
    with pytest.raises(QdashError, match="acme/half has no file model-00001-of-00002.gguf"):
        checkpoints.locate("acme/half:model-00002-of-00002.gguf")


def test_a_file_that_is_not_there_is_told_with_those_that_are(use_hub: UseHub, repo: Path) -> None:
    use_hub({"acme/tiny": repo})
    with pytest.raises(QdashError, match=r"acme/tiny has no file tiny-Q8_0.gguf") as caught:
        checkpoints.locate("acme/tiny:tiny-Q8_0.gguf")
    assert caught.value.remedy == "Choose one of tiny-Q4_1.gguf."
    with pytest.raises(QdashError, match="The model acme/tiny is there as GGUF files: tiny-Q4_1.gguf") as caught:
        checkpoints.locate("acme/tiny")
    assert caught.value.remedy == f"Name one of them: {MODEL}."
    with pytest.raises(QdashError, match="no model “acme/unknown” on the hub"):
        checkpoints.locate("acme/unknown:tiny.gguf")


def test_a_header_that_lies_is_refused_before_the_download(use_hub: UseHub, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray((repo / "tiny-Q4_1.gguf").read_bytes())
    (repo / "damaged.gguf").write_bytes(content[:1000] + bytes(1000))
    (repo / "other.gguf").write_bytes(b"PK" + bytes(1000))
    use_hub({"acme/tiny": repo})
    for name in ("damaged", "other"):
        with pytest.raises(QdashError, match=f"^The file {name}.gguf of acme/tiny is ") as caught:
            checkpoints.locate(f"acme/tiny:{name}.gguf")
        assert caught.value.kind == "checkpoint"
    monkeypatch.setattr(on_hub, "MOST_HEADER_BYTES", 1000)
    with pytest.raises(QdashError, match="its header is larger than that of any model"):
        checkpoints.locate(MODEL)


def test_without_a_network_it_is_told(use_hub: UseHub, repo: Path) -> None:
    use_hub({"acme/tiny": repo}).close()
    with pytest.raises(QdashError, match="the hub could not be reached") as caught:
        checkpoints.locate(MODEL)
    assert caught.value.kind == "download"


def test_a_public_server_offers_none(use_hub: UseHub, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = use_hub({"acme/tiny": repo})
    monkeypatch.setattr("qdash.offer.settings", lambda: Settings(public=True))
    with pytest.raises(QdashError, match="is not one of the models offered here"):
        checkpoints.locate(MODEL)
    assert not checkpoints.is_from_gguf(MODEL) and not hub.requests


def test_ids_are_taken_apart() -> None:
    assert hub_gguf("a/b:c.gguf") == HubGguf("a/b", "c.gguf")
    assert hub_gguf("a/b:Q8/c-00002-of-00003.GGUF") == HubGguf("a/b", "Q8/c-00001-of-00003.GGUF")
    for other in (
        "a/b",
        "a:c.gguf",
        "a/b:c",
        "a/b:../c.gguf",
        "a/b:/c.gguf",
        "a/b:.gguf",
        "a/b:c/../d.gguf",
        "a/b:c.gguf\n",
        "a/b/c:d.gguf",
    ):
        assert hub_gguf(other) is None


@given(st.text(alphabet="ab./:\\-~ \0", max_size=12))
def test_no_id_leaves_the_folders_of_the_cache(text: str) -> None:
    found = hub_gguf(f"a/b:{text}.gguf")
    assert found is None or (".." not in Path(found.file).parts and not Path(found.file).is_absolute())
