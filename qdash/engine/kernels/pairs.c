/* Sums and histograms over pairs of numbers: a weight and what it became. One pass, float64 inside. What it became is given, or rounded
here row by row, so that it never leaves the cache.

Compiled when it is first needed (see __init__.py), with HALF defined. Without a compiler portable.py does the same. Pairs of which one is NaN
or infinite are counted and left out of everything else. Sums of a row may be added up in any order; nothing else may differ by a bit. */

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rounding.h"

#define BINS (2 * HALF + 1)
#define NOWHERE BINS /* where pairs that are no numbers are counted, and what lies beyond the bins */
#define BATCH 1024
#define TABLES 4 /* in turn, so that equal numbers in a row do not wait for each other's count to be written */

enum { FLOAT32, BFLOAT16, FLOAT16 };

/* Rows of weights of one of these kinds, and what they became: `restored`, or if that is NULL what `format` makes of them. */
typedef struct {
    const void *weights;
    const float *restored;
    const Format *format;
    int64_t rows, columns;
    int32_t kind;
} Pairs;

static inline float of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* A 16-bit float: its fields moved into those of 32 bits, and the bias made right by a product that is exact, also for subnormals. */
static inline float of_half(uint16_t half) {
    uint32_t magnitude = (uint32_t)(half & 0x7FFF) << 13, special = (half & 0x7C00) == 0x7C00 ? 0x7F800000u : 0;
    uint32_t bits;
    float x = of_bits(magnitude) * 0x1p112f;
    memcpy(&bits, &x, sizeof bits);
    return of_bits((special ? magnitude | special : bits) | (uint32_t)(half & 0x8000) << 16);
}

/* A row as float32 in *w, and what it became in *r; both may lie in scratch (2 * columns). */
static void row_of(const Pairs *pairs, int64_t row, float *scratch, const float **w, const float **r) {
    int64_t columns = pairs->columns, start = row * columns;
    if (pairs->kind == FLOAT32) {
        *w = (const float *)pairs->weights + start;
    } else {
        const uint16_t *codes = (const uint16_t *)pairs->weights + start;
        if (pairs->kind == BFLOAT16)
            for (int64_t i = 0; i < columns; i++)
                scratch[i] = of_bits((uint32_t)codes[i] << 16);
        else
            for (int64_t i = 0; i < columns; i++)
                scratch[i] = of_half(codes[i]);
        *w = scratch;
    }
    if (pairs->restored) {
        *r = pairs->restored + start;
    } else {
        round_row(*w, scratch + columns, columns, pairs->format);
        *r = scratch + columns;
    }
}

/* Σw², Σŵ², Σe², Σw·ŵ of a row into sums, max |w|, |ŵ|, |e| raised in largest, NaN and infinite pairs and vanished weights added to tally. */
static void sum_row(const float *w, const float *r, int64_t n, double *sums, double *largest, int64_t *tally) {
    double w2 = 0, r2 = 0, e2 = 0, wr = 0, top_w = largest[0], top_r = largest[1], top_e = largest[2];
    int64_t zeroed = 0;
#pragma omp simd reduction(+ : w2, r2, e2, wr, zeroed) reduction(max : top_w, top_r, top_e)
    for (int64_t i = 0; i < n; i++) {
        double a = w[i], b = r[i], e = b - a, abs_a = fabs(a), abs_b = fabs(b), abs_e = fabs(e);
        w2 += a * a;
        r2 += b * b;
        e2 += e * e;
        wr += a * b;
        top_w = abs_a > top_w ? abs_a : top_w;
        top_r = abs_b > top_r ? abs_b : top_r;
        top_e = abs_e > top_e ? abs_e : top_e;
        zeroed += (r[i] == 0) & (w[i] != 0);
    }
    if (e2 <= DBL_MAX) {
        sums[0] = w2, sums[1] = r2, sums[2] = e2, sums[3] = wr;
        largest[0] = top_w, largest[1] = top_r, largest[2] = top_e;
        tally[1] += zeroed;
        return;
    }
    sums[0] = sums[1] = sums[2] = sums[3] = 0;
    for (int64_t i = 0; i < n; i++) {
        double a = w[i], b = r[i], e = b - a;
        if (!(fabs(e) <= DBL_MAX)) {
            tally[0]++;
            continue;
        }
        sums[0] += a * a, sums[1] += b * b, sums[2] += e * e, sums[3] += a * b;
        largest[0] = fmax(largest[0], fabs(a)), largest[1] = fmax(largest[1], fabs(b)), largest[2] = fmax(largest[2], fabs(e));
        tally[1] += b == 0 && a != 0;
    }
}

