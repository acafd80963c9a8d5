/* What the kernels share: a format as catalog/formats.py describes it, and rows rounded to it. */

#include <stdint.h>

/* The values of a code (catalog/elements.py). What only floats or only tables have is 0 elsewhere. */
typedef struct {
    int32_t kind, mantissa_bits, bias, largest_exponent;
    float lowest, largest;
    int32_t count; /* of values; there is one threshold fewer */
    const float *values, *thresholds;
} Element;

typedef struct {
    int32_t spans, scale, per_tensor, tensor_scale; /* the rule: what a scale is made of, its kind, whether all share it or a second one */
    int32_t size;                                   /* of a block or group; 0: the row */
    Element element, scale_element;
    float tensor[2]; /* stats of the whole tensor: minimum and scale, or the scale of scales and max|W| */
} Format;

void round_row(const float *x, float *r, int64_t columns, const Format *f);
