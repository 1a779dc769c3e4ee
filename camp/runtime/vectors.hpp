// Numbers as many as a vector register holds, and loops that the compiler unrolls.
//
// The preprocessor names REAL (float or double).

#pragma once

#include <cstdint>
#include <type_traits>

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

using Integer = std::conditional_t<sizeof(Real) == 4, int32_t, int64_t>;
using Integers [[gnu::vector_size(vector_bytes)]] = Integer;

// e^x to rounding, 2^n times a Taylor polynomial of the rest; what is too large or too small for a
// number counts as the largest or smallest that is not.
inline Vector exponential(const Vector &x) {
    constexpr bool single = sizeof(Real) == 4;
    constexpr int fraction_bits = single ? 23 : 52, bias = single ? 127 : 1023;
    constexpr int degree = single ? 7 : 13;
    constexpr Real most = single ? 87 : 708, per_doubling = 1.4426950408889634073599;
    // ln 2 in two parts, so that products of the first with n are exact.
    constexpr Real high = single ? 0.693359375 : 0.693147180369123816490;
    constexpr Real low = single ? -2.12194440e-4 : 1.90821492927058770002e-10;
    const Vector inside = x > most ? Vector{} + most : (x < -most ? Vector{} - most : x);
    const Vector scaled = inside * per_doubling;
    const Integers n = __builtin_convertvector(scaled + (scaled > 0 ? Vector{} + Real(0.5)
                                                                    : Vector{} - Real(0.5)),
                                               Integers);
    const Vector whole = __builtin_convertvector(n, Vector);
    const Vector rest = inside - whole * high - whole * low;
    Vector sum = Vector{} + 1;
    repeat<degree>([&](int k) { sum = 1 + sum * (rest * Real(1.0 / (degree - k))); });
    const Integers power = (n + bias) << fraction_bits;
    return sum * reinterpret_cast<const Vector &>(power);
}

}  // namespace
