// One edge: where it is in tables of splines (camp/runtime/splines.py), its direction, and the
// derivative with respect to its vector. The preprocessor names COEFFICIENTS.

#pragma once

#include <cmath>

#include "vectors.hpp"

namespace {

constexpr int coefficients = COEFFICIENTS;

// Tables of functions of the distance from 0 to the cutoff.
struct Grid {
    int64_t intervals;
    double cutoff;
};

// Where a distance is in a table: in this interval, which t goes through from 0 to 1.
struct Place {
    Real length, t, per_length;
    int64_t interval;

    Place(const Grid &grid, const Real *vector) {
        length = std::sqrt(vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2]);
        per_length = static_cast<Real>(grid.intervals / grid.cutoff);
        const Real position = length * per_length;
        // False also for what is not a number, which must not become an address.
        interval = position < grid.intervals ? static_cast<int64_t>(position) : grid.intervals - 1;
        t = position - interval < 1 ? position - interval : 1;
    }

    // The coefficients of the polynomial are a stride apart.
    inline __attribute__((always_inline)) Vector value(const Vector *row, int64_t stride) const {
        Vector result = row[(coefficients - 1) * stride];
        for (int power = coefficients - 2; power >= 0; --power)
            result = result * t + row[power * stride];
        return result;
    }

    // The same, and the derivative with respect to t.
    inline __attribute__((always_inline)) Vector value(const Vector *row, int64_t stride,
                                                       Vector &slope) const {
        Vector result = row[(coefficients - 1) * stride];
        slope = Vector{};
        for (int power = coefficients - 2; power >= 0; --power) {
            slope = slope * t + result;
            result = result * t + row[power * stride];
        }
        return result;
    }
};

// Adds to the derivative with respect to the vector, from those with respect to t and to the
// direction vector / (length + epsilon).
inline void differentiate_edge(const Place &place, const Real *unit, Real epsilon, Real of_t,
                               const Vector *of_unit, Real *of_vector) {
    const Real of_direction[3] = {total(of_unit[0]), total(of_unit[1]), total(of_unit[2])};
    const Real along =
        of_direction[0] * unit[0] + of_direction[1] * unit[1] + of_direction[2] * unit[2];
    const Real of_length = of_t * place.per_length, reach = place.length + epsilon;
    const Real stretch = reach / place.length;
    for (int axis = 0; axis < 3; ++axis)
        of_vector[axis] += of_length * stretch * unit[axis] +
                           (of_direction[axis] - along * stretch * unit[axis]) / reach;
}

}  // namespace
