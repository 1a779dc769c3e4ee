// The components of symmetric tensors, in the order of camp/cartesian/symmetric.py, the ranks one
// after another. The preprocessor names HIGHEST_RANK.

#pragma once

#include <array>

#include "vectors.hpp"

namespace {

constexpr int max_rank = HIGHEST_RANK;

// Components of all ranks below this one: where it begins among those of an atom.
constexpr int begin(int rank) { return rank * (rank + 1) * (rank + 2) / 6; }

constexpr int size(int rank) { return begin(rank + 1) - begin(rank); }

constexpr int all_components = begin(max_rank + 1);

// Where the component with so many x, y and z is.
constexpr int place_of(int x, int y, int z) {
    const int others = y + z;
    return begin(x + others) + others * (others + 1) / 2 + z;
}

struct Component {
    int exponents[3];
    int below[3];  // the component with one x, y or z less, if there is one
    Real multiplicity;
};

constexpr double factorial(int n) { return n < 2 ? 1.0 : n * factorial(n - 1); }

constexpr std::array<Component, all_components> make_components() {
    std::array<Component, all_components> result{};
    int k = 0;
    for (int rank = 0; rank <= max_rank; ++rank)
        for (int x = rank; x >= 0; --x)
            for (int y = rank - x; y >= 0; --y) {
                const int z = rank - x - y;
                const double count =
                    factorial(rank) / (factorial(x) * factorial(y) * factorial(z));
                result[k++] = {{x, y, z},
                               {x ? place_of(x - 1, y, z) : 0, y ? place_of(x, y - 1, z) : 0,
                                z ? place_of(x, y, z - 1) : 0},
                               static_cast<Real>(count)};
            }
    return result;
}

constexpr auto component = make_components();

// All monomials of a direction.
inline __attribute__((always_inline)) void make_polyadic(const Real *unit, Real *polyadic) {
    polyadic[0] = 1;
    repeat<all_components - 1>([&](int k) {
        const auto &[exponents, below, multiplicity] = component[k + 1];
        const int axis = exponents[0] ? 0 : exponents[1] ? 1 : 2;
        polyadic[k + 1] = unit[axis] * polyadic[below[axis]];
    });
}

// Adds to the derivative with respect to the direction, for components first, …, first + count − 1.
template <int count>
inline __attribute__((always_inline)) void differentiate_polyadic(int first, const Real *polyadic,
                                                                  const Vector *of_polyadic,
                                                                  Vector *of_unit) {
    repeat<count>([&](int k) {
        const auto &[exponents, below, multiplicity] = component[first + k];
        for (int axis = 0; axis < 3; ++axis)
            if (exponents[axis])
                of_unit[axis] += of_polyadic[k] * (exponents[axis] * polyadic[below[axis]]);
    });
}

}  // namespace
