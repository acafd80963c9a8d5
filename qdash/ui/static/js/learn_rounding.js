// The arithmetic of the Learn tab: what becomes of numbers that are quantized. Pure functions; nothing here knows of the page.
//
// Computed in float32 where qdash.engine.formats is (Math.fround after every operation gives exactly what the operation gives in float32),
// and in the same order, so both agree bit for bit. “affine” is the textbook's, in float64.
const f32 = Math.fround;
const SMALLEST_NORMAL = 2 ** -126; // of float32; a scale below it would be too coarse itself
const SMALLEST_TENSOR_SCALE = 2 ** -121;
const E4M3_LEAST = 2 ** -6; // the smallest normal number of E4M3
const NVFP4_RANGE = 448 * 6;

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

// The place in `values` (ascending, with a zero) nearest to x. A tie goes to the even code, which is an even number of places from zero.
function nearest(x, values, zero) {
  let low = 0;
  let high = values.length - 1;
  if (x <= values[low]) return low;
  if (x >= values[high]) return high;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (values[middle] <= x) low = middle;
    else high = middle;
  }
  const below = x - values[low];
  const above = values[high] - x;
  if (below === above) return (low - zero) % 2 === 0 ? low : high;
  return below < above ? low : high;
}

const extremes = (part) => part.reduce(([low, high], x) => [Math.min(low, x), Math.max(high, x)], [Infinity, -Infinity]);
const largestOf = (part) => part.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

// One function for each rule. Each takes the numbers that share a scale, the codes (see qdash.learn.mappings.Codes) with `zero`, the place
// of 0 in them, and the largest number of all; and gives: `code` of a number (a place in codes.values), `value` of a code, and the names
// that a formula needs.
const RULES = {
  row(part, codes) {
    const largest = largestOf(part);
    const scale = Math.max(f32(largest / codes.largest), SMALLEST_NORMAL);
    const code = (x) => nearest(f32(x / scale), codes.values, codes.zero);
    return { largest, scale, code, value: (index) => f32(codes.values[index] * scale) };
  },

  mx(part, codes) {
    const largest = largestOf(part);
    const least = Math.floor(Math.log2(codes.largest));
    const exponent = Math.max((bitsOf(largest) >>> 23) - least, 0);
    const inverse = f32(1 / floatOf(Math.max(exponent, 1) << 23));
    const scale = exponent ? floatOf(exponent << 23) : 2 ** -127;
    const code = (x) => nearest(f32(x * inverse), codes.values, codes.zero);
    return { largest, scale, code, value: (index) => f32(codes.values[index] * scale) };
  },

  nvfp4(part, codes, whole, scaleCodes) {
    const largest = largestOf(part);
    const tensor = Math.max(f32(whole / NVFP4_RANGE), SMALLEST_TENSOR_SCALE);
    const wanted = f32(f32(largest / codes.largest) / tensor);
    const own = scaleCodes.values[nearest(Math.max(wanted, E4M3_LEAST), scaleCodes.values, scaleCodes.zero)];
    const inverse = f32(f32(1 / tensor) / own);
    const scale = f32(own * tensor);
    const code = (x) => nearest(f32(x * inverse), codes.values, codes.zero);
    return { largest, tensor, own, scale, code, value: (index) => f32(codes.values[index] * scale) };
  },

  group(part, codes) {
    const [least, most] = extremes(part);
    const low = bfloat16(Math.min(least, 0));
    const high = Math.max(most, 0);
    return stepped(low, high, bfloat16(f32(f32(high - low) / codes.largest)), codes);
  },

  tensor(part, codes) {
    const [low, high] = extremes(part);
    return stepped(low, high, f32(f32(high - low) / codes.largest), codes);
  },

  // S = (max − min)/(qmax − qmin), Z = round(qmin − min/S), q = round(r/S + Z), r ≈ S·(q − Z). The range of equal numbers includes zero.
  affine(part, codes) {
    const lowest = codes.values[0];
    let [low, high] = extremes(part);
    if (low === high) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
    const scale = (high - low) / (codes.largest - lowest) || 1;
    const zeroPoint = roundEven(lowest - low / scale);
    const code = (x) => Math.min(Math.max(roundEven(x / scale + zeroPoint), lowest), codes.largest) - lowest;
    return { low, high, scale, zeroPoint, code, value: (index) => scale * (index + lowest - zeroPoint) };
  },
};

function stepped(low, high, step, codes) {
  const scale = Math.max(step, SMALLEST_NORMAL);
  const code = (x) => nearest(f32(f32(x - low) / scale), codes.values, codes.zero);
  return { low, high, scale, code, value: (index) => f32(f32(codes.values[index] * scale) + low) };
}

// Quantizes `numbers` (float32) in groups of `size` (0: all together), as `rule` has it. Gives for each number its `codes` and what is read
// back, `restored`; and the `groups`, each with start, end, what its rule found, and its `levels` (of each code, in the order of codes).
function quantized(numbers, rule, codes, size, scaleCodes) {
  const placed = (table) => table && { ...table, zero: table.values.indexOf(0) };
  const [own, ofScales] = [placed(codes), placed(scaleCodes)];
  const whole = largestOf(numbers);
  const result = { codes: new Uint16Array(numbers.length), restored: new Float64Array(numbers.length), groups: [] };
  for (let start = 0; start < numbers.length; start += size || numbers.length) {
    const end = Math.min(start + (size || numbers.length), numbers.length);
    const group = { start, end, ...RULES[rule](numbers.subarray(start, end), own, whole, ofScales) };
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
