// Numbers as many as a vector register holds, and loops that the compiler unrolls.
//
// The preprocessor names REAL (float or double).

#pragma once

#include <cstdint>

namespace {

using Real = REAL;
constexpr int vector_bytes = 32;
constexpr int lanes = vector_bytes / sizeof(Real);
using Vector [[gnu::vector_size(vector_bytes)]] = Real;

// Compile-time loop: every index is a constant in the function that is called.
template <int count, typename Function>
inline __attribute__((always_inline)) void repeat(Function function) {
#pragma GCC unroll 64
    for (int k = 0; k < count; ++k) function(k);
}

inline Real total(const Vector &vector) {
    Real sum = 0;
    for (int lane = 0; lane < lanes; ++lane) sum += vector[lane];
    return sum;
}

}  // namespace
