"""Files to take away."""

from pathlib import Path

import pytest

from qdash.records import (
    Evaluation,
)
from qdash.settings import Settings
from qdash.ui.components.exports import write_evaluation_exports
from tests.ui.results.test_evaluation_view import EVALUATION


def test_files_to_take_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qdash.ui.components.exports.settings", lambda: Settings(cache_dir=tmp_path))
    paths = {suffix: Path(str(path)) for suffix, path in write_evaluation_exports(EVALUATION, lambda: tmp_path).paths.items()}
    assert sorted(path.name.split(".", 1)[1] for path in paths.values()) == ["csv", "html", "items.csv", "json"]
    again = Evaluation.model_validate_json(paths["json"].read_text(encoding="utf-8"))
    assert again == EVALUATION
    assert len(paths["items.csv"].read_text(encoding="utf-8").splitlines()) == 101
