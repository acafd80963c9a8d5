"""The rows that the Learn tab is given, for every model that a person may have chosen and everything that a page may send."""

import base64
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from qdash.settings import settings
from qdash.ui.learn.page import build_learn_page
from qdash.ui.learn.rows import BUNDLED, offered

FIRST = "language_model.model.layers.0.mlp.down_proj.weight"


def values_of(shown: dict) -> np.ndarray:
    return np.frombuffer(base64.b64decode(shown["values"]), dtype="<f4")


def test_the_bundled_model_at_once():
    shown = offered(BUNDLED)
    assert (shown["layer"], shown["row"], shown["rows"], shown["columns"], shown["note"]) == (FIRST, 0, 192, 512, "")
    assert len(shown["layers"]) == 66 and len(values_of(shown)) == 512
    assert dict(shown["layers"])[FIRST] == "language · layer 0 · down projection"
    assert len(dict(shown["layers"])) == len({name for _, name in shown["layers"]})


def test_a_chosen_row_of_a_folder(checkpoint):
    folder = checkpoint("qwen3")
    name = "model.layers.1.mlp.up_proj.weight"
    shown = offered(str(folder), name, 5)
    assert shown["layer"] == name and shown["row"] == 5 and shown["note"] == ""
    np.testing.assert_array_equal(values_of(shown), load_file(folder / "model.safetensors")[name][5].float().numpy())


@pytest.mark.parametrize(
    "model", ["Qwen/Qwen3-4B", "random:qwen3-4b", "nobody/has-this", "not a model", "~nobody/x", "\0", "", None, 7, "x" * 9999]
)
def test_what_is_not_here_is_said_and_not_fetched(model, monkeypatch, tmp_path):
    monkeypatch.setattr("qdash.checkpoints.hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("qdash.checkpoints.settings", lambda: settings().model_copy(update={"cache_dir": tmp_path}))
    shown = offered(model, FIRST, 3)
    assert "not on this machine yet" in shown["note"] or "not a model" in shown["note"]
    assert (shown["layer"], shown["row"]) == (FIRST, 3) and len(values_of(shown)) == 512


@pytest.mark.parametrize(("layer", "row"), [("../x", 0), (FIRST, 192), (FIRST, -1)])
def test_a_row_that_is_not_there_comes_without_values(layer, row):
    shown = offered(BUNDLED, layer, row)
    assert shown["values"] == "" and "no row" in shown["note"] and len(shown["layers"]) == 66


@pytest.mark.parametrize(("layer", "row"), [(None, None), (FIRST, None), (None, 1)])
def test_half_a_choice_is_the_first_row(layer, row):
    assert offered(BUNDLED, layer, row) == offered(BUNDLED)


def test_a_broken_row_keeps_the_list_of_layers(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint("qwen3"), tmp_path / "broken")
    tensors = load_file(folder / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight"
    tensors[name][2, 3] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    shown = offered(str(folder), name, 2)
    assert shown["values"] == "" and "NaN" in shown["note"] and name in dict(shown["layers"])
    assert (shown["row"], shown["rows"]) == (2, tensors[name].shape[0])


def test_a_broken_model_is_said(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    shown = offered(str(tmp_path))
    assert "These are the bundled model's numbers." in shown["note"] and shown["model"] == offered(BUNDLED)["model"]


def test_folders_are_not_looked_at_in_public(checkpoint, monkeypatch):
    monkeypatch.setattr("qdash.ui.learn.rows.settings", lambda: settings().model_copy(update={"public": True}))
    shown = offered(str(checkpoint("qwen3")))
    assert shown["layer"] == FIRST and shown["note"]


def test_the_page_starts_with_less_than_a_figure(tmp_path: Path):
    """All that the page is told at its start."""
    config = build_learn_page(BUNDLED).get_config()
    assert len(json.dumps(config["props"])) < 150_000
    assert "${" not in config["html_template"] and "{{" not in config["html_template"] and "`" not in config["html_template"]
