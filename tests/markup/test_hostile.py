"""Whatever people, models and files say is text in every template: no element and no attribute comes of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qdash.catalog.schemes import SCHEMES
from qdash.checkpoints.new_folder import NewFolder
from qdash.errors import QdashError
from qdash.history import Listing, Run
from qdash.history.run_diff import difference
from qdash.markup import Macros, parts
from qdash.markup.layer_heatmap import heat_html
from qdash.markup.type_map import TypeOf, type_maps_html
from qdash.records import ErrorRecord, Request, SavedFile, StoredType, Variant
from qdash.records.history import Entry, Share
from qdash.tasks import find_task
from qdash.ui.compare.model_report_view import inside_html
from qdash.ui.compare.saving import saved_html
from qdash.ui.components.comparison_tables import absolute_html, relative_html
from qdash.ui.components.markup import banner, hint, problem, running_head, sheet_head
from qdash.ui.components.tradeoff import trade_table_html
from qdash.ui.components.verdict_header import sentence_html
from qdash.ui.controls.scheme_rows import row_html
from qdash.ui.history.view import difference_html, list_html, run_head_html, said_html, share_html
from qdash.ui.results.answers import Browse, items_html
from qdash.ui.results.cards import cards_html
from qdash.ui.results.compare_state import finished_state
from qdash.ui.results.conditions import conditions_html
from qdash.ui.results.evaluation_view import kinds_html, rows_html
from qdash.ui.results.question import asked_html
from qdash.ui.results.snippets import snippets_html
from qdash.ui.results.token_heatmap import strip_html
from qdash.ui.weights.layer import head_html
from qdash.ui.weights.selection import Choice
from qdash.ui.weights.view import map_html, ranking_html, scope_html, table_html
from tests.markup.test_environment import TEMPLATES
from tests.report.examples import AGREEMENT, COMPARISON, HOSTILE
from tests.report.opened import Page
from tests.support.scripted import comparison_of, failed_result, inspector_report, saved_version, variant_result
from tests.support.scripted_weights import report_of
from tests.ui.results.test_evaluation_view import hostile as hostile_evaluation

ERROR = ErrorRecord(kind="out_of_memory", message=HOSTILE, remedy=HOSTILE)
KEYS = ("original", "bnb-nf4", "bnb-int8")
RESULTS = (
    variant_result("original", HOSTILE).model_copy(update={"label": HOSTILE, "dtype": HOSTILE, "snippet": HOSTILE}),
    variant_result("bnb-nf4", f"{HOSTILE}!").model_copy(update={"label": HOSTILE, "agreement": AGREEMENT, "notes": (HOSTILE,)}),
    failed_result("bnb-int8", ERROR),
)
ASKED = comparison_of(Request(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in KEYS), prompt=HOSTILE), *RESULTS)
COMPARED = ASKED.model_copy(update={"host": ASKED.host.model_copy(update={"device_name": HOSTILE, "no_gpu": HOSTILE})})
EVALUATION = hostile_evaluation()
LAYER = report_of("bnb-nf4").schemes[0].layers[0].model_copy(update={"name": HOSTILE, "part": HOSTILE, "projection": HOSTILE})
SCHEME = report_of("bnb-nf4").schemes[0].model_copy(update={"scheme": HOSTILE, "label": HOSTILE, "layers": (LAYER,)})
WEIGHTS = report_of("bnb-nf4").model_copy(update={"model": HOSTILE, "schemes": (SCHEME, SCHEME)})
SAVED = saved_version(COMPARED, 0, NewFolder(Path("/place") / HOSTILE.replace("/", ""))).model_copy(
    update={"where": HOSTILE, "loads_from": HOSTILE, "snippet": HOSTILE, "files": (SavedFile(name=HOSTILE, size_bytes=1),)}
)
ENTRY = Entry(
    key=HOSTILE, kind="comparison", created_at=datetime(2025, 11, 3, tzinfo=UTC), model=HOSTILE, labels=(HOSTILE,), headline=HOSTILE,
    asked=HOSTILE, share=Share(key=HOSTILE, prompt=True, picture=True),
)  # fmt: skip
RUN = Run(ENTRY, COMPARED, None, own=False)
REPORT = inspector_report("bnb-nf4").model_copy(update={"quantization_config": {HOSTILE: HOSTILE}, "dtype": HOSTILE})
HERE: Any = SimpleNamespace(device=HOSTILE, compute_capability=None, choices=(HOSTILE,), packages={}, public=False)
CACHE: Any = SimpleNamespace(key=HOSTILE, label=HOSTILE, kind=HOSTILE, bits=HOSTILE)
PILL = SimpleNamespace(key=HOSTILE, keys=HOSTILE, about=HOSTILE, label=HOSTILE, refused=HOSTILE)
MAPPING = SimpleNamespace(key=HOSTILE, label=HOSTILE, about=HOSTILE, codes=())
SAMPLE = SimpleNamespace(file=HOSTILE, title=HOSTILE, shows=HOSTILE, data_uri=lambda: "data:,")
STORED = StoredType(type=HOSTILE, bits=4.5)
TASK = replace(find_task("own"), label=HOSTILE, about=HOSTILE)


def macros(name: str) -> Macros:
    return Macros(f"qdash.{name}")


DRAWN: dict[str, Callable[[], list[Any]]] = {
    "markup/layer_heatmap": lambda: [heat_html([LAYER]), heat_html([LAYER], still=True)],
    "markup/parts": lambda: [
        *(parts.term(HOSTILE, HOSTILE), parts.quiet(HOSTILE, HOSTILE), parts.exact(HOSTILE, HOSTILE), parts.save_button(HOSTILE, HOSTILE)),
        *(parts.icon(HOSTILE), parts.projected(HOSTILE), parts.emphasized([(HOSTILE, True)]), parts.marked([(HOSTILE, True)])),
    ],
    "markup/table": lambda: [macros("markup.table").plain_table([HOSTILE], [(HOSTILE, HOSTILE)])],
    "markup/type_map": lambda: [type_maps_html([(HOSTILE, [TypeOf(LAYER, HOSTILE, STORED, 1, HOSTILE)])])],
    "ui/compare/earlier": lambda: [macros("ui.compare.earlier").earlier(HOSTILE)],
    "ui/compare/model_report": lambda: [macros("ui.compare.model_report").working(HOSTILE)],
    "ui/compare/model_report_view": lambda: [inside_html(REPORT)],
    "ui/compare/page": lambda: [macros("ui.compare.page").spoken(HOSTILE)],
    "ui/compare/saving": lambda: [saved_html(SAVED), macros("ui.compare.saving").working(HOSTILE)],
    "ui/components/comparison_tables": lambda: [absolute_html(COMPARED), relative_html(COMPARED)],
    "ui/components/foot": lambda: [macros("ui.components.foot").foot({HOSTILE: HOSTILE})],
    "ui/components/markup": lambda: [
        *(banner(ERROR), problem(QdashError(HOSTILE, HOSTILE)), hint(HOSTILE, role=HOSTILE, classes=HOSTILE)),
        *(running_head(HOSTILE, HOSTILE), sheet_head(HOSTILE, HOSTILE, HOSTILE)),
    ],
    "ui/components/sketches": lambda: [macros("ui.components.sketches").quality(HOSTILE, [(HOSTILE, HOSTILE, 1, 1)], [])],
    "ui/components/theme_switch": lambda: [macros("ui.components.theme_switch").button()],
    "ui/components/tradeoff": lambda: [trade_table_html(COMPARED)],
    "ui/components/verdict_header": lambda: [sentence_html(HOSTILE, HOSTILE)],
    "ui/components/visibility": lambda: [macros("ui.components.visibility").phase([HOSTILE])],
    "ui/controls/busy": lambda: [macros("ui.controls.busy").busy(HOSTILE)],
    "ui/controls/filling": lambda: [macros("ui.controls.filling").told(HOSTILE, True)],
    "ui/controls/picture_picker": lambda: [macros("ui.controls.picture_picker").picker([SAMPLE], HOSTILE, HOSTILE)],
    "ui/controls/preflight": lambda: [
        macros("ui.controls.preflight").model(HOSTILE),
        macros("ui.controls.preflight").fits(HOSTILE, macros("ui.controls.preflight").rest(HOSTILE, HOSTILE)),
        macros("ui.controls.preflight").too_large(HOSTILE, HOSTILE, HOSTILE),
    ],
    "ui/controls/scheme_picker": lambda: [
        macros("ui.controls.scheme_picker").picker([PILL], [HOSTILE], [(HOSTILE, [HOSTILE])], HOSTILE, HOSTILE),
        macros("ui.controls.scheme_picker").recipe_builder([HOSTILE], (), [(PILL, True)], HOSTILE, [CACHE]),
        macros("ui.controls.scheme_picker").row_builder([(PILL, True)], True, [(PILL, True)]),
    ],
    "ui/controls/scheme_rows": lambda: [row_html(replace(SCHEMES["bnb-nf4"], label=HOSTILE, about=HOSTILE), HERE)],
    "ui/controls/sidebar": lambda: [macros("ui.controls.sidebar").brand(HOSTILE), macros("ui.controls.sidebar").estimate(HOSTILE, HOSTILE)],
    "ui/fit/page": lambda: [
        *(macros("ui.fit.page").slider(HOSTILE, HOSTILE), macros("ui.fit.page").rows([HOSTILE], [(HOSTILE,)])),
        *(macros("ui.fit.page").notes([HOSTILE]), macros("ui.fit.page").measured(HOSTILE, [HOSTILE], [(HOSTILE,)])),
    ],
    "ui/heal/page": lambda: [macros("ui.heal.page").points([HOSTILE], [(HOSTILE, HOSTILE)], [HOSTILE])],
    "ui/mix/page": lambda: [
        *(macros("ui.mix.page").budget(*[HOSTILE] * 4), macros("ui.mix.page").solved(HOSTILE, HOSTILE, [HOSTILE])),
        macros("ui.mix.page").proof(HOSTILE, [HOSTILE], [(HOSTILE,)], [HOSTILE], HOSTILE),
        macros("ui.mix.page").progressive(HOSTILE, [HOSTILE], True),
        macros("ui.mix.page").steps([HOSTILE], [(HOSTILE,)]),
    ],
    "ui/controls/uploaded_files": lambda: [macros("ui.controls.uploaded_files").files(1, 1, HOSTILE, HOSTILE, HOSTILE)],
    "ui/history/view": lambda: [
        *(list_html(Listing((ENTRY,), 99)), run_head_html(RUN), share_html(RUN), said_html(HOSTILE)),
        difference_html(difference(COMPARED, COMPARISON), ENTRY, ENTRY),
    ],
    "ui/learn/page": lambda: [macros("ui.learn.page").learn([], {HOSTILE: [MAPPING]}, {HOSTILE: HOSTILE})],
    "ui/play/page": lambda: [
        *(macros("ui.play.page").answers([HOSTILE] * 3, [HOSTILE] * 3, False), macros("ui.play.page").histogram(HOSTILE, 2, [], [(0, 1)])),
        macros("ui.play.page").facts(HOSTILE, HOSTILE, 1, HOSTILE, 1, HOSTILE),
    ],
    "ui/quality/question_file": lambda: [
        macros("ui.quality.question_file").refused(QdashError(HOSTILE, HOSTILE)),
        macros("ui.quality.question_file").found(HOSTILE),
    ],
    "ui/quality/task_notes": lambda: [macros("ui.quality.task_notes").about(TASK, HOSTILE, HOSTILE, True, HOSTILE)],
    "ui/results/answers": lambda: [items_html(EVALUATION, Browse())],
    "ui/results/card_metrics": lambda: [macros("ui.results.card_metrics").figures([(HOSTILE, HOSTILE, HOSTILE)], HOSTILE)],
    "ui/results/cards": lambda: [cards_html(finished_state(COMPARED)), cards_html(finished_state(COMPARED), saves=True)],
    "ui/results/conditions": lambda: [conditions_html(COMPARED)],
    "ui/results/evaluation_view": lambda: [rows_html(EVALUATION), kinds_html(EVALUATION)],
    "ui/results/question": lambda: [asked_html(COMPARED, None)],
    "ui/results/snippets": lambda: [snippets_html(COMPARED)],
    "ui/results/token_heatmap": lambda: [strip_html(AGREEMENT)],
    "ui/server/page_links": lambda: [macros("ui.server.page_links").description(HOSTILE, HOSTILE, {HOSTILE: HOSTILE})],
    "ui/weights/damage_view": lambda: [
        macros("ui.weights.damage_view").by_damage(True, HOSTILE),
        macros("ui.weights.damage_view").told([HOSTILE], [(HOSTILE, HOSTILE)], HOSTILE),
    ],
    "ui/weights/drift_view": lambda: [
        macros("ui.weights.drift_view").figures([HOSTILE], [(HOSTILE,)]),
        macros("ui.weights.drift_view").lines([HOSTILE]),
    ],
    "ui/weights/layer": lambda: [head_html(SCHEME, LAYER, None, HOSTILE), macros("ui.weights.layer").no_scale(HOSTILE)],
    "ui/weights/view": lambda: [
        *(map_html(WEIGHTS, Choice(HOSTILE, HOSTILE)), map_html(WEIGHTS, Choice(HOSTILE, HOSTILE, together=True))),
        *(ranking_html(WEIGHTS, Choice(HOSTILE, HOSTILE)), scope_html(WEIGHTS), table_html(WEIGHTS)),
    ],
}  # fmt: skip
"""Template → what it makes of hostile words."""

# Reports have tests of their own, in a browser too (tests/report); help pages are made of our own documents.
ELSEWHERE = {name for name in TEMPLATES if name.startswith("report/")} | {"ui/server/help_pages.html.jinja"}


def test_no_template_is_left_out() -> None:
    assert {f"{name}.html.jinja" for name in DRAWN} == set(TEMPLATES) - ELSEWHERE


@pytest.mark.parametrize("name", DRAWN)
def test_hostile_words_stay_words(name: str) -> None:
    html = "".join(map(str, DRAWN[name]()))
    page = Page(html)
    assert "<script" not in html and "</script" not in html
    assert not [attributes for tag, attributes in page.tags if tag == "img" and attributes.get("src") == "x"]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert HOSTILE in page_words(page) or name == "ui/components/theme_switch"


def page_words(page: Page) -> str:
    """Texts and attributes, as a reader has them."""
    return "\n".join([*page.text.values(), *(value or "" for _, attributes in page.tags for value in attributes.values())])
