"""The History tab in a real browser: runs outlive the server, go to others by link, leave and come back as files, and are compared."""

import json
import os
import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.history.examples import comparison, evaluation, history_in, slowed
from tests.support.acting import compare, finished
from tests.support.serving import Server, serving

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}


def _history(page: Page, runs: int) -> None:
    page.get_by_role("tab", name="History").click()
    expect(page.locator(".run")).to_have_count(runs)


def _open(page: Page, at: int = 0) -> None:
    page.locator(".run-open").nth(at).click()
    expect(page.locator("#history-run")).to_be_visible()
    expect(page.locator("#history-cards .card").first).to_be_visible()


def _link(page: Page) -> str:
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator(".share-link")).to_have_value(re.compile(r"\?run=\w{32}$"))
    return page.input_value(".share-link").removeprefix(page.url.rstrip("/"))


SCRIPT = ["-m", "tests.support.scripted"]


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server of these tests, and the folder of its history."""
    folder = tmp_path_factory.mktemp("history")
    with serving(SCRIPT, folder) as running:
        yield running, folder


@pytest.fixture
def kept(own_server: tuple[Server, Path]) -> Server:
    """Its history has two comparisons, the newer with times twice as long, and an evaluation, and nothing else."""
    running, folder = own_server
    history = history_in(folder)
    history.delete(history.all_keys())
    for record in (evaluation(), comparison(1, prompt="older"), slowed(comparison(2, prompt="older"), 2)):
        history.unshare(history.keep(record))
    return running


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Starts servers. Wanted before `open_page`, so that they are still there while its pages close."""
    with ExitStack() as servers:
        yield lambda folder, **settings: servers.enter_context(serving(SCRIPT, folder, **settings))


def test_a_run_outlives_a_kill_and_opens_again_without_its_model(start: Callable[..., Server], open_page: OpenPage, tmp_path: Path) -> None:
    first = start(tmp_path)
    page = open_page(first)
    page.get_by_role("tab", name="History").click()
    expect(page.locator("#history-head")).to_contain_text("No saved runs yet")
    page.get_by_role("tab", name="Compare").click()
    compare(page, "remember this")
    finished(page)
    headline, answers = page.locator("#verdict h2").inner_text(), page.locator(".card .ans").all_inner_texts()
    _history(page, 1)
    page.close()
    os.kill(first.pid, signal.SIGKILL)
    page = open_page(start(tmp_path))
    _history(page, 1)
    expect(page.locator(".run")).to_contain_text("“remember this”")
    expect(page.locator(".run .run-picture")).to_be_visible()
    _open(page)
    expect(page.locator("#history-verdict h2")).to_have_text(headline)
    assert page.locator("#history-cards .ans").all_inner_texts() == answers
    expect(page.locator("#history-asked")).to_contain_text("remember this")
    expect(page.locator("#history-asked img")).to_be_visible()
    for plot in ("history-latency", "history-memory"):
        expect(page.locator(f"#{plot} .main-svg").first).to_be_visible()
    expect(page.locator("#history-conditions")).to_contain_text("noise ±4%")
    page.click("#open-history-table")
    expect(page.locator("#drawer-history-table")).to_contain_text("quantized")
    _again(page)


def _again(page: Page) -> None:
    """The form is filled in as it was, nothing starts, and Undo takes it back."""
    page.locator("#picture [data-sample]").nth(2).click()
    page.fill("#question textarea", "something else")
    page.keyboard.press("Tab")
    page.click("#history-again")
    expect(page.locator("#filled")).to_contain_text("The saved run set question and picture.")
    expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#question textarea")).to_have_value("remember this")
    page.wait_for_function("document.activeElement.id === 'compare'")
    expect(page.locator(".phase.compare-running")).to_have_count(0)
    page.click("#undo-fill")
    expect(page.locator("#question textarea")).to_have_value("something else")
    expect(page.locator("#picture [data-sample]").nth(2)).to_have_attribute("aria-pressed", "true")


