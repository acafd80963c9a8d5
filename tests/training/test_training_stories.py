"""Stories: a seed always tells the same one, last words follow from what is told, held-out texts are never trained on."""

from __future__ import annotations

import random
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast, Qwen3Config

from qdash.tasks.generators.outside import outside_question
from qdash.tasks.generators.phrases import LANGUAGES, Language
from qdash.tasks.generators.stories.documents import CELLS, REFUSALS, TOLD, document
from qdash.tasks.generators.stories.families import FAMILIES, HELD_OUT_ONE_IN, is_held_out, tell
from qdash.tasks.generators.stories.telling import KINDS, LEXICONS, Story
from tests.training.reader import Reader
from training.stories.architecture import build_model, tiny_config
from training.stories.evaluate import answer_batches, batches, evaluate_formats, first_word, next_words, read_items
from training.stories.export import export
from training.stories.holdout import CLOZE_FILE, FAMILIES_OF_KIND, as_lines, cloze_items
from training.stories.stream import MOST_WORDS, ROW_LENGTH, StreamOptions, make_batch
from training.stories.tokenizer import VOCAB_SIZE, train_tokenizer
from training.stories.train import train
from training.stories.trainee import Trainee, right_words, story_loss


@lru_cache
def trained_once() -> PreTrainedTokenizerFast:
    return train_tokenizer()


@lru_cache
def reader_of(language: Language) -> Reader:
    return Reader(language)


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return trained_once()


@pytest.fixture
def small(tokenizer: PreTrainedTokenizerFast) -> Trainee:
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 1, "hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1}
    values: dict[str, Any] = {**tiny_config().to_dict(), **sizes, "layer_types": None}
    return Trainee(tokenizer, build_model(Qwen3Config(**values))).eval()


def stories(family: str, language: Language, number: int) -> list[Story]:
    return [tell(family, language, random.Random(f"test {family} {language} {seed}")) for seed in range(number)]


def test_a_seed_always_tells_the_same_story() -> None:
    for family in FAMILIES:
        assert stories(family, "en", 3) == stories(family, "en", 3)
    assert document("a 7") == document("a 7") != document("a 8")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - {"teaching"}))
def test_last_words_follow_from_the_text_alone(family: str, language: Language) -> None:
    for story in stories(family, language, 80):
        for conclusion in story.conclusions:
            assert reader_of(language).answer(story.prompt(conclusion), conclusion.kind) == conclusion.answer, story.prompt(conclusion)


@pytest.mark.parametrize("language", LANGUAGES)
def test_opposites_are_taught_as_the_lexicon_has_them(language: Language) -> None:
    pairs = {frozenset((pair.first, pair.second)) for pair in LEXICONS[language].opposites}
    for story in stories("teaching", language, 40):
        for conclusion in story.conclusions:
            assert any(conclusion.answer in pair and any(word in conclusion.stem for word in pair - {conclusion.answer}) for pair in pairs)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_are_many_and_have_no_doubles(language: Language) -> None:
    lexicon = LEXICONS[language]
    adjectives = [word for pair in lexicon.opposites for word in (pair.first, pair.second)]
    for words in (lexicon.people, lexicon.places + lexicon.containers, lexicon.things, lexicon.colours, adjectives, lexicon.trades):
        assert len({str(word) for word in words}) == len(words)
    assert len(lexicon.people) >= 36 and len(lexicon.things) >= 50 and len(adjectives) >= 70
    assert not {pronoun for person in lexicon.people for pronoun in person.name.split()} & {"she", "he"}


def test_the_cloze_file_is_the_code_s_balanced_and_answered_right() -> None:
    items = read_items()
    assert CLOZE_FILE.read_text(encoding="utf-8") == as_lines(cloze_items())
    assert len({item["prompt"] for item in items}) == len(items) == 1000
    assert set(Counter((item["kind"], item["language"]) for item in items).values()) == {100}
    assert [set(item) for item in items[:1]] == [{"prompt", "answer", "kind", "language"}]
    for item in items:
        language: Language = "en" if item["language"] == "en" else "zh"
        assert reader_of(language).answer(item["prompt"], item["kind"]) == item["answer"], item


def test_guessing_does_not_solve_the_cloze_set() -> None:
    for kind in KINDS:
        answers = Counter(item["answer"] for item in read_items() if item["kind"] == kind and item["language"] == "en")
        assert answers.most_common(1)[0][1] <= 25
    opposites = [item for item in read_items() if item["kind"] == "opposites"]
    assert 0.3 < sum(item["answer"] in item["prompt"] for item in opposites) / len(opposites) < 0.8


