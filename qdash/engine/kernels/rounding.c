/* Rows rounded to what a small format stores: the rules of qdash/engine/formats, to the same bit, in one pass.

The names and the order of operations are those of formats/rules.py and formats/casting.py, which say why; a test compares every format. */

#include <math.h>
#include <string.h>

#include "rounding.h"

enum { BY_ROW, BY_MX_BLOCK, BY_NVFP4_BLOCK, BY_GROUP, BY_TENSOR };

#define EXPONENT 0x7F800000u
#define MANTISSA 23
#define TO_MAGIC 12582912.0f /* 1.5 * 2^23 */
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

/* r = nearest(saturated(x * factor)) * scale, or with x / factor. */
#define ROUND(SCALED)                                                                                                                       \
    for (int64_t i = 0; i < n; i++)                                                                                                         \
        r[i] = nearest(SCALED, integer, mantissa_bits, bias) * scale;

static void by_row(const float *x, float *r, int64_t n, const Format *f) {
    const int integer = f->integer, mantissa_bits = f->mantissa_bits, bias = f->bias;
    float scale = at_least(largest_of(x, n) / f->largest, SMALLEST_NORMAL);
    ROUND(x[i] / scale)
}

static void by_mx_block(const float *x, float *r, int64_t n, const Format *f) {
    const int integer = f->integer, mantissa_bits = f->mantissa_bits, bias = f->bias;
    const float low = f->lowest, high = f->largest;
    float top = largest_of(x, n);
    int32_t exponent = (int32_t)(bits_of(top) >> MANTISSA) - f->largest_exponent;
    uint32_t bits = (uint32_t)(exponent < 0 ? 0 : exponent) << MANTISSA;
    float inverse = 1.0f / float_of(bits < (1u << MANTISSA) ? 1u << MANTISSA : bits);
    float scale = top != top ? top : float_of(bits < (1u << (MANTISSA - 1)) ? 1u << (MANTISSA - 1) : bits);
    ROUND(at_most(at_least(x[i] * inverse, low), high))
}

static void by_nvfp4_block(const float *x, float *r, int64_t n, const Format *f) {
    const int integer = f->integer, mantissa_bits = f->mantissa_bits, bias = f->bias;
    float whole = f->tensor[0], wanted = largest_of(x, n) / f->largest / whole;
    float stored = nearest(at_most(at_least(wanted, 0.015625f), 448.0f), 0, 3, 7); /* E4M3 */
    float factor = 1.0f / whole / stored, scale = stored * whole;
    ROUND(x[i] * factor)
}

static void affine(const float *x, float *r, int64_t n, const Format *f, float low, float scale) {
    const float first = f->lowest, last = f->largest;
    scale = at_least(scale, SMALLEST_NORMAL);
    for (int64_t i = 0; i < n; i++) {
        float code = nearest(at_most(at_least((x[i] - low) / scale, first), last), 1, 0, 0) * scale;
        r[i] = code + low;
    }
}

static void by_group(const float *x, float *r, int64_t n, const Format *f) {
    float low = 0, high = 0;
    int broken = 0;
#pragma omp simd reduction(min : low) reduction(max : high) reduction(| : broken)
    for (int64_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        broken |= x[i] != x[i];
    }
    low = broken ? NAN : bfloat16(low);
    affine(x, r, n, f, low, bfloat16((high - low) / f->largest));
}

void round_row(const float *x, float *r, int64_t columns, const Format *f) {
    int64_t size = f->size ? f->size : columns;
    for (int64_t start = 0; start < columns; start += size) {
        int64_t n = columns - start < size ? columns - start : size;
        switch (f->rule) {
        case BY_ROW: by_row(x + start, r + start, n, f); break;
        case BY_MX_BLOCK: by_mx_block(x + start, r + start, n, f); break;
        case BY_NVFP4_BLOCK: by_nvfp4_block(x + start, r + start, n, f); break;
        case BY_GROUP: by_group(x + start, r + start, n, f); break;
        default: affine(x + start, r + start, n, f, f->tensor[0], f->tensor[1]);
        }
    }
}

void round_rows(const float *x, float *r, int64_t rows, int64_t columns, const Format *f) {
    for (int64_t row = 0; row < rows; row++)
        round_row(x + row * columns, r + row * columns, columns, f);
}
