// What the Learn tab says of one number and of one code: the formula, and the formula with the numbers filled in. Markup of numbers, and of what translators write.
const ROUNDED = 4; // digits that are shown of a number that was computed

function figure(x) {
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e6 || size < 1e-4) {
    const [digits, power] = x.toExponential(ROUNDED - 1).split("e");
    return `${minus(Number(digits))}·10<sup>${minus(Number(power))}</sup>`;
  }
  return minus(Number(x.toPrecision(ROUNDED)));
}

const minus = (x) => String(x).replace("-", "−");
const inner = (x) => (x < 0 ? `(${figure(x)})` : figure(x)); // behind an operator
const decibels = (x) => (Number.isFinite(x) ? `${minus(x.toFixed(1))} dB` : "∞ dB");
const percent = (share) => `${minus(Number((100 * share).toPrecision(2)))}%`;
const Q_MIN = "q<sub>min</sub>";
const Q_MAX = "q<sub>max</sub>";

// How a scale of each kind is written, [formula, filled in], from the symbols and the numbers of what it spans.
const SCALE_STEPS = {
  float32: divided,
  bfloat16: divided,
  e8m0(symbols, group, codes) {
    const [own, top] = [group.largest, codes.largest].map((x) => Math.floor(Math.log2(x)));
    return [`2<sup>⌊log₂ ${symbols}⌋ − ${top}</sup>`, group.largest ? `2<sup>${minus(own)} − ${top}</sup>` : ""];
  },
  float(symbols, { tensor, own }, codes, rule) {
    const wanted = `${symbols} / ${codes.largest}`;
    if (!rule.tensor) return [`${rule.scale.name}(${wanted})`, ""];
    return [`T · ${rule.scale.name}(${wanted} / T)`, `${figure(tensor)} · ${figure(own)}`];
  },
  float16(symbols, group, codes, rule) {
    if (rule.search) return [_("the best of several, in 16 bits"), ""];
    if (rule.spans !== "extreme") return divided(symbols, group, codes);
    return [`${_("r farthest from 0")} / ${Q_MIN}`, `${figure(group.largest)} / ${inner(codes.values[0])}`];
  },
  steps: (symbols, { step, own }) => [_("step · n, near the best of several"), `${figure(step)} · ${inner(own)}`],
};

function divided(symbols, { low, high, largest }, codes) {
  if (codes.kind === "table" && codes.largest === 1) return [symbols, ""];
  const filled = largest === undefined ? `(${figure(high)} − ${inner(low)})` : figure(largest);
  const end = { integer: Q_MAX, float: _("largest code"), table: _("largest level") }[codes.kind];
  return [`${symbols} / ${end}`, `${filled} / ${figure(codes.largest)}`];
}

// The steps from r to r̂, each [name, formula, filled in, result].
function steps(rule, r, group, codes, at) {
  if (rule === "affine") return affineSteps(r, group, codes, at);
  const found = [];
  if (rule.tensor) found.push(["T", `max|all r| / (${rule.scale.largest} · ${codes.largest})`, "", group.tensor]);
  const zero = rule.spans === "minmax with zero";
  const below = rule.affine && rule.superblock;
  const offset = zero || below ? "m" : "min";
  if (below) found.push(["m", _("−step′ · n′"), `−${figure(group.belowStep)} · ${inner(group.belowOwn)}`, group.low]);
  if (zero) found.push(["m", rule.scale.kind === "bfloat16" ? _("min(0, min) in 16 bits") : "min(0, min)", "", group.low]);
  const own = SCALE_STEPS[rule.scale.kind] || (() => [_("from max|r|"), ""]);
  found.push(["S", ...own(rule.affine ? `(max − ${offset})` : "max|r|", group, codes, rule), group.scale]);
  return [...found, ...(rule.affine ? counted : rounded)(r, group, codes, at, offset)];
}

function rounded(r, { scale, levels }, codes, at) {
  const value = codes.values[at];
  const whole = codes.kind === "integer";
  const [name, word] = [whole ? "q" : "v", whole ? "round" : "nearest"];
  return [
    [name, codes.kind === "table" ? _("level nearest to r / S") : `${word}(r / S)`, `${word}(${figure(r)} / ${figure(scale)}) = ${word}(${figure(r / scale)})`, value],
    ["r̂", `S · ${name}`, `${figure(scale)} · ${inner(value)}`, levels[at]],
  ];
}

function counted(r, { low, scale, levels }, codes, at, offset) {
  const q = codes.values[at];
  return [
    ["q", `round((r − ${offset}) / S)`, `round((${figure(r)} − ${inner(low)}) / ${figure(scale)}) = round(${figure((r - low) / scale)})`, q],
    ["r̂", `S · q + ${offset}`, `${figure(scale)} · ${q} + ${inner(low)}`, levels[at]],
  ];
}

function affineSteps(r, group, codes, at) {
  const { low, high, scale, zeroPoint } = group;
  const [first, last, q] = [codes.values[0], codes.largest, codes.values[at]];
  return [
    ["S", `(max − min) / (${Q_MAX} − ${Q_MIN})`, `(${figure(high)} − ${inner(low)}) / (${last} − ${inner(first)})`, scale],
    ["Z", `round(${Q_MIN} − min / S)`, `round(${minus(first)} − ${inner(low)} / ${figure(scale)})`, zeroPoint],
    ["q", "round(r / S + Z)", `round(${figure(r)} / ${figure(scale)} + ${inner(zeroPoint)}) = round(${figure(r / scale + zeroPoint)})`, q],
    ["r̂", "S · (q − Z)", `${figure(scale)} · (${minus(q)} − ${inner(zeroPoint)})`, group.levels[at]],
  ];
}

function formula(rule, r, group, codes, at) {
  const error = group.levels[at] - r;
  return [["r", _("the number itself"), "", r], ...steps(rule, r, group, codes, at), ["e", "r̂ − r", "", error]]
    .map(([name, symbols, filled, result]) => {
      const middle = filled ? `<span class="filled">= ${filled}</span>` : "";
      return `<div class="step"><dt>${name}</dt><dd><span class="symbols">= ${symbols}</span>${middle}<b>= ${figure(result)}</b></dd></div>`;
    })
    .join("");
}

// What the bits of a code mean.
function codeWords(codes, at, rule) {
  const value = codes.values[at];
  const named = (bits) => `<code>${bits}</code>`;
  if (!codes.layout) {
    const number = codes.kind === "table" || rule.spans === "extreme" ? at : value; // GGUF counts from the lowest
    const bits = (number < 0 ? number + 2 ** codes.bits : number).toString(2).padStart(codes.bits, "0");
    return _("{code} stands for {value}", { code: named(bits), value: `<b>${figure(value)}</b>` });
  }
  const [exponentBits, mantissaBits, bias] = codes.layout;
  const code = Math.abs(at - codes.values.indexOf(0));
  const [field, fraction] = [code >> mantissaBits, code % 2 ** mantissaBits];
  const binary = (x, width) => x.toString(2).padStart(width, "0");
  const parts = `<code><i class="sign">${value < 0 ? 1 : 0}</i> <i class="exponent">${binary(field, exponentBits)}</i> <i class="fraction">${binary(fraction, mantissaBits)}</i></code>`;
  const part = fraction ? `${fraction}/${2 ** mantissaBits}` : "0";
  const power = `2<sup>${Math.max(field, 1)}−${bias}</sup>`;
  return `${parts} = ${value < 0 ? "−" : ""}${power} · ${field ? `(1 + ${part})` : part} = <b>${figure(value)}</b>`;
}
