"""Questions: every answer is recomputed from the scene by rules written a second time, here."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from qdash.catalog.presets import T1_PROMPT, T1_SAMPLE
from qdash.tasks.generators.asking import TYPE_WEIGHTS
from qdash.tasks.generators.drawing import draw_scene
from qdash.tasks.generators.outside import REFUSALS, outside_question
from qdash.tasks.generators.phrases import LANGUAGES, Language, counted, description, groups
from qdash.tasks.generators.questions import TYPES, Question, ask
from qdash.tasks.generators.vocabulary import COLOURS, KINDS, PLACES
from qdash.tasks.generators.world import Scene, sample_scene
from training.holdout import HELD_OUT_SEED, digest, held_out_items
from training.samples import SAMPLES, sample_scene_of
from training.train import STAGES, VALIDATION_SEED

HELD_OUT_DIGEST = "cd3adedb0127532f95d20ccaf87d573bdeb0979f93049a76cf13a58257dcdf87"


def questions_of(type_: str, language: Language, scenes: int = 250) -> list[tuple[Scene, Question]]:
    found = []
    for seed in range(scenes):
        scene = sample_scene(seed)
        question = ask(scene, type_, language, random.Random(seed))
        if question:
            found.append((scene, question))
    assert found
    return found


def test_the_tutorials_picture_and_answer_are_exact() -> None:
    scene = sample_scene_of(next(sample for sample in SAMPLES if sample.file == T1_SAMPLE))
    picture = draw_scene(scene)
    assert picture.size == (224, 224)
    black = [(x, y) for x in range(224) for y in range(224) if picture.getpixel((x, y)) == (0, 0, 0)]
    assert len(black) == 101 * 101 and min(black) == (50, 50) and max(black) == (150, 150)
    assert description(scene, "zh") == "白色背景上有一个黑色的正方形。"
    assert description(scene, "en") == "A black square on a white background."
    asked = {ask(scene, "describe", "zh", random.Random(seed)) for seed in range(200)}
    assert any(q and q.text == T1_PROMPT and q.answer == "白色背景上有一个黑色的正方形。" for q in asked)


@pytest.mark.parametrize("language", LANGUAGES)
def test_descriptions_name_everything_once_from_left_to_right(language: Language) -> None:
    for scene, question in questions_of("describe", language):
        listed = [counted(kind, colour, count, language) for kind, colour, count in groups(scene)]
        places = [question.answer.lower().find(name) for name in listed]
        assert -1 not in places and (language == "en" or places == sorted(places))
        assert sum(count for *_, count in groups(scene)) == len(scene.objects)
        assert (scene.background.en if language == "en" else scene.background.zh) in question.answer


def test_counts_are_true() -> None:
    numbers = {"Zero.": 0, "One.": 1, "Two.": 2, "Three.": 3, "Four.": 4}
    for scene, question in questions_of("count_all", "en"):
        assert numbers[question.answer] == len(scene.objects)
    for scene, question in questions_of("count_kind", "en", 600):
        matching = [
            item for item in scene.objects
            if re.search(rf"\b({item.kind.plural}|shapes)\b", question.text)
            and (item.colour is not None or "shapes" not in question.text)
            and all(c is item.colour for c in COLOURS if re.search(rf"\b{c.en}\b", question.text))
        ]  # fmt: skip
        assert numbers[question.answer] == len(matching), question


def test_colours_are_asked_of_one_thing_only() -> None:
    for scene, question in questions_of("colour", "en"):
        asked = [item for item in scene.objects if item.kind.en in re.findall(r"\w+", question.text)]
        assert len(asked) == 1 and asked[0].colour is not None
        assert question.answer == f"{asked[0].colour.en.capitalize()}."


def test_places_match_the_drawing_and_keep_their_margin() -> None:
    for scene, question in questions_of("where", "en"):
        place = next(p for p in PLACES if re.fullmatch(rf"(At|In|On) the {p.en}\.", question.answer))
        fitting = [
            item for item in scene.objects
            if item.kind.en in question.text and (item.colour is None or item.colour.en in question.text
                                                  or not any(c.en in question.text.split() for c in COLOURS))
        ]  # fmt: skip
        assert any(
            place.column / 3 < item.cx < (place.column + 1) / 3 and place.row / 3 < item.cy < (place.row + 1) / 3 for item in fitting
        )


def test_existence_is_true_and_balanced() -> None:
    answers = Counter()
    for scene, question in questions_of("exists", "zh", 600):
        present = any(
            item.kind.zh in question.text and all(c is item.colour for c in COLOURS if c.zh in question.text)
            for item in scene.objects
            if max((k.zh for k in KINDS if k.zh in question.text), key=len) == item.kind.zh
        )
        assert question.answer == ("有。" if present else "没有。"), question
        answers[question.answer] += 1
    assert 0.4 < answers["有。"] / answers.total() < 0.6


@pytest.mark.parametrize("language", LANGUAGES)
def test_relations_are_balanced(language: Language) -> None:
    answers = Counter(q.answer for _, q in questions_of("relation", language, 1500))
    yes, no = ("Yes.", "No.") if language == "en" else ("是的。", "不是。")
    assert 0.4 < answers[yes] / (answers[yes] + answers[no]) < 0.6


def test_outside_questions_are_refused_in_their_own_language() -> None:
    for language in LANGUAGES:
        trained = {outside_question(language, random.Random(seed))[0] for seed in range(3000)}
        held_out = {outside_question(language, random.Random(f"held-out {seed}"), held_out=True)[0] for seed in range(500)}
        assert len(trained & held_out) <= 0.02 * len(held_out)
        assert all(outside_question(language, random.Random(seed))[1] == REFUSALS[language] for seed in range(20))


def test_the_held_out_set_is_fixed_balanced_and_never_trained_on() -> None:
    items = held_out_items()
    assert len(items) >= 2000
    assert set(Counter((i.question.type, i.question.language) for i in items).values()) == {110}
    assert {i.question.type for i in items} == set(TYPES) == set(TYPE_WEIGHTS)
    assert digest(items) == HELD_OUT_DIGEST
    years_of_pictures = 5_000_000_000
    assert all(stage.first_seed < VALIDATION_SEED < HELD_OUT_SEED for stage in STAGES.values())
    assert min(i.scene.seed for i in items) - VALIDATION_SEED >= years_of_pictures
