/* Blocks with ggml's kinds of scale, rounded as formats/rules.py (float16), formats/superblocks.py and formats/searching.py do it, which say
why: the same operations in the same order, to the same bit. */

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "rounding.h"

enum { EVEN, UP, AWAY };
enum { NO_SEARCH, GRID, DESCENT };
enum { SQUARE, MAGNITUDE, MAGNITUDE_AND_MEAN };

#define INLINE static inline __attribute__((always_inline))

/* Loops over the weights of a block: `n` is a constant where these functions are inlined, so that they are unrolled into vectors. */
#define EACH for (int i = 0; i < n; i++)

/* Rounded to float16, ties to even. */
static float half(float x) {
    float size = fabsf(x);
    if (size < 6.103515625e-05f)
        return (x + 0.75f) - 0.75f;
    if (!(size < INFINITY))
        return x;
    uint32_t bits;
    memcpy(&bits, &size, sizeof bits);
    bits = (bits + 0xFFF + ((bits >> 13) & 1)) & 0xFFFFE000u;
    memcpy(&size, &bits, sizeof size);
    return copysignf(size > 65504.0f ? INFINITY : size, x);
}

/* The sum of n numbers, halves added onto halves. */
INLINE float total(const float *x, int n) {
    float sums[MOST_WEIGHTS];
    memcpy(sums, x, (size_t)n * sizeof *x);
    if (n == 32)
        for (int i = 0; i < 16; i++)
            sums[i] += sums[16 + i];
    if (n == 32 || n == 16) {
        for (int i = 0; i < 8; i++)
            sums[i] += sums[8 + i];
        for (int i = 0; i < 4; i++)
            sums[i] += sums[4 + i];
        return (sums[0] + sums[2]) + (sums[1] + sums[3]);
    }
    while (n > 1) {
        int halfway = (n + 1) / 2;
        for (int i = 0; i < n - halfway; i++)
            sums[i] += sums[halfway + i];
        n = halfway;
    }
    return sums[0];
}

/* The first of those farthest from zero. */
INLINE float farthest_of(const float *x, int n) {
    float size = 0, found = 0;
    EACH size = fabsf(x[i]) > size ? fabsf(x[i]) : size;
    for (int i = n - 1; i >= 0; i--)
        found = fabsf(x[i]) == size ? x[i] : found;
    return found;
}

/* x becomes what its nearest codes stand for. */
INLINE void to_nearest(float *x, int n, const Element *e, int ties) {
    const float first = e->lowest, last = e->largest;
    if (e->kind == TABLE) {
        int32_t places[MOST_WEIGHTS];
        EACH places[i] = 0;
        for (int32_t at = 0; at < e->count - 1; at++) {
            const float threshold = e->thresholds[at];
            EACH places[i] += x[i] > threshold;
        }
        EACH x[i] = e->values[places[i]];
        return;
    }
    EACH {
        x[i] = x[i] < first ? first : x[i];
        x[i] = x[i] > last ? last : x[i];
    }
    if (ties == EVEN)
        EACH x[i] = (x[i] + TO_MAGIC) - TO_MAGIC;
    else if (ties == UP)
        EACH x[i] = floorf(x[i] + (0.5f - first)) + first;
    else
        EACH x[i] = truncf((x[i] - truncf(x[i])) * 2.0f) + truncf(x[i]);
}

INLINE float steps_over(float steps, float span) { return isinf(steps / span) ? 0.0f : steps / span; }

INLINE void importance_of(const float *x, float *importance, int n, int kind) {
    if (kind == SQUARE)
        EACH importance[i] = x[i] * x[i];
    else
        EACH importance[i] = fabsf(x[i]);
    if (kind == MAGNITUDE_AND_MEAN) {
        float squares[MOST_WEIGHTS];
        EACH squares[i] = x[i] * x[i];
        const float mean = sqrtf(total(squares, n) / (float)n);
        EACH importance[i] = importance[i] + mean;
    }
}

INLINE float sum_of(const float *x, const float *y, int n) {
    float products[MOST_WEIGHTS];
    EACH products[i] = x[i] * y[i];
    return total(products, n);
}