/* How many of n weights lie beyond `margin` times the largest |ŵ| among them. */
static int64_t clipped(const float *w, const float *r, int64_t n, double margin) {
    float top_w = 0, top_r = 0;
#pragma omp simd reduction(max : top_w, top_r)
    for (int64_t i = 0; i < n; i++) {
        float abs_w = fabsf(w[i]), abs_r = fabsf(r[i]);
        top_w = abs_w > top_w ? abs_w : top_w;
        top_r = abs_r > top_r ? abs_r : top_r;
    }
    double end = top_r * margin;
    if (!(top_w > end))
        return 0;
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += fabs(w[i]) > end && fabs(w[i]) <= DBL_MAX && fabs(r[i]) <= DBL_MAX;
    return count;
}

typedef uint32_t Tables[TABLES][BINS + 1];

static void count_row(const float *w, const float *r, int64_t n, double per_r, double per_e, Tables tables_r, Tables tables_e) {
    int32_t place_r[BATCH], place_e[BATCH];
    for (int64_t start = 0; start < n; start += BATCH) {
        int64_t size = n - start < BATCH ? n - start : BATCH, i = 0;
        const float *a = w + start, *b = r + start;
#pragma omp simd
        for (int64_t k = 0; k < size; k++) {
            double restored = b[k], e = restored - (double)a[k];
            int fine = fabs(e) <= DBL_MAX;
            double at_r = restored * per_r + (HALF + 0.5), at_e = e * per_e + (HALF + 0.5);
            place_r[k] = (int32_t)(fine & (at_r >= 0) & (at_r < BINS) ? at_r : NOWHERE);
            place_e[k] = (int32_t)(fine & (at_e >= 0) & (at_e < BINS) ? at_e : NOWHERE);
        }
        for (; i + TABLES <= size; i += TABLES)
            for (int table = 0; table < TABLES; table++) {
                tables_r[table][place_r[i + table]]++;
                tables_e[table][place_e[i + table]]++;
            }
        for (; i < size; i++) {
            tables_r[0][place_r[i]]++;
            tables_e[0][place_e[i]]++;
        }
    }
}

/* One pass: sums (rows, 4), largest (3), tally (3: pairs that are no numbers, vanished, clipped), and histograms of ŵ and e, whose bins are
1/per_r and 1/per_e wide, added to counts (BINS + 1). group: weights that share a scale, 0 to not look for what is clipped. Returns 0, or 1 if
there is no memory. */
int pair_sums(const Pairs *pairs, int64_t group, double margin, double per_r, double per_e, double *sums, double *largest,
                int64_t *tally, int64_t *counts_r, int64_t *counts_e) {
    int64_t columns = pairs->columns;
    float *scratch = malloc(2 * columns * sizeof(float));
    Tables *tables = calloc(2, sizeof(Tables));
    int failed = !scratch || !tables;
    for (int64_t row = 0; !failed && row < pairs->rows; row++) {
        const float *w, *r;
        row_of(pairs, row, scratch, &w, &r);
        sum_row(w, r, columns, sums + 4 * row, largest, tally);
        for (int64_t start = 0; group && start < columns; start += group)
            tally[2] += clipped(w + start, r + start, columns - start < group ? columns - start : group, margin);
        count_row(w, r, columns, per_r, per_e, tables[0], tables[1]);
    }
    for (int bin = 0; !failed && bin <= BINS; bin++)
        for (int table = 0; table < TABLES; table++) {
            counts_r[bin] += tables[0][table][bin];
            counts_e[bin] += tables[1][table][bin];
        }
    free(scratch);
    free(tables);
    return failed;
}

/* How often each of the 65 536 patterns of 16 bits occurs, added to counts. Returns 0, or 1 if there is no memory. */
int code_counts(const uint16_t *codes, int64_t n, int64_t *counts) {
    uint32_t *tables = calloc(TABLES, 65536 * sizeof(uint32_t));
    if (!tables)
        return 1;
    int64_t whole = n - n % TABLES;
    for (int64_t i = 0; i < whole; i += TABLES)
        for (int table = 0; table < TABLES; table++)
            tables[table * 65536 + codes[i + table]]++;
    for (int64_t i = whole; i < n; i++)
        tables[codes[i]]++;
    for (int code = 0; code < 65536; code++)
        for (int table = 0; table < TABLES; table++)
            counts[code] += tables[table * 65536 + code];
    free(tables);
    return 0;
}
