"""Healing a model: what is trained on, what is kept, and what a variant makes of it."""

import itertools
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from qdash import checkpoints
from qdash import settings as qdash_settings
from qdash.catalog.schemes import SCHEMES, find_scheme
from qdash.cli import main
from qdash.engine.compress import qat
from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.execution.inline import InlineExecutor
from qdash.machine import this_machine
from qdash.records import HealEstimate, Healing, HealReport
from qdash.report import heal_to_json
from qdash.runs import heal as heal_module
from qdash.runs import healing_passages
from qdash.runs.heal import estimate_heal, heal, plan_heal
from qdash.runs.heal_check import unlearned
from qdash.runs.healing_passages import Lessons, drawings, own_questions, stories, text_passages
from qdash.runs.plan import plan, worker_spec
from qdash.runs.weight_error import measure_weight_error
from qdash.tasks import bundled_items, read_custom
from qdash.tasks.generators import drawing
from tests.runs.test_fit import asked
from tests.support.scripted_heal import healed_report, points

SHAPES = [f"{colour} {shape}" for colour in ("black", "red") for shape in ("square", "circle", "picture", "star", "ring", "cross")]
TEXT = "\n\n".join(f"A {shape} on a white background." for shape in SHAPES)
SCHEME = SCHEMES["qat-int2"]


