// Runs inside gr.HTML. Which questions to see: pills and a list choose, arrows and a number turn pages. The server sends the page again.
const ask = (what) => trigger("select", what);

element.addEventListener("click", (event) => {
  const only = event.target.closest?.("[data-only]");
  if (only) ask({ only: only.dataset.only });
  const turn = event.target.closest?.("[data-page]");
  if (!turn) return;
  ask({ page: Number(turn.dataset.page) });
  // Turning the page from its end scrolls to the beginning of the next one.
  if (turn.closest(".pager") !== element.querySelector(".pager")) element.scrollIntoView({ block: "start" });
});

element.addEventListener("change", (event) => {
  if (event.target.matches("[data-kind]")) ask({ kind: event.target.value });
  if (event.target.matches("[data-goto]")) {
    const { value, max } = event.target;
    ask({ page: Math.min(Math.max(1, Math.round(Number(value)) || 1), Number(max)) - 1 });
  }
});

// New markup goes into the old elements: a list and a field keep what was typed there unless they are reset.
const observer = new MutationObserver(() => {
  for (const field of element.querySelectorAll("[data-goto]")) field.value = field.getAttribute("value");
  for (const list of element.querySelectorAll("[data-kind]")) {
    const chosen = [...list.options].findIndex((option) => option.hasAttribute("selected"));
    list.selectedIndex = Math.max(0, chosen);
  }
});
observer.observe(element, { childList: true, subtree: true, attributes: true, attributeFilter: ["value", "selected"] });
