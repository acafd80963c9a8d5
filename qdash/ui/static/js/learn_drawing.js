// The pictures of the Learn tab, as SVG that takes its colours from the page: nothing has to be drawn again for the other theme.
const BINS = 71;
const FEW = 64; // levels that are drawn one by one; more are counted in bins
const AXIS = 34; // pixels below a picture for ticks and labels

const line = (x1, y1, x2, y2, kind) => `<line class="${kind}" x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}"/>`;
const bar = (x, y, width, height, kind) =>
  `<rect class="${kind}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${Math.max(width, 0.5).toFixed(1)}" height="${Math.max(height, 0).toFixed(1)}"/>`;
const words = (x, y, content, kind, anchor = "middle") => `<text class="${kind}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${content}</text>`;
const plain = (x) => minus(Number(x.toPrecision(3)));

// From numbers to pixels, over all numbers and the levels of one group.
function scaleOf(numbers, levels, width) {
  let [low, high] = extremes(numbers);
  const ordered = ascending(levels);
  low = Math.min(low, ordered[0]);
  high = Math.max(high, ordered.at(-1));
  const pad = (high - low || 1) * 0.025;
  [low, high] = [low - pad, high + pad];
  return { low, high, at: (x) => ((x - low) / (high - low)) * width, of: (pixel) => low + (pixel / width) * (high - low) };
}

function counts(numbers, scale) {
  const bins = new Array(BINS).fill(0);
  for (const x of numbers) bins[Math.min(BINS - 1, Math.floor(((x - scale.low) / (scale.high - scale.low)) * BINS))]++;
  return bins;
}

// How crowded each of a few values is: its count over the width of its share of the axis, in numbers for each bin of the histogram.
function crowds(restored, scale) {
  const tally = new Map();
  for (const x of restored) tally.set(x, (tally.get(x) || 0) + 1);
  if (tally.size > FEW) return null;
  const places = [...tally.keys()].sort((a, b) => a - b);
  const bin = (scale.high - scale.low) / BINS;
  return places.map((x, at) => {
    const left = at ? x - places[at - 1] : places[at + 1] - x;
    const right = at < places.length - 1 ? places[at + 1] - x : left;
    return { x, count: tally.get(x), density: (tally.get(x) * bin) / ((left + right) / 2 || bin) };
  });
}

// Codes as labels at their places in pixels, as many as have room: first those of `first`, the leading one in bold, then from left to right.
function labels(codes, places, first, y) {
  const kept = [];
  for (const at of [...first, ...places.keys()]) {
    const text = plain(codes.values[at]);
    const half = 3.4 * text.length + 3;
    if (kept.every((other) => Math.abs(places[other.at] - places[at]) >= half + other.half)) kept.push({ at, text, half });
  }
  return kept.map(({ at, text }) => words(places[at], y, text, at === first[0] ? "code chosen" : "code")).join("");
}

// Histogram, levels, and the way of one number to its level.
function drawLevels({ numbers, result, group, codes, at, scale }, width, height) {
  const floor = height - AXIS;
  const top = 34; // for the number that is followed
  const bins = counts(numbers, scale);
  const most = Math.max(...bins);
  const up = (count) => (count ? Math.max(Math.min(count / most, 1) * (floor - top), 2) : 0); // one outlier is to be seen too
  const step = width / BINS;
  let out = bins.map((count, n) => bar(n * step + 0.5, floor - up(count), step - 1, up(count), "grey")).join("");
  const few = crowds(result.restored, scale);
  if (few) {
    const stick = Math.max(2, Math.min(7, (width / few.length) * 0.35));
    out += few.map(({ x, density }) => bar(scale.at(x) - stick / 2, floor - up(density), stick, up(density), "stick")).join("");
  } else {
    out += counts(result.restored, scale).map((count, n) => bar((n + 0.3) * step, floor - up(count), step * 0.4, up(count), "stick")).join("");
  }
  out += line(0, floor, width, floor, "axis");
  const places = group.levels.map(scale.at);
  const zero = Math.max(codes.values.indexOf(0), 0); // some tables have none
  out += places.map((x) => line(x, floor + 2, x, floor + 9, "level")).join("");
  const chosen = result.codes[at];
  out += labels(codes, places, [chosen, 0, places.length - 1, zero], floor + 20);
  for (const [x, anchor] of [[scale.low, "start"], [scale.high, "end"]]) out += words(scale.at(x), height - 2, plain(x), "tick", anchor);
  if (scale.low < 0 && scale.high > 0) out += words(scale.at(0), height - 2, "0", "tick");
  return out + followed(scale.at(numbers[at]), places[chosen], floor, width);
}

