/* What the kernels share: a format as catalog/formats.py and scale_rules.py describe it, and rows rounded to it. */

#include <stdint.h>

/* In the order of compiled.py. */
enum { FLOAT, INTEGER, TABLE };
enum { ABSMAX, MINMAX, MINMAX_WITH_ZERO, EXTREME, MINMAX_BELOW_ZERO };
enum { SCALE_FLOAT32, SCALE_BFLOAT16, SCALE_E8M0, SCALE_FLOAT, SCALE_FLOAT16, SCALE_STEPS };

#define TO_MAGIC 12582912.0f /* 1.5 * 2^23 */

/* The values of a code (catalog/elements.py). What only floats or only tables have is 0 elsewhere. */
typedef struct {
    int32_t kind, mantissa_bits, bias, largest_exponent;
    float lowest, largest;
    int32_t count; /* of values; there is one threshold fewer */
    const float *values, *thresholds;
} Element;

/* How a scale is found by trying; kind 0: it is not. */
typedef struct {
    int32_t kind, importance, absolute, sweeps, count;
    const float *steps; /* `count`: how many steps of codes the range is put on */
} Search;

typedef struct {
    int32_t spans, scale, per_tensor, tensor_scale; /* the rule: what a scale is made of, its kind, whether all share it or a second one */
    int32_t size;                                   /* of a block or group; 0: the row */
    int32_t superblock, ties;                       /* 0: none; where numbers halfway between two codes go */
    Element element, scale_element;
    Search search;
    float tensor[2]; /* stats of the whole tensor: minimum and scale, or the scale of scales and max|W| */
} Format;

/* The limits of ggml.c. Formats beyond them have no compiled code. */
#define MOST_WEIGHTS 64 /* that share a scale */
#define MOST_BLOCKS 64  /* of a superblock */

void round_ggml(const float *x, float *r, int64_t n, const Format *f);
void round_row(const float *x, float *r, int64_t columns, const Format *f);
