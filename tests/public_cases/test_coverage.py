"""Models that are mostly no linear layers, from the command line's view: coverage, estimate and words agree with what was loaded."""

import json
import re
from pathlib import Path

import pytest

from qdash.cli import main
from tests.public_cases.uncommon import save

QUICK = ["--prompt", "What is it?", "--runs", "1", "--warmup", "0", "--max-new-tokens", "2", "--max-answer-tokens", "4"]

pytestmark = pytest.mark.layer_tables


def compared(folder: Path, schemes: str, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, dict], str]:
    """The variants of one run by scheme, and what the terminal said."""
    out = folder / "out.json"
    main(["run", "--model", str(folder), "--schemes", schemes, *QUICK, "--json", str(out)])
    return {variant["scheme"]: variant for variant in json.loads(out.read_text())["variants"]}, capsys.readouterr().out


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDASH_CACHE_DIR", str(tmp_path / "cache"))


def test_a_mixture_of_experts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, said = compared(save("qwen3-moe", tmp_path), "original,bnb-nf4,bnb-int8,int3-g64", capsys)
    for variant in found.values():
        assert variant["memory"]["estimated_bytes"] == pytest.approx(variant["memory"]["weights_bytes"], rel=0.02)
    shares = {key: of["coverage"]["quantized_parameters"] / of["coverage"]["parameters"] for key, of in found.items()}
    assert shares["original"] == 0 and shares["bnb-int8"] < 0.2 and shares["bnb-nf4"] == shares["int3-g64"] > 0.8
    assert re.search(r"fused experts \d\d% \(“INT8 \(LLM\.int8\)” quantizes linear layers only\)", said)


def test_a_scheme_that_quantizes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Falcon's linear layers are a class of its own, which reads the weight itself: torchao's would fail at the first token."""
    found, said = compared(save("falcon", tmp_path), "original,bnb-nf4,ao-int8wo", capsys)
    assert {variant["status"] for variant in found.values()} == {"ok"}
    assert {variant["coverage"]["quantized_parameters"] for variant in found.values()} == {0}
    assert "FalconLinear, a special linear layer" in said and "INT8 weights: quantizes nothing in this model" in said
