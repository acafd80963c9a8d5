"""What the engine may import, and what the process that workers are forked from may do: checked in fresh interpreters."""

import subprocess
import sys

import pytest

FORKED = """
import gc, os, sys, threading
import qdash.engine.preload as preload
import torch

assert set(preload.MODULES) <= set(sys.modules), set(preload.MODULES) - set(sys.modules)
assert threading.active_count() == 1, threading.enumerate()
assert not torch.cuda.is_initialized() and not torch.cuda._is_in_bad_fork()
assert gc.get_freeze_count() > 100_000 > len(gc.get_objects())
assert os.environ["HF_HUB_OFFLINE"] == "1" and "HF_TOKEN" not in os.environ
child = os.fork()
if child == 0:
    torch.set_num_threads(2)
    product = torch.ones(700, 700) @ torch.ones(700, 700)
    os._exit(0 if float(product[0, 0]) == 700 else 1)
assert os.waitpid(child, 0)[1] == 0
"""


def run(program: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:qdash", "-c", program],
        env={"PATH": "/usr/bin:/bin", "HOME": "/tmp", **environment}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork on Windows: workers are spawned there")
def test_preloading_leaves_a_process_that_can_be_forked():
    run(FORKED, HF_TOKEN="secret")


def test_the_engine_needs_no_page_and_bitsandbytes_says_nothing():
    """Its two messages on a CPU would be printed per layer and token, or advise a download."""
    run("""
import logging, sys
logging.basicConfig(level=logging.WARNING)
import torch
import qdash.engine.worker, qdash.engine.schemes.simulated
from qdash.engine.schemes import bitsandbytes

layer = bitsandbytes.Linear8bitLt(64, 64, has_fp16_weights=False, threshold=6.0)
layer.weight = layer.weight.to("cpu")
layer.eval()(torch.ones(2, 64))

loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"gradio", "plotly", "fastapi", "uvicorn", "pandas", "typer"}, loaded
""")
