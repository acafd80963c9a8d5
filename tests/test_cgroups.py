"""The limits of a container, read from trees of control groups such as Linux makes them."""

from pathlib import Path

import pytest

from qdash import cgroups

GIB = 2**30


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`group(membership, {file: text})` makes a tree and this process a member of it."""

    def make(membership: str, files: dict[str, object]) -> None:
        (tmp_path / "membership").write_text(membership)
        for name, text in files.items():
            file = tmp_path / "tree" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{text}\n")
        monkeypatch.setattr(cgroups, "ROOT", tmp_path / "tree")
        monkeypatch.setattr(cgroups, "MEMBERSHIP", tmp_path / "membership")

    return make


def limits() -> tuple[int | None, int | None, float | None]:
    return cgroups.memory_limit_bytes(), cgroups.memory_free_bytes(), cgroups.cpu_limit()


def test_a_container_of_version_2(group):
    stat = f"anon 1\nfile 5\ninactive_file {GIB}\nactive_file 77"
    group("0::/\n", {"memory.max": 16 * GIB, "memory.current": 5 * GIB, "memory.stat": stat, "cpu.max": "200000 100000"})
    assert limits() == (16 * GIB, 12 * GIB, 2.0)


def test_the_tightest_limit_above_counts_and_what_it_leaves_is_its_own_matter(group):
    group(
        "0::/user.slice/session\n",
        {
            "user.slice/memory.max": 8 * GIB, "user.slice/memory.current": 7 * GIB, "user.slice/cpu.max": "150000 100000",
            "user.slice/session/memory.max": 6 * GIB, "user.slice/session/memory.current": 1 * GIB,
            "user.slice/session/cpu.max": "max 100000",
        },
    )  # fmt: skip
    assert limits() == (6 * GIB, 1 * GIB, 1.5)


def test_no_limit_is_none(group):
    group("0::/\n", {"memory.max": "max", "memory.current": GIB, "cpu.max": "max 100000"})
    assert limits() == (None, None, None)


def test_version_1_whose_path_is_the_hosts(group):
    group(
        "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/\n",
        {
            "memory/memory.limit_in_bytes": 4 * GIB, "memory/memory.usage_in_bytes": 3 * GIB,
            "memory/memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB}",
            "cpu/cpu.cfs_quota_us": 50_000, "cpu/cpu.cfs_period_us": 100_000,
        },
    )  # fmt: skip
    assert limits() == (4 * GIB, 2 * GIB, 0.5)


def test_version_1_without_limits(group):
    files = {"memory/memory.limit_in_bytes": 2**63 - 4096, "cpu/cpu.cfs_quota_us": -1, "cpu/cpu.cfs_period_us": 100_000}
    group("4:memory:/\n1:cpu:/\n", files)
    assert limits() == (None, None, None)


def test_a_group_that_is_over_its_limit_has_nothing_left(group):
    group("0::/\n", {"memory.max": GIB, "memory.current": 2 * GIB})
    assert cgroups.memory_free_bytes() == 0


def test_a_system_without_control_groups(monkeypatch, tmp_path):
    monkeypatch.setattr(cgroups, "MEMBERSHIP", tmp_path / "none")
    assert limits() == (None, None, None)
