"""The line above Compare tells what other programs take, where that matters, and nothing else."""

import pytest

from qdash.ui.controls import busy
from qdash.ui.controls.busy import busy_html, busy_line


def test_a_busy_machine_is_told_with_the_share_that_others_take() -> None:
    assert "Other programs use 60% of this machine’s processors: speeds are uncertain." in busy_html("cpu", 0.6)
    assert "use 35% of the GPU" in busy_html("cuda:0", 0.35)


@pytest.mark.parametrize("taken", [None, 0.0, 0.04, 0.1])
def test_a_quiet_machine_and_an_unknown_one_are_not_worth_a_line(taken: float | None) -> None:
    assert busy_html("cpu", taken) == ""


def test_the_device_that_is_chosen_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(busy, "busy_now", lambda device: asked.append(device) or 0.5)
    assert "50%" in busy_line("cpu")
    assert busy_line("xpu:7") == "" and busy_line(["no", "device"]) == ""
    assert asked == ["cpu"]
