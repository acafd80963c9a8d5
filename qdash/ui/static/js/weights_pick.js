// Runs inside gr.HTML. A click on what carries data-at picks a layer of the scheme named around it; data-own switches the scale. In the map, arrow keys go from cell to
// cell, and the line below says what the pointer or the keyboard is on. The markup comes from the server again after every pick.
const cells = () => [...element.querySelectorAll(".heat button[data-at]")];
const cellOf = (event) => event.target.closest?.("button[data-at]");

element.addEventListener("click", (event) => {
  const scale = event.target.closest?.("button[data-own]");
  if (scale) return trigger("select", { scale: scale.getAttribute("aria-pressed") === "true" ? "common" : "own" });
  const cell = cellOf(event);
  if (!cell) return;
  for (const other of element.querySelectorAll("[aria-pressed=true]")) other.setAttribute("aria-pressed", "false");
  cell.setAttribute("aria-pressed", "true");
  trigger("select", { scheme: cell.closest("[data-scheme]").dataset.scheme, at: Number(cell.dataset.at) });
});

const say = (event) => {
  const said = element.querySelector(".heat-said");
  const label = cellOf(event)?.getAttribute("aria-label");
  if (said && label) said.textContent = label;
};
element.addEventListener("mouseover", say);
element.addEventListener("focusin", say);

// One stop for Tab in each map, arrows within: the nearest cell in that direction, in any part of the model.
const towards = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
element.addEventListener("keydown", (event) => {
  const cell = cellOf(event);
  const way = towards[event.key];
  if (!cell || !way || !cell.closest(".heat")) return;
  event.preventDefault();
  const middle = (box) => [box.left + box.width / 2, box.top + box.height / 2];
  const [x, y] = middle(cell.getBoundingClientRect());
  let best = null;
  for (const other of cells()) {
    const [left, top] = middle(other.getBoundingClientRect());
    const along = (left - x) * way[0] + (top - y) * way[1];
    const aside = Math.abs((left - x) * way[1]) + Math.abs((top - y) * way[0]);
    const far = along + 4 * aside;
    if (along > 1 && (!best || far < best.far)) best = { other, far };
  }
  if (!best) return;
  cell.tabIndex = -1;
  best.other.tabIndex = 0;
  best.other.focus();
});