// r above, an arrow to r̂ below.
function followed(from, to, floor, width) {
  const held = (x) => Math.min(Math.max(x, 8), width - 8);
  const apart = Math.abs(from - to) > 16;
  const way = `<path class="way" d="M${from.toFixed(1)} 16 V24 H${to.toFixed(1)} V${(floor - 1).toFixed(1)}"/>`;
  const names = apart ? words(held(from), 11, "r", "name") + words(held(to), 11, "r̂", "name own") : words(held(from), 11, "r → r̂", "name");
  return `${way}<circle class="from" cx="${from.toFixed(1)}" cy="18" r="3.5"/><circle class="to" cx="${to.toFixed(1)}" cy="${floor}" r="5"/>${names}`;
}

// Every number in its order, and for each group the range that its levels span.
function drawOrder({ numbers, result, at, scale }, width, height) {
  const x = (n) => ((n + 0.5) / numbers.length) * width;
  const y = (value) => 3 + ((scale.high - value) / (scale.high - scale.low)) * (height - 6);
  const bands = result.groups.map((group) => {
    const own = result.groups.length > 1 && at >= group.start && at < group.end;
    const [left, right] = [(group.start / numbers.length) * width, (group.end / numbers.length) * width];
    const gap = result.groups.length > 1 ? Math.min(1, (right - left) / 8) : 0;
    const levels = ascending(group.levels);
    const [high, low] = [y(Math.min(levels.at(-1), scale.high)), y(Math.max(levels[0], scale.low))];
    return bar(left + gap / 2, high, right - left - gap, low - high, own ? "band own" : "band");
  });
  const dots = Array.from(numbers, (value, n) => `M${x(n).toFixed(1)} ${y(value).toFixed(1)}h0`).join("");
  const chosen = `<circle class="to" cx="${x(at).toFixed(1)}" cy="${y(numbers[at]).toFixed(1)}" r="4.5"/>`;
  return `${bands.join("")}${line(0, y(0), width, y(0), "axis")}<path class="dots${numbers.length > 700 ? " small" : ""}" d="${dots}"/>${chosen}`;
}

// Every code of a format on a line of its own, before a scale.
const codePlaces = (codes, width) => {
  const [first, last] = [codes.values[0], codes.values.at(-1)];
  return codes.values.map((value) => 14 + ((value - first) / (last - first)) * (width - 28));
};

function drawCodes(codes, chosen, width) {
  const places = codePlaces(codes, width);
  const zero = Math.max(codes.values.indexOf(0), 0);
  const thin = places.length > FEW;
  const out = places.map((x) => (thin ? line(x, 12, x, 28, "level") : `<circle class="dot-code" cx="${x.toFixed(1)}" cy="20" r="4"/>`));
  const chosenDot = `<circle class="to" cx="${places[chosen].toFixed(1)}" cy="20" r="6"/>`;
  return `${line(4, 20, width - 4, 20, "axis")}${out.join("")}${chosenDot}${labels(codes, places, [chosen, 0, places.length - 1, zero], 47)}`;
}

// New number minus old, of all numbers; as wide as one step of the widest kind either way.
function drawErrors(errors, width, height) {
  const floor = height - 16;
  const end = largestOf(errors) || 1;
  const scale = { low: -end, high: end * (1 + 1e-9) };
  const bins = counts(errors, scale);
  const most = Math.max(...bins);
  const step = width / BINS;
  const bars = bins.map((count, n) => bar(n * step + 0.5, floor - (count / most) * (floor - 4), step - 1, (count / most) * (floor - 4), "stick"));
  const ends = words(0, height - 3, `−${plain(end)}`, "tick", "start") + words(width / 2, height - 3, "0", "tick") + words(width, height - 3, `+${plain(end)}`, "tick", "end");
  return `${bars.join("")}${line(0, floor, width, floor, "axis")}${ends}`;
}
