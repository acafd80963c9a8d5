"""What random weights cannot show: answers that are right and then are not, and weights with outliers."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers as hf

from qdash.catalog.presets import PARIS, PRESETS
from qdash.checkpoints import Checkpoint
from qdash.engine.prompting import build_inputs
from qdash.engine.worker import Worker
from qdash.records import Agreement, Answer, Question
from tests.engine import test_native_parity as bitsandbytes
from tests.engine import test_torchao as torchao
from tests.engine.conftest import ignore, never
from tests.support.held import generated

pytestmark = pytest.mark.alone  # 135 million parameters in 32 bits: beside other tests it takes minutes

TOKENS = 24
ASKED = Question(prompt=PARIS)
LADDER = next(preset.keys for preset in PRESETS if preset.key == "paris")

Workers = Callable[[str], Worker]


@pytest.fixture(scope="module")
def answers(real_worker: Workers) -> dict[str, Answer]:
    return {scheme: real_worker(scheme).answer(ASKED, TOKENS, emit=ignore, stop=never) for scheme in LADDER}


@pytest.fixture(scope="module")
def agreements(real_worker: Workers, answers: dict[str, Answer]) -> dict[str, Agreement]:
    reference = real_worker("original").record_reference(ASKED, answers["original"].tokens, emit=ignore, stop=never)
    return {scheme: real_worker(scheme).compare_to_reference(ASKED, reference, emit=ignore, stop=never) for scheme in LADDER[1:]}


def test_few_bits_lose_the_capital(answers: dict[str, Answer]) -> None:
    assert [("Paris" in answers[scheme].text) for scheme in ("original", "bnb-int8", "bnb-nf4", "int2-g64")] == [True, True, True, False]


def test_the_answer_is_that_of_plain_generate(smollm2: Checkpoint, answers: dict[str, Answer]) -> None:
    assert smollm2.folder is not None
    model, tokenizer = hf.AutoModelForCausalLM.from_pretrained(smollm2.folder), hf.AutoTokenizer.from_pretrained(smollm2.folder)
    chat = [{"role": "user", "content": PARIS}]
    inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    said = generated(model, inputs, max_new_tokens=TOKENS, do_sample=False)
    assert tokenizer.decode(said, skip_special_tokens=True).strip() == answers["original"].text.strip()


def test_divergence_grows_as_bits_go(agreements: dict[str, Agreement]) -> None:
    ladder = [agreements[scheme].kl_mean_nats or 0.0 for scheme in LADDER[1:]]
    assert ladder == sorted(ladder)
    assert ladder[0] < 0.1 < ladder[2] and ladder[3] > 3


def test_kept_blocks_give_the_same_answer_in_a_quarter_of_the_memory(real_worker: Workers, answers: dict[str, Answer]) -> None:
    kept, original = real_worker("gguf"), real_worker("original")
    assert kept.answer(ASKED, TOKENS, emit=ignore, stop=never).tokens == answers["original"].tokens
    assert kept.held is not None and original.held is not None
    assert kept.held.loaded.coverage.quantized == kept.held.loaded.coverage.total
    assert kept.held.loaded.weights_bytes < original.held.loaded.weights_bytes / 4


@pytest.mark.parametrize("scheme", [key for key in bitsandbytes.NATIVE if key.startswith("bnb")])
def test_logits_equal_bitsandbytes(real_worker: Workers, smollm2: Checkpoint, scheme: str) -> None:
    assert smollm2.folder is not None
    _same_logits(real_worker(scheme), bitsandbytes.native(Path(smollm2.folder), scheme))


@pytest.mark.parametrize("scheme", ["ao-int8wo", "ao-int8dyn", "ao-fp8wo"])
def test_logits_equal_torchao(real_worker: Workers, smollm2: Checkpoint, scheme: str) -> None:
    assert smollm2.folder is not None
    _same_logits(real_worker(scheme), torchao.native(Path(smollm2.folder), torch.float32, torchao.NATIVE[scheme]))


def _same_logits(worker: Worker, native: hf.PreTrainedModel) -> None:
    assert worker.held is not None
    inputs = build_inputs(worker.held.processor, PARIS, None, worker.held.model)
    with torch.no_grad():
        assert torch.equal(worker.held.model(**inputs).logits, native(**inputs).logits)


def test_its_weights_have_outliers(smollm2: Checkpoint) -> None:
    """Random weights of a normal distribution stay within 6 standard deviations."""
    assert smollm2.folder is not None
    model = hf.AutoModelForCausalLM.from_pretrained(Path(smollm2.folder))
    layers = [layer.weight for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear) and name != "lm_head"]
    reach = sorted((weight.abs().max() / weight.std()).item() for weight in layers)
    assert reach[-1] > 20 and reach[len(reach) // 2] > 7
