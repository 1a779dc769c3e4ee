// Repulsion of close atoms (camp/models/carnet/repulsion.py), and its derivative. In double
// precision, because there are few such edges, and energies are in eV.

#include <cmath>

#include "repulsion.hpp"

namespace {

constexpr double amplitudes[] = {0.18175, 0.50986, 0.28022, 0.02817};
constexpr double exponents[] = {3.19980, 0.94229, 0.40290, 0.20162};

// Energy of an edge, and its derivative with respect to the distance.
struct Pair {
    double distance, energy = 0, slope = 0;

    Pair(const Repulsion &data, int64_t slot) {
        const Real *vector = data.vectors + 3 * slot;
        distance = 0;
        for (int axis = 0; axis < 3; ++axis) distance += double(vector[axis]) * vector[axis];
        distance = std::sqrt(distance);
        const int64_t i = data.species[slot / data.width];
        const int64_t j = data.species[data.neighbours[slot]];
        const double touching = data.radii[i] + data.radii[j];
        const double reach = data.smooth && touching > data.cutoff ? data.cutoff : touching;
        if (!(distance <= reach)) return;
        const double per_length = (data.screening[i] + data.screening[j]) / data.length;
        double screened = 0, screened_slope = 0;
        for (int k = 0; k < 4; ++k) {
            const double term =
                amplitudes[k] * std::exp(-exponents[k] * distance * per_length);
            screened += term;
            screened_slope -= exponents[k] * per_length * term;
        }
        const double range = data.smooth ? reach : 6 * reach, x = distance / range;
        const double x5 = x * x * x * x * x;
        const double cut = 1 + x * x5 * (-28 + x * (48 - 21 * x));
        const double cut_slope = x5 * (-168 + x * (336 - 168 * x)) / range;
        const double coulomb = data.charges[i] * data.charges[j] / distance;
        energy = coulomb * screened * cut;
        slope = coulomb * (screened_slope * cut + screened * cut_slope) - energy / distance;
    }
};

// Energies of atoms, eV.
void energies(const Part &part, const Repulsion *data, Real *energies) {
    for (int64_t atom = part.first; atom < part.last; ++atom) {
        double sum = 0;
        for (int64_t slot = atom * data->width; slot < (atom + 1) * data->width; ++slot)
            if (data->mask[slot]) sum += Pair(*data, slot).energy;
        energies[atom] = static_cast<Real>(sum);
    }
}

// Adds to the derivative with respect to edge vectors (atoms, width, 3).
void energies_backward(const Part &part, const Repulsion *data, const Real *of_energies,
                       Real *of_vectors) {
    for (int64_t slot = part.first * data->width; slot < part.last * data->width; ++slot) {
        if (!data->mask[slot]) continue;
        const Pair pair(*data, slot);
        const double factor = of_energies[slot / data->width] * pair.slope / pair.distance;
        for (int axis = 0; axis < 3; ++axis)
            of_vectors[3 * slot + axis] +=
                static_cast<Real>(factor * data->vectors[3 * slot + axis]);
    }
}

}  // namespace

EXPORT(carnet_repulsion, energies)
EXPORT(carnet_repulsion_backward, energies_backward)
