// Runs inside each gr.HTML of the History tab. What carries data-do triggers "select" with what to do and to which runs: its own
// data-key, or all that are ticked. The markup comes from the server again after every action; ticks survive that.
const chosen = new Set();
const boxes = () => [...element.querySelectorAll(".run > input[type=checkbox]")];
const keyOf = (inner) => inner.closest(".run").dataset.key;

function act(what, more = {}) {
  trigger("select", { do: what, keys: [], ...more });
}

function shareOptions() {
  const ticked = (name) => Boolean(element.querySelector(`.share input[name=${name}]`)?.checked);
  return { prompt: ticked("prompt"), picture: ticked("picture") };
}

// What the server cannot know: the reader's time zone, this page's address, and what was ticked before.
function dress() {
  for (const time of element.querySelectorAll("time[datetime]:not([data-local])")) {
    time.dataset.local = "";
    time.title = time.textContent;
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.getTime())) time.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  }
  for (const box of element.querySelectorAll(".share input[name]")) box.checked = box.hasAttribute("checked");
  for (const link of element.querySelectorAll("[data-share]")) link.value = `${location.origin}${location.pathname}?run=${link.dataset.share}`;
  for (const hint of element.querySelectorAll("[data-local-only]")) hint.hidden = !/^(localhost|127\..*|\[::1\])$/.test(location.hostname);
  arrive();
  const there = new Set(boxes().map(keyOf));
  for (const key of chosen) if (!there.has(key)) chosen.delete(key);
  for (const box of boxes()) box.checked = chosen.has(keyOf(box));
  count();
}

// An opened run is shown from its head, which on a phone is below the sidebar; the focus goes to the link back.
let opened = "";
function arrive() {
  const head = element.querySelector(".run-head, .difference h2")?.textContent ?? "";
  if (head && head !== opened) setTimeout(() => {
    document.getElementById("main").scrollIntoView({ block: "start" });
    document.getElementById("history-back")?.focus({ preventScroll: true });
  }, 200);
  opened = head;
}

function count() {
  const bar = element.querySelector(".chosen-bar");
  if (!bar) return;
  bar.classList.toggle("some", chosen.size > 0);
  bar.querySelector(".chosen-number").textContent = chosen.size ? ngettext("{number} chosen", "{number} chosen", chosen.size) : "";
  for (const button of bar.querySelectorAll("[data-do]")) button.disabled = button.dataset.do === "compare" ? chosen.size !== 2 : !chosen.size;
  const every = bar.querySelector("[data-every]");
  every.checked = chosen.size > 0 && chosen.size === boxes().length;
  every.indeterminate = chosen.size > 0 && !every.checked;
}

element.addEventListener("change", async (event) => {
  const box = event.target;
  if (box.type === "file") {
    const file = box.files[0];
    box.value = "";
    if (!file) return;
    try {
      const { path } = await upload(file);
      act("import", { path, name: file.name });
    } catch {
      act("import-failed", { name: file.name });
    }
  } else if (box.matches("[data-every]")) {
    for (const one of boxes()) box.checked ? chosen.add(keyOf(one)) : chosen.delete(keyOf(one));
    dress();
  } else if (box.matches(".run > input")) {
    box.checked ? chosen.add(keyOf(box)) : chosen.delete(keyOf(box));
    count();
  } else if (box.closest(".share[data-shared=true]")) act("share", shareOptions());
});

element.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-import]")) element.querySelector("input[type=file]").click();
  const copy = event.target.closest?.("[data-copy-link]");
  if (copy) {
    const link = element.querySelector(".share-link");
    link.select();
    navigator.clipboard?.writeText(link.value).then(() => {
      copy.textContent = _("Copied");
      setTimeout(() => (copy.textContent = _("Copy")), 1500);
    });
  }
  const button = event.target.closest?.("[data-do]");
  if (!button) return;
  const what = button.dataset.do;
  if (what === "share") act(what, shareOptions());
  else if (button.dataset.key) act(what, { keys: [button.dataset.key] });
  else {
    // In the order of the list, the older first: A is before B.
    const keys = boxes().map(keyOf).filter((key) => chosen.has(key)).reverse();
    if (what === "delete") chosen.clear();
    act(what, { keys });
  }
});

// Arrows go from run to run, Delete deletes the one that has the focus.
element.addEventListener("keydown", (event) => {
  const run = event.target.closest?.(".run");
  if (!run) return;
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  if (step) {
    event.preventDefault();
    run[step]?.querySelector(".run-open").focus();
  } else if (event.key === "Delete") act("delete", { keys: [run.dataset.key] });
});

// Gradio puts new markup into the old elements, so the focus stays in its place; if that place is gone, it moves to another.
let last = null;
element.addEventListener("focusin", (event) => {
  last = event.target.closest(".run") ? [...element.querySelectorAll(".run")].indexOf(event.target.closest(".run")) : null;
});
function refocus() {
  const rows = element.querySelectorAll(".run-open");
  if (last !== null && last >= rows.length && document.activeElement === document.body) rows[rows.length - 1]?.focus();
}

const observer = new MutationObserver(() => {
  dress();
  refocus();
  observer.takeRecords(); // what dressing itself has changed
});
observer.observe(element, { childList: true, subtree: true, attributes: true, characterData: true });
dress();
