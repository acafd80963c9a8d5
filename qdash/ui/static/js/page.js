// Page-wide behaviour. Runs once, before Gradio draws anything, so it listens on the document.
(() => {
  const motion = () => (matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth");

  // The buttons that start a run, one on each tab.
  const STARTS = "#compare, #look, #evaluate, #measure, #mix-measure, #heal-start, #play-start";

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const button = [...document.querySelectorAll(STARTS)].find((one) => one.checkVisibility());
    if (!button) return;
    event.preventDefault();
    // The question is sent when it changes; leaving the field makes sure it has.
    document.activeElement?.blur();
    setTimeout(() => button.click(), 50);
  });

  document.addEventListener("click", (event) => {
    const copy = event.target.closest?.("[data-copy]");
    if (!copy) return;
    const source = copy.closest(".snippet").querySelector("code").textContent;
    navigator.clipboard?.writeText(source).then(() => {
      copy.textContent = _("Copied");
      setTimeout(() => (copy.textContent = _("Copy")), 1500);
    });
  });

  // A strip of tokens is one stop for the keyboard; arrows, Home and End move along it.
  document.addEventListener("keydown", (event) => {
    if (!event.target.matches?.(".token")) return;
    const tokens = [...event.target.parentElement.children];
    const here = tokens.indexOf(event.target);
    const there = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: tokens.length - 1 }[event.key];
    if (there === undefined || !tokens[there]) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    tokens[there].tabIndex = 0;
    tokens[there].focus();
  });

  // A button whose file is being made, and the file once it is there: {url, orig_name} (qdash/ui/results/export_buttons.py).
  window.qdashBusy = (id, busy) => document.getElementById(id)?.setAttribute("aria-busy", busy);
  window.qdashSave = (file) => {
    if (!file) return;
    const link = document.createElement("a");
    link.href = file.url;
    link.download = file.orig_name;
    link.click();
  };

  // The visitor's number and the filled-in form, kept while the tab is open, so that a reload restores both (qdash/ui/controls/arrival.py).
  // If the browser stores nothing, every load is a new visitor.
  const kept = (name, value) => {
    try {
      if (value !== undefined) sessionStorage.setItem(name, value);
      return sessionStorage.getItem(name);
    } catch {
      return null;
    }
  };
  window.qdashKeep = (values) => void kept("qdash-form", JSON.stringify(values));
  window.qdashArrive = () => {
    const fresh = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const visitor = kept("qdash-visitor") || kept("qdash-visitor", fresh) || fresh;
    let form = null;
    try {
      form = JSON.parse(kept("qdash-form"));
    } catch {}
    return { visitor, form };
  };

  // On a phone the sidebar fills the screen, so starting a run scrolls to the results.
  document.addEventListener("click", (event) => {
    if (event.target.closest?.(STARTS) && matchMedia("(max-width: 800px)").matches)
      document.getElementById("main").scrollIntoView({ behavior: motion() });
  });

  // On a phone the results lie below the form.
  document.addEventListener("click", (event) => {
    const to = event.target.closest?.("[data-to]");
    if (to) document.getElementById(to.dataset.to).scrollIntoView({ behavior: motion() });
  });

  // From a dot of a trade-off chart, or its name in the table, to the variant's card or row. Plotly's own click
  // event loses its listeners when a figure is drawn anew, so one is added when a button is pressed down.
  const jump = (prefix, place) => {
    const target = document.querySelectorAll(`#${prefix}cards :is(.card, tr[data-variant])`)[place];
    if (!target) return;
    target.tabIndex = -1;
    target.scrollIntoView({ block: "center", behavior: motion() });
    target.focus({ preventScroll: true });
    target.classList.add("jumped");
    setTimeout(() => target.classList.remove("jumped"), 1800);
  };
  document.addEventListener("pointerdown", (event) => {
    const figure = event.target.closest?.(".tradeoff .js-plotly-plot");
    if (!figure?.on) return;
    const prefix = figure.closest("[id$=tradeoff]").id.slice(0, -"tradeoff".length);
    figure.removeAllListeners?.("plotly_click");
    figure.on("plotly_click", ({ points }) => points[0]?.customdata === undefined || jump(prefix, points[0].customdata));
  }, true);
  document.addEventListener("click", (event) => {
    const name = event.target.closest?.("[data-jump]");
    if (name) jump(name.closest("[id^=drawer-]").id.slice("drawer-".length, -"table".length), Number(name.dataset.jump));
  });

  // A drawer that something else asks for: open, in sight, and its first field focused.
  window.qdashOpen = (name) => {
    const panel = document.getElementById(`drawer-${name}`);
    if (!panel.classList.contains("open")) window.qdashToggle(name);
    panel.scrollIntoView({ block: "center", behavior: motion() });
    panel.querySelector(":is(input, textarea):not([role])")?.focus({ preventScroll: true });
  };

  // Table, Export and Code below the charts: one open at a time.
  window.qdashToggle = (name) => {
    for (const panel of document.querySelectorAll(".drawer")) {
      const open = panel.id === `drawer-${name}` && !panel.classList.contains("open");
      panel.classList.toggle("open", open);
      document.getElementById(`open-${panel.id.slice(7)}`)?.setAttribute("aria-expanded", open);
      if (open) panel.scrollIntoView({ block: "nearest", behavior: motion() });
    }
  };
})();
