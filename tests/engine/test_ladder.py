"""What the page shows first is true of the real model: the starter's ladder breaks where it should, and every sample shows what it says.

Nobody else runs bundled weights of two bits through bundled pictures, so these answers are known from here only; another processor may add
up in another order, and the answers must survive that.
"""

import pytest

from qdash.catalog.models import ASSETS
from qdash.catalog.presets import PRESETS, STARTER_SAMPLE
from qdash.engine.worker import Worker
from qdash.inputs import read_picture
from qdash.records import BatchAnswered, BatchRequest, Question, WorkerSpec
from qdash.ui.controls.samples import Sample, is_chinese, samples

SHOWN = {
    "bicycle-and-balloon.png": ("white square", "白色的正方形"),
    "t1-square.png": ("white square", "白色的正方形"),
    "cat-and-apple.png": ("green cross", "绿色的圆环"),
    "four-shapes.png": ("green squares", "绿色的正方形"),
    "car-on-the-right.png": ("A bus", "公交车"),
    "three-hearts.png": ("red cross", "红色的十字形"),
    "frog-and-diamond.png": ("frog, a red diamond and a gray diamond", "一棵树、一个橙色的菱形和一个橙色的十字形"),
    "ring-and-penguin.png": ("a banana", "一根香蕉"),
    "two-cats.png": ("Three bananas", "三根香蕉"),
    "pizza.png": ("No.", "没有。"),
}
"""What INT2 says of each sample, in the answers to its first question in English and in Chinese."""

LADDER = {
    "original": "A bicycle and a balloon on a white background.",
    "bnb-int8": "A bicycle and a balloon on a white background.",
    "bnb-nf4": "A bicycle and a balloon on a white background.",
    "minmax-4": "A bus and a balloon on a white background.",
    "sim-w4a4": "A bicycle, a bus and a purple diamond on a white background.",
    "int2-g64": "A bus and a white square on a white background.",
}


def answers(scheme: str, *asked: tuple[Sample, str]) -> list[str]:
    """What the bundled model says under a scheme to questions about samples."""
    folder = str(ASSETS / "models" / "tiny-vlm")
    spec = WorkerSpec(folder=folder, revision="", task="image-text-to-text", scheme=scheme, device="cpu", dtype="float32", threads=1)
    questions = tuple(Question(prompt=prompt, png=read_picture(sample.path)[1]) for sample, prompt in asked)
    said: dict[int, str] = {}

    def kept(event: object) -> None:
        if isinstance(event, BatchAnswered):
            said.update({reply.index: reply.text for reply in event.replies})

    worker = Worker(spec)
    worker.load(emit=kept, stop=lambda: False)
    request = BatchRequest(questions=questions, plain=False, max_new_tokens=40, batch_size=1 + len(asked) // 2, can_share=True)
    worker.run_batches(request, emit=kept, stop=lambda: False)
    return [said[index] for index in range(len(asked))]


@pytest.mark.parametrize("scheme", LADDER)
def test_the_starter_is_a_ladder_that_breaks(scheme: str) -> None:
    (sample,) = (sample for sample in samples() if sample.file == STARTER_SAMPLE)
    assert answers(scheme, (sample, sample.question)) == [LADDER[scheme]] and tuple(LADDER) == PRESETS[0].keys


def test_every_sample_shows_what_it_says() -> None:
    asked = [(sample, next(q for q in sample.questions if is_chinese(q) == chinese)) for sample in samples() for chinese in (False, True)]
    said = answers("int2-g64", *asked)
    assert {sample.file for sample in samples()} == set(SHOWN)
    for (sample, prompt), answer in zip(asked, said, strict=True):
        assert SHOWN[sample.file][is_chinese(prompt)] in answer, (sample.shows, answer)
