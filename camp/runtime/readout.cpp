// Energies of atoms from their scalars by a small network, and the derivative.

#include "readout.hpp"
#include "tiles.hpp"

namespace {

// Adds to energies (atoms); scalars are (atoms, inputs), what is kept is in tiles.
void forward(const Part &part, const Readout *readout, const Real *scalars, Vector *kept,
             Real *energies) {
    const int64_t inputs = readout->first.inputs;
    std::vector<Vector> in(inputs);
    for_each_tile(part, [&](const Tile &tile) {
        Vector *products = kept + tile.place * readout->others.size, energy;
        tile.load(scalars, inputs, in.data());
        multiply(readout->first, in.data(), products);
        finish(readout->others, products, &energy);
        for (int64_t lane = 0; lane < tile.count; ++lane)
            energies[tile.first + lane] += energy[lane];
    });
}

// From the derivative with respect to energies that with respect to scalars.
void backward(const Part &part, const Readout *readout, const Vector *kept,
              const Real *of_energies, Real *of_scalars) {
    std::vector<Vector> of_products(readout->first.outputs), of_in(readout->first.inputs);
    for_each_tile(part, [&](const Tile &tile) {
        Vector of_energy;
        tile.load(of_energies, 1, &of_energy);
        finish_backward(readout->others, kept + tile.place * readout->others.size, &of_energy,
                        of_products.data());
        multiply_backward(readout->first, of_products.data(), of_in.data());
        tile.store(of_in.data(), of_in.size(), of_scalars);
    });
}

}  // namespace

EXPORT(camp_readout, forward)
EXPORT(camp_readout_backward, backward)
