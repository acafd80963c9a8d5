"""Finds checkpoints that were not trained to write text: classifiers, rerankers, reward and embedding models, encoders. Most have a type
for which transformers also has a class that generates text; loaded as that, their own head is silently dropped and the output was never
trained. The architecture in config.json says what they are, and so do the names of their heads.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from qdash.checkpoints.tying import is_head
from qdash.errors import QdashError

_SCORES = "scores answers (a reward model)"
_SORTS = "scores or sorts texts, as classifiers, rerankers and reward models do"
_ANSWERS = "marks the answer within a text"
_EMBEDS = "turns texts into vectors (an embedding model)"

_TASKS = (
    (r"Reward|ValueHead$", _SCORES),
    (r"For(SequenceClassification|SequenceRegression|MultipleChoice|NextSentencePrediction)$|Reranker", _SORTS),
    (r"ForTokenClassification$", "labels the words of a text"),
    (r"ForQuestionAnswering$", _ANSWERS),
    (r"For(MaskedLM|PreTraining)$", "fills in words that are masked (an encoder)"),
    (r"For(ImageClassification|ObjectDetection|DepthEstimation|\w*Segmentation)$", "labels pictures"),
    (r"For(CTC|AudioClassification|TextToSpeech|TextToWaveform)$", "works on sound"),
    (r"ForRetrieval$|TextEncod|SentenceTransformer|EncoderModel$|Embedding", _EMBEDS),
)
"""Names of architectures, and what such a model does."""

_WRITES = re.compile(
    r"LMHead|ForCausalLM|ForConditionalGeneration|DoubleHeads|MTModel$|ForImageTextToText|ForVision2Seq|VisionEncoderDecoder"
)
_HEADS = (
    (r"^(model\.)?(v_head|value_head|reward_head|rm_head|regression_layer|score_head)\.", _SCORES),
    (r"^(model\.|transformer\.)?(score|classifier|classification_head|out_proj)\.", _SORTS),
    (r"^(model\.)?qa_outputs\.", _ANSWERS),
    (r"^(linear|dense|embedding_head|embed_head|custom_text_proj|embedding_proj_layer)\.", _EMBEDS),
)
"""Names of heads at the top of a model, and what a model with one does."""

_UNUSED = re.compile(r"^(model\.)?(v_head|value_head|reward_head|rm_head|score|classifier|qa_outputs)\.")
_SENTENCES = ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json")


def check_purpose(where: str, config: Mapping[str, Any], names: Collection[str], files: Collection[str], base_model: str | None) -> None:
    """Raise QdashError("checkpoint") for a checkpoint that was made for something else than writing text.

    `names` are its tensors, `files` those beside them; `base_model` is the hub id of what it was made from, if known.
    """
    found = _other_task(config, names, files)
    if found is not None:
        does, sign = found
        message = f"{where} does not write text: it {does}, as {sign} shows."
        raise QdashError(message, f"Choose a model that writes text{f', such as {base_model}' if base_model else ''}.", "checkpoint")


def unused_heads(names: Collection[str]) -> frozenset[str]:
    """Weights of the head of another task, which a model that writes text leaves in its file."""
    return frozenset(name for name in names if _UNUSED.search(name))


def _other_task(config: Mapping[str, Any], names: Collection[str], files: Collection[str]) -> tuple[str, str] | None:
    """What it does, and what says so."""
    architectures = config.get("architectures")
    named = [name for name in architectures if isinstance(name, str)] if isinstance(architectures, list) else []
    headed = any(is_head(name) for name in names)
    writes = any(_WRITES.search(name) for name in named)
    # Classes that fill in words write as well, if they were made to.
    for name in [] if writes or config.get("is_decoder") is True else named:
        does = next((does for pattern, does in _TASKS if re.search(pattern, name)), None)
        if does is not None:
            return does, f"“{name[:60]}” in its config.json"
    sentences = next((file for file in _SENTENCES if file in files), None)
    if sentences is not None:
        return "turns texts into vectors (an embedding model)", f"its file {sentences}"
    if not headed:
        for name in sorted(names):
            does = next((does for pattern, does in _HEADS if re.search(pattern, name)), None)
            if does is not None:
                return does, f"its weight {name}"
        bare = next((name for name in named if name.endswith("Model") and not writes), None)
        if bare is not None:
            return "was saved without an output head (an encoder or embedding model)", f"“{bare[:60]}” in its config.json"
    return None
