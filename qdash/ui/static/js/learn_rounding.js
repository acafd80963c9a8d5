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

// To 11 bits of precision and no smaller step than 2^-24, ties to even; infinite beyond 65504.
function float16(x) {
  const size = Math.abs(x);
  if (size < 2 ** -14) return roundEven(x * 2 ** 24) * 2 ** -24;
  const bits = bitsOf(size);
  const rounded = floatOf((bits + 0xfff + ((bits >>> 13) & 1)) & 0xffffe000);
  return Math.sign(x) * (rounded > 65504 ? Infinity : rounded);
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
const farthestOf = (part) => part.reduce((most, x) => (Math.abs(x) > Math.abs(most) ? x : most), 0); // the first of several
const inverseOf = (scale) => stepsOver(1, scale);
const endOf = (rule, codes) => (rule.spans === "extreme" ? codes.values[0] : codes.largest); // the code of the largest number

// One function for each kind of scale (qdash.catalog.formats.ScaleType). Each takes max|r| or the range of the numbers that share it, their
// codes, the rule, the largest number of all, and the numbers. It gives the scale; `over`, a number over the scale; and the names that a formula needs.
const SCALES = {
  float32: (span, codes, rule) => dividing(f32(span / endOf(rule, codes))),
  bfloat16: (span, codes, rule) => dividing(bfloat16(f32(span / endOf(rule, codes)))),

  // Codes are found with the scale before that is rounded.
  float16(span, codes, rule, whole, part) {
    const wanted = rule.search ? bestScale(part, codes, rule) : f32(span / endOf(rule, codes));
    const inverse = inverseOf(wanted);
    return { scale: float16(wanted), over: (x) => f32(x * inverse) };
  },

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
    const largest = rule.spans === "extreme" ? farthestOf(part) : largestOf(part);
    const found = SCALES[rule.scale.kind](largest, codes, rule, whole, part);
    const code = (x) => nearest(found.over(x), codes.thresholds);
    return { largest, ...found, code, value: (index) => f32(codes.values[index] * found.scale) };
  }
  let [low, high] = extremes(part);
  if (rule.spans !== "minmax") low = Math.min(low, 0);
  if (rule.spans === "minmax with zero") high = Math.max(high, 0);
  if (rule.scale.kind === "bfloat16") low = bfloat16(low);
  const found = SCALES[rule.scale.kind](f32(high - low), codes, rule, whole);
  const code = (x) => nearest(found.over(f32(x - low)), codes.thresholds);
  const stored = rule.scale.kind === "float16" ? float16(low) : low;
  return { low: stored, high, ...found, code, value: (index) => f32(f32(codes.values[index] * found.scale) + stored) };
}

// Blocks whose scales are whole numbers of steps, and so are their minima: one step of each for all of `part`.
function superblock(part, codes, rule, size) {
  const blocks = [];
  for (let start = 0; start < part.length; start += size) blocks.push(part.subarray(start, start + size));
  const found = blocks.map((block) => (rule.affine ? bestScaleAndMinimum(block, codes, rule) : [bestScale(block, codes, rule), 0]));
  const scales = inSteps(found.map(([scale]) => scale), rule.scale);
  const minima = inSteps(found.map(([, minimum]) => -minimum), rule.scale);
  return blocks.map((block, at) => {
    const [scale, below] = [f32(scales.step * scales.numbers[at]), f32(minima.step * minima.numbers[at])];
    const code = (x) => nearest(scale ? f32(f32(x + below) / scale) : 0, codes.thresholds);
    const value = (index) => f32(f32(codes.values[index] * scale) - below);
    return { low: -below, scale, step: scales.step, own: scales.numbers[at], belowStep: minima.step, belowOwn: minima.numbers[at], code, value };
  });
}

// The largest becomes the largest number; where numbers have a sign, the one farthest from zero becomes the lowest.
function inSteps(scales, { lowest, largest }) {
  const end = lowest || largest;
  const farthest = farthestOf(scales);
  const inverse = stepsOver(end, farthest);
  const numbers = scales.map((scale) => Math.min(Math.max(roundEven(f32(scale * inverse)), lowest), largest));
  return { numbers, step: float16(f32(farthest / end)) };
}

// Scales that are found by trying, in the order of operations of qdash.engine.formats.searching. A Float32Array rounds what is put into it.
const IMPORTANCE = {
  square: (part) => part.map((x) => x * x),
  magnitude: (part) => part.map(Math.abs),
  "magnitude+mean"(part) {
    const mean = f32(Math.sqrt(f32(total(part.map((x) => x * x)) / part.length)));
    return part.map((x) => Math.abs(x) + mean);
  },
};

// Halves are added onto halves.
function total(values) {
  let sums = values;
  while (sums.length > 1) {
    const half = (sums.length + 1) >> 1;
    const folded = sums.slice(0, half);
    for (let at = half; at < sums.length; at++) folded[at - half] += sums[at];
    sums = folded;
  }
  return sums[0];
}

