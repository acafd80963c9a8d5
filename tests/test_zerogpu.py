"""Whether ZeroGPU is active, and what it promises. How jobs run there is tested in tests/execution/test_zerogpu.py."""

import pytest

from qdash import zerogpu


@pytest.mark.parametrize(
    ("value", "forced", "expected"),
    [("1", "auto", True), ("true", "auto", True), ("T", "auto", True), ("0", "auto", False), ("", "auto", False), ("1", "process", False)],
)
def test_the_environment_says_so_and_a_setting_may_forbid_it(
    monkeypatch: pytest.MonkeyPatch, value: str, forced: str, expected: bool
) -> None:
    monkeypatch.setenv("SPACES_ZERO_GPU", value)
    monkeypatch.setenv("QDASH_EXECUTION", forced)
    assert zerogpu.active() is expected


def test_elsewhere_nothing_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert zerogpu.emulated_accelerator() is None
