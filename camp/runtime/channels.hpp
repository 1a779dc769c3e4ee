// Channels in blocks as long as a vector register, and the components of symmetric tensors.
//
// The preprocessor names REAL (float or double), CHANNELS and MAX_RANK. *Blocked* arrays have the
// channels of one block innermost and the blocks of one atom outermost: (atoms, blocks,
// components); the last block is filled up with zeros. Components are in the order of
// camp/cartesian/symmetric.py, the ranks one after another.

#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace {

using Real = REAL;
constexpr int vector_bytes = 32;
constexpr int lanes = vector_bytes / sizeof(Real);
using Vector [[gnu::vector_size(vector_bytes)]] = Real;

constexpr int channels = CHANNELS, max_rank = MAX_RANK;
constexpr int blocks = (channels + lanes - 1) / lanes;

// Components of all ranks below this one: where it begins among those of an atom.
constexpr int begin(int rank) { return rank * (rank + 1) * (rank + 2) / 6; }

constexpr int moment_components = begin(max_rank + 1);

struct Component {
    int exponents[3];
    int below[3];  // the component with one x, y or z less, if there is one
    Real multiplicity;
};

constexpr double factorial(int n) { return n < 2 ? 1.0 : n * factorial(n - 1); }

constexpr std::array<Component, moment_components> all_components() {
    std::array<Component, moment_components> result{};
    int k = 0;
    for (int rank = 0; rank <= max_rank; ++rank)
        for (int x = rank; x >= 0; --x)
            for (int y = rank - x; y >= 0; --y) {
                const int z = rank - x - y;
                const double count =
                    factorial(rank) / (factorial(x) * factorial(y) * factorial(z));
                result[k++] = {{x, y, z}, {0, 0, 0}, static_cast<Real>(count)};
            }
    for (int high = 1; high < moment_components; ++high)
        for (int low = 0; low < high; ++low) {
            const auto &a = result[high].exponents, &b = result[low].exponents;
            const int x = a[0] - b[0], y = a[1] - b[1], z = a[2] - b[2];
            if (x >= 0 && y >= 0 && z >= 0 && x + y + z == 1)
                result[high].below[y + 2 * z] = low;
        }
    return result;
}

constexpr auto component = all_components();

// Compile-time loop: every index is a constant in the function that is called.
template <int count, typename Function>
inline __attribute__((always_inline)) void repeat(Function function) {
#pragma GCC unroll 64
    for (int k = 0; k < count; ++k) function(k);
}

// (atoms, components, channels) → blocked.
void pack(int64_t atoms, int64_t components, const Real *values, Real *packed) {
    for (int64_t i = 0; i < atoms; ++i)
        for (int block = 0; block < blocks; ++block)
            for (int64_t c = 0; c < components; ++c)
                for (int lane = 0; lane < lanes; ++lane) {
                    const int u = block * lanes + lane;
                    *packed++ = u < channels ? values[(i * components + c) * channels + u] : 0;
                }
}

// The reverse of pack.
void unpack(int64_t atoms, int64_t components, const Real *packed, Real *values) {
    for (int64_t i = 0; i < atoms; ++i)
        for (int64_t c = 0; c < components; ++c)
            for (int u = 0; u < channels; ++u)
                *values++ =
                    packed[((i * blocks + u / lanes) * components + c) * lanes + u % lanes];
}

}  // namespace
