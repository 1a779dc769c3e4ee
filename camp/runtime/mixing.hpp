// Mixing of channels: products of blocked values with matrices (channels.hpp).

#pragma once

#include "channels.hpp"

namespace {

// As many components at once as the registers hold.
constexpr int mixed_at_once = blocks < 4 ? 5 : blocks < 8 ? 3 : 1;

template <int count>
void mix_some(const Vector *matrix, const Vector *in, int64_t in_components, Vector *out,
              int64_t out_components) {
    Vector sum[count][blocks]{};
    for (int u = 0; u < channels; ++u) {
        const Real *value =
            reinterpret_cast<const Real *>(in + u / lanes * in_components) + u % lanes;
        repeat<blocks>([&](int block) {
            const Vector weight = matrix[block * channels + u];
            repeat<count>([&](int c) { sum[c][block] += weight * value[c * lanes]; });
        });
    }
    for (int block = 0; block < blocks; ++block)
        for (int c = 0; c < count; ++c) out[block * out_components + c] += sum[c][block];
}

// out[u'] += sum_u in[u] W[u, u'] for `count` components of one atom, `in` and `out` pointing to
// them in the first block; W blocked as (blocks, channels u).
void mix_components(const Vector *matrix, int64_t count, const Vector *in, int64_t in_components,
                    Vector *out, int64_t out_components) {
    int64_t c = 0;
    for (; c + mixed_at_once <= count; c += mixed_at_once)
        mix_some<mixed_at_once>(matrix, in + c, in_components, out + c, out_components);
    for (; c < count; ++c) mix_some<1>(matrix, in + c, in_components, out + c, out_components);
}

}  // namespace
