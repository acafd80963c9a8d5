"""The formats of the first two walks in docs/extending.md: added to their files as printed, they are found everywhere, and round alike."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.docs.walks import additions
from tests.support.edited import ROOT, edited_package, run_edited

KEYS = {"fp5-e2m2": 5, "nf4-b64": 4, "mxfp4-up": 4}

LOOK = """
import json
import numpy, torch
from qdash.catalog.formats import FORMATS
from qdash.cli.inventory import schemes_markdown
from qdash.engine.formats import round_trip, tensor_stats
from qdash.engine.kernels import Rounder, Rounding, compiled
from qdash.learn.mappings import MAPPINGS
from qdash.ui.components.static import script
from qdash.ui.controls.scheme_picker import picker_html, this_machine
from qdash.ui.learn.page import build_learn_page

numbers = numpy.random.default_rng(0).normal(size=(4, 256)).astype("float32")
weight = torch.from_numpy(numbers)
found = {}
for key in KEYS:
    whole = tensor_stats(weight, key)
    found[key] = {
        "numbers": numbers.tolist(), "restored": round_trip(weight, key).tolist(), "in_c": compiled.knows(key),
        "by_kernels": Rounder(Rounding(key, whole, torch.float32), "cpu")(weight, 0).tolist(),
        "largest": [row.abs().max().item() for row in weight], "mapping": MAPPINGS[key].to_page(),
        "pill": f'data-mapping="{key}"' in build_learn_page("tiny-vlm").html_template,
        "picked": f'value="{key}"' in picker_html(this_machine()), "readme": f"| `{key}` |" in schemes_markdown(),
    }
print(json.dumps({"found": found, "script": script("learn_rounding")}))
"""


ADDED = additions("A number format: one row", "A number format with a new kind of scale")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return edited_package(tmp_path_factory.mktemp("edited"), ADDED)


@pytest.fixture(scope="module")
def seen(package: Path) -> dict[str, Any]:
    """What a process says of the formats that has imported the edited package."""
    return json.loads(run_edited(package, "-c", LOOK.replace("KEYS", repr(list(KEYS)), 1)))


def test_the_walks_leave_the_sources_as_they_are(package: Path) -> None:
    assert not any("e8m0-up" in (ROOT / name).read_text(encoding="utf-8") for name in ADDED)
    assert all("e8m0-up" in (package / name).read_text(encoding="utf-8") for name in ADDED)


def test_a_row_touches_one_file_and_a_new_kind_of_scale_three() -> None:
    assert sorted(path.rpartition("/")[2] for path in ADDED) == ["formats.py", "learn_rounding.js", "rules.py"]


def test_what_is_edited_is_a_copy(tmp_path: Path) -> None:
    before = {path: (ROOT / path).read_text(encoding="utf-8") for path in ADDED}
    edited_package(tmp_path, ADDED)
    for path, text in before.items():
        assert (ROOT / path).read_text(encoding="utf-8") == text
        assert (tmp_path / path).read_text(encoding="utf-8").startswith(text) and (tmp_path / path).resolve() != (ROOT / path).resolve()


@pytest.mark.parametrize("key", KEYS)
def test_the_page_and_the_readme_have_it(seen: dict[str, Any], key: str) -> None:
    found = seen["found"][key]
    assert found["pill"] and found["picked"] and found["readme"]
    assert (found["mapping"]["codes"][0]["bits"], found["mapping"]["key"]) == (KEYS[key], key)


@pytest.mark.parametrize("key", KEYS)
def test_kernels_round_like_torch(seen: dict[str, Any], key: str) -> None:
    found = seen["found"][key]
    assert found["by_kernels"] == found["restored"] != found["numbers"]
    assert found["in_c"] == (key != "mxfp4-up")


def test_scales_that_are_rounded_up_saturate_nothing(seen: dict[str, Any]) -> None:
    found = seen["found"]["mxfp4-up"]
    numbers, restored = (np.array(found[name]).reshape(-1, 32) for name in ("numbers", "restored"))
    scale = np.exp2(np.ceil(np.log2(np.abs(numbers).max(axis=1, keepdims=True) / 6)))
    assert (np.abs(numbers) <= 6 * scale).all()
    levels = np.array(found["mapping"]["codes"][0]["values"])
    nearest = np.abs((numbers / scale)[..., None] - levels).min(axis=-1)
    np.testing.assert_allclose(np.abs(restored / scale - numbers / scale), nearest, atol=1e-6)


def test_the_command_line_lists_and_measures_them(package: Path, checkpoint: Any, tmp_path: Path) -> None:
    listed = {scheme["scheme"]: scheme for scheme in json.loads(run_edited(package, "-m", "qdash", "schemes", "--json"))}
    assert {key: listed[key]["bits"] for key in KEYS} == KEYS
    output = tmp_path / "weights.json"
    chosen = ["fp4-e2m1", "fp5-e2m2", "fp6-e2m3", "nf4-b64"]
    arguments = ["--model", str(checkpoint("qwen3")), "--schemes", ",".join(chosen), "--json", str(output)]
    run_edited(package, "-m", "qdash", "weights", *arguments)
    errors = {scheme["scheme"]: scheme["sqnr_db"] for scheme in json.loads(output.read_text())["schemes"]}
    assert errors["fp4-e2m1"] < errors["fp5-e2m2"] < errors["fp6-e2m3"]
    assert errors["nf4-b64"] > errors["fp4-e2m1"]
