// The network of readout.cpp from a model file.

#pragma once

#include "exported_mlp.hpp"
#include "readout.hpp"
#include "tiles.hpp"

namespace camp {

class ExportedReadout {
  public:
    ExportedReadout(const ModelFile &file, const std::string &prefix)
        : others_(file, prefix + "readout"),
          readout_{read_matrix(file, prefix + "readout_first", others_.first_outputs()),
                   others_} {}

    // Adds to energies of so many atoms, from their scalars.
    void forward(int64_t atoms, const Real *scalars, Real *energies) {
        kept_.resize((atoms / lanes + 1) * readout_.others.size);
        call(camp_readout, atoms, &readout_, scalars, kept_.data(), energies);
    }

    // From the derivatives with respect to the energies to those with respect to scalars.
    void backward(int64_t atoms, const Real *of_energies, Real *of_scalars) {
        call(camp_readout_backward, atoms, &readout_, kept_.data(), of_energies, of_scalars);
    }

  private:
    const ExportedMlp others_;
    const Readout readout_;
    std::vector<Vector> kept_;
};

}  // namespace camp
