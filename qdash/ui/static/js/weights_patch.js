// Runs inside gr.HTML. The value is a corner of a layer: three tables of numbers, where they lie, and which of them share a scale. Three
// canvases show the same window of it, from 64 × 64 weights down to 8 × 8.
const canvases = [...element.querySelectorAll("canvas")];
const said = element.querySelector(".said");
const fields = [...element.querySelectorAll("input")];
const SIDE = 256; // pixels of a canvas; its weights are squares
let zoom = 1;
let corner = [0, 0]; // row and column of the window's top left weight, within the picture
let cursor = null;

const height = () => props.value.original.length;
const width = () => props.value.original[0].length;
const shown = () => Math.max(8, Math.ceil(Math.max(height(), width()) / zoom));
const largest = (table) => Math.max(1e-30, ...table.flat().filter((value) => value !== null).map(Math.abs));
const clamp = (value, low, high) => Math.min(Math.max(value, low), Math.max(high, low));
const figure = (value) => (value === null ? _("not a number") : Number(value.toPrecision(4)).toString().replace("-", "−"));

function colours() {
  const style = getComputedStyle(element);
  const rgb = (name) => {
    const hex = style.getPropertyValue(name).trim().replace(/^#(.)(.)(.)$/, "#$1$1$2$2$3$3");
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  };
  return { panel: rgb("--panel"), more: rgb(`--${props.value.colour}`), less: rgb(props.value.colour === "b16" ? "--b8" : "--b16"), ink: style.getPropertyValue("--ink") };
}

function draw() {
  element.querySelector(".patch").classList.toggle("empty", !props.value);
  if (!props.value) return;
  const count = shown();
  corner = [clamp(corner[0], 0, height() - count), clamp(corner[1], 0, width() - count)];
  const paint = colours();
  const weights = Math.max(largest(props.value.original), largest(props.value.dequantized));
  for (const canvas of canvases) {
    const error = canvas.dataset.of === "error";
    drawTable(canvas, props.value[canvas.dataset.of], error ? props.value.error_most || largest(props.value.error) : weights, count, paint);
  }
  element.querySelector("[data-zoom='2']").disabled = count <= 8;
  element.querySelector("[data-zoom='0.5']").disabled = zoom <= 1;
}

function drawTable(canvas, table, most, count, paint) {
  canvas.width = canvas.height = SIDE;
  const pen = canvas.getContext("2d");
  const size = SIDE / count;
  const mix = (from, to, share) => from.map((value, at) => Math.round(value + (to[at] - value) * share));
  for (let row = 0; row < count; row++)
    for (let column = 0; column < count; column++) {
      const value = table[row + corner[0]]?.[column + corner[1]];
      if (value === undefined || value === null) continue;
      pen.fillStyle = `rgb(${mix(paint.panel, value < 0 ? paint.less : paint.more, Math.min(Math.abs(value) / most, 1) ** 0.7)})`;
      pen.fillRect(Math.floor(column * size), Math.floor(row * size), Math.ceil(size), Math.ceil(size));
    }
  // The weights that share a scale with the one picked.
  const { top, left, row, first, last } = props.value;
  pen.strokeStyle = paint.ink;
  pen.lineWidth = 2;
  pen.strokeRect((first - left - corner[1]) * size, (row - top - corner[0]) * size, (last - first) * size, size);
  if (!cursor) return;
  pen.setLineDash([3, 2]);
  pen.strokeRect((cursor[1] - corner[1]) * size, (cursor[0] - corner[0]) * size, size, size);
  pen.setLineDash([]);
}

function say() {
  if (!props.value || !cursor) return (said.textContent = "");
  const [row, column] = cursor;
  const { original, dequantized, error, top, left } = props.value;
  const [before, after, lost] = [original, dequantized, error].map((table) => figure(table[row][column]));
  said.textContent = _("row {row}, column {column}: {before} → {after}, error {error}", { row: row + top, column: column + left, before, after, error: lost });
}

function point(row, column) {
  cursor = [clamp(row, 0, height() - 1), clamp(column, 0, width() - 1)];
  const count = shown();
  for (const side of [0, 1]) corner[side] = clamp(corner[side], cursor[side] - count + 1, cursor[side]);
  draw();
  say();
}

function zoomBy(factor) {
  if (!props.value) return;
  const [row, column] = cursor ?? [props.value.row - props.value.top, props.value.column - props.value.left];
  const before = shown();
  zoom = clamp(zoom * factor, 1, Math.max(height(), width()) / 8);
  const share = shown() / before;
  corner = [Math.round(row - (row - corner[0]) * share), Math.round(column - (column - corner[1]) * share)];
  draw();
}

const pick = (row, column) => trigger("select", { row, column });
const under = (canvas, event) => {
  const box = canvas.getBoundingClientRect();
  const cell = (offset, size) => Math.floor((offset / size) * shown());
  return [cell(event.clientY - box.top, box.height) + corner[0], cell(event.clientX - box.left, box.width) + corner[1]];
};

for (const canvas of canvases) {
  canvas.addEventListener("pointermove", (event) => props.value && point(...under(canvas, event)));
  canvas.addEventListener("pointerleave", () => {
    cursor = null;
    if (props.value) draw();
    say();
  });
  canvas.addEventListener("click", (event) => {
    if (!props.value) return;
    const [row, column] = under(canvas, event);
    if (row < height() && column < width()) pick(row + props.value.top, column + props.value.left);
  });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return; // a plain wheel scrolls the page
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 2 : 0.5);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!props.value) return;
    const [row, column] = cursor ?? [props.value.row - props.value.top, props.value.column - props.value.left];
    if (way) point(row + way[0], column + way[1]);
    else if (event.key === "+" || event.key === "=") zoomBy(2);
    else if (event.key === "-") zoomBy(0.5);
    else if (event.key === "Enter" && cursor) pick(row + props.value.top, column + props.value.left);
    else return;
    event.preventDefault();
  });
}
for (const button of element.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => zoomBy(Number(button.dataset.zoom)));
for (const field of fields)
  field.addEventListener("change", () => {
    const [row, column] = fields.map((one) => Number.parseInt(one.value, 10));
    if (Number.isInteger(row) && Number.isInteger(column)) pick(row, column);
  });

function take() {
  cursor = null;
  if (props.value) {
    const [row, column] = fields;
    Object.assign(row, { value: props.value.row, max: props.value.rows - 1 });
    Object.assign(column, { value: props.value.column, max: props.value.columns - 1 });
  }
  draw();
  say();
}
watch("value", take);
new MutationObserver(draw).observe(document.body, { attributes: true, attributeFilter: ["class"] });
take();
