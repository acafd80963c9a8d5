"""Checkpoints and workers of these architectures, made and loaded once a session."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers as hf

from qdash.engine.prompting import build_inputs, read_image
from qdash.engine.worker import Worker
from qdash.records import Question
from tests.architectures.making import SEES, build
from tests.engine.conftest import ignore, never, spec_of


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`folder("rwkv")`: a tiny checkpoint, shared by all tests."""
    made: dict[str, Path] = {}

    def find(architecture: str) -> Path:
        if architecture not in made:
            made[architecture] = build(architecture, tmp_path_factory.mktemp(architecture))
        return made[architecture]

    return find


@pytest.fixture(scope="session")
def worker(folder: Callable[[str], Path]) -> Callable[[str, str], Worker]:
    """`worker("rwkv", "bnb-nf4")`: a loaded worker that tests share."""
    loaded: dict[tuple[str, str], Worker] = {}

    def find(architecture: str, scheme: str) -> Worker:
        key = (architecture, scheme)
        if key not in loaded:
            loaded[key] = Worker(spec_of(folder(architecture), scheme))
            loaded[key].load(emit=ignore, stop=never)
        return loaded[key]

    return find


@pytest.fixture(scope="session")
def plain(worker: Callable[[str, str], Worker]) -> Callable[[str, str], Any]:
    """`plain("rwkv", "bnb-nf4")`: the same model as the printed lines of Python build it, without a worker; greedy."""
    built: dict[tuple[str, str], Any] = {}

    def find(architecture: str, scheme: str) -> Any:
        key = (architecture, scheme)
        if key not in built:
            scope: dict[str, Any] = {}
            exec(worker(*key).load(emit=ignore, stop=never).snippet, scope)
            built[key] = scope["model"].eval()
        return built[key]

    return find


@pytest.fixture(scope="session")
def question(png: bytes) -> Callable[[str], Question]:
    """`question("gemma3")` asks about a picture where the architecture can see."""
    return lambda architecture: Question(prompt="What is in this picture?", png=png if architecture in SEES else None)


def inputs_for(worker: Worker, question: Question) -> dict[str, Any]:
    """The model's inputs, as its own processor makes them."""
    assert worker.held is not None
    return build_inputs(worker.held.processor, question.prompt, read_image(question), worker.held.model)


def decoded(worker: Worker, tokens: Any) -> str:
    """The text of new tokens."""
    assert worker.held is not None
    processor: Any = worker.held.processor
    words: hf.PreTrainedTokenizerBase = getattr(processor, "tokenizer", processor)
    return str(words.decode(tokens, skip_special_tokens=True))
