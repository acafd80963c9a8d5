"""The pages, in the order of their tabs, and what connects one page with another: no page imports another."""

from typing import Any

from qdash.catalog.models import MODELS
from qdash.machine import this_machine
from qdash.present.language import N_
from qdash.ui.compare.page import ComparePage, build_compare_page, wire_compare_page
from qdash.ui.controls.page import Page, Shared
from qdash.ui.controls.scheme_picker import STARTER, preset_keys
from qdash.ui.fit.handlers import wire_fit_page
from qdash.ui.fit.page import FitPage, build_fit_page
from qdash.ui.heal.handlers import wire_heal_page
from qdash.ui.heal.page import HealPage, build_heal_page
from qdash.ui.history.handlers import wire_history_page
from qdash.ui.history.page import HistoryPage, build_history_page
from qdash.ui.learn.page import build_learn_page, wire_learn_page
from qdash.ui.mix.handlers import wire_mix_page
from qdash.ui.mix.page import build_mix_page
from qdash.ui.play.handlers import wire_play_page
from qdash.ui.play.page import build_play_page
from qdash.ui.quality.handlers import wire_quality_page
from qdash.ui.quality.page import QualityPage, build_quality_page
from qdash.ui.run_again_events import wire_again
from qdash.ui.weights.handlers import wire_weights_page
from qdash.ui.weights.page import WeightsPage, build_weights_page

STARTER_MODEL = next(iter(MODELS))


def _wire_compare(page: ComparePage, to: Shared) -> None:
    to.ended.extend(wire_compare_page(page, to.sidebar, to.tabs, to.arrival, to.backend, to.line, to.runs, to.sessions))


def _wire_weights(page: WeightsPage, to: Shared) -> None:
    look_inside = to.of(COMPARE).look_inside
    wire_weights_page(page, to.sidebar, look_inside, to.tabs, to.arrival, to.backend, to.line, to.runs, to.sessions)


def _wire_quality(page: QualityPage, to: Shared) -> None:
    wire_quality_page(page, to.sidebar, to.arrival, to.backend, to.line, to.runs, to.sessions)


def _wire_fit(page: FitPage, to: Shared) -> None:
    wire_fit_page(page, to.tab_of(FIT), to)


def _wire_heal(page: HealPage, to: Shared) -> None:
    wire_heal_page(page, to.tab_of(HEAL), to)


def _wire_history(page: HistoryPage, to: Shared) -> None:
    wire_history_page(page, to.tab_of(HISTORY), to.sidebar, to.tabs, to.blocks, to.sessions, to.ended)
    wire_again(page, to.sidebar, to.of(QUALITY), to.tabs, to.blocks, to.backend)


COMPARE = Page("compare", N_("Compare"), lambda: build_compare_page(STARTER_MODEL, preset_keys(STARTER, this_machine())), _wire_compare)
WEIGHTS = Page("weights", N_("Weights"), build_weights_page, _wire_weights)
QUALITY = Page("quality", N_("Quality"), lambda: build_quality_page(STARTER_MODEL), _wire_quality)
FIT = Page("fit", N_("Fit"), build_fit_page, _wire_fit)
MIX = Page("mix", N_("Mix"), lambda: build_mix_page(STARTER_MODEL), wire_mix_page)
HEAL = Page("heal", N_("Heal"), lambda: build_heal_page(STARTER_MODEL), _wire_heal)
PLAY = Page("play", N_("Play"), build_play_page, wire_play_page)
HISTORY = Page("history", N_("History"), build_history_page, _wire_history)
LEARN = Page("learn", N_("Learn"), lambda: build_learn_page(STARTER_MODEL), lambda page, to: wire_learn_page(page, to.sidebar))

PAGES: list[Page[Any]] = [COMPARE, WEIGHTS, QUALITY, FIT, MIX, HEAL, PLAY, HISTORY, LEARN]

RUNNING: tuple[Page[Any], ...] = (COMPARE, WEIGHTS, QUALITY, FIT, MIX, HEAL, PLAY)
"""Those that run models. Their `phase` changes when that begins and ends."""
