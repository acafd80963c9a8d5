// Runs inside gr.HTML, after `given` (learn_page.py), learn_rounding, learn_words and learn_drawing. What is chosen lives here; the value is
// a row of a model, which comes from the server, on “select”. Every change computes and draws everything anew: a few milliseconds for 4096 numbers.
const part = (name) => element.querySelector(`[data-part="${name}"]`);
const all = (selector) => [...element.querySelectorAll(selector)];
const root = element.querySelector(".learn");
const { mappings, lessons, sizes } = given;
const PICTURE = 224; // heights in pixels
const ORDER = 92;
const ERRORS = 104;
const SPEAK_MS = 500;

function decoded(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

const sets = Object.fromEntries(Object.entries(given.drawn).map(([name, values]) => [name, decoded(values)]));
sets.row = sets.normal; // until one is here
const state = { ...lessons[0].state, lesson: 0, code: null };
let sorted = []; // places of the numbers, ascending
let shown = null; // what was computed last
let before = null; // what signal to noise is compared with: { label, sqnr }; without a label it is what was there
let settled = true; // whether the next change is a new one, not more of the same drag

const mappingOf = (of = state) => mappings.find((mapping) => mapping.key === of.mapping);
const numbersOf = (of = state) => sets[of.numbers];
const relatives = () => mappings.filter((mapping) => mapping.family === mappingOf().family);
const widths = () => [...new Set(relatives().flatMap((mapping) => mapping.codes.map((codes) => codes.bits)))].sort((a, b) => a - b);

function sort() {
  const numbers = numbersOf();
  sorted = [...numbers.keys()].sort((a, b) => numbers[a] - numbers[b]);
}

// What becomes of the numbers as `of` has them.
function computed(of) {
  const [mapping, numbers] = [mappingOf(of), numbersOf(of)];
  const codes = mapping.codes.find((entry) => entry.bits === of.bits) || mapping.codes[0];
  const size = Math.min(mapping.size ?? of.size, numbers.length) || numbers.length;
  const result = quantized(numbers, mapping.rule, codes, size);
  return { mapping, numbers, codes, size, result, error: errorOf(numbers, result) };
}

function compute() {
  const found = computed(state);
  const { mapping, numbers, codes, size, result } = found;
  const at = sorted[Math.round(state.weight * (sorted.length - 1))];
  const group = result.groups[Math.floor(at / size)];
  const stored = codes.bits + mapping.each + (mapping.shared + (mapping.zero ? codes.bits : 0)) / size + mapping.once / numbers.length;
  shown = { ...found, at, group, stored, chosen: state.code ?? result.codes[at] };
}

function draw() {
  compute();
  const { mapping, numbers, codes, result, error, at, group } = shown;
  root.className = `learn ${codes.bits >= 8 ? "b8" : codes.bits >= 6 ? "b6" : codes.bits >= 4 ? "b4" : "b2"}`;
  const used = new Set(result.codes).size;
  const levels = ngettext("{number} level", "{number} levels", codes.values.length);
  const count = ngettext("{number} number", "{number} numbers", numbers.length);
  const heading = _("{format}: {levels} for {numbers}.", { format: codes.name, levels: `<em>${levels}</em>`, numbers: count });
  const noise = _("Signal to noise {decibels}", { decibels: `<em>${decibels(error.sqnr)}</em>` });
  part("headline").innerHTML = `${heading} ${noise} ${earlier(error.sqnr)}`;
  part("words").textContent = state.lesson === null ? mapping.about : lessons[state.lesson].words;
  part("formula").innerHTML = formula(mapping.rule, numbers[at], group, codes, result.codes[at]);
  part("codes-title").textContent = _("Every code of {format}", { format: codes.name });
  part("code").innerHTML = codeWords(codes, shown.chosen, mapping.rule);
  part("legend").hidden = !codes.layout;
  part("figures").innerHTML = [
    [_("Signal to noise"), decibels(error.sqnr)],
    [_("Typical error"), figure(error.rms)],
    [_("Largest error"), figure(error.largest)],
    [_("Rounded to zero"), percent(error.zeroed)],
    [_("Beyond the levels"), percent(error.clipped)],
    [_("Codes in use"), _("{number} of {total}", { number: used, total: codes.values.length })],
    [_("Stored for each number"), _("{number} bits", { number: Number(shown.stored.toFixed(2)) })],
  ].map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`).join("");
  controls();
  pictures();
  speak();
}

// What it was before, or is with other settings, if that differs.
function earlier(sqnr) {
  if (!before || decibels(before.sqnr) === decibels(sqnr)) return "";
  const told = decibels(before.sqnr);
  return `<small>${before.label ? `${before.label}: ${told}` : _("was {decibels}", { decibels: told })}</small>`;
}

function pictures() {
  const { numbers, codes, result, error, group, chosen } = shown;
  // All widths first: after a change of the page each of them would have it laid out anew.
  const [width, codesWidth, errorsWidth] = ["levels", "codes", "errors"].map((name) => part(name).clientWidth);
  if (!width) return; // the tab is not open
  shown.scale = scaleOf(numbers, group.levels, width);
  part("levels").innerHTML = drawLevels(shown, width, PICTURE);
  part("order").innerHTML = drawOrder(shown, width, ORDER);
  part("codes").innerHTML = drawCodes(codes, chosen, codesWidth);
  part("errors").innerHTML = drawErrors(error.errors, errorsWidth, ERRORS);
  part("codes").setAttribute("aria-valuemax", codes.values.length - 1);
  part("codes").setAttribute("aria-valuenow", chosen);
  part("codes").setAttribute("aria-valuetext", part("code").textContent);
  const [low, high] = extremes(numbers).map(plain);
  const histogram = { number: numbers.length, low, high, format: codes.name };
  part("levels").setAttribute("aria-label", _("Histogram of {number} numbers from {low} to {high}, and the levels of {format}", histogram));
  const groups = { number: result.groups.length };
  part("order").setAttribute("aria-label", _("The numbers in their order, in {number} groups that share a scale", groups));
}

function controls() {
  const { mapping, numbers, codes, size, result, at } = shown;
  for (const pill of all("[data-mapping]")) {
    const pressed = pill.dataset.mapping === mapping.key;
    if (pressed && pill.getAttribute("aria-pressed") !== "true") reveal(pill);
    pill.setAttribute("aria-pressed", pressed);
  }
  for (const pill of all("[data-numbers]")) pill.setAttribute("aria-pressed", pill.dataset.numbers === state.numbers);
  for (const card of all("[data-lesson]")) card.setAttribute("aria-pressed", Number(card.dataset.lesson) === state.lesson);
  const choices = widths();
  slider("bits", choices.indexOf(codes.bits), choices.length - 1, _("{number} bits", { number: codes.bits }), choices.length < 2);
  const every = size === numbers.length;
  const shared = every ? _("all {number} numbers", { number: decimal(size) }) : ngettext("{number} number", "{number} numbers", size);
  slider("size", mapping.size ? sizes.length - 1 : sizes.indexOf(state.size), sizes.length - 1, shared, Boolean(mapping.size));
  const followed = { number: minus(Number(numbers[at].toPrecision(3))), code: plain(codes.values[result.codes[at]]) };
  slider("weight", Math.round(state.weight * (numbers.length - 1)), numbers.length - 1, _("r = {number}, code {code}", followed));
  part("row-choice").hidden = state.numbers !== "row";
}

// On a phone the mappings are a line that scrolls sideways; the page itself must not move.
function reveal(pill) {
  const strip = element.querySelector(".mappings");
  const [own, room] = [pill.getBoundingClientRect(), strip.getBoundingClientRect()];
  if (own.left < room.left || own.right > room.right) strip.scrollLeft += own.left - room.left - room.width / 3;
}

function slider(name, value, most, label, fixed = false) {
  const input = part(name);
  Object.assign(input, { max: most, disabled: fixed });
  input.value = value;
  input.setAttribute("aria-valuetext", label);
  part(`${name}-value`).textContent = fixed ? _("{setting}, always", { setting: label }) : label;
}

let speaking;
function speak() {
  clearTimeout(speaking);
  speaking = setTimeout(() => (part("spoken").textContent = part("headline").textContent), SPEAK_MS);
}

// A change by a person; `more` of the same drag keeps what it is compared with.
function change(wanted, { more = false } = {}) {
  const others = wanted.numbers !== undefined && wanted.numbers !== state.numbers;
  if (others) before = null;
  else if (!more || settled) before = { label: "", sqnr: shown.error.sqnr };
  settled = !more;
  Object.assign(state, { lesson: null, code: null }, wanted);
  if (others) sort();
  draw();
}

function teach(lesson) {
  Object.assign(state, { code: null, lesson }, lessons[lesson].state);
  compare();
  sort();
  draw();
}

function compare() {
  const { label, state: other } = lessons[state.lesson].against;
  before = { label, sqnr: computed({ ...state, ...other }).error.sqnr };
}

// With the integers all widths are one mapping; of floats and blocks each has its own.
function choose(key) {
  const mapping = mappings.find((entry) => entry.key === key);
  const kept = mapping.codes.some((codes) => codes.bits === state.bits);
  change({ mapping: key, bits: kept ? state.bits : mapping.codes[0].bits, size: state.size || mapping.usual || 0 });
}

function narrow(bits) {
  const own = mappingOf().codes.some((codes) => codes.bits === bits);
  const mapping = own ? mappingOf() : relatives().find((entry) => entry.codes.some((codes) => codes.bits === bits));
  change({ bits, mapping: mapping.key }, { more: true });
}

const follow = (rank) => {
  Object.assign(state, { weight: rank / Math.max(1, sorted.length - 1), code: null });
  draw();
};

// The place in `sorted` of the number nearest to `x`.
function rankOf(x) {
  const numbers = numbersOf();
  return sorted.reduce((best, at, rank) => (Math.abs(numbers[at] - x) < Math.abs(numbers[sorted[best]] - x) ? rank : best), 0);
}

function pick(name, place) {
  const svg = part(name);
  const picked = (event) => place(event.clientX - svg.getBoundingClientRect().left);
  svg.addEventListener("pointerdown", picked);
  svg.addEventListener("pointermove", (event) => event.buttons && picked(event));
}

for (const name of ["bits", "size"]) part(name).addEventListener("change", () => (settled = true));
part("bits").addEventListener("input", (event) => narrow(widths()[event.target.value]));
part("size").addEventListener("input", (event) => change({ size: sizes[event.target.value] }, { more: true }));
part("weight").addEventListener("input", (event) => follow(Number(event.target.value)));
for (const pill of all("[data-mapping]")) pill.addEventListener("click", () => choose(pill.dataset.mapping));
for (const pill of all("[data-numbers]")) pill.addEventListener("click", () => change({ numbers: pill.dataset.numbers }));
for (const card of all("[data-lesson]"))
  card.addEventListener("click", () => teach(Number(card.dataset.lesson)));
pick("levels", (x) => follow(rankOf(shown.scale.of(x))));
pick("order", (x) => follow(sorted.indexOf(Math.min(Math.max(Math.floor((x / part("order").clientWidth) * sorted.length), 0), sorted.length - 1))));
pick("codes", (x) => {
  const places = codePlaces(shown.codes, part("codes").clientWidth);
  explain(places.reduce((best, place, at) => (Math.abs(place - x) < Math.abs(places[best] - x) ? at : best), 0));
});
part("codes").addEventListener("keydown", (event) => {
  const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
  if (!way) return;
  event.preventDefault();
  explain(Math.min(Math.max(shown.chosen + way, 0), shown.codes.values.length - 1));
});

function explain(code) {
  state.code = code;
  draw();
}

// Rows of a model: asked of the server, and shown when they come.
const layer = part("layer");
const row = part("row");
let asking;
let wanted = null; // what was asked for and is not here yet
function ask(delay) {
  clearTimeout(asking);
  wanted = { layer: layer.value, row: Number(row.value) };
  part("row-value").textContent = row.value;
  asking = setTimeout(() => wanted && trigger("select", wanted), delay);
}
layer.addEventListener("change", () => {
  row.value = 0;
  ask(0);
});
row.addEventListener("input", () => ask(80));

function received() {
  const found = props.value;
  const options = found.layers.map(([name, label]) => Object.assign(new Option(label, name), { title: name }));
  const known = options.map((option) => option.value).join() === [...layer.options].map((option) => option.value).join();
  if (known && wanted && (wanted.layer !== found.layer || wanted.row !== found.row)) return; // the answer to an older question
  wanted = null;
  if (!known) layer.replaceChildren(...options);
  layer.value = layer.title = found.layer;
  row.max = found.rows - 1;
  row.value = found.row;
  part("row-value").textContent = _("{number} of {total}", { number: found.row, total: decimal(found.rows) });
  part("model").textContent = found.model;
  if (found.values) sets.row = decoded(found.values);
  const seen = { number: decimal(sets.row.length), total: decimal(found.columns) };
  const cut = found.columns > sets.row.length ? _("The first {number} of {total} numbers.", seen) : "";
  part("note").textContent = [found.note, cut].filter(Boolean).join(" ");
  if (state.numbers === "row") before = null;
  if (state.lesson !== null) compare();
  sort();
  draw();
}

watch("value", received);
received();
new ResizeObserver(() => shown && pictures()).observe(part("levels"));
