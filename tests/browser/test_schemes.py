"""Presets, mixes and other checkpoints, chosen and run in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from qdash.catalog.caches import CACHES
from tests.browser.conftest import OpenPage
from tests.support.acting import compare, finished
from tests.support.serving import Server

pytestmark = pytest.mark.browser


def _cards(page: Page) -> list[str]:
    return page.locator(".card header b").all_inner_texts()


def test_a_mix_by_part_becomes_a_version(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    page.click(".builder.recipe summary")
    page.click(".builder.recipe .add")
    expect(page.locator(".builder.recipe.incomplete")).to_have_count(1)  # nothing chosen yet
    page.select_option(".builder.recipe [name=vision]", "bnb-int8")
    page.select_option(".builder.recipe [name=language]", "bnb-nf4")
    page.fill(".builder.recipe [name=glob]", "*.down_proj")
    page.select_option(".builder.recipe [name=glob-scheme]", "original")
    page.click(".builder.recipe .add")
    expect(page.locator(".added .opt")).to_contain_text("vision INT8 · language NF4")
    expect(page.locator(".added .opt")).to_have_attribute("title", "vision=bnb-int8,language=bnb-nf4,*.down_proj=original")
    expect(page.locator(".card")).to_have_count(7)
    compare(page)
    finished(page)
    assert _cards(page)[-1] == "vision INT8 · language NF4"
    page.click("#open-code")
    expect(page.locator("#drawer-code")).to_contain_text("*.down_proj=original")
    page.click(".added .remove")
    expect(page.locator(".added .opt")).to_have_count(0)


def test_the_kv_cache_is_a_version_alone_and_in_a_mix(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    page.click(".builder.recipe summary")
    page.select_option(".builder.recipe [name=kv]", "int8")
    page.click(".builder.recipe .add")
    page.select_option(".builder.recipe [name=language]", "bnb-nf4")
    page.fill(".builder.recipe [name=glob]", "*.down_proj")
    page.select_option(".builder.recipe [name=glob-scheme]", "original")
    page.select_option(".builder.recipe [name=kv]", "int4")
    page.click(".builder.recipe .add")
    rows = page.locator(".added .opt")
    expect(rows).to_have_text([re.compile("KV cache INT8"), re.compile("language NF4 · KV cache INT4")])
    assert [row.get_attribute("title") for row in rows.all()] == ["kv=int8", "language=bnb-nf4,*.down_proj=original,kv=int4"]
    assert rows.first.get_attribute("class") == f"opt b16{' sim' if CACHES['int8'].kind == 'simulated' else ''} on"
    compare(page)
    finished(page)
    assert _cards(page)[-2:] == ["KV cache INT8", "language NF4 · KV cache INT4"]
    page.click("#open-code")
    expect(page.locator("#drawer-code")).to_contain_text("kv=int4")


def test_another_checkpoint_stands_beside_the_model(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    page.click(".builder.rows summary")
    page.fill(".builder.rows [name=model]", "somebody/tiny-awq")
    page.select_option(".builder.rows [name=scheme]", "original")
    page.click(".builder.rows .add")
    expect(page.locator(".card")).to_have_count(7)
    compare(page)
    finished(page)
    assert _cards(page)[-1] == "tiny-awq: Original"


def test_a_tutorial_is_one_click(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    page.click(".pill[data-preset=t1]")
    expect(page.locator(".alias:visible")).to_have_text([f"{name} in the FastVLM tutorial" for name in ("W8A8", "W4A16", "FP16", "W4A4")])
    page.click(".pill[data-preset=t2]")
    expect(page.locator(".preset-about")).to_contain_text("are 8 and 6 bits really 2–3× faster?")
    expect(page.locator(".alias:visible")).to_have_text(["FP16 in the Qwen3-4B tutorial"])
    expect(page.locator("#model input")).to_have_value("Qwen3 4B, random weights")
    expect(page.locator("#measurement")).to_contain_text("3 timed runs, 10 tokens")
    expect(page.locator(".pill[data-preset=t2]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".card header b")).to_have_text(["16-bit float", "INT8 (LLM.int8)", "FP8 E4M3", "FP8 E5M2", "FP6 E2M3", "FP6 E3M2"])
    expect(page.locator(".builder.recipe [data-part=vision]")).to_be_hidden()
    page.click(".pill[data-preset=starter]")
    expect(page.locator("#model input")).to_have_value("Bundled drawing reader")
    expect(page.locator(".card")).to_have_count(6)


def test_a_search_finds_schemes_by_the_names_of_tutorials(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    found, told = page.locator(".schemes .opt:visible input"), page.locator(".found p")
    page.get_by_role("searchbox", name="Search schemes").focus()
    for typed, keys in (
        ("w4a4", ["sim-w4a4", "bnb-nf4-fp32", "mxfp4", "nvfp4"]),
        ("llm.int8", ["bnb-int8"]),
        ("torchao 4-bit", ["ao-int4wo"]),
        ("16 bits", ["fp16", "bf16"]),
        ("32 bits plain", ["original", "fp32"]),
    ):
        page.keyboard.press("Escape")
        page.keyboard.type(typed)
        assert found.evaluate_all("(boxes) => boxes.map((box) => box.value)") == keys, typed
    page.keyboard.press("Escape")
    page.keyboard.type("w4a4")
    others = "Original · INT8 (LLM.int8) · NF4 4-bit · Min–max 4-bit · INT2"
    expect(told).to_have_text(f"4 schemes match. 6 chosen, 5 of them not in this list: {others}.")
    expect(page.locator(".alias:visible")).to_have_text("W4A4 in the FastVLM tutorial")
    page.keyboard.press("Escape")
    page.keyboard.type("w4a32")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.locator(".card")).to_have_count(7)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="About NF4, 32-bit compute", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#about-bnb-nf4-fp32")).to_contain_text("Some tutorials call this W4A4")
    page.fill(".find", "nonsense")
    expect(told).to_contain_text("No scheme matches “nonsense”. 7 chosen")
    expect(page.locator(".schemes .opt:visible")).to_have_count(0)
    page.get_by_role("button", name="Clear the search").click()
    expect(page.locator(".find")).to_be_focused()
    expect(told).to_be_empty()
    assert found.count() == 7


def test_every_scheme_can_be_reached(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted, viewport={"width": 390, "height": 844}, has_touch=True)
    assert page.locator(".schemes .opt:visible").count() == 6
    page.click(".schemes .more")
    expect(page.locator(".group-name").first).to_be_visible()
    assert page.locator(".schemes .opt:visible").count() == page.locator(".schemes .opt").count() >= 30
    page.tap(".choice:has(input[value=int2-g64]) .info")
    expect(page.locator("#about-int2-g64")).to_have_text("4 levels for every group of 64 weights.")
    page.check(".opt input[value=int2-g64]")
    page.click(".schemes .more")
    expect(page.locator(".opt:has(input[value=int2-g64])")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_inside_tells_what_a_version_is_made_of(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    compare(page)
    finished(page)
    page.click("#open-inside")
    expect(page.locator("#inside-variant input")).to_have_value("INT8 (LLM.int8)")
    page.click("#inside-look")
    expect(page.locator(".inside")).to_contain_text("Why did the parameter count fall?")
    expect(page.locator(".inside")).to_contain_text("model.safetensors")


def test_what_can_run_follows_the_device(scripted_gpus: Server, open_page: OpenPage) -> None:
    page = open_page(scripted_gpus)
    page.click("#schemes .more")
    row = "#schemes .opt:has(input[value='{}'])".format
    for_cpu, for_cuda = page.locator(row("torch-int8dyn")), page.locator(row("ao-fp8dyn"))
    expect(for_cpu.locator("input")).to_be_disabled()
    expect(for_cpu).to_contain_text("Choose the device “cpu”.")
    expect(for_cuda).to_contain_text("compute capability 8.9 or higher; this one has 7.5")
    page.click("#measurement > button")
    page.click("#device input")
    devices = page.locator("[role=listbox] [role=option]")
    for place, name in enumerate(("auto (cuda:0)", "cpu", "cuda:0 · NVIDIA T4", "xpu:0 · Intel Arc · untested")):
        expect(devices.nth(place)).to_contain_text(name)
    devices.nth(1).click()
    expect(for_cpu.locator("input")).to_be_enabled()
    expect(for_cpu.locator(".reason")).to_have_count(0)
    expect(for_cuda).to_contain_text("needs a CUDA device")
    expect(page.locator(row("original"))).to_contain_text("32 bits")
    # What is chosen and can no longer run keeps its row, says why, and can be taken away.
    for_cpu.locator("input").check()
    page.click("#device input")
    devices.nth(0).click()
    expect(for_cpu).to_contain_text("Choose the device “cpu”.")
    for_cpu.locator("input").uncheck()
    expect(for_cpu.locator("input")).to_be_disabled()
