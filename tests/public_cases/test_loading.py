"""What loading finds: weights without a place, kernels that are not here, generation configs of every shape, layers read from outside."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from qdash.engine.generation_config import KEPT, greedy
from qdash.engine.outside_reads import read_outside
from qdash.errors import QdashError
from tests.public_cases.making import ask, edit, ids, llama, refusal, rewrite_weights, save, tokenizer, worker
from tests.support.held import generated


def with_weight(folder: Path, *names: str) -> Path:
    return rewrite_weights(llama(folder), lambda weights: weights | {name: torch.zeros(8, 8) for name in names})


def notes(folder: Path) -> tuple[str, ...]:
    made = worker(folder)
    assert made.held is not None
    return made.held.loaded.notes


def test_a_weight_without_a_place_is_an_error(tmp_path: Path) -> None:
    folder = with_weight(tmp_path / "m", "model.layers.0.mlp.extra_proj.weight")
    error = refusal(lambda: worker(folder))
    assert error.kind == "checkpoint" and "extra_proj" in error.message and "LlamaForCausalLM" in error.message


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["model.mtp.fc.weight"], "predict several tokens ahead"),
        (["model.layers.2.eh_proj.weight", "model.layers.2.mlp.up_proj.weight"], "predict several tokens ahead"),
        (["v_head.summary.weight"], "a head for another task"),
        (["visual.blocks.0.attn.qkv.weight", "vision_tower.layers.0.weight"], "reads text only"),
        (["model.layers.0.self_attn.k_scale"], "cache in 8 bits"),
        (["model.layers.0.self_attn.masked_bias"], "tables that the model computes itself"),
    ],
)
def test_harmless_ones_are_noted_by_kind(tmp_path: Path, names: list[str], words: str) -> None:
    (note,) = notes(with_weight(tmp_path / "m", *names))
    assert words in note and any(name in note for name in names)


def test_more_layers_than_config_says_are_no_extra_guesses_and_the_remedy_works(tmp_path: Path) -> None:
    folder = llama(tmp_path / "m")
    edit(folder / "config.json", num_hidden_layers=1)
    error = refusal(lambda: worker(folder))
    assert "num_hidden_layers 1" in error.message and "num_hidden_layers to 2" in error.remedy
    edit(folder / "config.json", num_hidden_layers=2)
    assert ask(worker(folder)) == ask(worker(llama(tmp_path / "plain")))


@pytest.mark.parametrize("prefix", ["student.", "actor.model."])
def test_a_prefix_that_nobody_knows_is_found_by_what_is_missing(tmp_path: Path, prefix: str) -> None:
    folder = rewrite_weights(llama(tmp_path / "m"), lambda weights: {prefix + name: weight for name, weight in weights.items()})
    error = refusal(lambda: worker(folder))
    assert f"“{prefix}”" in error.message and f"removeprefix('{prefix}')" in error.remedy


@pytest.mark.parametrize("asked", ["flash_attention_2", "flash_attention_3", "kernels-community/flash-attn", "flex_attention"])
@pytest.mark.parametrize("key", ["_attn_implementation", "attn_implementation"])
def test_attention_kernels_are_replaced_and_noted(tmp_path: Path, asked: str, key: str) -> None:
    folder = llama(tmp_path / "m")
    expected = ask(worker(folder))
    edit(folder / "config.json", **{key: asked})
    made = worker(folder)
    assert ask(made) == expected and made.held is not None
    assert asked in made.held.loaded.notes[0]


PUBLISHED: list[dict[str, Any]] = [
    {"return_dict_in_generate": True, "output_scores": True, "output_hidden_states": True},
    {"penalty_alpha": 0.6, "top_k": 4},
    {"num_beams": 4, "early_stopping": True, "length_penalty": 2.0, "num_return_sequences": 3},
    {"do_sample": True, "temperature": 0.1, "top_p": 0.3, "min_p": 0.1},
    {"prompt_lookup_num_tokens": 3, "assistant_early_exit": 1, "use_mtp": True},
    {"cache_implementation": "static", "cache_config": {"backend": "quanto"}, "use_cache": False},
    {"stop_strings": ["a", "b"], "max_time": 0.0001, "max_length": 3, "min_length": 90},
    {"watermarking_config": {"greenlist_ratio": 0.5}, "guidance_scale": 3.0, "compile_config": {"backend": "x"}},
    {"watermarking_config": {"nonsense": 1}},
    {"dola_layers": "high", "constraints": [], "force_words_ids": [[1]], "num_beam_groups": 2, "diversity_penalty": 0.5},
    {"logits_processor": [], "streamer": 1, "assistant_model": "x"},
    {"token_healing": True, "remove_invalid_values": True, "renormalize_logits": True},
    {"suppress_tokens": [], "begin_suppress_tokens": None, "bad_words_ids": [], "eos_token_id": [], "pad_token_id": -1},
    {"bad_words_ids": [[99999]], "suppress_tokens": [99999], "eos_token_id": [[-1], [None, 99999]]},
    {"repetition_penalty": "high", "no_repeat_ngram_size": 0, "sequence_bias": 3, "pad_token_id": [None]},
]


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda published: next(iter(published)))
def test_a_published_generation_config_leaves_greedy_answers_as_they_are(tmp_path: Path, published: dict[str, Any]) -> None:
    plain, folder = llama(tmp_path / "plain"), llama(tmp_path / "m")
    for name in ("eos_token_id", "pad_token_id"):
        edit(plain / "generation_config.json", **{name: ...})
        edit(folder / "generation_config.json", **{name: ...})
    edit(folder / "generation_config.json", **published)
    made = worker(folder)
    assert ask(made, tokens=6).tokens == ask(worker(plain), tokens=6).tokens
    assert made.held is not None
    made.held.model.save_pretrained(tmp_path / "saved")
    assert made.held.model.generation_config.validate(strict=True) is None


def test_kept_fields_do_what_plain_transformers_does(tmp_path: Path) -> None:
    folder = llama(tmp_path / "m")
    first = ask(worker(folder)).tokens[0]
    edit(folder / "generation_config.json", suppress_tokens=[first], repetition_penalty=1.3, no_repeat_ngram_size=2, bad_words_ids=[[5, 6]])
    made = worker(folder)
    answer = ask(made, tokens=12)
    model = hf.AutoModelForCausalLM.from_pretrained(folder)
    own = hf.AutoTokenizer.from_pretrained(folder)
    inputs = own.apply_chat_template(
        [{"role": "user", "content": "What is it?"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    expected = generated(model, inputs, max_new_tokens=12).tolist()
    assert list(answer.tokens) == expected and first not in answer.tokens


def test_only_known_fields_are_kept() -> None:
    every = {name: 1 for name in hf.GenerationConfig().to_dict() if not name.startswith("_")}
    odd = hf.GenerationConfig()
    for name, value in (every | {"no_such_field": 1}).items():
        setattr(odd, name, value)
    changed = {name for name, value in greedy(odd, 10).to_diff_dict().items() if value is not None}
    assert changed - set(KEPT) <= {"do_sample", "num_beams", "disable_compile", "transformers_version"}


def test_end_tokens_of_any_shape() -> None:
    def ends(value: Any) -> Any:
        config = hf.GenerationConfig()
        config.eos_token_id = value
        return greedy(config, 100).eos_token_id

    assert [ends(value) for value in (7, [7], [7, 8], [[7], [8, [9]]], [], None, -1, [None, 7], (7,), [700, 7], True, "7")] == [
        7, [7], [7, 8], [7, 8, 9], None, None, None, [7], [7], [7], None, None,
    ]  # fmt: skip


def mamba(folder: Path) -> Path:
    own = tokenizer()
    config = hf.MambaConfig(hidden_size=64, num_hidden_layers=2, state_size=16, time_step_rank=64, **ids(own))
    return save(folder, hf.MambaForCausalLM(config), own)


@pytest.mark.parametrize("scheme", ["bnb-int8", "bnb-nf4", "ao-int8wo", "ao-int8dyn", "torch-int8dyn", "fp8-e4m3", "int3-g64"])
def test_a_layer_that_is_read_from_outside_stays_as_it_is(tmp_path: Path, scheme: str) -> None:
    made = worker(mamba(tmp_path / "m"), scheme)
    assert made.held is not None
    skipped = {skip.name: skip.reason for skip in made.held.loaded.coverage.skipped}
    assert {name for name in skipped if "dt_proj" in name} == {f"backbone.layers.{layer}.mixer.dt_proj" for layer in (0, 1)}
    assert all("reads its weight itself" in skipped[name] for name in skipped if "dt_proj" in name)
    assert made.held.loaded.coverage.quantized == 6
    ask(made)


def test_ordinary_models_read_no_layer_from_outside() -> None:
    kind: Any
    for kind in (hf.LlamaForCausalLM, hf.BloomForCausalLM, hf.T5ForConditionalGeneration):
        with torch.device("meta"):
            assert read_outside(kind(kind.config_class())) == {}


class Absorbed(torch.nn.Module):
    """Multiplies the weights of one layer, asks another for its dtype only, and a third while training."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.asked, self.taught = (torch.nn.Linear(4, 4) for _ in range(3))
        self.slices = 1
        self.several: Any = torch.nn.ModuleList([torch.nn.Linear(4, 4)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training or (self.slices > 1 and x.sum() > 0):
            x = x @ self.taught.weight
        return x.to(self.asked.weight.dtype) @ self.up.weight.T @ self.several[0].weight


def test_reading_is_told_from_asking() -> None:
    assert set(read_outside(torch.nn.Sequential(Absorbed()))) == {"0.up", "0.several.0"}


def test_what_a_library_raises_over_a_model_is_no_fault_of_qdash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = worker(llama(tmp_path / "m"))
    assert made.held is not None
    monkeypatch.setattr(made.held.model.model.layers[0].self_attn, "scaling", "none")
    with pytest.raises(QdashError) as caught:
        ask(made)
    assert caught.value.kind == "checkpoint" and caught.value.message.startswith("transformers failed while answering: TypeError")
    monkeypatch.setattr("qdash.engine.worker.answer", lambda *arguments: json.loads("{"))
    with pytest.raises(ValueError, match="property name"):
        ask(made)