INLINE float end_of(const Format *f) { return f->spans == EXTREME ? f->element.lowest : f->element.largest; }

INLINE float by_grid(const float *x, const float *importance, const float *weighted, float farthest, const Format *f, int n) {
    float scale = farthest / end_of(f), explained = 0;
    for (int32_t at = 0; at < f->search.count; at++) {
        const float inverse = steps_over(f->search.steps[at], farthest);
        float codes[MOST_WEIGHTS], important[MOST_WEIGHTS];
        EACH codes[i] = x[i] * inverse;
        to_nearest(codes, n, &f->element, EVEN);
        EACH important[i] = importance[i] * codes[i];
        const float product = sum_of(weighted, codes, n);
        const float found = product / sum_of(important, codes, n), gain = found * product;
        if (gain > explained)
            scale = found, explained = gain;
    }
    return scale;
}

INLINE float by_descent(const float *x, const float *importance, const float *weighted, float farthest, const Format *f, int n) {
    const float inverse = steps_over(end_of(f), farthest);
    float codes[MOST_WEIGHTS], important[MOST_WEIGHTS];
    EACH codes[i] = x[i] * inverse;
    to_nearest(codes, n, &f->element, EVEN);
    EACH important[i] = importance[i] * codes[i];
    float product = sum_of(weighted, codes, n), square = sum_of(important, codes, n);
    for (int32_t sweep = 0; sweep < f->search.sweeps; sweep++)
        EACH {
            const float others = product - weighted[i] * codes[i], others_square = square - importance[i] * codes[i] * codes[i];
            float changed = x[i] * others_square / others;
            to_nearest(&changed, 1, &f->element, EVEN);
            const float with_it = others + weighted[i] * changed, with_it_square = others_square + importance[i] * changed * changed;
            if (others > 0 && with_it * with_it * square > product * product * with_it_square)
                codes[i] = changed, product = with_it, square = with_it_square;
        }
    return square == 0 ? 0.0f : product / square;
}

INLINE float best_scale(const float *x, const Format *f, int n) {
    float importance[MOST_WEIGHTS], weighted[MOST_WEIGHTS];
    const float farthest = farthest_of(x, n);
    importance_of(x, importance, n, f->search.importance);
    EACH weighted[i] = importance[i] * x[i];
    return f->search.kind == GRID ? by_grid(x, importance, weighted, farthest, f, n) : by_descent(x, importance, weighted, farthest, f, n);
}

/* Σ importance · error², or · |error|, of scale · code + minimum. */
INLINE float error_of(const float *x, const float *importance, const float *codes, float scale, float minimum, int absolute, int n) {
    float errors[MOST_WEIGHTS];
    EACH errors[i] = codes[i] * scale + minimum - x[i];
    if (absolute)
        EACH errors[i] = fabsf(errors[i]) * importance[i];
    else
        EACH errors[i] = errors[i] * errors[i] * importance[i];
    return total(errors, n);
}

INLINE void best_scale_and_minimum(const float *x, const Format *f, int n, float *best, float *best_minimum) {
    float importance[MOST_WEIGHTS], weighted[MOST_WEIGHTS], codes[MOST_WEIGHTS], important[MOST_WEIGHTS];
    float minimum = 0, high = -INFINITY;
    EACH {
        minimum = x[i] < minimum ? x[i] : minimum;
        high = x[i] > high ? x[i] : high;
    }
    importance_of(x, importance, n, f->search.importance);
    EACH weighted[i] = importance[i] * x[i];
    const float all = total(importance, n), all_weighted = total(weighted, n), end = f->element.largest;
    float scale = (high - minimum) / end, least = 0;
    for (int32_t at = -1; at < f->search.count; at++) {
        const float inverse = steps_over(at < 0 ? end : f->search.steps[at], high - minimum);
        EACH codes[i] = (x[i] - minimum) * inverse;
        to_nearest(codes, n, &f->element, EVEN);
        if (at < 0) {
            least = error_of(x, importance, codes, scale, minimum, f->search.absolute, n);
            continue;
        }
        EACH important[i] = importance[i] * codes[i];
        const float first = total(important, n), second = sum_of(important, codes, n), product = sum_of(weighted, codes, n);
        const float determinant = all * second - first * first;
        float found = (all * product - all_weighted * first) / determinant;
        float found_minimum = (second * all_weighted - first * product) / determinant;
        if (found_minimum > 0)
            found = product / second, found_minimum = 0;
        const float error = error_of(x, importance, codes, found, found_minimum, f->search.absolute, n);
        if (error < least && determinant > 0)
            least = error, scale = found, minimum = found_minimum;
    }
    *best = scale;
    *best_minimum = minimum;
}

