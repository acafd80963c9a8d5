"""What the page fills in by itself: it is told, can be undone, and never takes what a person typed or uploaded."""

from typing import Any

import gradio as gr
import pytest

from qdash.catalog.models import MODELS
from qdash.catalog.presets import PARIS, PRESETS, STARTER_SAMPLE, STORY, T1_PROMPT, T2_PROMPT
from qdash.present.language import in_language
from qdash.ui.controls.filling import FIELDS, preset_filled, question_filled, set_up, undone
from qdash.ui.controls.samples import is_read, picked_question, sample_path, samples
from qdash.ui.controls.sidebar import unread_note

DESCRIBE = "What is in this picture?"
START: dict[str, Any] = {
    "model": "tiny-vlm", "question": DESCRIBE, "tokens": 50, "runs": 5, "baseline_dtype": "", "picture": {"sample": STARTER_SAMPLE},
    "schemes": ["original", "bnb-nf4"],
}  # fmt: skip
UPLOAD = {"upload": "/uploads/mine.png"}
BY_FILE = {sample.file: sample for sample in samples()}
BY_KEY = {preset.key: preset for preset in PRESETS}


def values(**changes: Any) -> list[Any]:
    return [(START | changes)[name] for name in FIELDS]


def test_a_preset_sets_up_its_whole_experiment() -> None:
    experiments = [preset for preset in PRESETS if preset.setup is not None]
    assert [preset.key for preset in experiments] == ["starter", "paris", "stories", "t1", "t2", "t3"]
    for preset in experiments:
        after = set_up(preset, START)
        assert after["model"] in MODELS and after["question"] and after["tokens"] >= 2 and after["runs"] >= 1
        assert MODELS[after["model"]].task == "text-generation" or sample_path(after["picture"]["sample"]).is_file()
    assert set_up(BY_KEY["all"], START) == START


def test_what_a_person_typed_or_uploaded_stays() -> None:
    own = START | {"question": "Is it mine?", "picture": UPLOAD, "tokens": 77, "runs": 9, "baseline_dtype": "bfloat16"}
    for preset in PRESETS:
        after = set_up(preset, own)
        assert {name: after[name] for name in own if name != "model"} == {name: own[name] for name in own if name != "model"}
    assert set_up(BY_KEY["t2"], START | {"question": " "})["question"] == T2_PROMPT


def test_what_a_preset_set_is_told_and_undone() -> None:
    schemes = list(BY_KEY["t3"].keys)
    *filled, said, before = preset_filled("t3", START["schemes"], values(schemes=schemes))
    assert dict(zip(FIELDS, filled, strict=False))["baseline_dtype"] == "float16"
    assert "“BLOOM-1.7B” set the model, question, tokens, timed runs, data type and schemes." in said
    assert before == START
    assert undone(FIELDS, before) == [*values(), "", None]
    assert undone(FIELDS, None) == [gr.skip()] * 9


def test_a_preset_that_changes_nothing_has_nothing_to_undo() -> None:
    starter = values(schemes=list(BY_KEY["starter"].keys))
    assert preset_filled("starter", list(BY_KEY["starter"].keys), starter) == [gr.skip()] * 6 + ["", None]
    assert preset_filled("nonsense", None, values())[-2:] == ["", None]


def test_a_question_that_does_not_fit_the_new_picture_makes_way_and_comes_back() -> None:
    frog, cats = BY_FILE["frog-and-diamond.png"], BY_FILE["two-cats.png"]
    fitting, said, before = question_filled("picture", *values(question=frog.questions[1], picture={"sample": cats.file}))
    assert fitting == DESCRIBE and "Changed to fit the picture: question." in said
    assert undone(FIELDS, before)[FIELDS.index("question")] == frog.questions[1]
    own, story = {"question": "My own?", "picture": {"sample": cats.file}}, {"model": "tiny-lm", "question": STORY, "picture": UPLOAD}
    for changes in (own, story, {"question": "How many things are there?", "picture": UPLOAD}):
        assert question_filled("picture", *values(**changes)) == [gr.skip()] * 3


@pytest.mark.parametrize("before", [DESCRIBE, T1_PROMPT, PARIS, " ", None])
def test_a_sample_comes_with_its_question_in_the_language_of_the_page(before: str | None) -> None:
    pizza = values(question=before, picture={"sample": "pizza.png"})
    assert question_filled("picture", *pizza)[0] == "Is there a pizza in the picture?"
    with in_language("zh"):
        assert picked_question("tiny-vlm", "pizza.png", before or "") == "图片里有没有披萨？"
        assert set_up(BY_KEY["starter"], START)["question"] == "图片里有什么？"


def test_nothing_a_browser_sends_breaks_it() -> None:
    for odd in (None, [1], {"a": 1}, 7):
        everything = [odd] * len(FIELDS)
        assert len(preset_filled("t3", None, everything)) == len(preset_filled(None, None, everything)) == 8
        assert len(question_filled("picture", *everything)) == 3
        assert unread_note(odd, odd) == ""


def test_letters_that_the_bundled_models_never_saw_are_told() -> None:
    for question in ("ما هذا؟", "😀", "Что на картинке?", "これは?"):
        assert not is_read(question) and "English and Chinese only" in unread_note("tiny-vlm", question)
    for question in ("What is this?", "这是什么？", "Qu’est-ce que c’est ?", T1_PROMPT):
        assert is_read(question) and unread_note("tiny-vlm", question) == ""
    assert unread_note("Qwen/Qwen3-4B", "😀") == unread_note("tiny-vlm", "") == unread_note("tiny-vlm", None) == ""
