"""The drawer Save: what it says before, while and after, and that a public page has none."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr
import pytest
from gradio.processing_utils import save_file_to_cache
from huggingface_hub import constants

from qdash import settings as qdash_settings
from qdash.checkpoints.new_folder import NewFolder
from qdash.checkpoints.uploading import HubRepository
from qdash.errors import QdashError
from qdash.records import Request, Variant
from qdash.ui.compare.page import build_compare_page
from qdash.ui.compare.saving import picked, saved_html, saved_views, usual_name, zipped
from qdash.ui.results.cards import cards_html
from qdash.ui.results.compare_state import finished_state
from qdash.ui.server.backend import EngineBackend
from qdash.ui.server.limited_backend import LimitedBackend
from qdash.ui.server.run_queue import Line
from tests.report.examples import HOSTILE
from tests.support.fake_hub import writable_hub
from tests.support.scripted import CANCELLED, ScriptedBackend, comparison_of, failed_result, saved_version, variant_result

KEYS = ("original", "sim-w8a8", "bnb-nf4", "bnb-int8")
REQUEST = Request(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in KEYS), prompt="What?")
COMPARISON = comparison_of(REQUEST, *(variant_result(key, "A.") for key in KEYS[:3]), failed_result("bnb-int8", CANCELLED))


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folders of the test's own."""
    monkeypatch.setenv("QDASH_SAVE_DIR", str(tmp_path / "saved"))
    monkeypatch.setenv("QDASH_CACHE_DIR", str(tmp_path / "cache"))
    qdash_settings.settings.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    qdash_settings.settings.cache_clear()


def views(index: object, name: str = "mine", overwrite: bool = False, stop: Event | None = None) -> list[tuple[str, str | None]]:
    return list(saved_views(COMPARISON, index, (name, overwrite), ScriptedBackend(), Line(2), stop or Event()))


def test_a_version_that_can_be_saved_gets_a_name() -> None:
    name, save, said, folder = picked(COMPARISON, 2)
    assert (name, save["interactive"], folder) == ("tiny-vlm-bnb-nf4", True, None) and "model card" in said


def test_one_that_cannot_says_why_and_what_can_instead_before_anything_is_pressed() -> None:
    _name, save, said, _folder = picked(COMPARISON, 1)
    assert save["interactive"] is False and "rounds the input of every layer" in said and "bnb-int8" in said


def test_names_are_fit_for_files() -> None:
    odd = COMPARISON.model_copy(
        update={
            "variants": (COMPARISON.variants[0].model_copy(update={"model": "../Über/Modell X", "scheme": "vision=bnb-int8,*.0.*=fp16"}),)
        }
    )
    name = usual_name(odd, 0)
    assert "/" not in name and not name.startswith(".") and name == name.lower() and name


def test_progress_then_where_it_is_and_how_it_was_checked(places: Path) -> None:
    seen = views(2)
    assert "writing the weights" in seen[2][0] and seen[2][1] is None
    html, folder = seen[-1]
    assert folder is not None and folder == str(places / "saved" / "mine") and folder in html and "same to the last bit" in html
    assert f"folder = &#39;{folder}&#39;" in html and 'class="saved"' in html


def test_nothing_is_overwritten_unasked(places: Path) -> None:
    views(2)
    assert "exists already" in views(2)[-1][0] and views(2)[-1][1] is None
    assert views(2, overwrite=True)[-1][1] is not None


@pytest.mark.parametrize("name", ["", "..", "../up", "a/b", "/etc/x", ".hidden", "a\0b", "x" * 101])
def test_only_names_are_taken_no_paths(places: Path, name: str) -> None:
    assert "cannot be the name of a folder" in views(2, name)[-1][0]
    assert not (places / "saved").exists()


@pytest.mark.parametrize("index", [None, 99, -1, "1"])
def test_nothing_to_save_is_said(index: object) -> None:
    ((said, folder),) = views(index)
    assert "Press Compare first" in said and folder is None
    assert picked(COMPARISON, index)[1]["interactive"] is False