/* Whole numbers for the scales of `n` blocks, and their step. */
static float in_steps(float *scales, int n, const Element *e) {
    const float end = e->lowest != 0 ? e->lowest : e->largest;
    float farthest = farthest_of(scales, n);
    EACH farthest = scales[i] != scales[i] ? NAN : farthest;
    const float inverse = steps_over(end, farthest);
    EACH scales[i] = scales[i] * inverse;
    to_nearest(scales, n, e, EVEN);
    return half(farthest / end);
}

/* r = nearest((x + below) / scale) * scale - below */
INLINE void restore(const float *x, float *r, int n, const Element *e, float scale, float below) {
    float codes[MOST_WEIGHTS];
    const float over = scale == 0 ? INFINITY : scale;
    EACH codes[i] = (x[i] + below) / over;
    to_nearest(codes, n, e, EVEN);
    EACH r[i] = codes[i] * scale - below;
}

INLINE void superblock(const float *x, float *r, int blocks, const Format *f, int n) {
    float scales[MOST_BLOCKS], minima[MOST_BLOCKS], minimum_step = 0;
    const int affine = f->spans == MINMAX_BELOW_ZERO;
    for (int block = 0; block < blocks; block++)
        if (affine) {
            best_scale_and_minimum(x + block * n, f, n, scales + block, minima + block);
            minima[block] = -minima[block];
        } else
            scales[block] = best_scale(x + block * n, f, n);
    const float step = in_steps(scales, blocks, &f->scale_element);
    if (affine)
        minimum_step = in_steps(minima, blocks, &f->scale_element);
    for (int block = 0; block < blocks; block++)
        restore(x + block * n, r + block * n, n, &f->element, step * scales[block], affine ? minimum_step * minima[block] : 0.0f);
}

/* Codes are found with scale and minimum before these are rounded. */
INLINE void in_float16(const float *x, float *r, const Format *f, int n) {
    float codes[MOST_WEIGHTS], low = 0, scale;
    if (f->spans != ABSMAX && f->spans != EXTREME) {
        float high = f->spans == MINMAX_WITH_ZERO ? 0 : -INFINITY;
        low = f->spans == MINMAX ? INFINITY : 0;
        EACH {
            low = x[i] < low ? x[i] : low;
            high = x[i] > high ? x[i] : high;
        }
        scale = (high - low) / f->element.largest;
    } else if (f->search.kind != NO_SEARCH)
        scale = best_scale(x, f, n);
    else
        scale = (f->spans == EXTREME ? farthest_of(x, n) : fabsf(farthest_of(x, n))) / end_of(f);
    const float inverse = steps_over(1.0f, scale);
    EACH codes[i] = (x[i] - low) * inverse;
    to_nearest(codes, n, &f->element, f->ties);
    const float stored = half(scale), stored_low = half(low);
    EACH r[i] = codes[i] * stored + stored_low;
}

INLINE void round_blocks(const float *x, float *r, int64_t count, const Format *f, int n) {
    if (f->superblock)
        superblock(x, r, (int)(count / n), f, n);
    else
        in_float16(x, r, f, n);
}

void round_ggml(const float *x, float *r, int64_t count, const Format *f) {
    float broken = 0;
    for (int64_t i = 0; i < count; i++)
        broken += x[i] - x[i];
    if (broken != 0) {
        for (int64_t i = 0; i < count; i++)
            r[i] = NAN;
        return;
    }
    int64_t size = f->superblock ? f->size : count;
    if (size == 16)
        round_blocks(x, r, count, f, 16);
    else if (size == 32)
        round_blocks(x, r, count, f, 32);
    else
        round_blocks(x, r, count, f, (int)size);
}
