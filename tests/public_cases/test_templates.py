"""Chat templates and tokenizers that do not take what they are given: each is said with its cause, and the remedy works."""

import json
from pathlib import Path

import pytest
import transformers as hf
from PIL import Image

from qdash.engine.prompting import build_inputs, tokenizer_of
from qdash.records import Question
from tests.public_cases.making import ask, edit, llama, refusal, save, tokenizer, worker
from tests.support.checkpoints import CHATML, build, token_id


def with_template(folder: Path, template: str) -> Path:
    (llama(folder) / "chat_template.jinja").write_text(template)
    return folder


@pytest.mark.parametrize(
    ("template", "cause"),
    [
        ("{{ raise_exception('Conversation must begin with a system message') }}", "Conversation must begin with a system message"),
        ("{% if messages[0]['role'] != 'system' %}{{ raise_exception('Roles must alternate') }}{% endif %}", "Roles must alternate"),
        ("{% for m in messages %}{% if m.role == 'human' %}{{ m.content }}{% endif %}{% endfor %}", "leaves out what the user writes"),
        ("<|im_start|>assistant\n", "leaves out what the user writes"),
        ("", ""),
        ("{{ messages[0].content + nosuch.field }}", "undefined"),
        ("{% for m in messages %}{{ m.content }", "template"),
        ("{{ messages[1]['content'] }}", "fails on a plain question"),
        ("{{ strftime_later('%Y') }}", "undefined"),
        ("{{ messages[0].content / 2 }}", "fails on a plain question"),
    ],
)
@pytest.mark.parametrize("scheme", ["original", "bnb-nf4"])
def test_templates_that_cannot_be_used_are_told_with_their_cause(tmp_path: Path, template: str, cause: str, scheme: str) -> None:
    folder = with_template(tmp_path / "m", template)
    made = worker(folder, scheme)
    if not template:
        assert ask(made).tokens  # none at all: the prompt as it is typed
        return
    error = refusal(lambda: ask(made))
    assert error.kind == "checkpoint" and cause in error.message and "chat_template.jinja" in error.remedy
    (folder / "chat_template.jinja").unlink()
    assert ask(worker(folder, scheme)).tokens


def test_templates_that_take_lists_only_get_lists(tmp_path: Path) -> None:
    only_lists = "{% for m in messages %}{% for p in m.content %}{{ p['text'] }}{% endfor %}{% endfor %}"
    made = worker(with_template(tmp_path / "m", only_lists))
    assert made.held is not None
    tokens = build_inputs(made.held.processor, "What is it?", None, made.held.model)["input_ids"][0]
    assert made.held.processor.decode(tokens) == "What is it?"


@pytest.mark.parametrize("template", ["USER: {{ messages[0]['content'] }}\nBOT:", "{{ 'USER: ' + messages[0]['content'] + '\nBOT:' }}"])
def test_templates_of_vision_models_that_take_text_only_get_text(tmp_path: Path, template: str) -> None:
    folder = build("llava", tmp_path / "m")
    (folder / "chat_template.jinja").write_text(template)
    made = worker(folder, task="image-text-to-text")
    assert made.held is not None
    picture = Image.new("RGB", (32, 32))
    own = tokenizer_of(made.held.processor)
    for image in (picture, None):
        tokens = build_inputs(made.held.processor, "What is it?", image, made.held.model)["input_ids"][0]
        marked = tokens == token_id(own, "<image>")
        assert int(marked.sum()) == (16 if image else 0)
        assert str(own.decode(tokens[~marked])).split() == ["USER:", "What", "is", "it?", "BOT:"]


def test_several_templates_need_a_default_and_the_remedy_works(tmp_path: Path) -> None:
    folder = llama(tmp_path / "m")
    (folder / "chat_template.jinja").unlink()
    named = [{"name": "tool_use", "template": CHATML}, {"name": "rag", "template": CHATML}]
    edit(folder / "tokenizer_config.json", chat_template=named)
    error = refusal(lambda: ask(worker(folder)))
    assert "rag, tool_use" in error.message and "“default”" in error.remedy
    named[0]["name"] = "default"
    edit(folder / "tokenizer_config.json", chat_template=named)
    assert ask(worker(folder)) == ask(worker(llama(tmp_path / "plain")))


def test_the_usual_template_gives_what_transformers_gives(tmp_path: Path) -> None:
    made = worker(llama(tmp_path / "m"))
    assert made.held is not None
    expected = made.held.processor.apply_chat_template([{"role": "user", "content": "Hi"}], add_generation_prompt=True, return_dict=True)
    assert isinstance(expected, hf.BatchEncoding)
    assert build_inputs(made.held.processor, "Hi", None, made.held.model)["input_ids"][0].tolist() == expected["input_ids"]


@pytest.mark.parametrize("scheme", ["original", "bnb-nf4", "bnb-int8", "ao-int8wo", "fp8-e4m3"])
def test_no_token_at_all_is_told_before_any_kernel_sees_it(tmp_path: Path, scheme: str) -> None:
    folder = llama(tmp_path / "m")
    (folder / "chat_template.jinja").unlink()
    error = refusal(lambda: ask(worker(folder, scheme), prompt=""))
    assert error.kind == "bad_input" and "no token" in error.message


@pytest.mark.parametrize("scheme", ["original", "bnb-nf4"])
def test_tokens_without_a_row_are_told_and_resizing_works(tmp_path: Path, scheme: str) -> None:
    own = tokenizer()
    folder = llama(tmp_path / "m", vocab_size=len(own) - 2, eos_token_id=None, pad_token_id=None)
    error = refusal(lambda: ask(worker(folder, scheme)))
    assert error.kind == "checkpoint" and "<|im_" in error.message and f"{len(own):,} tokens" in error.message
    model = hf.AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(len(own))
    save(folder, model, own)
    assert ask(worker(folder, scheme)).tokens


def test_a_reference_text_with_such_tokens_is_told(tmp_path: Path) -> None:
    own = tokenizer(chat=None)
    config = hf.LlamaConfig(
        vocab_size=len(own) - 60, hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=4, eos_token_id=None
    )
    made = worker(save(tmp_path / "m", hf.LlamaForCausalLM(config), own))
    error = refusal(
        lambda: made.record_reference(Question(prompt="?"), "What is in this picture? Describe it.", emit=print, stop=lambda: False)
    )
    assert "embedding ends at" in error.message


def test_a_chat_model_without_a_template_is_noted(tmp_path: Path) -> None:
    for name, noted in (("acme-7b-instruct", True), ("acme-chat", True), ("gemma-2b-it", True), ("acme-7b", False), ("bitter", False)):
        folder = llama(tmp_path / name)
        (folder / "chat_template.jinja").unlink()
        made = worker(folder)
        assert made.held is not None and bool(made.held.loaded.notes) == noted, name


def test_tokenizers_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    folder = llama(tmp_path / "m")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(b"\x0a\x0b")
    edit(folder / "tokenizer_config.json", tokenizer_class="LlamaTokenizer")
    error = refusal(lambda: worker(folder))
    assert str(folder) in error.message
    (folder / "tokenizer.model").unlink()
    (folder / "tokenizer.json").write_text(json.dumps({"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": []}}))
    refusal(lambda: worker(folder))
