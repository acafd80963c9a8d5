"""Every refusal of a checkpoint has a remedy that was tried: the table says by which test, and a new refusal without one fails here."""

import ast
import importlib
import json
import shutil
from pathlib import Path

import pytest
import transformers as hf

from tests.public_cases.making import SIZES, ask, edit, ids, llama, located, refusal, save, tokenizer, worker
from tests.support.checkpoints import build

HEADERS, LOADING, TEMPLATES, HERE, PUBLISHED = (
    "tests.public_cases.test_headers", "tests.public_cases.test_loading", "tests.public_cases.test_templates",
    "tests.public_cases.test_remedies", "tests.checkpoints.test_prequantized",
)  # fmt: skip
REFUSED = "tests.architectures.test_refused"

# Where the remedy is an action, the test does it; where it is another model, the test checks that no action is promised.
TRIED = {
    "checkpoints.validation.validate": f"{HERE}.test_saving_the_configuration_works",
    "checkpoints.validation._safe_task": f"{HERE}.test_the_native_form_works",
    "checkpoints.validation._check_left_to_right": f"{REFUSED}.test_a_model_that_fills_in_words_is_refused_unless_it_was_made_a_decoder",
    "checkpoints.validation._check_preprocessing": f"{HERE}.test_saving_tokenizer_and_processor_works",
    "checkpoints.files.damaged": f"{HERE}.test_copying_again_works",
    "checkpoints.weights._check_complete": f"{HERE}.test_copying_again_works",
    "checkpoints.weights._nothing": f"{HERE}.test_copying_again_works",
    "checkpoints.weights._adapter": f"{HEADERS}.test_an_adapter_inside_is_refused_and_one_beside_is_noted",
    "checkpoints.weights._no_index": f"{HEADERS}.test_shards_without_their_index_get_one",
    "checkpoints.weights._other_name": f"{HEADERS}.test_weights_under_another_name_are_renamed_by_the_remedy",
    "checkpoints.weights._not_safetensors": f"{HEADERS}.test_pickled_weights_are_converted_by_the_remedy",
    "checkpoints.codes.check_plain": f"{HEADERS}.test_an_entry_in_another_place_is_named_and_moving_it_works",
    "checkpoints.purpose.check_purpose": f"{HEADERS}.test_the_model_card_says_what_to_choose_instead",
    "checkpoints.prefixes.check_names": f"{HEADERS}.test_an_adapter_inside_is_refused_and_one_beside_is_noted",
    "checkpoints.published.published_problem": f"{PUBLISHED}.test_the_remedy_names_the_original_of_the_model_card",
    "checkpoints.published.weights_problem": f"{PUBLISHED}.test_its_weights_cannot_be_weighed",
    "checkpoints.published._method": f"{PUBLISHED}.test_other_methods_are_refused_by_name",
    "checkpoints.published._read_compressed_tensors": f"{PUBLISHED}.test_damaged_entries_are_refused",
    "checkpoints.published._check_packed": f"{HEADERS}.test_an_entry_left_by_training_on_plain_floats_is_refused_and_can_be_taken_out",
    "checkpoints.published._damaged": f"{PUBLISHED}.test_damaged_entries_are_refused",
    "renaming.wrapped": f"{HEADERS}.test_names_that_training_left_are_told_and_the_remedy_renames_them",
    "engine.placing._missing": f"{HERE}.test_missing_weights_are_there_again_after_copying",
    "engine.placing._unplaced": f"{LOADING}.test_more_layers_than_config_says_are_no_extra_guesses_and_the_remedy_works",
    "engine.templates._template": f"{TEMPLATES}.test_several_templates_need_a_default_and_the_remedy_works",
    "engine.templates._takes_text": f"{TEMPLATES}.test_templates_that_cannot_be_used_are_told_with_their_cause",
    "engine.templates._refused": f"{TEMPLATES}.test_templates_that_cannot_be_used_are_told_with_their_cause",
    "engine.vocabulary.check_tokens": f"{TEMPLATES}.test_tokens_without_a_row_are_told_and_resizing_works",
}
PACKAGE = Path(__file__).parents[2] / "qdash"


@pytest.mark.parametrize("module", sorted({name.rpartition(".")[0] for name in TRIED}))
def test_every_refusal_is_in_the_table(module: str) -> None:
    tree = ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text())
    refusing = {
        f"{module}.{function.name}"
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        and any(isinstance(call, ast.Call) and getattr(call.func, "id", "") == "QdashError" for call in ast.walk(function))
    }
    assert refusing == {name for name in TRIED if name.rpartition(".")[0] == module}


@pytest.mark.parametrize("name", sorted(set(TRIED.values())))
def test_the_tests_in_the_table_exist(name: str) -> None:
    module, _, function = name.rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))


def test_saving_the_configuration_works(tmp_path: Path) -> None:
    folder = llama(tmp_path / "m")
    config = hf.AutoConfig.from_pretrained(folder)
    (folder / "config.json").unlink()
    assert "save_pretrained" in refusal(lambda: located(folder)).remedy
    config.save_pretrained(folder)
    assert located(folder).model_type == "llama"


def test_the_native_form_works(tmp_path: Path) -> None:
    folder = llama(tmp_path / "m")
    edit(folder / "config.json", auto_map={"AutoModelForCausalLM": "modeling.Model"})
    assert "natively" in refusal(lambda: located(folder)).remedy
    edit(folder / "config.json", auto_map=..., model_type="my_llama")
    assert "“my_llama”" in refusal(lambda: located(folder)).message
    edit(folder / "config.json", model_type="llama")
    assert ask(worker(folder)).tokens


def test_saving_tokenizer_and_processor_works(tmp_path: Path) -> None:
    folder = build("llava", tmp_path / "m")
    processor = hf.AutoProcessor.from_pretrained(folder)
    for names in (("tokenizer.json",), ("processor_config.json", "preprocessor_config.json")):
        for name in names:
            (folder / name).unlink(missing_ok=True)
        assert "processor.save_pretrained(folder)" in refusal(lambda: located(folder)).remedy
        processor.save_pretrained(folder)
        assert located(folder).task == "image-text-to-text"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_copying_again_works(tmp_path: Path, name: str) -> None:
    plain, folder = llama(tmp_path / "plain"), llama(tmp_path / "m")
    for fault in (lambda file: file.write_bytes(b"{"), lambda file: file.unlink()):
        fault(folder / name)
        refusal(lambda: located(folder))
        shutil.copy(plain / name, folder / name)
        assert located(folder).parameters == located(plain).parameters


def test_missing_weights_are_there_again_after_copying(tmp_path: Path) -> None:
    own = tokenizer()
    folder = save(tmp_path / "m", hf.LlamaForCausalLM(hf.LlamaConfig(**SIZES, **ids(own), tie_word_embeddings=False)), own)
    edit(folder / "config.json", num_hidden_layers=3)
    error = refusal(lambda: worker(folder))
    assert "Missing" in error.message and "config.json" in error.remedy
    edit(folder / "config.json", num_hidden_layers=2)
    assert ask(worker(folder)).tokens and json.loads((folder / "config.json").read_text())["num_hidden_layers"] == 2
