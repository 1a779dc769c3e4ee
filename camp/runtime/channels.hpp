// Channels in blocks as long as a vector register.
//
// Besides the definitions of symmetric.hpp the preprocessor names CHANNELS. *Blocked* arrays have
// the channels of one block innermost and the blocks of one atom outermost: (atoms, blocks,
// components); the last block is filled up with zeros.

#pragma once

#include "symmetric.hpp"

namespace {

constexpr int channels = CHANNELS;
constexpr int blocks = (channels + lanes - 1) / lanes;

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