const times = (left, right) => left.map((x, at) => x * right[at]);
const finite = (x) => (Number.isFinite(x) ? x : 0);
const stepsOver = (steps, span) => finite(f32(f32(steps) / span)); // zero for a span of nothing, or of so little that this is infinite
const codesOf = (part, inverse, codes) => part.map((x) => codes.values[nearest(f32(x * inverse), codes.thresholds)]);

function bestScale(part, codes, rule) {
  const importance = IMPORTANCE[rule.search.importance](part);
  const find = rule.search.offsets ? byGrid : byDescent;
  return find(part, importance, times(importance, part), farthestOf(part), codes, rule);
}

function byGrid(part, importance, weighted, farthest, codes, rule) {
  const end = endOf(rule, codes);
  let [scale, explained] = [f32(farthest / end), 0];
  for (const offset of rule.search.offsets) {
    const found = codesOf(part, stepsOver(end > 0 ? end + offset : end - offset, farthest), codes);
    const product = total(times(weighted, found));
    const own = f32(product / total(times(times(importance, found), found)));
    const gain = f32(own * product);
    if (gain > explained) [scale, explained] = [own, gain];
  }
  return scale;
}

function byDescent(part, importance, weighted, farthest, codes, rule) {
  const found = codesOf(part, stepsOver(endOf(rule, codes), farthest), codes);
  let [product, square] = [total(times(weighted, found)), total(times(times(importance, found), found))];
  for (let sweep = 0; sweep < rule.search.sweeps; sweep++) {
    for (let at = 0; at < part.length; at++) {
      const [own, heavy, code] = [importance[at], weighted[at], found[at]];
      const [others, othersSquare] = [f32(product - f32(heavy * code)), f32(square - f32(f32(own * code) * code))];
      const changed = codes.values[nearest(f32(f32(part[at] * othersSquare) / others), codes.thresholds)];
      const [withIt, withItSquare] = [f32(others + f32(heavy * changed)), f32(othersSquare + f32(f32(own * changed) * changed))];
      if (others > 0 && f32(f32(withIt * withIt) * square) > f32(f32(product * product) * withItSquare))
        [found[at], product, square] = [changed, withIt, withItSquare];
    }
  }
  return square ? f32(product / square) : 0;
}

function bestScaleAndMinimum(part, codes, rule) {
  const { importance: kind, offsets, absolute } = rule.search;
  const importance = IMPORTANCE[kind](part);
  const weighted = times(importance, part);
  const [allImportance, allWeighted] = [total(importance), total(weighted)];
  const [lowest, high] = extremes(part);
  let minimum = Math.min(lowest, 0);
  let scale = f32(f32(high - minimum) / codes.largest);
  const codesAt = (steps) => codesOf(part.map((x) => x - minimum), stepsOver(steps, f32(high - minimum)), codes);
  const errorWith = (scale, minimum, found) => {
    const error = part.map((x, at) => f32(f32(found[at] * scale) + minimum) - x);
    return total(times(absolute ? error.map(Math.abs) : times(error, error), importance));
  };
  let least = errorWith(scale, minimum, codesAt(codes.largest));
  for (const offset of offsets) {
    const found = codesAt(codes.largest + offset);
    const important = times(importance, found);
    const [first, second, product] = [total(important), total(times(important, found)), total(times(weighted, found))];
    const determinant = f32(f32(allImportance * second) - f32(first * first));
    let own = f32(f32(f32(allImportance * product) - f32(allWeighted * first)) / determinant);
    let ownMinimum = f32(f32(f32(second * allWeighted) - f32(first * product)) / determinant);
    if (ownMinimum > 0) [own, ownMinimum] = [f32(product / second), 0];
    const error = errorWith(own, ownMinimum, found);
    if (error < least && determinant > 0) [scale, minimum, least] = [own, ownMinimum, error];
  }
  return [scale, minimum];
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
  const length = size || numbers.length;
  const extent = rule.superblock || length;
  for (let first = 0; first < numbers.length; first += extent) {
    const part = numbers.subarray(first, first + extent);
    const blocks = rule.superblock ? superblock(part, codes, rule, length) : [found(part)];
    blocks.forEach((block, index) => {
      const start = first + index * length;
      const group = { start, end: Math.min(start + length, numbers.length), ...block };
      group.levels = codes.values.map((_, index) => group.value(index));
      for (let at = start; at < group.end; at++) {
        result.codes[at] = group.code(numbers[at]);
        result.restored[at] = group.levels[result.codes[at]];
      }
      result.groups.push(group);
    });
  }
  return result;
}

// The levels of a negative scale descend.
const ascending = (levels) => (levels[0] <= levels.at(-1) ? levels : [...levels].reverse());

// What was lost, in float64. `sqnr` in dB, Infinity where nothing was; `zeroed` and `clipped` are shares of all numbers: rounded to zero
// though they were not, and so far beyond the outermost level that another one would have been nearer.
function errorOf(numbers, result) {
  let [signal, noise, largest, zeroed, clipped] = [0, 0, 0, 0, 0];
  const errors = new Float64Array(numbers.length);
  for (const { start, end, levels: own } of result.groups) {
    const levels = ascending(own);
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
