"""The model card: metadata that the hub reads, figures with their conditions, and text that stays text."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from qdash.checkpoints.new_folder import NewFolder
from qdash.markup.markdown import code, code_block, plain
from qdash.records import Comparison, Narrowed, ReloadCheck, Request, Saved, Variant
from qdash.report import model_card
from tests.report.examples import HOSTILE
from tests.support.scripted import comparison_of, saved_version, variant_result

KEYS = ("original", "bnb-nf4", "fp6-e2m3")
REQUEST = Request(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in KEYS), prompt="What?")
COMPARISON = comparison_of(REQUEST, *(variant_result(key, "A.") for key in KEYS))


def saved(index: int, comparison: Comparison = COMPARISON, **changes: object) -> Saved:
    known = {"created_at": datetime(2026, 1, 2, tzinfo=UTC), "base_model": "acme/tiny", "licence": "mit", **changes}
    return saved_version(comparison, index, NewFolder(Path("/place/mine"))).model_copy(update=known)


def test_the_metadata_is_what_the_hub_reads() -> None:
    data: Any = ModelCard(model_card(saved(1), COMPARISON)).data
    assert (data.license, data.base_model, data.base_model_relation) == ("mit", "acme/tiny", "quantized")
    assert data.library_name == "transformers" and data.tags == ["qdash", "bnb-nf4"] and data.pipeline_tag == "image-text-to-text"
    assert "license" not in ModelCard(model_card(saved(1, licence=None))).data.to_dict()
    assert "base_model_relation" not in ModelCard(model_card(saved(0))).data.to_dict()


def test_measured_figures_stand_beside_the_originals_with_their_conditions() -> None:
    card = model_card(saved(1), COMPARISON)
    assert "| Original | NF4 4-bit |" in card and "First token" in card and "KL divergence" in card
    assert COMPARISON.host.device_name.split("(")[0] in card and "2026-01-02" in card and "torch" in card
    alone = model_card(saved(1))
    assert "First token" not in alone and "Weight files" in alone and "| Original |" not in alone


def test_a_simulated_format_claims_no_speed_and_says_what_the_files_hold() -> None:
    card = model_card(saved(2, narrowed=Narrowed(in_16_bits=3, in_more=1)), COMPARISON)
    assert "First token" not in card and "Per further token" not in card
    assert "simulated" in card and "3 tensors are in 16-bit floats" in card and "1 is in 32-bit floats" in card


@pytest.mark.parametrize(
    ("narrowed", "words"),
    [(Narrowed(in_16_bits=2, in_more=0), "All are 16-bit floats"), (Narrowed(in_16_bits=0, in_more=2), "They are 32-bit floats")],
)
def test_one_width_is_said_as_one(narrowed: Narrowed, words: str) -> None:
    assert words in model_card(saved(0, narrowed=narrowed))


def test_a_difference_is_told_with_what_is_allowed() -> None:
    check = ReloadCheck(tokens=16, equal=False, apart_nats=2e-5, allowed_nats=1e-3)
    assert check.passed and not check.model_copy(update={"apart_nats": 2e-3}).passed
    assert "in the same process" in model_card(saved(1, check=check.model_copy(update={"new_process": False})))
    assert "2e-05 nats" in model_card(saved(1, check=check)) and "0.001" in model_card(saved(1, check=check))


def test_whatever_models_and_files_say_is_text() -> None:
    words = f"{HOSTILE} ``` | [x](javascript:1) \n# head"
    result = COMPARISON.variants[1].model_copy(update={"label": words, "model": words})
    hostile = COMPARISON.model_copy(update={"variants": (COMPARISON.variants[0], result)})
    card = model_card(saved(1, hostile, snippet=f"folder = 'x'\n# {words}\n```\n<b>"), hostile)
    html = MarkdownIt("commonmark").enable("table").render(ModelCard(card).text)
    assert "<script" not in html and "<a " not in html and "<b>" not in html
    assert html.count("<h1>") == 1 and html.count("<h2>") == 4


def test_code_is_never_ended_by_what_is_in_it() -> None:
    assert code_block("a\n```\nb", "python").startswith("````python\n")
    assert code("a`b") == "``a`b``" and code("`a`") == "`` `a` ``" and code("a\nb") == "`a b`"
    assert plain("a*b_c <d>") == r"a\*b\_c &lt;d&gt;" and plain("a\nb") == "a b"
