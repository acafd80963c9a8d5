// The arithmetic of the Learn tab: what becomes of numbers that are quantized. Pure functions; nothing here knows of the page.
//
// Computed in float32 where qdash.engine.formats is (Math.fround after every operation gives exactly what the operation gives in float32),
// and in the same order, so both agree bit for bit. “affine” is the textbook's, in float64.
const f32 = Math.fround;
const SMALLEST_NORMAL = 2 ** -126; // of float32; a scale below it would be too coarse itself

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);
const bitsOf = (x) => ((float[0] = x), word[0]);
const floatOf = (bits) => ((word[0] = bits), float[0]);

// To 8 bits of precision, ties to even: the upper half of a float32.
function bfloat16(x) {
  const bits = bitsOf(x);
  return floatOf((bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000);
}

// Ties to even, as numpy, torch and IEEE 754 round.
function roundEven(x) {
  const up = Math.round(x);
  return up - x === 0.5 && up % 2 !== 0 ? up - 1 : up;
}

// The code of x: how many thresholds (ascending) lie below it.
function nearest(x, thresholds) {
  let low = 0;
  let high = thresholds.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x > thresholds[middle]) low = middle + 1;
    else high = middle;
  }
  return low;
}

const extremes = (part) => part.reduce(([low, high], x) => [Math.min(low, x), Math.max(high, x)], [Infinity, -Infinity]);
const largestOf = (part) => part.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

// One function for each kind of scale (qdash.catalog.formats.ScaleType). Each takes max|r| or the range of the numbers that share it, their
// codes, the rule, and the largest number of all. It gives the scale; `over`, a number over the scale; and the names that a formula needs.
const SCALES = {
  float32: (span, codes) => dividing(f32(span / codes.largest)),
  bfloat16: (span, codes) => dividing(bfloat16(f32(span / codes.largest))),

  e8m0(span, codes) {
    const exponent = Math.max((bitsOf(span) >>> 23) - Math.floor(Math.log2(codes.largest)), 0);
    const inverse = f32(1 / floatOf(Math.max(exponent, 1) << 23));
    return { scale: exponent ? floatOf(exponent << 23) : 2 ** -127, over: (x) => f32(x * inverse) };
  },

  float(span, codes, rule, whole) {
    const { values, thresholds, smallest, largest } = rule.scale;
    const tensor = rule.tensor ? Math.max(f32(whole / (largest * codes.largest)), 2 ** -127 / smallest) : 1;
    const wanted = f32(f32(span / codes.largest) / tensor);
    const own = values[nearest(Math.max(wanted, smallest), thresholds)];
    const inverse = f32(f32(1 / tensor) / own);
    return { scale: f32(own * tensor), over: (x) => f32(x * inverse), tensor, own };
  },
};

function dividing(wanted) {
  const scale = Math.max(wanted, SMALLEST_NORMAL);
  return { scale, over: (x) => f32(x / scale) };
}

// What numbers that share a scale are rounded to, as `rule` has it: `code` of a number (a place in codes.values), `value` of a code.
function shared(part, codes, rule, whole) {
  if (!rule.affine) {
    const largest = largestOf(part);
    const found = SCALES[rule.scale.kind](largest, codes, rule, whole);
    const code = (x) => nearest(found.over(x), codes.thresholds);
    return { largest, ...found, code, value: (index) => f32(codes.values[index] * found.scale) };
  }
  let [low, high] = extremes(part);
  if (rule.spans === "minmax with zero") [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  if (rule.scale.kind === "bfloat16") low = bfloat16(low);
  const found = SCALES[rule.scale.kind](f32(high - low), codes, rule, whole);
  const code = (x) => nearest(found.over(f32(x - low)), codes.thresholds);
  return { low, high, ...found, code, value: (index) => f32(f32(codes.values[index] * found.scale) + low) };
}

// The textbook's: S = (max − min)/(qmax − qmin), Z = round(qmin − min/S), q = round(r/S + Z), r ≈ S·(q − Z). The range of equal numbers
// includes zero.
function affine(part, codes) {
  const lowest = codes.values[0];
  let [low, high] = extremes(part);
  if (low === high) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  const scale = (high - low) / (codes.largest - lowest) || 1;
  const zeroPoint = roundEven(lowest - low / scale);
  const code = (x) => Math.min(Math.max(roundEven(x / scale + zeroPoint), lowest), codes.largest) - lowest;
  return { low, high, scale, zeroPoint, code, value: (index) => scale * (index + lowest - zeroPoint) };
}

// Quantizes `numbers` (float32) in groups of `size` (0: all together). `codes` and `rule` are as qdash.learn.mappings has them; the rule
// "affine" is the textbook's. Gives for each number its `codes` and what is read back, `restored`; and the `groups`, each with start, end,
// what its rule found, and its `levels` (of each code, in the order of codes).
function quantized(numbers, rule, codes, size) {
  const whole = largestOf(numbers);
  const found = (part) => (rule === "affine" ? affine(part, codes) : shared(part, codes, rule, whole));
  const result = { codes: new Uint16Array(numbers.length), restored: new Float64Array(numbers.length), groups: [] };
  for (let start = 0; start < numbers.length; start += size || numbers.length) {
    const end = Math.min(start + (size || numbers.length), numbers.length);
    const group = { start, end, ...found(numbers.subarray(start, end)) };
    group.levels = codes.values.map((_, index) => group.value(index));
    for (let at = start; at < end; at++) {
      result.codes[at] = group.code(numbers[at]);
      result.restored[at] = group.levels[result.codes[at]];
    }
    result.groups.push(group);
  }
  return result;
}

// What was lost, in float64. `sqnr` in dB, Infinity where nothing was; `zeroed` and `clipped` are shares of all numbers: rounded to zero
// though they were not, and so far beyond the outermost level that another one would have been nearer.
function errorOf(numbers, result) {
  let [signal, noise, largest, zeroed, clipped] = [0, 0, 0, 0, 0];
  const errors = new Float64Array(numbers.length);
  for (const { start, end, levels } of result.groups) {
    const bottom = levels[0] - (levels[1] - levels[0]) / 2;
    const top = levels.at(-1) + (levels.at(-1) - levels.at(-2)) / 2;
    for (let at = start; at < end; at++) {
      const error = (errors[at] = result.restored[at] - numbers[at]);
      signal += numbers[at] ** 2;
      noise += error ** 2;
      largest = Math.max(largest, Math.abs(error));
      zeroed += result.restored[at] === 0 && numbers[at] !== 0;
      clipped += numbers[at] < bottom || numbers[at] > top;
    }
  }
  const count = numbers.length;
  const sqnr = noise ? 10 * Math.log10(signal / noise) : Infinity;
  return { errors, sqnr, rms: Math.sqrt(noise / count), largest, zeroed: zeroed / count, clipped: clipped / count };
}
