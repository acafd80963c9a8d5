// What the Learn tab says of one number and of one code: the formula, and the formula with the numbers filled in. Markup of numbers only.
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

// The steps from r to r̂, each [name, formula, filled in, result].
const STEPS = {
  row(r, group, codes, at) {
    const { scale, largest } = group;
    const value = codes.values[at];
    if (codes.name === "NF4")
      return [
        ["S", "max|r|", "", scale],
        ["v", "level nearest to r / S", `nearest(${figure(r)} / ${figure(scale)}) = nearest(${figure(r / scale)})`, value],
        ["r̂", "S · v", `${figure(scale)} · ${inner(value)}`, group.levels[at]],
      ];
    const whole = !codes.layout;
    const [name, word, end] = whole ? ["q", "round", Q_MAX] : ["v", "nearest", "largest code"];
    return [
      ["S", `max|r| / ${end}`, `${figure(largest)} / ${figure(codes.largest)}`, scale],
      [name, `${word}(r / S)`, `${word}(${figure(r)} / ${figure(scale)}) = ${word}(${figure(r / scale)})`, value],
      ["r̂", `S · ${name}`, `${figure(scale)} · ${inner(value)}`, group.levels[at]],
    ];
  },

  affine(r, group, codes, at) {
    const { low, high, scale, zeroPoint } = group;
    const [first, last, q] = [codes.values[0], codes.largest, codes.values[at]];
    return [
      ["S", `(max − min) / (${Q_MAX} − ${Q_MIN})`, `(${figure(high)} − ${inner(low)}) / (${last} − ${inner(first)})`, scale],
      ["Z", `round(${Q_MIN} − min / S)`, `round(${minus(first)} − ${inner(low)} / ${figure(scale)})`, zeroPoint],
      ["q", "round(r / S + Z)", `round(${figure(r)} / ${figure(scale)} + ${inner(zeroPoint)}) = round(${figure(r / scale + zeroPoint)})`, q],
      ["r̂", "S · (q − Z)", `${figure(scale)} · (${minus(q)} − ${inner(zeroPoint)})`, group.levels[at]],
    ];
  },

  tensor: (r, group, codes, at) => counted(r, group, codes, at, "min"),
  group: (r, group, codes, at) => counted(r, group, codes, at, "m"),

  mx(r, group, codes, at) {
    const { scale, largest } = group;
    const [own, top] = [Math.floor(Math.log2(largest)), Math.floor(Math.log2(codes.largest))];
    const value = codes.values[at];
    return [
      ["S", `2<sup>⌊log₂ max|r|⌋ − ${top}</sup>`, largest ? `2<sup>${minus(own)} − ${top}</sup>` : "", scale],
      ["v", "nearest(r / S)", `nearest(${figure(r)} / ${figure(scale)}) = nearest(${figure(r / scale)})`, value],
      ["r̂", "S · v", `${figure(scale)} · ${inner(value)}`, group.levels[at]],
    ];
  },

  nvfp4(r, group, codes, at) {
    const { scale, largest, tensor, own } = group;
    const value = codes.values[at];
    return [
      ["T", "max|all r| / (448 · 6)", "", tensor],
      ["S", "T · E4M3(max|r| / 6 / T)", `${figure(tensor)} · ${figure(own)}`, scale],
      ["v", "nearest(r / S)", `nearest(${figure(r)} / ${figure(scale)}) = nearest(${figure(r / scale)})`, value],
      ["r̂", "S · v", `${figure(scale)} · ${inner(value)}`, group.levels[at]],
    ];
  },
};

function counted(r, { low, high, scale, levels }, codes, at, name) {
  const q = codes.values[at];
  const steps = [
    ["S", `(max − ${name}) / ${Q_MAX}`, `(${figure(high)} − ${inner(low)}) / ${codes.largest}`, scale],
    ["q", `round((r − ${name}) / S)`, `round((${figure(r)} − ${inner(low)}) / ${figure(scale)}) = round(${figure((r - low) / scale)})`, q],
    ["r̂", `S · q + ${name}`, `${figure(scale)} · ${q} + ${inner(low)}`, levels[at]],
  ];
  return name === "m" ? [["m", "min(0, min) in 16 bits", "", low], ...steps] : steps;
}

function formula(rule, r, group, codes, at) {
  const error = group.levels[at] - r;
  const steps = [["r", "the number itself", "", r], ...STEPS[rule](r, group, codes, at), ["e", "r̂ − r", "", error]];
  return steps
    .map(([name, symbols, filled, result]) => {
      const middle = filled ? `<span class="filled">= ${filled}</span>` : "";
      return `<div class="step"><dt>${name}</dt><dd><span class="symbols">= ${symbols}</span>${middle}<b>= ${figure(result)}</b></dd></div>`;
    })
    .join("");
}

// What the bits of a code mean.
function codeWords(codes, at) {
  const value = codes.values[at];
  const named = (bits) => `<code>${bits}</code>`;
  if (!codes.layout) {
    const number = codes.name === "NF4" ? at : value;
    const bits = (number < 0 ? number + 2 ** codes.bits : number).toString(2).padStart(codes.bits, "0");
    return `${named(bits)} stands for <b>${figure(value)}</b>`;
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