def test_stop_is_heard() -> None:
    stop = Event()
    stop.set()
    assert "Stopped" in views(2, stop=stop)[-1][0]


def test_the_zip_file_is_made_where_gradio_serves_files(places: Path) -> None:
    folder = views(2)[-1][1]
    file, _unchanged = zipped(folder)
    uploads = places / "cache" / "uploads"
    assert file is not None and Path(file).is_relative_to(uploads)
    assert save_file_to_cache(file, str(uploads)) == file, "Gradio makes no copy"
    assert [entry for entry in uploads.rglob("*") if entry.is_file()] == [Path(file)]
    assert zipfile.ZipFile(file).namelist() == ["mine/config.json"]
    nothing, said = zipped(str(places / "gone"))
    assert nothing is None and "not there any more" in said


def test_a_machine_with_a_token_offers_the_hub(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(places / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert "hub:user/name" not in picked(COMPARISON, 2)[2]
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    assert "With hub:user/name" in picked(COMPARISON, 2)[2] and "only you can see" in picked(COMPARISON, 2)[2]


def test_a_version_on_the_hub_is_no_folder_here(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent, and how, is in tests/runs/test_save.py."""
    with writable_hub(places, monkeypatch) as hub:
        shown = views(2, "hub:me/tiny")
        hub.repos["me/tiny"] = places
        again = views(2, " hub:me/tiny ")
    html, folder = shown[-1]
    assert folder is None and 'class="saved on-hub"' in html and f"{hub.url}/me/tiny" in html
    assert not any(hub.token in said for said, _folder in shown) and not (places / "saved").exists()
    assert "me/tiny exists already on the hub" in again[-1][0]


def test_the_engine_sends_what_is_called_so_to_the_hub() -> None:
    workers: Any = None  # the name is looked at before any is needed
    with pytest.raises(QdashError, match="not the name of a repository on the hub"):
        next(EngineBackend(workers).save(COMPARISON, 2, HubRepository("tiny"), Event()))


def test_what_it_shows_is_escaped() -> None:
    hostile = COMPARISON.model_copy(update={"variants": (COMPARISON.variants[0].model_copy(update={"label": HOSTILE, "model": HOSTILE}),)})
    html = saved_html(saved_version(hostile, 0, NewFolder(Path("/x") / "mine")))
    assert "<script" not in html and "&lt;" in html


def test_cards_that_ran_offer_it_once_the_comparison_is_over() -> None:
    cards = cards_html(finished_state(COMPARISON), saves=True).split("<article")[1:]
    assert ["data-save" in card for card in cards] == [True, True, True, False] and 'data-save="2"' in cards[2]
    assert "data-save" not in cards_html(finished_state(COMPARISON))


@pytest.mark.usefixtures("event_loops_closed")
@pytest.mark.parametrize("public", [False, True])
def test_a_public_page_has_no_save_at_all(monkeypatch: pytest.MonkeyPatch, public: bool) -> None:
    monkeypatch.setenv("QDASH_PUBLIC", str(int(public)))
    qdash_settings.settings.cache_clear()
    with gr.Blocks() as blocks:
        page = build_compare_page("tiny-vlm", ["original", "bnb-nf4"])
    ids = {getattr(block, "elem_id", None) for block in blocks.blocks.values()}
    assert (page.saving is None) == public
    assert bool({"save-go", "drawer-save", "open-save", "save-zip"} & ids) is not public
    assert page.inside.save.visible is not public


def test_a_public_server_saves_nothing_whatever_is_asked(places: Path) -> None:
    for target in (NewFolder(places / "x"), HubRepository("me/tiny")):
        with pytest.raises(QdashError, match="does not save"):
            LimitedBackend(ScriptedBackend(), 10).save(COMPARISON, 2, target, Event())
    assert not (places / "x").exists()
