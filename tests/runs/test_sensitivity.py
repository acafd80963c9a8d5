"""What each layer costs as a run: what it reports, what it keeps, what is left of one that was stopped."""

from collections.abc import Callable, Generator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from scipy import stats

from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.execution.inline import InlineExecutor
from qdash.records import LayerDamage, SensitivityReport, Step, TaskItem
from qdash.runs import kept
from qdash.runs.sensitivity import measure_sensitivity
from qdash.tasks import CalibrationSet, Item, item_id, split_items, suited_set

QUESTIONS = tuple(Item(TaskItem(prompt=prompt, answer="")) for prompt in ("What is it?", "Describe it.", "Who is there?", "这是什么？"))
EXECUTOR = InlineExecutor()


@pytest.fixture(autouse=True)
def kept_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of its own for each test."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(kept, "settings", lambda: type("Settings", (), {"cache_dir": folder}))
    return folder / "sensitivity"


@pytest.fixture
def model(checkpoint: Callable[[str], Path]) -> str:
    return str(checkpoint("qwen3"))


def begun(model: str, *schemes: str, stop: Event | None = None, **options: Any) -> Generator[Any, None, SensitivityReport]:
    calibration = CalibrationSet("own", options.pop("items", QUESTIONS), plain=False, max_tokens=6)
    return measure_sensitivity(model, schemes, calibration, EXECUTOR, stop, device="cpu", **options)


def finished(model: str, *schemes: str, **options: Any) -> tuple[SensitivityReport, list[Any]]:
    events: list[Any] = []
    return result_of(begun(model, *schemes, **options), events.append), events


def test_half_of_the_questions_are_followed_and_it_is_kept(model: str, kept_in: Path) -> None:
    report, events = finished(model, "original", "int3-g64", "bnb-nf4")
    search, _ = split_items(QUESTIONS)
    assert report.items == tuple(map(item_id, search)) and report.held_out == 2
    assert (report.method, report.spearman, report.checked, report.complete) == ("measured", None, 0, True)
    assert report.layers == tuple(event for event in events if isinstance(event, LayerDamage))
    assert {layer.scheme for layer in report.layers} == {"int3-g64", "bnb-nf4"} and len(report.layers) == 28
    again, silent = finished(model, "int3-g64", "bnb-nf4")
    assert again == report and all(isinstance(event, Step) for event in silent)
    assert len(list(kept_in.iterdir())) == 1
    other, _ = finished(model, "int3-g64", "bnb-nf4", items=QUESTIONS[:1])
    assert other.held_out == 0 and all(layer.kl_se is None for layer in other.layers)


def test_the_rank_correlation_is_over_the_layers_that_were_measured(model: str) -> None:
    report, events = finished(model, "int3-g64", "q8_0", method="estimated")
    checked = [layer for layer in report.layers if layer.estimated_nats is not None]
    assert len(report.layers) == 28 and report.checked == len(checked) >= 12
    expected = stats.spearmanr([layer.estimated_nats for layer in checked], [layer.kl_mean_nats for layer in checked])[0]
    assert report.spearman == pytest.approx(expected)
    assert any("s left" in event.detail for event in events if isinstance(event, Step))


def test_questions_that_come_with_qdash_fit_the_model(model: str) -> None:
    drawings, stories = suited_set("image-text-to-text"), suited_set("text-generation")
    assert (drawings.task, drawings.plain, len(drawings.items)) == ("drawings", False, 16) and all(item.png for item in drawings.items)
    assert (stories.task, stories.plain, len(stories.items)) == ("cloze", True, 16) and not any(item.png for item in stories.items)
    report = result_of(measure_sensitivity(model, ["int3-g64"], stories, EXECUTOR, device="cpu"))
    search, proof = split_items(stories.items)
    assert report.items == tuple(map(item_id, search)) and report.held_out == len(proof) == 8 and report.complete


def test_what_is_there_when_it_is_stopped_stays_and_is_not_kept(model: str, kept_in: Path) -> None:
    stop, layers = Event(), 0

    def watch(event: Any) -> None:
        nonlocal layers
        layers += isinstance(event, LayerDamage)
        if layers == 3:
            stop.set()

    report = result_of(begun(model, "int2-g64", stop=stop), watch)
    assert 3 <= len(report.layers) < 14 and not report.complete and not kept_in.exists()
    with pytest.raises(QdashError) as stopped:
        result_of(begun(model, "int2-g64", stop=stop))
    assert stopped.value.kind == "cancelled"


@pytest.mark.parametrize(
    ("schemes", "options", "words"),
    [
        (("original",), {}, "No quantization scheme"),
        (("language=bnb-nf4",), {}, "cannot be given to one layer"),
        (("gguf",), {}, "cannot be given to one layer"),
        (("int3-g64",), {"items": ()}, "no questions"),
        (("int99",), {}, "int99"),
    ],
)
def test_what_cannot_be_found_out_is_refused(model: str, schemes: tuple[str, ...], options: dict[str, Any], words: str) -> None:
    with pytest.raises(QdashError, match=words):
        finished(model, *schemes, **options)


def test_random_weights_are_refused() -> None:
    with pytest.raises(QdashError, match="random weights"):
        finished("random:bloom-1b7", "int3-g64")
