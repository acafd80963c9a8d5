/* Rows rounded to what a small format stores: the rules of qdash/engine/formats, to the same bit, in one pass.

What a format is comes as data, see rounding.h. The names and the order of operations are those of formats/rules.py and formats/casting.py,
which say why; a test compares every format. Scales of ggml's kinds are in ggml.c. */

#include <math.h>
#include <string.h>

#include "rounding.h"

#define EXPONENT 0x7F800000u
#define MANTISSA 23
#define SMALLEST_NORMAL 1.17549435e-38f

static inline uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* NaN stays, as in torch. */
static inline float at_least(float x, float low) { return x < low ? low : x; }
static inline float at_most(float x, float high) { return x > high ? high : x; }

static inline float nearest(float x, int integer, int mantissa_bits, int bias) {
    float power = integer ? 1.0f : at_least(float_of(bits_of(x) & EXPONENT), float_of((uint32_t)(128 - bias) << MANTISSA));
    float magic = power * (integer ? TO_MAGIC : TO_MAGIC * float_of((uint32_t)(127 - mantissa_bits) << MANTISSA));
    return (x + magic) - magic;
}

static inline float looked_up(float x, const Element *e) {
    int32_t code = 0;
    for (int32_t i = 0; i < e->count - 1; i++)
        code += x > e->thresholds[i];
    return e->values[code];
}

/* Rounded to bfloat16, ties to even. */
static inline float bfloat16(float x) {
    uint32_t bits = bits_of(x);
    return x != x ? x : float_of((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000u);
}

/* max |x|, NaN if one is: the bits of positive floats are in their order. */
static float largest_of(const float *x, int64_t n) {
    uint32_t top = 0;
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = bits_of(x[i]) & 0x7FFFFFFFu;
        top = bits > top ? bits : top;
    }
    return float_of(top);
}

/* r = nearest(SCALED) * scale + low, or without low. Each loop has one kind of element, so that it can be vectorized. */
#define ROUND(SCALED, THEN)                                                                                                                 \
    if (f->element.kind == TABLE)                                                                                                           \
        for (int64_t i = 0; i < n; i++)                                                                                                     \
            r[i] = looked_up(SCALED, &f->element) * scale THEN;                                                                             \
    else                                                                                                                                    \
        for (int64_t i = 0; i < n; i++)                                                                                                     \
            r[i] = nearest(at_most(at_least(SCALED, first), last), integer, mantissa_bits, bias) * scale THEN;

/* Values that share a scale, of a rule that is symmetric about zero. top: max |x|, or that of the tensor. */
static void symmetric(const float *x, float *r, int64_t n, const Format *f, float top) {
    const int integer = f->element.kind == INTEGER, mantissa_bits = f->element.mantissa_bits, bias = f->element.bias;
    const float first = f->element.lowest, last = f->element.largest;
    if (f->scale == SCALE_E8M0) {
        int32_t exponent = (int32_t)(bits_of(top) >> MANTISSA) - f->element.largest_exponent;
        uint32_t bits = (uint32_t)(exponent < 0 ? 0 : exponent) << MANTISSA;
        float factor = 1.0f / float_of(bits < (1u << MANTISSA) ? 1u << MANTISSA : bits);
        float scale = top != top || exponent > 254 ? NAN : float_of(bits < (1u << (MANTISSA - 1)) ? 1u << (MANTISSA - 1) : bits);
        ROUND(x[i] * factor, )
        return;
    }
    float wanted = (top + (top - top)) / f->element.largest;
    if (f->scale == SCALE_FLOAT) {
        const Element *s = &f->scale_element;
        float whole = f->tensor_scale ? f->tensor[0] : 1.0f;
        float least = float_of((uint32_t)(128 - s->bias) << MANTISSA);
        float stored = nearest(at_most(at_least(wanted / whole, least), s->largest), 0, s->mantissa_bits, s->bias);
        float factor = 1.0f / whole / stored, scale = stored * whole;
        ROUND(x[i] * factor, )
        return;
    }
    float scale = at_least(f->scale == SCALE_BFLOAT16 ? bfloat16(wanted) : wanted, SMALLEST_NORMAL);
    ROUND(x[i] / scale, )
}

static void affine(const float *x, float *r, int64_t n, const Format *f, float low, float scale) {
    const int integer = f->element.kind == INTEGER, mantissa_bits = f->element.mantissa_bits, bias = f->element.bias;
    const float first = f->element.lowest, last = f->element.largest;
    scale = at_least(scale, SMALLEST_NORMAL);
    ROUND((x[i] - low) / scale, +low)
}

/* The minimum and the scale are those of x. */
static void affine_of_own(const float *x, float *r, int64_t n, const Format *f) {
    float low = f->spans == MINMAX ? INFINITY : 0, high = f->spans == MINMAX ? -INFINITY : 0;
    int broken = 0;
#pragma omp simd reduction(min : low) reduction(max : high) reduction(| : broken)
    for (int64_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        broken |= x[i] != x[i];
    }
    int narrow = f->scale == SCALE_BFLOAT16;
    low = broken ? NAN : narrow ? bfloat16(low) : low;
    float wanted = (high - low) / f->element.largest;
    affine(x, r, n, f, low, narrow ? bfloat16(wanted) : wanted);
}

void round_row(const float *x, float *r, int64_t columns, const Format *f) {
    int64_t size = f->superblock ? f->superblock : f->size ? f->size : columns;
    for (int64_t start = 0; start < columns; start += size) {
        int64_t n = columns - start < size ? columns - start : size;
        if (f->scale >= SCALE_FLOAT16)
            round_ggml(x + start, r + start, n, f);
        else if (f->spans == ABSMAX)
            symmetric(x + start, r + start, n, f, f->per_tensor ? f->tensor[1] : largest_of(x + start, n));
        else if (f->per_tensor)
            affine(x + start, r + start, n, f, f->tensor[0], f->tensor[1]);
        else
            affine_of_own(x + start, r + start, n, f);
    }
}

void round_rows(const float *x, float *r, int64_t rows, int64_t columns, const Format *f) {
    for (int64_t row = 0; row < rows; row++)
        round_row(x + row * columns, r + row * columns, columns, f);
}
