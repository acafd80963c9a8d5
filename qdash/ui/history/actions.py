"""The actions of the History tab, and the updates of each. An action comes from a browser as a name and keys; both are looked up, the keys
only among the sender's own runs.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qdash.errors import QdashError
from qdash.history import history
from qdash.history.exchange import export_runs, import_runs, most_file_bytes
from qdash.history.run_diff import difference
from qdash.present.language import _, ngettext
from qdash.records import Comparison, Evaluation
from qdash.settings import settings
from qdash.ui.components.exports import history_export, write_export
from qdash.ui.components.markup import banner
from qdash.ui.components.verdict_header import verdict_html
from qdash.ui.controls.form import uploaded_file
from qdash.ui.history.open_run import OpenRun
from qdash.ui.history.page import HistoryPage
from qdash.ui.history.view import (
    STEP,
    difference_html,
    head_html,
    history_phase_html,
    list_html,
    run_asked_html,
    run_head_html,
    said_html,
    share_html,
    undo_html,
)
from qdash.ui.results.cards import cards_html
from qdash.ui.results.compare_state import finished_state
from qdash.ui.results.comparison import results_drawn
from qdash.ui.results.evaluation import evaluation_drawn
from qdash.ui.server.event_values import Said
from qdash.ui.server.run_errors import internal_error
from qdash.verdict import verdict
from qdash.verdict.evaluations import evaluation_verdict

Updates = dict[Any, Any]
MOST_KEYS = 1000


@dataclass(frozen=True)
class Actions:
    """Everything that one request may do. `folder` makes a place for files, `rows` is how long the list is, `run` is what is opened, and
    `deleted` what Undo brings back.
    """

    page: HistoryPage
    owner: str
    folder: Callable[[], Path]
    dark: bool
    search: str
    rows: int
    run: OpenRun | None
    deleted: list[str]

    def safely(self, action: Callable[[], Updates]) -> Updates:
        """The updates of `action`; errors are in the banner."""
        try:
            return action()
        except QdashError as error:
            return {self.page.banner: banner(error)}
        except Exception:
            return {self.page.banner: banner(internal_error())}

    def refreshed(self) -> Updates:
        """The list as it is now."""
        listing = history().listing(self.owner, self.search, limit=self.rows)
        head = head_html(listing, self.search, history().why_in_memory())
        return {self.page.head: head, self.page.runs: list_html(listing)}

    def listed(self, said: str = "", deleted: list[str] | None = None) -> Updates:
        """The list, and nothing else, below a line of markup."""
        return {
            **self.refreshed(),
            self.page.phase: history_phase_html("list"),
            self.page.rows: self.rows,
            self.page.banner: said,
            self.page.deleted: deleted or [],
        }

    def opened(self, key: str) -> Updates:
        """One run, drawn from its record alone."""
        run, shown = history().open(key, self.owner), self.page.opened
        updates: Updates = {
            self.page.phase: history_phase_html("run" if run.own else "shared", run.entry.kind),
            self.page.banner: "",
            self.page.run: OpenRun(key, self.owner, run.own),
            shown.head: run_head_html(run),
            shown.asked: run_asked_html(run),
            shown.share: share_html(run) if run.own else "",
        }
        return updates | (self._comparison(run.record) if isinstance(run.record, Comparison) else self._evaluation(run.record))

    def act(self, what: str, keys: list[str], options: Said) -> Updates:
        """Do `what` to the runs `keys`; nothing for an unknown name."""
        known = keys[:MOST_KEYS]
        actions: dict[str, Callable[[], Updates]] = {
            "open": lambda: self.opened(known[0]),
            "more": lambda: self._more(),
            "pin": lambda: self._pinned(known[0]),
            "compare": lambda: self._compared(known),
            "delete": lambda: self.delete(known),
            "delete-all": lambda: self.delete(history().all_keys(self.owner)),
            "undo": lambda: self._undone(),
            "export": lambda: self._exported(known),
            "export-all": lambda: self._exported(history().all_keys(self.owner)),
            "import": lambda: self._imported(options),
            "import-failed": lambda: self._not_uploaded(options),
            "share": lambda: self._shared(options),
            "unshare": lambda: self._unshared(),
        }
        action = actions.get(what)
        if action is None or (what in ("open", "pin") and not known):
            return {self.page.banner: ""}
        return action()

    def delete(self, keys: list[str]) -> Updates:
        """Delete runs, and offer to have them back."""
        count = history().delete(keys, self.owner)
        return {**self.listed(undo_html(count) if count else said_html(_("There was nothing to delete.")), keys), self.page.run: None}

    def _comparison(self, record: Comparison) -> Updates:
        shown = self.page.opened
        return {
            shown.verdict: verdict_html(verdict(record)),
            shown.cards: cards_html(finished_state(record)),
            **results_drawn(shown.results, record, self.dark),
        }

    def _evaluation(self, record: Evaluation) -> Updates:
        shown = self.page.opened
        drawn = evaluation_drawn(shown.quality, record, self.dark, {})
        return {shown.verdict: verdict_html(evaluation_verdict(record)), shown.cards: "", **drawn}

    def _more(self) -> Updates:
        return replace(self, rows=self.rows + 4 * STEP).listed()

    def _pinned(self, key: str) -> Updates:
        history().pin(key, not history().open(key, self.owner).entry.pinned, self.owner)
        return self.listed()

    def _compared(self, keys: list[str]) -> Updates:
        if len(keys) != 2:
            raise QdashError("“What changed?” needs two runs.", "Tick two in the list.")
        before, after = (history().open(key, self.owner) for key in keys)
        found = difference(before.record, after.record)
        return {
            self.page.phase: history_phase_html("difference"),
            self.page.banner: "",
            self.page.difference: difference_html(found, before.entry, after.entry),
        }

    def _undone(self) -> Updates:
        count = history().undelete(self.deleted, self.owner)
        return self.listed(said_html(ngettext("{number} run is back.", "{number} runs are back.", count)))

    def _exported(self, keys: list[str]) -> Updates:
        if not keys:
            raise QdashError("There is nothing to export.", "Run a comparison or an evaluation first.")
        path = write_export(history_export(export_runs(history(), keys, self.owner)), "json", self.folder)
        said = ngettext("{number} run exported.", "{number} runs exported.", len(keys))
        return {self.page.file: path, self.page.banner: said_html(said)}

    def _imported(self, options: Said) -> Updates:
        name = (options.text("name") or "")[:80] or "The file"
        path = uploaded_file(options.text("path") or "", "file")
        if path.stat().st_size > most_file_bytes():
            raise QdashError(f"“{name}” is larger than {most_file_bytes() // 2**20} MiB.", "Export fewer runs at a time.")
        found = import_runs(history(), path.read_bytes(), self.owner, f"“{name}”")
        there = len(found.keys) - found.new
        said = [ngettext("{number} run imported.", "{number} runs imported.", found.new)]
        if there:
            said.append(ngettext("{number} was here already.", "{number} were here already.", there))
        return self.listed(said_html(" ".join(said)))

    def _not_uploaded(self, options: Said) -> Updates:
        limit = settings().max_upload_bytes // 2**20
        name = (options.text("name") or "")[:80] or "The file"
        raise QdashError(f"“{name}” could not be uploaded; at most {limit} MiB are accepted.", "Export fewer runs at a time.")

    def _shared(self, options: Said) -> Updates:
        if self.run is not None and self.run.own:
            history().share(self.run.key, self.owner, prompt=options.flag("prompt"), picture=options.flag("picture"))
        return self._share_again()

    def _unshared(self) -> Updates:
        if self.run is not None and self.run.own:
            history().unshare(self.run.key, self.owner)
        return self._share_again()

    def _share_again(self) -> Updates:
        if self.run is None or not self.run.own:
            return {self.page.banner: ""}
        return {self.page.opened.share: share_html(history().open(self.run.key, self.owner)), self.page.banner: ""}
