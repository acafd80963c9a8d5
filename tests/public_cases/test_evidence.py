"""Originals that compute no numbers, and schemes that quantize nothing: nobody is praised, and the exit status says so."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from qdash.cli import main
from tests.support.checkpoints import build

QUICK = ["--prompt", "What is in this picture?", "--runs", "1", "--warmup", "0", "--max-new-tokens", "2", "--max-answer-tokens", "4"]
PRAISE = ("same answer", "Good trade", "Same as the original", "faster", "✓", "as well as")
Weights = dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDASH_EXECUTION", "inline")
    monkeypatch.setenv("QDASH_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("qwen3", tmp_path_factory.mktemp("qwen3"))


def damaged(folder: Path, target: Path, damage: Callable[[Weights], None]) -> Path:
    """A copy of a checkpoint with other weights."""
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    weights = {name: weight.clone() for name, weight in load_file(folder / "model.safetensors").items()}
    damage(weights)
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    return target


def one(weights: Weights, part: str, value: float) -> None:
    """Put a value into the first number of the first weight whose name has `part` in it."""
    next(weight for name, weight in weights.items() if part in name).view(-1)[0] = value


DAMAGES: dict[str, Callable[[Weights], None]] = {
    "NaN in one weight": lambda weights: one(weights, "up_proj", float("nan")),
    "an infinity in a norm": lambda weights: one(weights, "layernorm", float("inf")),
    "NaN in the last norm": lambda weights: one(weights, "model.norm", float("nan")),
    "NaN in the head": lambda weights: one(weights, "lm_head" if any("lm_head" in name for name in weights) else "embed", float("nan")),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_an_original_that_computes_no_numbers(
    damage: Callable[[Weights], None], qwen3: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = damaged(qwen3, tmp_path / "model", damage)
    files = [str(tmp_path / name) for name in ("out.json", "out.csv", "out.html")]
    outputs = ["--json", files[0], "--csv", files[1], "--html", files[2]]
    status = main(["run", "--model", str(folder), "--schemes", "original,bnb-int8,int3-g64", *QUICK, *outputs])
    said, table = capsys.readouterr().out, Path(files[1]).read_text(encoding="utf-8")
    page = Path(files[2]).read_text(encoding="utf-8").split("<main>")[1].split('<section class="charts">')[0]
    assert status == 4 and "cannot be judged: the original's own scores are NaN or infinite" in said
    assert "float32" in said, "what to do about it"
    assert table.count("Not judged") == 2 and page.count("Not judged") == 2
    assert not any(praise in words for praise in PRAISE for words in (said, table, page))
    assert json.loads(Path(files[0]).read_text(encoding="utf-8"))["variants"][0]["scores_finite"] is False


def test_an_original_that_overflows_in_float16(qwen3: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def enlarge(weights: Weights) -> None:
        for name, weight in weights.items():
            if "gate_proj" in name or "up_proj" in name:
                weight.mul_(1e3)

    folder = damaged(qwen3, tmp_path / "model", enlarge)
    ask = ["run", "--model", str(folder), *QUICK]
    assert main([*ask, "--schemes", "fp16,fp32"]) == 4
    said = capsys.readouterr().out
    assert "cannot be judged" in said and "Choose float32" in said and not any(praise in said for praise in PRAISE)
    assert main([*ask, "--schemes", "fp32,fp8-e4m3"]) == 0, "the remedy works"


def test_an_original_that_computes_no_numbers_alone(qwen3: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = damaged(qwen3, tmp_path / "model", DAMAGES["NaN in one weight"])
    assert main(["run", "--model", str(folder), "--schemes", "original", *QUICK]) == 4
    assert "its answer means nothing" in capsys.readouterr().out


def test_an_evaluation_of_it(qwen3: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = damaged(qwen3, tmp_path / "model", DAMAGES["NaN in one weight"])
    questions = tmp_path / "questions.jsonl"
    questions.write_text("".join(json.dumps({"prompt": f"Say {word}", "answer": "!"}) + "\n" for word in "abc"), encoding="utf-8")
    ask = ["eval", "--model", str(folder), "--schemes", "original,bnb-nf4", "--task", "own", "--file", str(questions)]
    assert main([*ask, "--max-new-tokens", "4", "--html", str(tmp_path / "out.html")]) == 4
    said = capsys.readouterr().out
    assert "Nothing can be judged: the original's own scores are NaN or infinite." in said
    assert not any(praise in said for praise in PRAISE)
    assert "as well as" not in (tmp_path / "out.html").read_text(encoding="utf-8").split("<main>")[1].split("<script")[0]


def idle(kind: str, words_of: Path, folder: Path) -> Path:
    """A model of which the schemes below quantize no layer, with the tokenizer of `words_of`."""
    tokenizer = hf.AutoTokenizer.from_pretrained(words_of)
    ids = {
        "vocab_size": len(tokenizer),
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
    }
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(0)
    if kind == "falcon":  # a class of linear layers of its own
        model: hf.PreTrainedModel = hf.FalconForCausalLM(hf.FalconConfig(hidden_size=64, alibi=True, **sizes, **ids))
    elif kind == "gpt2":  # convolutions in place of linear layers
        model = hf.GPT2LMHeadModel(hf.GPT2Config(n_embd=64, n_layer=2, n_head=4, tie_word_embeddings=True, **ids))
    else:  # widths that no group of 64 divides
        config = hf.LlamaConfig(hidden_size=48, intermediate_size=80, num_key_value_heads=4, tie_word_embeddings=True, **sizes, **ids)
        model = hf.LlamaForCausalLM(config)
    for name, weight in model.named_parameters():
        if weight.ndim >= 2 and "norm" not in name:
            weight.data.normal_(std=weight.shape[-1] ** -0.5)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("kind", "scheme"), [("falcon", "bnb-nf4"), ("falcon", "int2-g64"), ("gpt2", "int2-g64"), ("gpt2", "fp8-e4m3"), ("narrow", "int2-g64")]
)
def test_a_scheme_that_quantizes_nothing(kind: str, scheme: str, qwen3: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = idle(kind, qwen3, tmp_path / "model")
    status = main(["run", "--model", str(folder), "--schemes", f"original,{scheme}", *QUICK, "--json", str(tmp_path / "out.json")])
    said = capsys.readouterr().out
    variant = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["variants"][1]
    assert variant["status"] == "ok"
    if variant["coverage"]["quantized"] == 0:
        assert status == 4 and "cannot be judged: it quantized nothing" in said
        assert "Not judged · quantized nothing" in said and not any(praise in said for praise in PRAISE)
    else:  # where a later version takes these layers, it is judged like any other
        assert status == 0 and "quantized nothing" not in said
