"""A recipe gives every layer exactly what its part's scheme gives it alone, and finds the parts where transformers has them."""

import re

import pytest
import torch

from qdash import checkpoints
from qdash.catalog.parts import part_of, parts_of
from qdash.catalog.schemes import find_scheme
from qdash.engine import layers
from qdash.engine.loading import load_skeleton
from qdash.engine.schemes import family_of
from qdash.engine.sizes import weights_bytes
from tests.engine.conftest import TEXT, VISION, ignore, linear_skips, never, spec_of
from tests.engine.test_native_parity import NATIVE, logits, native

MIXED = "vision=bnb-int8,projector=original,language=bnb-nf4"
PER_PART = "vision=bnb-int8,projector=fp6-e2m3,mlp=bnb-nf4,*.layers.0.*.q_proj=original"


def _dequantized(worker, architecture, scheme):
    model = worker(architecture, scheme).held.model
    return {
        name: family_of(find_scheme(layers.scheme_of(layer) or "original")).dequantized(layer)
        for name, layer in layers.linear_layers(model).items()
    }


@pytest.mark.parametrize("recipe", [MIXED, PER_PART])
@pytest.mark.parametrize("architecture", VISION)
def test_every_layer_is_what_its_scheme_makes_of_it_alone(worker, architecture, recipe):
    ours = _dequantized(worker, architecture, recipe)
    alone = {key: _dequantized(worker, architecture, key) for key in ("original", "bnb-int8", "bnb-nf4", "fp6-e2m3")}
    for name, weight in ours.items():
        assert torch.equal(weight, alone[_wanted(recipe, name)][name]), name


def _wanted(recipe: str, name: str) -> str:
    """Read once more, by hand: the last rule that matches."""
    if name == "lm_head" or (recipe == PER_PART and re.search(r"\.layers\.0\..*\.q_proj$", name)):
        return "original"
    rules = [rule.split("=") for rule in recipe.split(",")]
    return next((key for part, key in reversed(rules) if part in parts_of(name)), "original")


@pytest.mark.parametrize("architecture", ["smolvlm", "qwen3-vl"])
def test_one_scheme_for_all_parts_is_the_scheme(worker, question, architecture):
    asked = question(architecture)
    for key in ("bnb-int8", "bnb-nf4"):
        whole, recipe = worker(architecture, key), worker(architecture, f"vision={key},projector={key},language={key}")
        assert torch.equal(logits(whole.held.model, whole, asked), logits(recipe.held.model, recipe, asked))
        ours, theirs = recipe.load(emit=ignore, stop=never), whole.load(emit=ignore, stop=never)
        assert (ours.weights_bytes, ours.coverage.quantized) == (theirs.weights_bytes, theirs.coverage.quantized)


def test_one_part_alone_is_transformers_skip_list(worker, question, checkpoint):
    """The independent reference: bitsandbytes' own way to leave modules out."""
    folder, asked = checkpoint("smolvlm"), question("smolvlm")
    skip = ["model.vision_model", "model.connector", "lm_head"]
    config = {**NATIVE["bnb-nf4"]["quantization_config"], "llm_int8_skip_modules": skip}
    subject = worker("smolvlm", "language=bnb-nf4")
    theirs = native(folder, "bnb-nf4", quantization_config=config)
    assert torch.equal(logits(subject.held.model, subject, asked), logits(theirs, subject, asked))