def test_a_link_opens_in_another_browser_read_only(kept: Server, open_page: OpenPage) -> None:
    page = open_page(kept)
    _history(page, 3)
    _open(page)
    path = _link(page)
    other = open_page(kept, path, viewport=PHONE, color_scheme="dark")
    expect(other.locator("#history-run-head")).to_contain_text("shared with you, read-only")
    expect(other.locator("#history-asked")).to_contain_text("The question is not part of this link.")
    expect(other.locator("#history-share .share")).to_have_count(0)
    expect(other.locator("#history-delete")).to_be_hidden()
    assert "older" not in other.locator("#history-run").inner_text()
    assert other.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".share input[name=prompt]").check()
    expect(page.locator(".share input[name=prompt][checked]")).to_have_count(1)
    other.reload()
    expect(other.locator("#history-asked")).to_contain_text("older")
    page.get_by_role("button", name="Stop sharing").click()
    expect(page.get_by_role("button", name="Make a link")).to_be_visible()
    other.reload()
    expect(other.locator("#history-banner")).to_contain_text("There is no such run")


def test_runs_leave_as_a_file_and_come_back(kept: Server, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(kept)
    _history(page, 3)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export all").click()
    file = tmp_path / "out.json"
    download.value.save_as(file)
    assert len(json.loads(file.read_text())["runs"]) == 3
    page.get_by_role("button", name="Delete all").click()
    expect(page.locator("#history-banner")).to_contain_text("3 runs deleted")
    expect(page.locator(".run")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".run")).to_have_count(3)
    page.locator(".run [data-do=delete]").first.click()
    expect(page.locator(".run")).to_have_count(2)
    page.set_input_files("#history-tools input[type=file]", file)
    expect(page.locator("#history-banner")).to_contain_text("1 run imported. 2 were here already.")
    expect(page.locator(".run")).to_have_count(3)
    foreign = tmp_path / "package.json"
    foreign.write_text('{"name": "<b>else</b>"}')
    page.set_input_files("#history-tools input[type=file]", foreign)
    expect(page.locator("#history-banner")).to_contain_text("“package.json” is JSON, but not a history")
    expect(page.locator(".run")).to_have_count(3)


def test_an_opened_run_is_downloaded_by_keyboard_and_as_often_as_one_likes(kept: Server, open_page: OpenPage) -> None:
    page = open_page(kept)
    _history(page, 3)
    _open(page)
    page.click("#open-history-export")
    for _ in range(2):
        with page.expect_download() as download:
            page.locator("#history-export-json").press("Enter")
        assert json.loads(download.value.path().read_text())["variants"]
        expect(page.locator("#history-export-json")).to_have_attribute("aria-busy", "false")
    other = page.context.new_page()
    other.goto(page.url)
    _history(other, 3)
    other.get_by_role("button", name="Delete all").click()
    expect(other.locator("#history-banner")).to_contain_text("3 runs deleted")
    page.click("#history-export-html")
    expect(page.locator("#drawer-history-export [role=alert]")).to_contain_text("The server no longer has this result.")
    other.get_by_role("button", name="Undo").click()
    expect(other.locator(".run")).to_have_count(3)
    with page.expect_download() as download:
        page.click("#history-export-html")
    assert download.value.path().read_text().startswith("<!doctype html>")
    expect(page.locator("#drawer-history-export [role=alert]")).to_have_count(0)


def test_two_runs_are_held_against_each_other(kept: Server, open_page: OpenPage) -> None:
    page = open_page(kept)
    _history(page, 3)
    for at in (0, 1):
        page.locator(".run > input").nth(at).check()
    page.get_by_role("button", name="What changed?").click()
    found = page.locator("#history-difference")
    expect(found).to_contain_text("by more than measurement noise")
    expect(found).to_contain_text("The same: model, question")
    expect(found.locator(".is-worse .said").first).to_contain_text("2.00× slower")
    page.click("#history-back")
    page.locator(".run > input").nth(0).uncheck()
    page.locator(".run > input").nth(2).check()
    page.get_by_role("button", name="What changed?").click()
    expect(page.locator("#history-banner")).to_contain_text("no figures in common")


