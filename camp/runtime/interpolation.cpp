// Sums of neighbouring rows of a table with weights, and the two forms that their derivatives take,
// see interpolation.py. REAL is float or double; ROWS rows belong to a place.
#include <cstdint>

#define EXPORT extern "C"

// values (places, width) = Σ_k weights (places, ROWS) · table (·, width) at row first + k
EXPORT void camp_sums_of_rows(
    int64_t places, int64_t width, const int64_t *first, const REAL *__restrict weights,
    const REAL *__restrict table, REAL *__restrict values)
{
    for (int64_t p = 0; p < places; ++p) {
        const REAL *w = weights + ROWS * p, *rows = table + first[p] * width;
        REAL *out = values + p * width;
        for (int64_t c = 0; c < width; ++c) {
            REAL sum = 0;
            for (int k = 0; k < ROWS; ++k)
                sum += w[k] * rows[k * width + c];
            out[c] = sum;
        }
    }
}

// table += what the same sums give back to it
EXPORT void camp_add_to_rows(
    int64_t places, int64_t width, const int64_t *first, const REAL *__restrict weights,
    const REAL *__restrict values, REAL *__restrict table)
{
    for (int64_t p = 0; p < places; ++p) {
        const REAL *w = weights + ROWS * p, *in = values + p * width;
        REAL *rows = table + first[p] * width;
        for (int k = 0; k < ROWS; ++k)
            for (int64_t c = 0; c < width; ++c)
                rows[k * width + c] += w[k] * in[c];
    }
}

// weights (places, ROWS) = ⟨values, table at row first + k⟩
EXPORT void camp_products_with_rows(
    int64_t places, int64_t width, const int64_t *first, const REAL *__restrict values,
    const REAL *__restrict table, REAL *__restrict weights)
{
    for (int64_t p = 0; p < places; ++p) {
        const REAL *in = values + p * width, *rows = table + first[p] * width;
        for (int k = 0; k < ROWS; ++k) {
            REAL sum = 0;
#pragma GCC ivdep
            for (int64_t c = 0; c < width; ++c)
                sum += in[c] * rows[k * width + c];
            weights[ROWS * p + k] = sum;
        }
    }
}
