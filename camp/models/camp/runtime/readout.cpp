// The part of an atom's energy that comes from the scalars of one layer (Eq. 10): a small network
// with SiLU between its linear layers, or a single linear layer.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "readout.hpp"

namespace {

Real sigmoid(Real x) { return 1 / (1 + std::exp(-x)); }

// Adds to energies (atoms); keeps what enters each SiLU (atoms, hidden).
void forward(const Part &part, const Readout *readout, const Real *scalars, Real *kept,
             Real *energies) {
    std::vector<Real> in(readout->widest), out(readout->widest);
    for (int64_t atom = part.first; atom < part.last; ++atom) {
        const int64_t *width = readout->widths;
        const Real *weight = readout->weights, *bias = readout->biases;
        Real *hidden = kept + atom * readout->hidden;
        std::copy(scalars + atom * width[0], scalars + (atom + 1) * width[0], in.begin());
        for (int64_t layer = 0; layer < readout->layers; ++layer, ++width) {
            std::copy(bias, bias + width[1], out.begin());
            for (int64_t i = 0; i < width[0]; ++i, weight += width[1])
                for (int64_t o = 0; o < width[1]; ++o) out[o] += in[i] * weight[o];
            bias += width[1];
            if (layer + 1 == readout->layers) break;
            hidden = std::copy(out.begin(), out.begin() + width[1], hidden);
            for (int64_t o = 0; o < width[1]; ++o) in[o] = out[o] * sigmoid(out[o]);
        }
        energies[atom] += out[0];
    }
}

// From the derivative with respect to energies that with respect to scalars.
void backward(const Part &part, const Readout *readout, const Real *kept, const Real *of_energies,
              Real *of_scalars) {
    int64_t weights = 0;
    for (int64_t layer = 0; layer < readout->layers; ++layer)
        weights += readout->widths[layer] * readout->widths[layer + 1];
    std::vector<Real> of_in(readout->widest), of_out(readout->widest);
    for (int64_t atom = part.first; atom < part.last; ++atom) {
        const int64_t *width = readout->widths + readout->layers - 1;
        const Real *weight = readout->weights + weights;
        const Real *hidden = kept + (atom + 1) * readout->hidden;
        of_out[0] = of_energies[atom];
        for (int64_t layer = readout->layers - 1; layer >= 0; --layer, --width) {
            weight -= width[0] * width[1];
            for (int64_t i = 0; i < width[0]; ++i) {
                of_in[i] = 0;
                for (int64_t o = 0; o < width[1]; ++o) of_in[i] += weight[i * width[1] + o] * of_out[o];
            }
            if (layer == 0) break;
            hidden -= width[0];
            for (int64_t i = 0; i < width[0]; ++i) {
                const Real s = sigmoid(hidden[i]);
                of_out[i] = of_in[i] * s * (1 + hidden[i] * (1 - s));
            }
        }
        const int64_t scalars = readout->widths[0];
        std::copy(of_in.begin(), of_in.begin() + scalars, of_scalars + atom * scalars);
    }
}

}  // namespace

EXPORT(camp_readout, forward)
EXPORT(camp_readout_backward, backward)
