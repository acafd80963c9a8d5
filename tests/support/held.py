"""Models with the attributes that they have at run time, which torch and transformers do not declare."""

from collections.abc import Mapping
from typing import Any

import torch

from qdash.engine.templates import Processor
from qdash.engine.worker import Worker


def model_of(worker: Worker) -> Any:
    """The model of a worker that has loaded it."""
    assert worker.held is not None
    return worker.held.model


def processor_of(worker: Worker) -> Processor:
    """The tokenizer or processor of a worker that has loaded it."""
    assert worker.held is not None
    return worker.held.processor


def generated(model: Any, inputs: Mapping[str, Any], **options: Any) -> torch.Tensor:
    """The tokens that `model` generates after those of `inputs`, which are one prompt."""
    return model.generate(**inputs, **options)[0, inputs["input_ids"].shape[1] :]