def test_training_never_reads_a_held_out_story() -> None:
    documents = [document(f"train {step} {index}") for step in range(40) for index in range(40)]
    bodies = {doc.pieces[0][0] for doc in documents if doc.pieces[-1][1] != TOLD}
    held_out = [story for family in FAMILIES for language in LANGUAGES for story in stories(family, language, 60) if is_held_out(story)]
    assert 0.3 < len(held_out) / (len(FAMILIES) * 2 * 60 / HELD_OUT_ONE_IN) < 3
    assert not any(is_held_out(Story("en", "", body, ())) for body in bodies)
    assert not any(item["prompt"].startswith(body) for item in read_items() for body in bodies if len(body) > 20)
    assert all(set(families) <= FAMILIES.keys() for families in FAMILIES_OF_KIND.values())


def test_documents_end_in_statements_and_refuse_what_is_no_story() -> None:
    documents = [document(f"test {seed}") for seed in range(300)]
    words = [text for doc in documents for text, cell in doc.pieces if cell != TOLD]
    assert all(text.endswith((".", "。")) and first_word(text) for text in words)
    assert {cell for doc in documents for _, cell in doc.pieces} == {TOLD, *range(len(CELLS))}
    refused = [doc for doc in documents if doc.pieces[-1][1] == TOLD]
    assert 0 < len(refused) < 30
    assert {doc.pieces[-1][0] for doc in refused} <= set(REFUSALS.values())
    assert outside_question("en", random.Random(1))[0] not in REFUSALS.values()


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_survives_the_tokenizer(text: str) -> None:
    tokenizer = trained_once()
    ids = tokenizer.encode(text)
    if "<pad>" not in text and "<end>" not in text:
        assert tokenizer.decode(ids, skip_special_tokens=False) == text
    assert max(ids, default=0) < VOCAB_SIZE


def test_pieces_become_the_tokens_of_the_whole_text(tokenizer: PreTrainedTokenizerFast) -> None:
    for seed in range(200):
        doc = document(f"test {seed}")
        assert [token for text, _ in doc.pieces for token in tokenizer.encode(text)] == tokenizer.encode(doc.text)
    for item in read_items()[::20]:
        ending = (" " if item["language"] == "en" else "") + item["answer"]
        assert tokenizer.encode(item["prompt"]) + tokenizer.encode(ending) == tokenizer.encode(item["prompt"] + ending)


def test_english_answers_are_one_token_and_chinese_ones_a_token_a_character(tokenizer: PreTrainedTokenizerFast) -> None:
    for item in read_items():
        answer = item["answer"] if item["language"] == "zh" else " " + item["answer"]
        assert len(tokenizer.encode(answer)) == (len(item["answer"]) if item["language"] == "zh" else 1), answer


def test_a_conversation_is_the_story_so_far(tokenizer: PreTrainedTokenizerFast) -> None:
    story = "Mia put the red ball in the kitchen. The red ball is in the"
    messages = [{"role": "user", "content": story}]
    assert tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False) == story
    messages += [{"role": "assistant", "content": " kitchen."}, {"role": "user", "content": [{"type": "text", "text": "Tom came. "}]}]
    assert tokenizer.apply_chat_template(messages, tokenize=False) == story + " kitchen. Tom came."


def test_batches_depend_on_their_step_alone_and_fill_their_rows(tokenizer: PreTrainedTokenizerFast) -> None:
    options = StreamOptions("test", 4, tokenizer)
    first, again, other = make_batch(options, 4), make_batch(options, 4), make_batch(options, 5)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["tokens"], other["tokens"])
    assert first["tokens"].shape == (4, ROW_LENGTH) and first["cells"].shape == (4, MOST_WORDS)
    assert (first["documents"] > 0).float().mean() > 0.8
    assert (first["words"].amax(1) == (first["cells"] >= 0).sum(1)).all()


def test_packed_documents_score_as_if_each_were_alone(small: Trainee, tokenizer: PreTrainedTokenizerFast) -> None:
    batch = make_batch(StreamOptions("test", 2, tokenizer), 0)
    with torch.no_grad():
        packed, predicted, _ = small(batch)
        losses = F.cross_entropy(packed, batch["tokens"][predicted], reduction="none")
        alone = []
        for row in range(2):
            for number in range(1, int(batch["documents"][row].max()) + 1):
                tokens = batch["tokens"][row][batch["documents"][row] == number][None]
                alone.append(small.lm(input_ids=tokens).logits[0, :-1])
    torch.testing.assert_close(packed, torch.cat(alone), atol=2e-5, rtol=1e-4)
    weights = batch["weights"][predicted]
    loss, last_words = story_loss(packed, predicted, batch)
    torch.testing.assert_close(loss, (losses * weights).sum() / weights.sum())
    torch.testing.assert_close(last_words, losses[weights == 1].mean())


