"""Measuring weights as streams of what the page should show: plain records in, plain records out, no components."""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from statistics import fmean
from threading import Event
from typing import Any

from qdash.errors import QdashError
from qdash.execution.forward import forward_events
from qdash.present.language import _, recorded
from qdash.records import LayerDetail, MeasuredLayer, Step, WeightReport
from qdash.ui.controls.form import check_device, check_model, check_variants
from qdash.ui.server.backend import Backend
from qdash.ui.server.run_errors import by_button, internal_error
from qdash.ui.server.run_queue import Entrance, waiting
from qdash.ui.weights.damage_view import device_of
from qdash.ui.weights.selection import ALL_LAYERS, Choice

REFRESH_S = 0.4
"""The map is redrawn at most this often while layers come in."""


@dataclass(frozen=True)
class WeightsView:
    """One moment of a look at all weights: a status and the layers known so far, then a report or an error; both if it was stopped."""

    status: str = ""
    fraction: float | None = None
    layers: tuple[MeasuredLayer, ...] = ()
    report: WeightReport | None = None
    error: QdashError | None = None


@dataclass(frozen=True)
class LayerView:
    """One moment of a look into a layer: a status, then a detail or an error; all empty where it was stopped."""

    status: str = ""
    detail: LayerDetail | None = None
    error: QdashError | None = None


@dataclass(frozen=True)
class KnownLayer:
    """A layer of which the SQNR under one scheme is known, and nothing else yet; dB, None: no error."""

    name: str
    part: str
    block: int | None
    projection: str
    sqnr_db: float | None


def known_layers(layers: tuple[MeasuredLayer, ...]) -> tuple[str, list[KnownLayer]]:
    """The scheme that does worst so far (its key), and its layers."""
    keys = dict.fromkeys(key for layer in layers for key in layer.sqnr_db)
    means = {key: _mean([layer.sqnr_db[key] for layer in layers if key in layer.sqnr_db]) for key in keys}
    worst = min(means, key=lambda key: means[key], default="")
    known = [layer for layer in layers if worst in layer.sqnr_db]
    return worst, [KnownLayer(layer.name, layer.part, layer.block, layer.projection, layer.sqnr_db[worst]) for layer in known]


def looked(model: Any, schemes: Any, device: Any, backend: Backend, line: Entrance, stop: Event) -> Iterator[WeightsView]:
    """Check, wait in the queue, measure. Never raises."""
    try:
        name = check_model(model)
        keys = [variant.scheme for variant in check_variants(name, schemes) if variant.model == name]
        with line.join() as ticket:
            for place in ticket.wait(stop):
                yield WeightsView(status=waiting(place))
            yield from _measured(backend.measure_weight_error(name, keys, stop, device=check_device(device)))
    except QdashError as error:
        yield WeightsView(error=by_button(error, "Look inside"))
    except Exception:
        yield WeightsView(error=internal_error())


def looked_at_files(model: Any, other: Any, backend: Backend, line: Entrance, stop: Event) -> Iterator[WeightsView]:
    """The same for another file of the model in place of schemes. Never raises."""
    try:
        name = check_model(model)
        if not (isinstance(other, str) and other.strip()):
            raise QdashError("No other file is chosen.", "Type a GGUF file, a folder or a hub id of the same model.")
        with line.join() as ticket:
            for place in ticket.wait(stop):
                yield WeightsView(status=waiting(place))
            yield from _measured(backend.compare_files(name, [check_model(other)], stop))
    except QdashError as error:
        yield WeightsView(error=by_button(error, "Compare files"))
    except Exception:
        yield WeightsView(error=internal_error())


def stream_detail(report: WeightReport, choice: Choice, backend: Backend, line: Entrance, stop: Event) -> Iterator[LayerView]:
    """Wait in the queue, then measure the chosen layer. Never raises; a stop is silent, because the next pick caused it."""
    if choice.layer == ALL_LAYERS or report.stored is not None:  # two files have no scheme whose scales could be shown
        return
    try:
        with line.join() as ticket:
            for place in ticket.wait(stop):
                yield LayerView(waiting(place))
            steps = backend.measure_layer(
                report.model, choice.scheme, choice.layer, stop, row=choice.row, column=choice.column, device=device_of(report)
            )
            yield from _detailed(steps)
    except QdashError as error:
        yield LayerView(error=None if error.kind == "cancelled" else error)
    except Exception:
        yield LayerView(error=internal_error())


def _measured(steps: Generator[Step | MeasuredLayer, None, WeightReport]) -> Iterator[WeightsView]:
    yield WeightsView(status=_("Reading the weights."))
    view, known, shown = WeightsView(), [], time.monotonic()

    def views_of(step: Step | MeasuredLayer) -> Iterator[WeightsView]:
        nonlocal view, shown
        if isinstance(step, MeasuredLayer):
            if len(step.shape) > 1:  # norms and biases, which two files are compared by too, have no place on the map
                known.append(step)
        else:
            view = WeightsView(recorded(step.detail) or _("Reading the weights."), step.fraction)
        if time.monotonic() - shown > REFRESH_S:
            shown = time.monotonic()
            yield WeightsView(view.status, view.fraction, tuple(known))

    try:
        report = yield from forward_events(steps, views_of)
    except QdashError as error:
        if error.kind != "cancelled" or not known:
            raise
        yield WeightsView(view.status, view.fraction, tuple(known), error=error)
    else:
        yield WeightsView(report=report)


def _detailed(steps: Generator[Step, None, LayerDetail]) -> Iterator[LayerView]:
    detail = yield from forward_events(steps, lambda step: (LayerView(recorded(step.detail) or _("Reading this layer.")),))
    yield LayerView(detail=detail)


def _mean(decibels: list[float | None]) -> float:
    known = [value for value in decibels if value is not None]
    return fmean(known) if known else float("inf")
