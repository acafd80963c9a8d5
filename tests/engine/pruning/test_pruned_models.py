"""A pruned model, its figures, and what is told of it from its checkpoint."""

import pytest
import torch

from qdash.catalog.schemes import find_scheme
from qdash.engine import layers
from qdash.engine.schemes import family_of, row_dequantizer_of
from qdash.engine.stored import stored_layers
from qdash.engine.worker import Worker
from qdash.records import Question
from tests.engine.conftest import ignore, never, spec_of
from tests.support.held import model_of

MASKED = ("prune-rows-30", "prune-global-50", "prune-24")


@pytest.mark.parametrize("scheme", [*MASKED, "mlp=prune-global-37,attention=prune-rows-45"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("architecture", ["qwen3", "bloom", "llava"])
def test_what_a_checkpoint_tells_is_what_the_loaded_layers_hold(worker, checkpoint, architecture, scheme, dtype):
    subject, entry, folder = worker(architecture, scheme, dtype=dtype), find_scheme(scheme), checkpoint(architecture)
    model = model_of(subject)
    pruned = layers.quantized_layers(model)
    with stored_layers(folder, model, pruned) as found:
        assert {layer.module for layer in found} == pruned.keys()
        for layer in found:
            weight = layer.read()
            restore = row_dequantizer_of(entry, subject.spec, layer.module, weight)
            assert restore is not None
            pieces = [restore(weight[start : start + 32], start) for start in range(0, len(weight), 32)]
            part = find_scheme(layers.scheme_of(pruned[layer.module]) or "")
            assert torch.equal(torch.cat(pieces), family_of(part).dequantized(pruned[layer.module])), layer.module


@pytest.mark.parametrize("scheme", MASKED)
def test_zeros_are_counted_and_sizes_are_told_apart(worker, scheme):
    subject, original = worker("llava", scheme), worker("llava", "original").load(emit=ignore, stop=never)
    loaded = subject.load(emit=ignore, stop=never)
    model, pruned = model_of(subject), loaded.coverage.pruned
    held = {name: layers.rows(layer) for name, layer in layers.quantized_layers(model).items()}
    zeros = {name: int((weight == 0).sum()) for name, weight in held.items()}
    assert {layer.name: (layer.weights, layer.zero) for layer in pruned.layers} == {
        name: (held[name].numel(), zeros[name]) for name in held
    }
    assert pruned.zero == sum(zeros.values()) and pruned.weights == loaded.coverage.parameters
    assert {part.part for part in pruned.parts} == {"vision", "projector", "language"}
    assert sum(part.zero for part in pruned.parts) == pruned.zero and sum(part.weights for part in pruned.parts) == pruned.weights
    assert pruned.dense_bytes == pruned.left_bytes == loaded.weights_bytes == original.weights_bytes and pruned.removed == 0
    sparse = sum(weight.numel() / 8 + 4 * (weight.numel() - zeros[name]) for name, weight in held.items())
    assert pruned.sparse_bytes == loaded.projected_bytes == loaded.weights_bytes - sum(4 * w.numel() for w in held.values()) + sparse


def test_global_pruning_takes_the_exact_number_of_all_linear_weights(worker):
    pruned = worker("llava", "prune-global-37").load(emit=ignore, stop=never).coverage.pruned
    assert sum(layer.zero for layer in pruned.layers) == sum(layer.weights for layer in pruned.layers) * 37 // 100
    shares = [layer.share for layer in pruned.layers]
    assert max(shares) - min(shares) > 0.1, "layers lose different shares"


def test_nothing_that_is_not_pruned_is_called_pruned(worker):
    assert worker("qwen3", "original").load(emit=ignore, stop=never).coverage.pruned is None
    assert worker("qwen3", "int3-g64").load(emit=ignore, stop=never).coverage.pruned is None


def test_a_report_of_the_weights_counts_zeros_and_nothing_as_clipped(worker):
    subject = worker("qwen3", "original")
    report = subject.measure_weight_error(["prune-rows-30", "prune-global-50", "prune-24"], emit=ignore, stop=never)
    rows, smallest, fours = report.schemes
    assert smallest.zeroed == pytest.approx(0.5, abs=1e-4) and fours.zeroed == pytest.approx(0.5, abs=1e-3)
    expected = [round(layer.shape[0] * 0.3) / layer.shape[0] for layer in rows.layers]
    assert [layer.zeroed for layer in rows.layers] == pytest.approx(expected, abs=1e-3)
    assert not any(layer.clipped for scheme in report.schemes for layer in scheme.layers)
    # The checkpoint has 16 bits a weight; a sparse file adds a mask of one.
    assert smallest.bits_per_weight == pytest.approx(1 + 16 * 0.5, abs=1e-3)
    detail = subject.measure_layer("prune-rows-30", rows.layers[0].name, None, 0, emit=ignore, stop=never)
    assert (detail.scale, detail.levels, detail.codes) == (None, (), ())
    assert any(all(value == 0 for value in row) for row in detail.dequantized)


@pytest.mark.parametrize(
    ("scheme", "outputs", "inputs", "reason"),
    [
        ("prune-rows-1", 40, 8, "1% of 40 rows is none"),
        ("prune-24", 8, 6, "6 inputs are not a multiple of 4"),
        ("prune-rows-2", 40, 6, None),
    ],
)
def test_layers_that_cannot_be_pruned_say_why(worker, scheme, outputs, inputs, reason):
    entry = find_scheme(scheme)
    layer, spec = torch.nn.Linear(inputs, outputs), worker("qwen3", "original").spec
    assert family_of(entry).unsupported_reason(layer, entry, spec) == reason
    assert (entry.family.kept(entry, (outputs, inputs), None) is None) == (reason is not None)
    assert (family_of(entry).row_dequantizer(layer.weight.detach(), entry, spec) is None) == (reason is not None)


@pytest.mark.parametrize("scheme", MASKED)
def test_the_printed_python_prunes_the_same(worker, scheme):
    subject = worker("qwen3", scheme)
    namespace: dict = {}
    exec(subject.load(emit=ignore, stop=never).snippet, namespace)  # noqa: S102
    expected = model_of(subject).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in namespace["model"].state_dict().items())


def test_what_was_saved_loads_as_the_pruned_model(checkpoint, tmp_path):
    subject = Worker(spec_of(checkpoint("qwen3"), "prune-global-50"))
    written = subject.save(str(tmp_path), 10**12, emit=ignore, stop=never)
    assert written.narrowed is not None and written.narrowed.in_more == 0, "zeros are exact in 16 bits"
    question = Question(prompt="Say something.")
    expected = subject.logits(question, "The quick brown fox.", emit=ignore, stop=never)
    assert Worker(spec_of(tmp_path, "original")).compare_logits(question, "The quick brown fox.", expected, emit=ignore, stop=never).equal
