"""The container and the service that docs/hosting.md describes: checked by their linters, and built and run where Docker is."""

import re
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.serving import ROOT, free_port

DOCKER = shutil.which("docker")
ENGINE = DOCKER is not None and subprocess.run([DOCKER, "info"], capture_output=True, timeout=60).returncode == 0
UNIT = ROOT / "deploy" / "qdash.service"


def test_the_dockerfile_has_no_faults() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    found = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_image_has_all_that_runs_and_nothing_else() -> None:
    copied = set(re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    names = {name for line in copied for name in line.split()}
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert names == allowed and all((ROOT / name).exists() for name in names)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_service_has_no_faults(tmp_path: Path) -> None:
    # Where qdash is not installed, what it would run is somewhere else.
    unit = tmp_path / "qdash.service"
    unit.write_text(UNIT.read_text().replace("/opt/qdash/.venv/bin/python", sys.executable).replace("User=qdash\n", ""))
    found = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60)
    assert not [line for line in found.stderr.splitlines() if "qdash.service" in line], found.stderr


@pytest.mark.skipif(not ENGINE, reason="no Docker engine answers on this machine")
def test_the_container_serves_the_page() -> None:
    assert DOCKER is not None
    subprocess.run([DOCKER, "build", "-q", "-t", "qdash-test", str(ROOT)], check=True, timeout=1800)
    port = free_port()
    command = [DOCKER, "run", "--rm", "-d", "-p", f"127.0.0.1:{port}:7860", "qdash-test"]
    container = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    try:
        deadline, status = time.monotonic() + 120, 0
        while status != 200 and time.monotonic() < deadline:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
                status = response.status
            time.sleep(0.5)
        assert status == 200
    finally:
        subprocess.run([DOCKER, "rm", "-f", container], check=False, timeout=60)
