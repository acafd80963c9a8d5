"""Saving a version through an executor and from the command line: whole and proven, or not at all."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import ModelCard

from qdash import settings as qdash_settings
from qdash.checkpoints import disk
from qdash.checkpoints.new_folder import NewFolder
from qdash.checkpoints.uploading import HubRepository
from qdash.cli import main
from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.execution.inline import InlineExecutor
from qdash.records import Request, Saved, Step, Variant
from qdash.report import model_card
from qdash.runs.push import push_version
from qdash.runs.save import save_version
from tests.cli.test_cli import ROOT
from tests.support.fake_hub import FakeHub, writable_hub


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of the test's own, and one thread."""
    monkeypatch.setenv("QDASH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("QDASH_THREADS", "1")
    qdash_settings.settings.cache_clear()
    yield tmp_path / "cache"
    monkeypatch.undo()
    qdash_settings.settings.cache_clear()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder in which versions are saved."""
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub on this machine and the token of a person who may write there."""
    with writable_hub(tmp_path, monkeypatch) as running:
        yield running


def request_for(folder: Path | str, scheme: str) -> Request:
    model = str(folder)
    return Request(variants=(Variant(model=model, scheme="original"), Variant(model=model, scheme=scheme)), prompt="", device="cpu")


def save(folder: Path | str, scheme: str, target: NewFolder, stop: Event | None = None) -> Saved:
    return result_of(save_version(request_for(folder, scheme), 1, target, model_card, InlineExecutor(), stop))


def refused(folder: Path | str, scheme: str, target: NewFolder) -> QdashError:
    with pytest.raises(QdashError) as caught:
        save(folder, scheme, target)
    return caught.value


def test_a_version_is_saved_with_its_card(checkpoint: Any, cache: Path, place: Path) -> None:
    executor = InlineExecutor()
    request = request_for(checkpoint("qwen3"), "bnb-nf4")
    saved = result_of(save_version(request, 1, NewFolder(place / "mine"), model_card, executor))
    assert [entry.name for entry in place.iterdir()] == ["mine"], "nothing beside it"
    assert saved.where == str(place / "mine") and saved.check.equal and not saved.check.new_process
    assert {file.name: file.size_bytes for file in saved.files} == {file.name: file.stat().st_size for file in (place / "mine").iterdir()}
    card: Any = ModelCard.load(place / "mine" / "README.md")
    assert card.data.library_name == "transformers" and card.data.pipeline_tag == "text-generation"
    assert "same to the last bit" in card.text and "folder = 'mine'" in card.text and "bnb-nf4" in card.text
    assert [spec.folder for spec in executor.workers()] == [str(checkpoint("qwen3"))], "what read the new files is gone"
    assert Saved.model_validate_json(saved.model_dump_json()) == saved


def test_the_code_in_the_card_runs(checkpoint: Any, cache: Path, place: Path) -> None:
    save(checkpoint("qwen3"), "fp8-e4m3", NewFolder(place / "mine"))
    code = (place / "mine" / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint(type(model).__name__, model.dtype, len(processor.get_vocab()) > 9)"],
        cwd=place, env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.stdout.split() == ["Qwen3ForCausalLM", "torch.float32", "True"], done.stderr


def test_what_is_there_is_not_overwritten_unasked(checkpoint: Any, cache: Path, place: Path) -> None:
    (place / "mine").mkdir()
    save(checkpoint("qwen3"), "bnb-nf4", NewFolder(place / "mine"))  # an empty folder is free
    (place / "mine" / "notes.txt").write_text("precious")
    error = refused(checkpoint("qwen3"), "bnb-int8", NewFolder(place / "mine"))
    assert "exists already" in error.message and "--overwrite" in error.remedy
    assert (place / "mine" / "notes.txt").exists()
    save(checkpoint("qwen3"), "bnb-int8", NewFolder(place / "mine", overwrite=True))
    assert not (place / "mine" / "notes.txt").exists() and "load_in_8bit" in (place / "mine" / "config.json").read_text()
    assert [entry.name for entry in place.iterdir()] == ["mine"]


def test_only_a_saved_model_is_replaced_and_never_the_model_itself(checkpoint: Any, cache: Path, place: Path) -> None:
    (place / "photos").mkdir()
    (place / "photos" / "cat.png").write_bytes(b"1")
    assert "not a saved model" in refused(checkpoint("qwen3"), "bnb-nf4", NewFolder(place / "photos", overwrite=True)).message
    own = checkpoint("qwen3")
    assert "the model itself" in refused(own, "bnb-nf4", NewFolder(own, overwrite=True)).message
    assert "the model itself" in refused(own, "bnb-nf4", NewFolder(own / "below")).message
    assert "no folder" in refused(own, "bnb-nf4", NewFolder(place / "not" / "there")).message


@pytest.mark.parametrize(
    ("scheme", "why", "instead"),
    [
        ("sim-w8a8", "rounds the input of every layer", "bnb-int8"),
        ("sim-w4a4", "rounds the input of every layer", "bnb-nf4"),
        ("torch-int8dyn", "packed objects", "bnb-int8"),
        ("ao-int8static", "after it was loaded", "bnb-int8"),
        ("vision=bnb-int8,language=bnb-nf4", "several quantizations", "bnb-nf4"),
    ],
)
def test_what_cannot_be_saved_says_so_before_and_what_can_instead(place: Path, scheme: str, why: str, instead: str) -> None:
    steps: list[Step] = []
    with pytest.raises(QdashError) as caught:
        result_of(save_version(request_for("no/model", scheme), 1, NewFolder(place / "mine"), model_card, InlineExecutor()), steps.append)
    assert caught.value.kind == "unavailable" and why in caught.value.message and instead in caught.value.remedy
    assert not steps, "not even the model was looked for"


def test_what_this_model_does_not_allow_is_said_before_it_is_loaded(checkpoint: Any, cache: Path, place: Path) -> None:
    error = refused(checkpoint("qwen3"), "ao-int4wo", NewFolder(place / "mine"))
    assert "after it was loaded" in error.message and "bnb-nf4" in error.remedy and "ao-" not in error.remedy
    assert not list(place.iterdir())


def test_a_full_disk_is_noticed_before_anything_is_written(
    checkpoint: Any, cache: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda place: SimpleNamespace(free=disk.SPARE_BYTES + 1000))
    error = refused(checkpoint("qwen3"), "bnb-nf4", NewFolder(place / "mine"))
    assert error.kind == "download" and "GiB of disk" in error.message
    assert not list(place.iterdir())


@pytest.mark.parametrize("words", ["looking for the model", "writing the weights", "loading what was saved", "reading the same text"])
def test_stop_leaves_nothing(checkpoint: Any, cache: Path, place: Path, words: str) -> None:
    stop = Event()

    def moved(step: Step) -> None:
        if words in step.detail:
            stop.set()

    with pytest.raises(QdashError) as caught:
        steps = save_version(request_for(checkpoint("qwen3"), "bnb-nf4"), 1, NewFolder(place / "mine"), model_card, InlineExecutor(), stop)
        result_of(steps, moved)
    assert caught.value.kind == "cancelled" and not list(place.iterdir())


def test_a_crash_leaves_nothing_under_the_name_and_what_it_left_is_swept(checkpoint: Any, cache: Path, place: Path) -> None:
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom qdash.checkpoints.new_folder import NewFolder\n"
        "with NewFolder(Path(sys.argv[1])).filled() as part:\n (part / 'half').write_text('x')\n os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, str(place / "mine")], env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60)
    assert not (place / "mine").exists() and len(list(place.iterdir())) == 1
    save(checkpoint("qwen3"), "bnb-nf4", NewFolder(place / "mine"))
    assert [entry.name for entry in place.iterdir()] == ["mine"]


def test_what_loads_as_another_model_is_not_saved(checkpoint: Any, cache: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the inputs' rounding were forgotten, the logits would tell."""
    monkeypatch.setattr("qdash.catalog.families.simulated.SimulatedFamily.unsaveable", lambda self, scheme: None)
    error = refused(checkpoint("qwen3"), "sim-w4a4", NewFolder(place / "mine"))
    assert error.kind == "checkpoint" and "loads as another model" in error.message and not list(place.iterdir())


def test_a_zip_file_holds_the_folder(checkpoint: Any, cache: Path, place: Path) -> None:
    saved = save(checkpoint("qwen3"), "bnb-nf4", NewFolder(place / "mine", zipped=True))
    assert [entry.name for entry in place.iterdir()] == ["mine.zip"] and saved.where == str(place / "mine.zip")
    with zipfile.ZipFile(place / "mine.zip") as archive:
        assert archive.testzip() is None
        assert {entry.filename: entry.file_size for entry in archive.infolist()} == {f"mine/{f.name}": f.size_bytes for f in saved.files}
    error = refused(checkpoint("qwen3"), "bnb-nf4", NewFolder(place / "mine", zipped=True))
    assert "mine.zip exists already" in error.message


# ── the hub ──────────────────────────────────────────────────────────────────────────────────────────────────────


def push(folder: Path, repository: HubRepository, scheme: str = "bnb-nf4") -> Saved:
    return result_of(push_version(request_for(folder, scheme), 1, repository, model_card, InlineExecutor()))


def test_a_version_is_pushed_with_the_persons_own_token(
    checkpoint: Any, cache: Path, hub: FakeHub, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    saved = push(checkpoint("qwen3"), HubRepository("me/tiny"))
    there = hub.repos["me/tiny"]
    assert {file.name: file.size_bytes for file in saved.files} == {file.name: file.stat().st_size for file in there.iterdir()}
    assert hub.private["me/tiny"] and saved.where == f"{hub.url}/me/tiny" and saved.loads_from == "me/tiny"
    assert "folder = 'me/tiny'" in (there / "README.md").read_text()
    assert sum("/commit/" in request for request in hub.requests) == 1, "all or nothing"
    assert not [entry for entry in cache.rglob("*") if entry.is_file()]
    said = "".join((*capfd.readouterr(), caplog.text, saved.model_dump_json(), (there / "README.md").read_text(), *hub.requests))
    assert hub.token not in said


def test_a_repository_that_exists_is_replaced_only_if_asked(checkpoint: Any, cache: Path, hub: FakeHub) -> None:
    push(checkpoint("qwen3"), HubRepository("me/tiny", public=True))
    assert hub.private["me/tiny"] is False
    (hub.repos["me/tiny"] / "old.safetensors").write_bytes(b"1")
    with pytest.raises(QdashError, match="exists already on the hub"):
        push(checkpoint("qwen3"), HubRepository("me/tiny"))
    push(checkpoint("qwen3"), HubRepository("me/tiny", overwrite=True), "bnb-int8")
    assert "load_in_8bit" in (hub.repos["me/tiny"] / "config.json").read_text()
    assert not (hub.repos["me/tiny"] / "old.safetensors").exists()


def test_who_may_not_write_is_told_so_and_no_empty_repository_stays(
    checkpoint: Any, cache: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_anothertokenthatmayread")
    with pytest.raises(QdashError, match="does not let your token write") as caught:
        push(checkpoint("qwen3"), HubRepository("me/tiny"))
    assert "hf auth login" in caught.value.remedy and "anothertoken" not in str(caught.value) and not hub.repos
    monkeypatch.delenv("HF_TOKEN")
    hub.requests.clear()
    with pytest.raises(QdashError, match="no token"):
        push(checkpoint("qwen3"), HubRepository("me/tiny"))
    assert not hub.requests, "asked of nobody"


def test_a_public_server_sends_nothing(checkpoint: Any, cache: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDASH_PUBLIC", "1")
    qdash_settings.settings.cache_clear()
    with pytest.raises(QdashError, match="sends nothing to the hub"):
        push(checkpoint("qwen3"), HubRepository("me/tiny"))
    assert not hub.requests


def test_a_push_that_is_stopped_leaves_no_repository(checkpoint: Any, cache: Path, hub: FakeHub) -> None:
    stop = Event()

    def moved(step: Step) -> None:
        if step.detail.startswith("sending") and hub.repos:
            stop.set()

    hub.slow_commit_s = 5.0
    with pytest.raises(QdashError) as caught:
        steps = push_version(request_for(checkpoint("qwen3"), "bnb-nf4"), 1, HubRepository("me/tiny"), model_card, InlineExecutor(), stop)
        result_of(steps, moved)
    assert caught.value.kind == "cancelled" and not hub.repos


@pytest.mark.parametrize("name", ["tiny", "me/ti ny", "a/b/c", ""])
def test_what_is_no_name_is_refused(hub: FakeHub, name: str) -> None:
    with pytest.raises(QdashError, match="not the name of a repository"):
        HubRepository(name).check()


# ── the command line ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_command_line(checkpoint: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "qdash", "save", "--model", str(checkpoint("qwen3")), "--scheme", "bnb-nf4", "--to", "mine"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "QDASH_CACHE_DIR": str(tmp_path / "cache"), "QDASH_THREADS": "1"}
    done = subprocess.run([*command, "--json", "s.json"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    saved = Saved.model_validate_json((tmp_path / "s.json").read_text(encoding="utf-8"))
    assert (
        saved.check.equal
        and saved.check.new_process
        and saved.where == str(tmp_path / "mine")
        and (tmp_path / "mine" / "model.safetensors").is_file()
    )
    assert all(words in done.stdout for words in ("is saved", "same to the last bit", "model.safetensors", f"folder = '{saved.where}'"))
    assert list(json.loads((tmp_path / "s.json").read_text()))[:4] == ["qdash_version", "created_at", "model", "scheme"]
    again = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
    assert again.returncode == 2 and "exists already" in again.stderr and len(again.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--scheme", "sim-w8a8", "--to", "x"], "cannot be saved"),
        (["--scheme", "bnb-nf4,bnb-int8", "--to", "x"], "names 2 schemes"),
        (["--scheme", "bnb-nf4", "--to", "x", "--public"], "--public is for the hub"),
        (["--scheme", "bnb-nf4", "--to", "hub:me/x", "--zip"], "--zip is for a folder"),
        (["--scheme", "bnb-nf4", "--to", "hub:x"], "not the name of a repository"),
        (["--scheme", "bnb-nf4", "--to", "x", "--measured", "none.json"], "cannot be read"),
    ],
)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["save", "--model", "tiny-lm", *more]) == 2
    said = capsys.readouterr().err
    assert words in said and len(said.splitlines()) == 1 and not list(tmp_path.iterdir())
