// Which features meet which radial functions on an edge (camp/cartesian/paths.py): path (v, v1)
// takes features of rank v1 to moments of rank v. Besides what channels.hpp reads the preprocessor
// names MAX_FEATURE_RANK.

#pragma once

#include "channels.hpp"

namespace {

constexpr int max_feature_rank = MAX_FEATURE_RANK;

constexpr int feature_components = begin(max_feature_rank + 1);

// Paths (v, v1) into rank v: v1 = 0, …, sources(v) − 1.
constexpr int sources(int v) {
    return 1 + (max_feature_rank < max_rank - v ? max_feature_rank : max_rank - v);
}

constexpr int first_path(int v) { return v == 0 ? 0 : first_path(v - 1) + sources(v - 1); }

constexpr int paths = first_path(max_rank + 1);

// <h_{v1}, D_{v1}> of one block of channels, for all v1.
template <typename Features>
inline __attribute__((always_inline)) void brackets(const Real *polyadic, const Features &features,
                                                    Vector *result) {
    repeat<max_feature_rank + 1>([&](int v1) {
        Vector sum =
            features[begin(v1)] * (polyadic[begin(v1)] * component[begin(v1)].multiplicity);
        for (int c = begin(v1) + 1; c < begin(v1 + 1); ++c)
            sum += features[c] * (polyadic[c] * component[c].multiplicity);
        result[v1] = sum;
    });
}

}  // namespace
