/* What the kernels share: a format, and rows rounded to it. */

#include <stdint.h>

typedef struct {
    int32_t rule, size, integer, mantissa_bits, bias, largest_exponent;
    float lowest, largest; /* of the element */
    float tensor[2];       /* what a rule has to know of the whole tensor */
} Format;

void round_row(const float *x, float *r, int64_t columns, const Format *f);
