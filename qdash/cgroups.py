"""The limits of the container that this process runs in: memory and CPU time, as Linux control groups state them.

Inside a container the operating system reports the whole machine's memory and cores. What may be used is in the files of the control
groups, version 2 or 1, of the process's own group and of every group above it. All functions return None where nothing is limited,
and on systems without control groups.
"""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")

# Version 1 writes "no limit" as the largest multiple of a page below 2^63.
_UNLIMITED_BYTES = 1 << 60


def memory_limit_bytes() -> int | None:
    """The most memory that all processes of the container may hold together."""
    return min((limit for _, limit in _memory_limits()), default=None)


def memory_free_bytes() -> int | None:
    """What is left of the limit. Cached files that nobody has read lately count as free: the kernel drops them when memory is needed."""
    return min((max(limit - _used_bytes(group), 0) for group, limit in _memory_limits()), default=None)


def cpu_limit() -> float | None:
    """How many cores' worth of time the container gets: 1.5 is one and a half cores."""
    quotas = [quota for group in _groups("cpu") if (quota := _cpu_quota(group)) is not None]
    return min(quotas, default=None)


def _groups(controller: str) -> Iterator[Path]:
    """The folders of this process's group and of those above it, for version 2 and for `controller` of version 1."""
    try:
        lines = [line.split(":", 2) for line in MEMBERSHIP.read_text().splitlines()]
    except OSError:
        return
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if controllers and controller not in controllers.split(","):
            continue
        root = ROOT / controller if controllers else ROOT
        # A container sees its own group as the root, whatever the path says; then only the root exists.
        own = root / path.strip("/")
        yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(root) and folder.is_dir())


def _memory_limits() -> Iterator[tuple[Path, int]]:
    for group in _groups("memory"):
        limit = _number(group / "memory.max") or _number(group / "memory.limit_in_bytes")
        if limit is not None and limit < _UNLIMITED_BYTES:
            yield group, limit


def _used_bytes(group: Path) -> int:
    used = _number(group / "memory.current") or _number(group / "memory.usage_in_bytes") or 0
    entries = _entries(group / "memory.stat")
    # Version 1 counts the groups below in entries of their own.
    return used - entries.get("total_inactive_file", entries.get("inactive_file", 0))


def _cpu_quota(group: Path) -> float | None:
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    quota_us, period_us = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
    return quota_us / period_us if quota_us and period_us and quota_us > 0 else None


def _number(file: Path) -> int | None:
    """The number in `file`; None for "max", and where there is no such file."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _entries(file: Path) -> dict[str, int]:
    """The lines "name number" of `file`."""
    try:
        pairs = [line.split() for line in file.read_text().splitlines()]
    except OSError:
        return {}
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
