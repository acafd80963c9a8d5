"""“Run again”: the form of an old run, what of it is not there any more, and the way back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from qdash.catalog.models import MODELS
from qdash.catalog.presets import STARTER_SAMPLE, T1_SAMPLE
from qdash.history import Run, history
from qdash.inputs import read_picture
from qdash.records import Comparison, Evaluation, EvaluationRequest, Measurement, Variant
from qdash.settings import settings
from qdash.ui.components import text
from qdash.ui.controls.filling import told, undone
from qdash.ui.controls.form import picture_path
from qdash.ui.controls.samples import samples
from qdash.ui.run_again import Again, again
from tests.history.examples import comparison, evaluation
from tests.support.scripted import ScriptedBackend

HERE: dict[str, Any] = {
    "model": "tiny-lm", "question": "Typed by somebody", "runs": 7, "warmup": 2, "tokens": 9, "baseline_dtype": "float16", "device": "cpu",
    "reference_text": None, "picture": {"sample": T1_SAMPLE}, "schemes": ["original"], "task": "cloze", "limit": 12,
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("QDASH_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("QDASH_HISTORY", str(tmp_path / "history.sqlite3"))
    settings.cache_clear()
    history.cache_clear()
    yield monkeypatch
    settings.cache_clear()
    history.cache_clear()


def opened(record: Comparison | Evaluation, png: bytes | None = None) -> Run:
    return history().open(history().keep(record, png=png))


def filled(run: Run, **changes: Any) -> Again:
    return again(run, HERE | changes, ScriptedBackend())


def asking(record: Comparison, *variants: tuple[str, str], **changes: Any) -> Comparison:
    found = tuple(Variant(model=model, scheme=scheme) for model, scheme in variants)
    request = record.request.model_copy(update={**({"variants": found} if found else {}), **changes})
    return record.model_copy(update={"request": request})


def test_the_form_is_that_of_the_run(place: pytest.MonkeyPatch) -> None:
    picture, png = read_picture(samples()[3].path)
    record = asking(
        comparison(prompt="How many?"), ("tiny-vlm", "original"), ("tiny-vlm", "bnb-nf4"), ("tiny-vlm", "language=bnb-nf4"),
        picture=picture, measurement=Measurement(runs=3, warmup=0, max_new_tokens=20), reference_text="A longer text.",
    )  # fmt: skip
    made = filled(opened(record, png))
    assert made.words == "" and made.files == []
    assert made.values == HERE | {
        "model": "tiny-vlm", "question": "How many?", "runs": 3, "warmup": 0, "tokens": 20, "baseline_dtype": "", "device": "auto",
        "reference_text": "A longer text.", "picture": {"sample": samples()[3].file},
        "schemes": ["original", "bnb-nf4", "language=bnb-nf4"],
    }  # fmt: skip


def test_an_uploaded_picture_comes_back_as_the_history_keeps_it(place: pytest.MonkeyPatch, png: bytes) -> None:
    picture, uniform = read_picture(png)
    run = opened(asking(comparison(), picture=picture), uniform)
    made = filled(run)
    assert made.words == text.AGAIN_COPY
    path = picture_path(made.values["picture"])
    assert path.read_bytes() == run.picture and made.files == [str(path)]
    mine = settings().cache_dir / "uploads" / "mine.png"
    mine.write_bytes(png)
    same = filled(run, picture={"upload": str(mine)})
    assert same.values["picture"] == {"upload": str(mine)} and same.words == "", "the very picture is in the form already"


def test_what_is_not_there_any_more_is_told_and_at_its_default(place: pytest.MonkeyPatch, png: bytes) -> None:
    picture, _ = read_picture(png)
    record = asking(
        comparison(), ("/nowhere/mine", "original"), ("/nowhere/mine", "of-the-future"), ("tiny-lm", "bnb-nf4"),
        picture=picture, device="cuda:7",
    )  # fmt: skip
    made = filled(opened(record))
    left = "the device cuda:7, the model mine, the scheme of-the-future, the picture, which was not kept"
    assert made.words == f"Not available here, and so left out or at its default: {left}."
    assert made.values["model"] == next(iter(MODELS)) and made.values["device"] == "auto"
    assert made.values["schemes"] == ["original", {"model": "tiny-lm", "scheme": "bnb-nf4"}]
    assert made.values["picture"] == {"sample": STARTER_SAMPLE}


def test_a_public_server_gives_what_it_offers(place: pytest.MonkeyPatch) -> None:
    record = asking(comparison(), ("somebody/else", "original"), ("somebody/else", "bnb-nf4"), measurement=Measurement(runs=99))
    run = opened(record)
    place.setenv("QDASH_PUBLIC", "1")
    settings.cache_clear()
    made = filled(run)
    assert "the model else" in made.words and "the measurement, which is more than this server allows" in made.words
    assert made.values["model"] == next(iter(MODELS)) and made.values["runs"] == Measurement().runs
    assert made.values["schemes"] == ["original", "bnb-nf4"]


def test_a_link_fills_in_what_it_shows(place: pytest.MonkeyPatch, png: bytes) -> None:
    picture, uniform = read_picture(png)
    key = history().keep(asking(comparison(prompt="secret"), picture=picture), png=uniform)
    shared = history().open(history().share(key).key, "a stranger")
    made = filled(shared)
    assert "secret" not in str(made.values) and made.files == []
    assert "the picture, which this link does not show, the question, which this link does not show" in made.words
    assert made.values["question"] == samples()[0].questions[0]
    history().share(key, prompt=True, picture=True)
    shown = filled(history().open(shared.entry.share.key if shared.entry.share else "", "a stranger"))
    assert shown.values["question"] == "secret" and shown.files and shown.words == text.AGAIN_COPY


def test_an_evaluation_fills_in_its_task(place: pytest.MonkeyPatch) -> None:
    record = evaluation()
    request = EvaluationRequest(variants=record.request.variants, task="cloze", limit=100)
    made = filled(opened(record.model_copy(update={"request": request})))
    assert (made.values["task"], made.values["limit"], made.words) == ("cloze", 100, "")
    assert made.values["schemes"] == ["original", "bnb-nf4"] and made.values["question"] == HERE["question"]
    assert filled(opened(evaluation(80))).values["limit"] is None, "all of them"
    own = filled(opened(evaluation(task="own")))
    assert own.values["task"] == "own" and own.words.endswith("the file of questions mine.csv, which has to be chosen again.")
    other = record.model_copy(update={"request": request.model_copy(update={"task": "lambada", "batch_size": 1})})
    assert filled(opened(other)).words.endswith("the task Cloze, what only the command line sets.")


def test_it_is_told_and_undone() -> None:
    after = HERE | {"model": "tiny-vlm", "warmup": 0, "limit": None, "schemes": ["original", "fp16"]}
    said, before = told(HERE, after, text.AGAIN_SET, "And <b>more</b>.")
    assert "The saved run set model, number of questions, warm-up runs and schemes. And &lt;b&gt;more&lt;/b&gt;." in said
    assert undone(tuple(HERE), before) == [*HERE.values(), "", None]
    assert undone((*HERE, "other"), before)[-3:] == [gr.skip(), "", None]
    assert "unchanged" in told(HERE, HERE, text.AGAIN_SET, text.AGAIN_SAME)[0]