def passages() -> Lessons:
    """What is trained on here."""
    return text_passages(TEXT, "text")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is waited for: no table of layers is made in tests."""
    monkeypatch.setattr(heal_module, "estimate_heal", partial(estimate_heal, wait_s=0))
    monkeypatch.setenv("QDASH_CACHE_DIR", str(tmp_path / "cache"))
    qdash_settings.settings.cache_clear()
    yield
    qdash_settings.settings.cache_clear()


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> Iterator[InlineExecutor]:
    """Runs here, on short pieces of text, with a clock that moves by being looked at."""
    monkeypatch.setattr(healing_passages, "PIECE_CHARS", 20)
    ticks = itertools.count()
    monkeypatch.setattr(qat, "perf_counter", lambda: next(ticks) * 0.2)
    executor = InlineExecutor()
    yield executor
    executor.close()


def test_a_healed_model_runs_like_any_other(checkpoint: Callable[[str], Path], executor: InlineExecutor) -> None:
    model, here = str(checkpoint("qwen3")), this_machine().on("cpu")
    located, request = checkpoints.locate(model), asked(model, "int2-g64", "qat-int2")
    problem = checkpoints.unsuited(located, SCHEME, here)
    assert problem is not None and f"qdash heal --model {model} --scheme qat-int2" in problem.remedy
    before = plan_heal(model, "qat-int2", lambda device: 0, device="cpu")
    assert before.kept is None and before.trained_s == 0
    assert plan(request).variants[-1].unavailable is not None and checkpoints.healed_schemes(model) == ()
    seen: list[object] = []
    report = result_of(heal(model, "qat-int2", passages, 0.1, executor, device="cpu"), seen.append)
    assert report.best.held_out_kl < report.unhealed_kl and not report.stopped and report.unhealed == "int2-g64"
    assert HealReport.model_validate_json(report.model_dump_json()) == report
    (estimate,) = [event for event in seen if isinstance(event, HealEstimate)]
    moved = [event for event in seen if isinstance(event, Healing)]
    assert estimate == report.estimate and estimate.needed_bytes == before.estimate.needed_bytes
    assert moved[-1].steps == report.points[-1].steps
    assert any(event.train_kl is not None for event in moved)
    after = plan_heal(model, "qat-int2", lambda device: 0, device="cpu")
    assert after.kept == report and 6 <= after.trained_s < 12 and plan_heal(model, "qat-int3", lambda device: 0).kept is None
    assert checkpoints.unsuited(located, SCHEME, here) is None and plan(request).variants[-1].unavailable is None
    assert checkpoints.healed_schemes(model) == ("qat-int2",)
    (folder,) = worker_spec(located, "qat-int2", "cpu", "float32").healed
    assert worker_spec(located, "int2-g64", "cpu", "float32").healed == () and worker_spec(located, None, "cpu", "float32").healed == (
        folder,
    )
    weights = result_of(measure_weight_error(model, ["int2-g64", "qat-int2"], executor, device="cpu"))
    unhealed, healed = weights.schemes
    assert len(unhealed.layers) == len(healed.layers) and healed.sqnr_db != unhealed.sqnr_db


def test_a_share_that_is_not_listed_runs_and_is_healed(checkpoint: Callable[[str], Path], executor: InlineExecutor) -> None:
    model = str(checkpoint("qwen3"))
    located = checkpoints.locate(model)
    assert worker_spec(located, "prune-rows-45", "cpu", "float32").healed == ()
    report = result_of(heal(model, "prune-iterative-60", passages, 0.2, executor, device="cpu"))
    (folder,) = checkpoints.healed_folders(located, "prune-iterative-60")
    assert report.unhealed == "prune-global-60" and Path(folder).name.startswith("prune-iterative-60-")
    assert checkpoints.unsuited(located, find_scheme("prune-iterative-60"), this_machine().on("cpu")) is None
    assert checkpoints.unsuited(located, find_scheme("prune-iterative-61"), this_machine().on("cpu")) is not None


def test_another_healing_takes_the_place_of_the_one_before(checkpoint: Callable[[str], Path], executor: InlineExecutor) -> None:
    model = str(checkpoint("qwen3"))
    folders = []
    for minutes in (0.1, 0.2):
        result_of(heal(model, "qat-int2", passages, minutes, executor, device="cpu"))
        folders += checkpoints.healed_folders(checkpoints.locate(model), "qat-int2")
    assert len(folders) == 2 and folders[0] != folders[1] and not Path(folders[0]).exists()


def test_a_stop_keeps_the_best_so_far(checkpoint: Callable[[str], Path], executor: InlineExecutor) -> None:
    model, stop = str(checkpoint("qwen3")), Event()

    def stopping(event: object) -> None:
        if isinstance(event, Healing) and len(event.points) > 2:
            stop.set()

    report = result_of(heal(model, "qat-int2", passages, 1, executor, stop, device="cpu"), stopping)
    assert report.stopped and report.healed is None and report.best.held_out_kl < report.unhealed_kl
    assert checkpoints.healed_schemes(model) == ("qat-int2",)


def test_nothing_is_prepared_for_a_training_that_does_not_fit_or_is_stopped(
    checkpoint: Callable[[str], Path], executor: InlineExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepared() -> Lessons:
        raise AssertionError("it was prepared all the same")

    stop = Event()
    stop.set()
    with pytest.raises(QdashError):
        result_of(heal(str(checkpoint("qwen3")), "qat-int2", prepared, 1, executor, stop, device="cpu"))
    monkeypatch.setattr(heal_module, "memory_budget_bytes", lambda device, held: 10)
    with pytest.raises(QdashError, match="Training needs about"):
        result_of(heal(str(checkpoint("qwen3")), "qat-int2", prepared, 1, executor, device="cpu"))


def test_a_stop_before_anything_was_learned(checkpoint: Callable[[str], Path], executor: InlineExecutor) -> None:
    stop = Event()
    with pytest.raises(QdashError) as stopped:
        result_of(heal(str(checkpoint("qwen3")), "qat-int2", passages, 1, executor, stop), lambda event: stop.set())
    assert stopped.value.kind == "cancelled"


@pytest.mark.parametrize(
    ("scheme", "minutes", "words"),
    [("int2-g64", 1.0, "is not healed by training"), ("qat-int2", 0.0, "0 minutes"), ("qat-int2", float("nan"), "nan minutes")],
)
def test_what_cannot_be_healed(scheme: str, minutes: float, words: str, executor: InlineExecutor) -> None:
    with pytest.raises(QdashError, match=words):
        result_of(heal("tiny-lm", scheme, passages, minutes, executor))


def test_what_does_not_fit_is_refused_before_training(executor: InlineExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heal_module, "memory_budget_bytes", lambda device, held: 10**8)
    with pytest.raises(QdashError, match=r"Training needs about 0\.\d GB; 0\.1 GB may be used") as refused:
        result_of(heal("tiny-lm", "qat-int2", passages, 1, executor, device="cpu"))
    assert refused.value.kind == "out_of_memory"


def test_memory_is_told_from_the_model() -> None:
    small, large = (estimate_heal(checkpoints.locate(model), SCHEME, "cpu", wait_s=0) for model in ("tiny-lm", "random:qwen3-4b"))
    assert small.needed_bytes < 10**9 and 36 * 4 * 10**9 < large.needed_bytes < 60 * 4 * 10**9


def test_stories_and_drawings_are_not_those_of_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healing_passages, "STORIES", 300)
    monkeypatch.setattr(healing_passages, "DRAWINGS", 10)
    told = stories()
    texts = {passage.answer for passage in (*told.passages, *told.held_out)}
    prompts = [item.question.prompt for item in bundled_items("cloze") or ()]
    assert prompts and len(told.held_out) == 96 and not any(text.startswith(prompt) for text in texts for prompt in prompts)
    if not drawing.has_emoji():
        pytest.skip("the font is not on this machine")
    drawn = drawings()
    shown = {passage.question.png for passage in (*drawn.passages, *drawn.held_out)}
    assert len(drawn.passages) == 40 and len(drawn.held_out) == 96
    assert not shown & {item.png for item in bundled_items("drawings") or ()}
    assert drawings().digest == drawn.digest != told.digest


def test_without_the_font_there_are_no_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "EMOJI_FONT", "/nowhere.ttf")
    with pytest.raises(QdashError, match="Noto Color Emoji"):
        drawings()


def test_ones_own_questions(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("prompt,answer\n" + "".join(f"{number}+1=?,{number + 1}\n" for number in range(30)))
    lessons = own_questions(read_custom(tmp_path / "own.csv"), "own.csv")
    assert (len(lessons.passages), len(lessons.held_out)) == (27, 3) and not lessons.passages[0].question.plain
    report = healed_report("tiny-lm", "qat-int2", 1, points(1)).model_copy(update={"learned": lessons.learned})
    left = unlearned(report, read_custom(tmp_path / "own.csv"))
    assert {item.question.prompt for item in left} == {passage.question.prompt for passage in lessons.held_out}
    with pytest.raises(QdashError, match="All of these questions were trained on"):
        unlearned(report, read_custom(tmp_path / "own.csv")[1:10])
    with pytest.raises(QdashError, match=r"own\.csv has 9 passages"):
        own_questions(read_custom(tmp_path / "own.csv")[:9], "own.csv")


def test_a_text_in_pieces() -> None:
    lessons = text_passages("\n\n".join([TEXT] * 40) + "\n\n" + "x" * 5000, "text")
    pieces = [passage.answer for passage in (*lessons.held_out, *lessons.passages)]
    assert max(map(len, pieces)) <= 2400 and sum(len(piece.replace("\n", "")) for piece in pieces) >= 5000


def test_the_command(
    checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QDASH_EXECUTION", "inline")
    monkeypatch.setattr(healing_passages, "PIECE_CHARS", 20)
    qdash_settings.settings.cache_clear()
    ticks = itertools.count()
    monkeypatch.setattr(qat, "perf_counter", lambda: next(ticks) * 0.2)
    (tmp_path / "text.txt").write_text(TEXT)
    arguments = [
        "heal",
        "--model",
        str(checkpoint("qwen3")),
        "--scheme",
        "qat-int2",
        "--minutes",
        "0.1",
        "--text",
        str(tmp_path / "text.txt"),
    ]
    to_file = ["--device", "cpu", "--json", str(tmp_path / "healed.json")]
    assert main([*arguments, *to_file]) == 0
    said = capsys.readouterr().out
    assert "held out" in said and "--schemes original,int2-g64,qat-int2" in said and "of text.txt;" in said
    document = json.loads((tmp_path / "healed.json").read_text())
    assert document["check"] is None
    assert {"revision", "unhealed", "points", "estimate", "healed", "stopped"} <= document.keys()
    assert {"seconds", "steps", "train_kl", "held_out_kl", "zeros"} == document["points"][0].keys()
    assert main([*arguments, *to_file, "--check", "4"]) == 0
    assert "4 questions (Last words of stories), on which no version was trained." in " ".join(capsys.readouterr().out.split())
    document = json.loads((tmp_path / "healed.json").read_text())
    checked = document["check"]["variants"]
    assert [(variant["scheme"], len(variant["items"])) for variant in checked] == [("original", 4), ("int2-g64", 4), ("qat-int2", 4)]
    kept = plan_heal(str(checkpoint("qwen3")), "qat-int2", lambda device: 0).kept
    assert kept is not None and json.loads(heal_to_json(kept)) == document
    # The same weights keep their check; nothing was trained since.
    assert main([*arguments, *to_file]) == 0
    assert json.loads((tmp_path / "healed.json").read_text())["check"] == document["check"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--model", "tiny-lm", "--task", "poems"), "There is nothing called “poems”"),
        (("--model", "tiny-lm", "--check", "-1"), "-1 questions cannot be asked."),
        (("--model", "tiny-lm", "--task", "own"), "--task own needs questions."),
        (("--model", "tiny-lm", "--task", "stories", "--text", "a.txt"), "There are several things to train on."),
    ],
)
def test_a_mistake_is_one_line(options: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["heal", "--scheme", "qat-int2", *options]) == 2
    said = capsys.readouterr()
    assert words in said.err and len(said.err.strip().splitlines()) == 1
