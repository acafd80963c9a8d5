"""Nothing a browser sends is trusted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qdash.catalog.presets import PRESETS, T1_PROMPT, T1_SAMPLE
from qdash.errors import QdashError
from qdash.records import Variant
from qdash.settings import Settings
from qdash.ui.controls import form as form_module
from qdash.ui.controls.form import Form, check_model, check_variants, checked, picture_path

FORM = Form("tiny-vlm", ["original", "bnb-nf4"], {"sample": T1_SAMPLE}, T1_PROMPT, 5, 1, 50, "", "auto")


def test_the_page_as_it_opens_is_a_request() -> None:
    request, png = checked(FORM, "image-text-to-text")
    assert [variant.scheme for variant in request.variants] == ["original", "bnb-nf4"]
    assert request.prompt == T1_PROMPT and request.baseline_dtype is None
    assert request.picture is not None and (request.picture.width, request.picture.height) == (224, 224)
    assert png is not None and png.startswith(b"\x89PNG")


def test_a_text_model_gets_no_picture() -> None:
    request, png = checked(FORM, "text-generation")
    assert request.picture is None and png is None


def test_the_baseline_is_put_first_and_added_if_missing() -> None:
    assert [variant.scheme for variant in check_variants("m", ["bnb-nf4", "fp16"])] == ["fp16", "bnb-nf4"]
    assert [variant.scheme for variant in check_variants("m", ["bnb-nf4"])] == ["original", "bnb-nf4"]


def test_versions_come_in_the_order_of_the_list_the_starters_ladder_first() -> None:
    chosen = ["ao-int8wo", *reversed(PRESETS[0].keys), "fp16"]
    assert [variant.scheme for variant in check_variants("m", chosen)] == ["original", "fp16", *PRESETS[0].keys[1:], "ao-int8wo"]


def test_another_checkpoint_comes_after_the_models_own_variants() -> None:
    other = {"model": "b", "scheme": "bnb-nf4"}
    assert check_variants("a", [other, "bnb-nf4", other]) == (
        Variant(model="a", scheme="original"), Variant(model="a", scheme="bnb-nf4"), Variant(model="b", scheme="bnb-nf4"),
    )  # fmt: skip
    assert [variant.model for variant in check_variants("a", [other])] == ["a", "b"]


def test_a_recipe_is_a_choice_like_any_other() -> None:
    assert check_variants("a", [" vision = bnb-int8 , language=bnb-nf4"])[1].scheme == "vision=bnb-int8,language=bnb-nf4"


def test_another_checkpoint_must_be_offered_in_public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form_module, "settings", lambda: Settings(public=True))
    with pytest.raises(QdashError, match="/etc"):
        check_variants("tiny-vlm", ["original", {"model": "/etc", "scheme": "original"}])


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("schemes", [], "No scheme"),
        ("schemes", ["nonsense"], "nonsense"),
        ("schemes", "original", "schemes"),
        ("schemes", [{"a": 1}], "schemes"),
        ("schemes", ["original"] * 1000, "schemes"),
        ("schemes", ["vision=nonsense"], "nonsense"),
        ("schemes", ["nonsense=bnb-nf4"], "nonsense"),
        ("schemes", [{"model": "tiny-vlm", "scheme": 7}], "schemes"),
        ("schemes", [{"model": " ", "scheme": "original"}], "No model"),
        ("model", "", "No model"),
        ("model", None, "No model"),
        ("model", ["tiny-vlm"], "No model"),
        ("question", "", "empty"),
        ("question", None, "empty"),
        ("question", "x" * 1_000_000, "1,000,000"),
        ("runs", 0, "Timed runs"),
        ("runs", 10_000, "Timed runs"),
        ("runs", None, "Timed runs"),
        ("runs", "five", "Timed runs"),
        ("warmup", -1, "Warm-up"),
        ("tokens", 10**9, "Tokens"),
        ("device", "tpu", "device"),
        ("baseline_dtype", "int8", "baseline_dtype"),
        ("picture", None, "No picture"),
        ("picture", {"sample": "../../../etc/passwd"}, "sample picture"),
        ("picture", {"upload": "/etc/passwd"}, "no longer here"),
        ("picture", {"upload": "\0"}, "no longer here"),
        ("picture", {"upload": ["x"]}, "No picture"),
    ],
)
def test_what_cannot_be_run_is_named(field: str, value: Any, named: str) -> None:
    with pytest.raises(QdashError) as caught:
        checked(replace(FORM, **{field: value}), "image-text-to-text")
    assert named in caught.value.message
    assert caught.value.remedy


def test_only_files_that_were_uploaded_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form_module, "settings", lambda: Settings(cache_dir=tmp_path))
    uploads = tmp_path / "uploads"
    (uploads / "abc").mkdir(parents=True)
    inside, outside, link = uploads / "abc" / "a.png", tmp_path / "secret.png", uploads / "link.png"
    inside.write_bytes(b"x")
    outside.write_bytes(b"x")
    link.symlink_to(outside)
    assert picture_path({"upload": str(inside)}) == inside
    for path in (outside, link, uploads / ".." / "secret.png", uploads):
        with pytest.raises(QdashError, match="no longer here"):
            picture_path({"upload": str(path)})


def test_a_public_server_offers_its_catalogue_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_model(" some/model ") == "some/model"
    monkeypatch.setattr(form_module, "settings", lambda: Settings(public=True))
    assert check_model("tiny-vlm") == "tiny-vlm"
    for name in ("some/model", "/srv/models/x", "<script>"):
        with pytest.raises(QdashError, match="not offered"):
            check_model(name)
