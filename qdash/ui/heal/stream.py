"""Planning and training as what the page should show: plain records in, plain records out, no components."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

from qdash.errors import QdashError
from qdash.execution.forward import forward_events
from qdash.present.formatting import nats
from qdash.present.language import _, decimal
from qdash.records import HealEstimate, Healing, HealPoint, HealReport, Step
from qdash.runs.heal import HealPlan
from qdash.ui.components import text
from qdash.ui.components.step_words import said_with_time
from qdash.ui.controls.form import check_device, check_model
from qdash.ui.heal.form import HealForm, check_scheme, requested
from qdash.ui.server.backend import Backend
from qdash.ui.server.run_errors import guarded, internal_error
from qdash.ui.server.run_queue import Entrance, Ticket, waiting

REFRESH_S = 2.0
"""How often the curve is redrawn while nothing new is scored."""


@dataclass(frozen=True)
class Training:
    """What is trained, and how far it is. `live`: seconds and divergence of the latest steps."""

    model: str
    scheme: str
    source: str
    minutes: float
    points: tuple[HealPoint, ...] = ()
    live: tuple[float, float] | None = None


@dataclass(frozen=True)
class HealView:
    """One moment of a run: a status, with the training once it is checked; then a report or an error."""

    status: str = ""
    training: Training | None = None
    report: HealReport | None = None
    error: QdashError | None = None


def planned(model: Any, scheme: Any, device: Any, backend: Backend) -> HealPlan | QdashError:
    """What training would take, and what was trained before, or why that is not known. Never raises."""
    try:
        return backend.plan_heal(check_model(model), check_scheme(scheme), device=check_device(device))
    except QdashError as error:
        return error
    except Exception:
        return internal_error()


def kept_version(plan: HealPlan | QdashError) -> HealReport:
    """The healed version that is kept; raises QdashError where there is none."""
    if isinstance(plan, QdashError):
        raise plan
    if plan.kept is None:
        raise QdashError("This model is not healed for this scheme yet.", "Press Heal first.")
    return plan.kept


def trained(form: HealForm, backend: Backend, line: Entrance, stop: Event) -> Iterator[HealView]:
    """Check, wait in the queue, train. Never raises: what is on the page stays beside an error."""
    views = _run(form, backend, line, stop)
    return guarded(views, "Heal", lambda error, before: HealView(training=before.training if before else None, error=error))


def _run(form: HealForm, backend: Backend, line: Entrance, stop: Event) -> Iterator[HealView]:
    yield HealView(status=_("Reading what to learn from."))
    asked = requested(form)
    training = Training(asked.model, asked.scheme, asked.source, asked.minutes)
    with line.join() as ticket:
        for place in ticket.wait(stop):
            yield HealView(waiting(place), training)
        job = backend.heal(asked.model, asked.scheme, asked.lessons, asked.minutes, stop, device=asked.device)
        seen = _Seen(training, ticket)
        report = yield from forward_events(job, seen.views)
    yield HealView(training=seen.training, report=report)


@dataclass
class _Seen:
    """What was shown of a run last. `began_s`: when what it is `doing` began."""

    training: Training
    ticket: Ticket
    shown_s: float = 0.0
    doing: str = ""
    began_s: float = 0.0

    def views(self, step: Step | HealEstimate) -> Iterator[HealView]:
        """The view of a step; of training ones, the first, those with a new score, and one every `REFRESH_S`."""
        if isinstance(step, Healing):
            now = time.monotonic()
            if step.points != self.training.points or now - self.shown_s >= REFRESH_S:
                self.shown_s = now
                yield self._moved(step)
        elif isinstance(step, Step) and step.detail:
            if step.detail != self.doing:
                self.doing, self.began_s = step.detail, time.monotonic()
            yield HealView(said_with_time(step, time.monotonic() - self.began_s), self.training)

    def _moved(self, step: Healing) -> HealView:
        total_s = 60 * self.training.minutes
        done_s = total_s * (step.fraction or 0.0)
        live = None if step.train_kl is None else (done_s, step.train_kl)
        self.training = replace(self.training, points=step.points, live=live)
        self.ticket.expect(total_s - done_s)
        return HealView(_status(step, total_s - done_s), self.training)


def _status(step: Healing, left_s: float) -> str:
    said = [_("Step {number}", number=decimal(step.steps))]
    if step.train_kl is not None:
        said.append(_("training at {loss} nats", loss=nats(step.train_kl)))
    return " · ".join((*said, text.to_go(left_s)))
