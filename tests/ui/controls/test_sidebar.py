"""What the sidebar says before anything runs."""

import random
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qdash.catalog.presets import PRESETS, STARTER_SAMPLE, STORY, T1_PROMPT, T1_SAMPLE
from qdash.catalog.schemes import SCHEMES
from qdash.errors import QdashError
from qdash.machine import Machine, this_machine
from qdash.records import Request
from qdash.settings import Settings, settings
from qdash.ui.controls.preflight import estimate, preflight_line
from qdash.ui.controls.samples import ANY_PICTURE, NO_PICTURE, STORIES, another_question, fitting_question, is_chinese, sample_path, samples
from qdash.ui.controls.scheme_picker import original_bits, picker_html, preset_keys, unsuited_for
from qdash.ui.controls.scheme_rows import found_by
from qdash.ui.controls.sidebar import measurement_label, picture_note, why_cpu
from qdash.ui.server.tab_sessions import Sessions
from tests.support.scripted import ScriptedBackend
from tests.ui.controls.test_form import FORM

PACKAGES = {"bitsandbytes": "0.50.2", "torch": "2.11.0", "torchao": "0.18.0"}


class _Tags(HTMLParser):
    """Start tags of a piece of HTML as (name, attributes)."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def _here(packages: dict[str, str]) -> Machine:
    return this_machine().model_copy(update={"device": "cpu", "packages": packages})


def _boxes(packages: dict[str, str]) -> dict[str, bool]:
    """key → disabled."""
    tags = _Tags(picker_html(_here(packages))).tags
    boxes = [attributes for tag, attributes in tags if tag == "input" and attributes.get("type") == "checkbox"]
    return {str(attributes["value"]): "disabled" in attributes for attributes in boxes}


def test_every_scheme_has_a_row_the_starter_first() -> None:
    boxes = _boxes(PACKAGES)
    assert set(boxes) == set(SCHEMES)
    assert tuple(boxes)[: len(PRESETS[0].keys)] == PRESETS[0].keys
    assert not boxes["bnb-nf4"] and not boxes["ao-int8wo"]


def test_what_cannot_run_is_disabled_with_its_reason() -> None:
    boxes = _boxes({"torch": "2.11.0"})
    assert boxes["bnb-nf4"] and boxes["ao-int8wo"] and not boxes["original"]
    assert "needs bitsandbytes" in picker_html(_here({"torch": "2.11.0"}))
    assert "bnb-nf4" not in preset_keys(PRESETS[0], _here({"torch": "2.11.0"}))


def test_blocks_of_a_file_are_offered_for_models_from_files_only() -> None:
    unhealed = ["qat-int4", "qat-int3", "qat-int2", "prune-iterative-80"]
    assert list(unsuited_for("smollm2-135m")) == unhealed
    for model in ("tiny-vlm", None, "owner/name"):
        assert list(unsuited_for(model)) == ["gguf", *unhealed]
    assert "needs a model that comes from a GGUF file" in unsuited_for("tiny-vlm")["gguf"]
    assert "qdash heal --model tiny-vlm --scheme qat-int2" in unsuited_for("tiny-vlm")["qat-int2"]
    html = picker_html(_here(PACKAGES))
    assert "bits of the file" in html
    assert '<option value="gguf"' not in html.partition("builder recipe")[2].partition("builder rows")[0]


def test_every_scheme_says_what_it_is_without_a_pointer() -> None:
    tags = _Tags(picker_html(_here(PACKAGES))).tags
    descriptions = {attributes["id"] for tag, attributes in tags if tag == "p" and "about" in (attributes.get("class") or "").split()}
    assert descriptions == {f"about-{key}" for key in SCHEMES}
    assert {attributes["aria-controls"] for _, attributes in tags if "aria-controls" in attributes} == descriptions
    assert {attributes["aria-describedby"] for _, attributes in tags if "aria-describedby" in attributes} == descriptions


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("bnb-int8", ["W8A8", "8-bit", "bnb-int8", "LLM.int8", "8 bits", "bitsandbytes"]),
        ("bnb-nf4", ["W4A16", "NF4"]),
        ("bnb-nf4-fp32", ["W4A4", "W4A32"]),
        ("ao-int4wo", ["W4A16", "torchao"]),
        ("fp32", ["float32", "FP32"]),
        ("minmax-6", ["FP6", "6 bits", "simulated"]),
    ],
)
def test_a_scheme_is_found_by_its_names_here_and_in_tutorials(key: str, names: list[str]) -> None:
    assert not [name for name in names if name.lower() not in found_by(SCHEMES[key]).lower()]


def test_tutorials_have_other_names_for_schemes_that_exist() -> None:
    assert {name for preset in PRESETS for name in preset.names} <= set(SCHEMES)
    tutorial = next(preset for preset in PRESETS if preset.key == "t1")
    assert [tutorial.names[key] for key in tutorial.keys] == ["FP16", "W8A8", "W4A4", "W4A16"]


def test_a_mix_offers_every_quantization_that_runs_here_to_every_part() -> None:
    tags = _Tags(picker_html(_here({"torch": "2.11.0"}))).tags
    parts = [attributes["name"] for tag, attributes in tags if tag == "select"]
    offered = {attributes["value"] for tag, attributes in tags if tag == "option" and "disabled" not in attributes}
    assert {"vision", "projector", "language", "attention", "mlp"} <= set(parts)
    assert {"fp6-e2m3", "int2-g64"} <= offered and not {"bnb-nf4", "ao-int8wo"} & offered


def test_the_template_has_nothing_that_gradio_would_evaluate() -> None:
    html = picker_html(_here(PACKAGES)).replace("${original}", "")
    assert not any(piece in html for piece in ("${", "{{", "`", "\\"))


def test_the_originals_bits_follow_the_request() -> None:
    assert original_bits("cpu", "") == "32 bits"
    assert original_bits("cpu", "bfloat16") == "16 bits"
    assert original_bits({"evil": 1}, None).endswith("bits")


def test_an_estimate_is_words_and_never_an_exception() -> None:
    hint, line, task = estimate(FORM, ScriptedBackend())
    assert "4.9 M parameters" in hint and "Needs about 0.2 GB of 8.0 GB" in line and task == "image-text-to-text"

    class Broken(ScriptedBackend):
        def plan(self, request: Request):
            raise QdashError("<script>", "Try <b>this</b>.", "checkpoint")

    _, line, _ = estimate(FORM, Broken())
    assert "<script" not in line and "Try &lt;b&gt;" in line


def test_too_large_is_said_with_a_remedy() -> None:
    plan = ScriptedBackend().plan(Request.model_validate({"variants": [{"model": "tiny-vlm", "scheme": "original"}], "prompt": "x"}))
    taking_turns = plan.model_copy(update={"needed_bytes": 10**10})
    assert "loaded one at a time" in preflight_line(taking_turns)
    too_large = taking_turns.model_copy(update={"largest_bytes": 9_000_000_000})
    line = preflight_line(too_large)
    assert "✕ The largest version needs about 9.0 GB, only 8.0 GB may be used." in line
    # Fewer bits for the others would not help: the original is always there.
    assert "Choose a smaller model, 16 bits as baseline data type under Measurement or close other programs." in line
    original = plan.variants[0]
    small = original.model_copy(update={"estimated_bytes": 2 * plan.parameters})
    assert "</span> Choose a smaller model or close other programs." in preflight_line(too_large.model_copy(update={"variants": (small,)}))
    larger = original.model_copy(update={"loading_bytes": 2 * original.loading_bytes})
    line = preflight_line(too_large.model_copy(update={"variants": (original, larger)}))
    assert "Choose fewer bits, a smaller model or close other programs." in line
    assert "downloads 1.5 GB first" in preflight_line(plan.model_copy(update={"download_bytes": 1_500_000_000}))
    assert "makes 8.0 GB of random weights first" in preflight_line(plan.model_copy(update={"made_bytes": 8_044_981_608}))


def test_samples_are_there_the_starters_first() -> None:
    assert [sample.file for sample in samples()[:2]] == [STARTER_SAMPLE, T1_SAMPLE] and T1_PROMPT in samples()[1].questions
    assert all(sample.path.is_file() and sample.title and sample.shows for sample in samples())
    with pytest.raises(QdashError):
        sample_path("../../app.py")


def test_the_dice_fit_the_picture_and_never_repeat() -> None:
    chooser = random.Random(1)
    sample = next(sample for sample in samples() if sample.file == "four-shapes.png")
    rolled = {another_question("tiny-vlm", sample.file, sample.questions[0], chooser) for _ in range(50)}
    assert rolled == {question for question in sample.questions[1:] if not is_chinese(question)} and len(rolled) > 1
    assert another_question("Qwen/Qwen3-4B", None, "", chooser) in NO_PICTURE
    assert another_question("tiny-lm", sample.file, "", chooser) in STORIES
    assert another_question("/a/folder", None, "", chooser) in ANY_PICTURE


def test_the_dice_keep_the_language() -> None:
    chooser = random.Random(1)
    for sample in samples():
        for question in (*sample.questions, "My own?", "我的？"):
            other = another_question("tiny-vlm", sample.file, question, chooser)
            assert other != question and is_chinese(other) == is_chinese(question)
    for model, known in (("tiny-lm", STORIES), ("Qwen/Qwen3-4B", NO_PICTURE)):
        for question in known:
            other = another_question(model, None, question, chooser)
            assert other in known and other != question and is_chinese(other) == is_chinese(question)


def test_a_suggested_question_makes_way_for_one_that_suits_the_model_and_nobodys_own_does() -> None:
    assert fitting_question("tiny-lm", T1_SAMPLE, "Is there a car?") == STORY
    assert fitting_question("tiny-lm", T1_SAMPLE, T1_PROMPT) == STORIES[-2], "the language is kept"
    assert fitting_question("tiny-vlm", T1_SAMPLE, STORY) == "What is in this picture?"
    assert fitting_question("tiny-vlm", T1_SAMPLE, samples()[1].questions[2]) == samples()[1].questions[2]
    assert fitting_question("/a/folder", None, STORY) == STORY
    for own in ("", "My own words", STORY + " "):
        assert fitting_question("tiny-lm", None, own) == fitting_question("tiny-vlm", None, own) == own


def test_the_closed_accordion_tells_the_measurement() -> None:
    assert measurement_label(1, 8) == "Measurement: 1 timed run, 8 tokens"
    assert measurement_label(None, None) == "Measurement: 0 timed runs, 0 tokens"


def test_stop_reaches_its_own_page_and_tab_only() -> None:
    sessions = Sessions()
    mine, also_mine, other = sessions.start("a", "inside"), sessions.start("a", "layer"), sessions.start("b", "inside")
    sessions.stop("a", "inside")
    assert mine.is_set() and not also_mine.is_set() and not other.is_set()


def test_a_closed_tab_leaves_nothing_behind(tmp_path: Path) -> None:
    sessions = Sessions()
    stop, folder = sessions.start("a", "inside"), sessions.folder("a")
    (folder / "x.json").write_text("{}")
    assert sessions.folder("a") == folder
    sessions.close("a")
    assert stop.is_set() and not folder.exists()


def test_why_there_is_no_gpu_is_said_and_what_to_do_only_to_who_runs_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = this_machine().model_copy(update={"accelerators": (), "problems": ("Found no NVIDIA driver on your system.",)})
    assert why_cpu(machine) == (
        "Everything runs on the CPU. Found no NVIDIA driver on your system. Install the NVIDIA driver to use an NVIDIA GPU."
    )
    monkeypatch.setenv("QDASH_PUBLIC", "1")
    settings.cache_clear()
    try:
        assert why_cpu(machine) == "Everything runs on the CPU. Found no NVIDIA driver on your system."
    finally:
        settings.cache_clear()


def test_what_is_to_be_said_of_an_uploaded_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qdash.ui.controls.form.settings", lambda: Settings(cache_dir=tmp_path))
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    Image.fromarray(np.full((20, 20), np.nan, np.float32)).save(uploads / "dark.tif")
    (uploads / "<b>.heic").write_bytes(b"\0\0\0\x18ftypheic")
    assert "400 values are NaN and shown black." in picture_note({"upload": str(uploads / "dark.tif")})[0]
    said, _ = picture_note({"upload": str(uploads / "<b>.heic")}, "tiny-vlm")
    assert "“&lt;b&gt;.heic” is a HEIC picture" in said and "Save it as JPEG first" in said
    assert picture_note({"sample": "any.png"})[0] == picture_note(None)[0] == ""


def test_a_photo_is_no_picture_for_the_drawing_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qdash.ui.controls.form.settings", lambda: Settings(cache_dir=tmp_path))
    (tmp_path / "uploads").mkdir()
    for name in ("drawing.png", "photo.png"):
        plain = Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 90, 3), dtype=np.uint8))
        (plain if name == "photo.png" else Image.open(samples()[0].path)).save(tmp_path / "uploads" / name)
    photo, drawing = ({"upload": str(tmp_path / "uploads" / name)} for name in ("photo.png", "drawing.png"))
    said, button = picture_note(photo, "tiny-vlm")
    assert "looks like a photo" in said and "SmolVLM 256M sees photos; it is downloaded first (0.5 GB)." in said
    assert button["elem_classes"] == ["wanted"]
    fine = ((drawing, "tiny-vlm"), (photo, "Qwen/Qwen3-VL-2B-Instruct"), (photo, "/a/folder"), ({"sample": "x"}, "tiny-vlm"))
    for picture, model in fine:
        said, button = picture_note(picture, model)
        assert said == "" and button["elem_classes"] == []
