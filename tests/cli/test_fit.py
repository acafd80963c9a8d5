"""`qdash fit`, in this process: it loads nothing."""

import json

import pytest

from qdash.cli import main
from qdash.records import FitReport

MODEL = ("fit", "--model", "random:qwen3-4b")


def test_a_table_for_this_machine_and_for_cards(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MODEL, "--schemes", "bnb-nf4", "--context", "65536", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "fits a card of" in said and "On a graphics card, in bfloat16:" in said
    assert "⚠ The model was made for 40,960 tokens." in said
    assert "9,216 MiB" in said  # 65,536 tokens of 144 KiB


def test_without_a_context_it_is_the_models_own_where_that_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--model", "tiny-lm", "--device", "cpu"]) == 0
    assert "so it is the longest that the model was made for: 2,048 tokens." in capsys.readouterr().out


def test_json_holds_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MODEL, "--schemes", "original", "--conversations", "4", "--baseline-dtype", "float16", "--json", "-"]) == 0
    report = FitReport.model_validate_json(capsys.readouterr().out)
    assert (report.context, report.conversations, report.dtype, report.card_dtype) == (8192, 4, "float16", "float16")
    assert report.schemes[0].here.cache_bytes == report.schemes[0].on_card.cache_bytes == 4 * 8192 * 147456


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--context", "3"), "A context of 3 tokens cannot be estimated."),
        (("--conversations", "0"), "0 conversations at once cannot be estimated."),
        (("--schemes", "int99"), "int99"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MODEL, *arguments]) == 2
    said = capsys.readouterr()
    assert words in said.err and len(said.err.strip().splitlines()) == 1 and not said.out


def test_the_keys_of_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    """The keys that docs/json.md lists."""
    assert main([*MODEL, "--json", "-"]) == 0
    (scheme,) = json.loads(capsys.readouterr().out)["schemes"]
    assert {"weights_bytes", "cache_bytes", "working_bytes", "loading_bytes"} == scheme["on_card"].keys()
