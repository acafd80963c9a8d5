"""What a public server offers: what fits it, within limits, and nothing else by any way in."""

import time
from collections.abc import Generator, Iterator
from threading import Event
from typing import Any

import pytest

from qdash import checkpoints, offer
from qdash.catalog.models import MODELS
from qdash.errors import QdashError
from qdash.machine import this_machine
from qdash.records import Measurement
from qdash.settings import settings
from qdash.ui.compare.stream import run
from qdash.ui.controls.form import check_model, check_variants, measurement_of
from qdash.ui.controls.preflight import estimate
from qdash.ui.controls.scheme_picker import picker_html
from qdash.ui.controls.sidebar import label_of
from qdash.ui.server.limited_backend import LimitedBackend
from qdash.ui.server.run_queue import Line
from tests.support.scripted import ScriptedBackend
from tests.ui.controls.test_form import FORM

LARGE = "random:qwen3-4b"


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """As on a server for strangers with 17 GB of memory."""
    monkeypatch.setenv("QDASH_PUBLIC", "1")
    settings.cache_clear()
    machine = this_machine().model_copy(update={"accelerators": (), "device": "cpu", "memory_bytes": 17 * 10**9})
    monkeypatch.setattr(offer, "this_machine", lambda: machine)
    yield monkeypatch
    settings.cache_clear()


def test_everything_is_offered_to_oneself() -> None:
    assert not any(offer.not_offered(model) for model in (*MODELS, "some/model"))
    offer.check_measurement(Measurement(runs=100, max_new_tokens=2048))


@pytest.mark.usefixtures("public")
def test_what_is_too_large_says_so_in_the_list_and_in_the_estimate() -> None:
    offered = [key for key in MODELS if offer.not_offered(key) is None]
    assert {"tiny-vlm", "tiny-lm", "random:smolvlm-256m", "random:fastvlm-0.5b"} <= set(offered)
    assert not {LARGE, "Qwen/Qwen3-4B", "random:bloom-1b7"} & set(offered)
    assert label_of(MODELS[LARGE]).endswith("· too large for this server") and label_of(MODELS["tiny-vlm"]) == MODELS["tiny-vlm"].label
    hint, line, _ = estimate(FORM.__class__(LARGE, *list(vars(FORM).values())[1:]), ScriptedBackend())
    assert "4.0 billion parameters" in hint
    assert "Qwen3 4B, random weights has 8.0 GB of weights; this server takes models of at most 2.0 GB." in line
    html = picker_html(this_machine())
    assert html.count("of weights; this server takes") == 2, "the pills of two tutorials"
    assert html.count('aria-disabled="true"') == 2, "they can be pressed, and say why"
    assert f'value="{LARGE}"' not in html and 'value="tiny-lm"' in html


def test_what_does_not_fit_the_machine_is_not_offered(public: pytest.MonkeyPatch) -> None:
    public.setenv("QDASH_PUBLIC_MODEL_BYTES", "10000000000")
    settings.cache_clear()
    refused = offer.not_offered(LARGE)
    assert refused is not None and "takes 16.1 GB of memory; this server has 11.9 GB for models" in refused.message
    assert offer.not_offered("random:bloom-1b7") is None


@pytest.mark.usefixtures("public")
def test_no_way_in_takes_what_is_not_offered() -> None:
    row = {"model": LARGE, "scheme": "fp16"}
    for ask in (lambda: checkpoints.locate(LARGE), lambda: check_model(LARGE), lambda: check_variants("tiny-vlm", [row])):
        with pytest.raises(QdashError, match="8.0 GB of weights"):
            ask()
    with pytest.raises(QdashError, match="Tokens: 2,048 are too many; this server allows 256"):
        measurement_of(FORM.__class__(**{**vars(FORM), "tokens": 2048}))
    with pytest.raises(QdashError, match="Timed runs: 100"):
        measurement_of(FORM.__class__(**{**vars(FORM), "runs": 100}))
    assert checkpoints.locate("tiny-vlm").folder is not None


def test_a_run_ends_when_its_time_is_over_and_keeps_what_it_has() -> None:
    form = FORM.__class__(**{**vars(FORM), "question": "slow"})
    began = time.monotonic()
    last = list(run(form, LimitedBackend(ScriptedBackend(), 2.0), Line(4), Event()))[-1]
    assert time.monotonic() - began < 20 and last.over and last.error is not None
    assert last.error.message == "This server ends a run after 2 seconds; everything finished by then is kept."
    assert last.png is not None and last.state is not None and last.state.comparison is not None
    assert last.state.comparison.variants[0].answer == "original says slow"


def test_stop_and_other_ends_are_told_as_they_are() -> None:
    class Quick(ScriptedBackend):
        def measure_weight_error(self, model: str, schemes: Any, stop: Event, *, device: str) -> Generator[Any, None, Any]:
            yield from ()
            return "report"

    steps = LimitedBackend(Quick(), 60).measure_weight_error("tiny-vlm", [], Event(), device="cpu")
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "report"
    stop = Event()
    stop.set()
    last = list(run(FORM, LimitedBackend(ScriptedBackend(), 60), Line(4), stop))[-1]
    assert last.error is None or last.error.message.startswith("Stopped")
