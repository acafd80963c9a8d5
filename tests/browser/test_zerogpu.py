"""The page on ZeroGPU in a real browser: whose quota is asked for, what a refusal looks like, and Stop."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import psutil
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.support.acting import choose_model, compare, finished
from tests.support.serving import Server, serving
from tests.support.zerogpu_jobs import environment
from tests.support.zerogpu_scheduler import Answer, Scheduler, quota

pytestmark = pytest.mark.browser

SIGNED_IN = {"X-IP-Token": "e30.e30.e30"}  # what Hugging Face's proxy adds to a visitor's requests
RUN_MS = 200_000


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    with Scheduler().serving() as scheduler:
        yield scheduler


@pytest.fixture
def space(scheduler: Scheduler, tmp_path: Path) -> Iterator[Server]:
    """The page as it runs on a ZeroGPU Space."""
    with serving(["-m", "tests.support.zerogpu_process", "page"], tmp_path, **environment(scheduler, tmp_path)) as server:
        yield server
        for fork in psutil.Process(server.pid).children(recursive=True):  # idle, they outlive a server that is ended
            fork.kill()


@pytest.mark.timeout(400)
def test_the_page_compares_on_a_gpu_that_is_lent(scheduler: Scheduler, space: Server, open_page: OpenPage) -> None:
    page = open_page(space, extra_http_headers=SIGNED_IN)
    choose_model(page, "tiny-lm")
    compare(page, "Once upon a time")
    finished(page, RUN_MS)
    assert page.locator(".card.is-done").count() == page.locator(".card").count() >= 3
    (asked,) = scheduler.asked("/schedule")
    assert asked["token"] == SIGNED_IN["X-IP-Token"]
    scheduler.wait_for("/release", 1)

    scheduler.answers = [quota(left_s=2, wait_s=5000)]
    compare(page, "Once more")
    expect(page.locator("body")).to_contain_text("your ZeroGPU quota has 2 s left")

    scheduler.answers = [Answer(events=("ping", "succeeded"), gate=(gate := Event()))]
    compare(page, "And once more")
    scheduler.wait_for("/schedule", 3)
    page.click("#stop")
    expect(page.locator("#compare")).to_be_visible()
    assert len(scheduler.asked("/release")) == 1
    gate.set()
    scheduler.wait_for("/release", 2)