def test_an_evaluation_opens_as_on_its_own_page(kept: Server, open_page: OpenPage) -> None:
    page = open_page(kept)
    _history(page, 3)
    page.fill("#history-search textarea, #history-search input", "cloze")
    expect(page.locator(".run")).to_have_count(1)
    page.locator(".run-open").click()
    expect(page.locator("#history-quality-cards")).to_contain_text("90 of 100")
    expect(page.locator("#history-quality-accuracy .main-svg").first).to_be_visible()
    expect(page.locator("#history-latency")).to_be_hidden()
    page.click("#history-again")
    expect(page.locator("#filled")).to_contain_text("The saved run set model, task, number of questions and schemes.")
    expect(page.locator("#task-about")).to_contain_text("stories", ignore_case=True)
    page.wait_for_function("document.activeElement.id === 'evaluate'")


def test_the_keyboard_is_enough(kept: Server, open_page: OpenPage) -> None:
    page = open_page(kept)
    _history(page, 3)
    page.locator(".run-open").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('.run').matches(':nth-child(2)')")
    page.keyboard.press("Enter")
    expect(page.locator("#history-run")).to_be_visible()
    page.wait_for_function("document.activeElement.id === 'history-back'")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.matches('.run-open')")
    page.keyboard.press("Delete")
    expect(page.locator("#history-banner")).to_contain_text("1 run deleted")
    expect(page.locator(".run")).to_have_count(2)


def test_a_phone_scrolls_one_way(kept: Server, open_page: OpenPage) -> None:
    page = open_page(kept, viewport=PHONE)
    _history(page, 3)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    _open(page)
    page.wait_for_function("document.querySelector('#history-run-head').getBoundingClientRect().top < 300")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_in_public_mode_everybody_has_a_history_of_their_own(start: Callable[..., Server], open_page: OpenPage, tmp_path: Path) -> None:
    server = start(tmp_path, QDASH_PUBLIC="1")
    first, second = open_page(server), open_page(server)
    compare(first, "mine alone")
    finished(first)
    _history(second, 0)
    _history(first, 1)
    key = first.locator(".run").get_attribute("data-key")
    third = open_page(server, f"/?run={key}")
    expect(third.locator("#history-banner")).to_contain_text("There is no such run")
    _open(first)
    shared = open_page(server, _link(first))
    expect(shared.locator("#history-cards")).to_be_visible()
    first.reload()
    first.wait_for_selector("#compare")
    _history(first, 1)
    _forged(server, str(key), second)


def _forged(server: Server, key: str, stranger: Page) -> None:
    """Somebody who knows the key of another's run cannot delete it."""
    config = json.load(urllib.request.urlopen(f"{server.url}/config", timeout=20))
    target = next(component["id"] for component in config["components"] if component["props"].get("elem_id") == "history-list")
    event = next(entry for entry in config["dependencies"] if [target, "select"] in entry["targets"])
    body = {
        "data": [False, "", 50, None, None], "fn_index": event["id"], "session_hash": "stranger", "trigger_id": target,
        "event_data": {"do": "delete", "keys": [key]},
    }  # fmt: skip
    answered = stranger.request.post(f"{server.url}/gradio_api/run/predict", data=body)
    assert "nothing to delete" in answered.text(), answered.text()
    _history(stranger, 0)


def test_a_history_that_cannot_be_written_is_kept_in_memory_and_says_so(
    start: Callable[..., Server], open_page: OpenPage, tmp_path: Path
) -> None:
    file = tmp_path / "folder" / "history.sqlite3"
    file.mkdir(parents=True)
    page = open_page(start(tmp_path, QDASH_HISTORY=str(file)))
    page.get_by_role("tab", name="History").click()
    expect(page.locator("#history-head")).to_contain_text(
        f"Runs are kept in memory only, until this server stops. The history {file} cannot be used"
    )
    expect(page.locator("#history-head")).to_contain_text("set QDASH_HISTORY to another file")
    page.get_by_role("tab", name="Compare").click()
    compare(page, "not lost")
    finished(page)
    expect(page.locator(".banner")).to_have_count(0)
    _history(page, 1)
    _open(page)
    expect(page.locator("#history-asked")).to_contain_text("not lost")
