// The network of readout.cpp from a model file.

#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "model_file.hpp"
#include "readout.hpp"
#include "tiles.hpp"

namespace camp {

class ExportedReadout {
  public:
    ExportedReadout(const ModelFile &file, const std::string &prefix) {
        const auto widths = file.array<int64_t>(prefix + "readout_widths");
        const Real *values = file.array<Real>(prefix + "readout_matrices").values;
        const Real *transposed = file.array<Real>(prefix + "readout_transposed").values;
        Mlp &mlp = readout_.others;
        mlp.layers = widths.count - 1;
        mlp.biases = file.array<Real>(prefix + "readout_biases").values;
        for (int64_t k = 0; k < mlp.layers; ++k) {
            const int64_t inputs = widths.values[k], outputs = widths.values[k + 1];
            matrices_.push_back({inputs, outputs, values, transposed});
            values += inputs * outputs;
            transposed += inputs * outputs;
            mlp.size += outputs;
            mlp.outputs = outputs;
            mlp.widest = std::max(mlp.widest, outputs);
        }
    }

    // Adds to energies of so many atoms, from their scalars.
    void forward(int64_t atoms, const Real *scalars, Real *energies) {
        kept_.resize((atoms / lanes + 1) * readout_.others.size);
        call(camp_readout, atoms, readout(), scalars, kept_.data(), energies);
    }

    // From the derivatives with respect to the energies to those with respect to scalars.
    void backward(int64_t atoms, const Real *of_energies, Real *of_scalars) {
        call(camp_readout_backward, atoms, readout(), kept_.data(), of_energies, of_scalars);
    }

  private:
    Readout readout_{};
    std::vector<Matrix> matrices_;
    std::vector<Vector> kept_;

    const Readout *readout() {
        readout_.first = matrices_.front();
        readout_.others.matrices = matrices_.data() + 1;
        return &readout_;
    }
};

}  // namespace camp