@pytest.mark.parametrize("recipe", [MIXED, PER_PART])
@pytest.mark.parametrize("architecture", ["llava", "fastvlm"])
def test_coverage_snippet_size_and_estimate(worker, question, checkpoint, architecture, recipe):
    subject, asked = worker(architecture, recipe), question(architecture)
    loaded = subject.load(emit=ignore, stop=never)
    parts = {part.part: part for part in loaded.coverage.parts}
    assert sum(part.total for part in parts.values()) == loaded.coverage.total
    assert sum(part.quantized for part in parts.values()) == loaded.coverage.quantized
    assert parts["vision"].scheme == "bnb-int8" and parts["vision"].quantized == parts["vision"].total > 0
    assert any("left unchanged by the recipe" in skip.reason for skip in loaded.coverage.skipped)
    scope: dict = {}
    exec(loaded.snippet, scope)
    assert torch.equal(logits(subject.held.model, subject, asked), logits(scope["model"], subject, asked))
    located = checkpoints.locate(str(checkpoint(architecture)))
    assert checkpoints.estimate_bytes(located, find_scheme(recipe), "float32") == pytest.approx(weights_bytes(subject.held.model), rel=0.1)
    whole = checkpoints.estimate_bytes(located, find_scheme("original"), "float32")
    assert checkpoints.loading_bytes(located, find_scheme(recipe), "float32") == whole


def test_what_a_mix_of_many_rules_quantized_is_told_by_part(worker):
    mix = ",".join(f"*.layers.{block}.*=bnb-nf4" for block in range(9))
    coverage = worker("qwen3", mix).load(emit=ignore, stop=never).coverage
    assert {part.part for part in coverage.parts} <= {"language", "head"} and all(part.scheme is None for part in coverage.parts)
    assert sum(part.quantized for part in coverage.parts) == coverage.quantized > 0


def test_a_recipe_for_parts_that_a_model_lacks_says_so(worker):
    coverage = worker("qwen3", "vision=bnb-int8").load(emit=ignore, stop=never).coverage
    assert coverage.quantized == 0
    assert coverage.quantized_parameters == 0
    assert all("left unchanged by the recipe" in reason for name, reason in linear_skips(coverage).items() if name != "lm_head")


@pytest.mark.parametrize("architecture", VISION)
def test_parts_lie_where_transformers_has_them(checkpoint, architecture):
    """The accessors and attributes of each class against the words in the paths, and in the checkpoint's own tensor names."""
    skeleton = load_skeleton(spec_of(checkpoint(architecture), "original"))
    inner = skeleton.model
    vision = next(getattr(inner, name) for name in ("vision_tower", "vision_model", "visual") if hasattr(inner, name))
    projector = next(
        (getattr(inner, name) for name in ("multi_modal_projector", "connector") if hasattr(inner, name)), getattr(vision, "merger", None)
    )
    text = next(getattr(inner, name) for name in ("language_model", "text_model") if hasattr(inner, name))
    within = {id(module): "language" for module in text.modules()} | {id(module): "vision" for module in vision.modules()}
    assert projector is not None
    within |= {id(module): "projector" for module in projector.modules()} | {id(skeleton.get_output_embeddings()): "head"}
    for mergers in getattr(vision, "deepstack_merger_list", ()):
        within |= {id(module): "projector" for module in mergers.modules()}
    for name, layer in layers.linear_layers(skeleton).items():
        assert part_of(name) == within[id(layer)], name
    located = checkpoints.locate(str(checkpoint(architecture)))
    assert {"vision", "projector", "language"} <= {part_of(tensor.name) for tensor in located.own_tensors}


@pytest.mark.parametrize("architecture", [*VISION, *TEXT])
def test_attention_and_mlp_are_the_modules_called_so(checkpoint, architecture):
    skeleton = load_skeleton(spec_of(checkpoint(architecture), "original"))
    found = {name: parts_of(name) for name in layers.linear_layers(skeleton)}
    assert any("attention" in parts for parts in found.values()) and any("mlp" in parts for parts in found.values())
    for name, parts in found.items():
        parents = [type(skeleton.get_submodule(name.rpartition(".")[0])).__name__.lower()]
        if "attention" in parents[0] and part_of(name) not in ("projector", "head"):
            assert "attention" in parts, name
        if parents[0].endswith("mlp") and part_of(name) not in ("projector", "head"):
            assert "mlp" in parts, name