def test_the_head_asks_what_a_sentence_of_the_own_document_has_named_so_far(small: Trainee, tokenizer: PreTrainedTokenizerFast) -> None:
    told = ["Kate took the red ball. Tom ran to the park.", "Where is Tom?"]
    encoded = [tokenizer.encode(text) for text in told]
    batch = {
        "tokens": torch.tensor([[token for tokens in encoded for token in tokens]]),
        "documents": torch.tensor([[number for number, tokens in enumerate(encoded, 1) for _ in tokens]]),
    }
    targets, asked = small.heads.mentioned(batch)
    words = {int(slot): str(tokenizer.decode([token])) for token, slot in enumerate(small.heads.slots) if slot >= 0}
    named = [{words[int(slot)].strip() for slot in row.nonzero()} for row in targets]
    found = dict(zip(asked[0].nonzero()[:, 0].tolist(), named, strict=True))
    stops = [place for place, token in enumerate(batch["tokens"][0].tolist()) if str(tokenizer.decode([token])) in ".?"]
    assert [found[place] for place in stops] == [{"Kate", "red", "ball"}, {"Tom", "park"}, {"Tom"}]
    assert stops[0] + 1 not in found and len(encoded[0]) not in found


def test_the_heads_loss_is_the_mean_over_tokens_of_all_words_cross_entropy(small: Trainee, tokenizer: PreTrainedTokenizerFast) -> None:
    batch = make_batch(StreamOptions("test", 2, tokenizer), 0)
    with torch.no_grad():
        early = small(batch)[2]
        loss = small.heads(early, batch)
        targets, asked = small.heads.mentioned(batch)
        chances = small.heads.out(F.rms_norm(early[asked], (64,), small.heads.norm.weight)).double().sigmoid()
    likelihood = torch.where(targets > 0, chances, 1 - chances).log()
    torch.testing.assert_close(loss.double(), -likelihood.sum(1).mean(), atol=1e-5, rtol=1e-5)


def test_a_last_word_is_wrong_for_one_wrong_token(tokenizer: PreTrainedTokenizerFast) -> None:
    batch = make_batch(StreamOptions("test", 3, tokenizer), 0)
    predicted = (batch["documents"] > 0) & (batch["positions"] > 0)
    perfect = F.one_hot(batch["tokens"][predicted], VOCAB_SIZE).float()
    scores = right_words(perfect, predicted, batch)
    asked = sum(count for _, count in scores.values())
    assert asked == int((batch["cells"] >= 0).sum()) == sum(right for right, _ in scores.values())
    perfect[(batch["words"][predicted] == 1).nonzero()[0]] = 0
    assert sum(right for right, _ in right_words(perfect, predicted, batch).values()) == asked - 1


def test_the_shape_suits_group_wise_quantizers_and_ships_within_ten_megabytes() -> None:
    model = build_model()
    assert model.num_parameters() * 2 < 9_500_000
    assert all(module.in_features % 128 == 0 for module in model.modules() if isinstance(module, torch.nn.Linear))


def test_training_resumes_and_its_checkpoint_exports_and_evaluates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("train", "export"):
        monkeypatch.setattr(f"training.stories.{module}.train_tokenizer", trained_once)  # the same one, once
    train(tmp_path, budget_s=0.01, rows=1)
    train(tmp_path, budget_s=0.0, rows=1)
    assert capsys.readouterr().out.count("validation") == 1
    export(tmp_path, tmp_path / "model")
    assert "Not measured yet" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert (tmp_path / "model" / "model.safetensors").stat().st_size <= 10_000_000
    report = evaluate_formats(tmp_path / "model", read_items()[::250], (None, "int4-row"))
    original, rounded = report["schemes"].values()
    assert 0 <= rounded["overall"] <= 1 and set(rounded["kinds"]) <= set(KINDS)
    assert original["kl_mean_nats"] == 0 < rounded["kl_mean_nats"]


def test_batched_answers_are_those_of_one_prompt_at_a_time(small: Trainee, tokenizer: PreTrainedTokenizerFast) -> None:
    prompts = [item["prompt"] for item in read_items()[::200]]
    together = list(batches(tokenizer, prompts, size=3))
    alone = [list(batches(tokenizer, [prompt])) for prompt in prompts]
    assert answer_batches(small.lm, tokenizer, together) == [answer_batches(small.lm, tokenizer, one)[0] for one in alone]
    torch.testing.assert_close(
        next_words(small.lm, together), torch.cat([next_words(small.lm, one) for one in alone]), atol=1e-4, rtol=1e-4
    )
    assert first_word(" kitchen. The") == "kitchen" and first_word("两个。") == "两个"
