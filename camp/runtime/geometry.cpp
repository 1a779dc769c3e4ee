// Edge vectors from positions, and forces from what is derived with respect to edge vectors.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "team.hpp"

using Real = REAL;

// Row-major arrays of `width` neighbour slots for each atom: the pairs of a list, and those of
// them that lie within the cutoff. The latter fill the first slots of a row; the rest is masked
// and otherwise undefined. Atoms of the list are renumbered: row r of the edges is atom atom[r].
struct Slots {
    int64_t width;
    double cutoff;
    const double *positions;   // (atoms, 3)
    const int64_t *listed;     // (atoms, width) neighbours
    const double *shifts;      // (atoms, width, 3)
    const bool *listed_mask;   // (atoms, width)
    const int64_t *system;     // (atoms)
    const int64_t *atom, *row; // (atoms), the reverse of each other
    int64_t *neighbours;       // (atoms, width)
    bool *mask;                // (atoms, width)
    Real *vectors;             // (atoms, width, 3)
};

namespace {

// The edges within the cutoff, r_ij = r_j − r_i + shift; for each thread the slot of the shortest in
// the list, and its length squared.
void edges(const Part &part, const Slots *slots, double *shortest_of, int64_t *closest_of) {
    double &shortest = shortest_of[part.number] = INFINITY;
    int64_t &closest = closest_of[part.number] = 0;
    for (int64_t r = part.first; r < part.last; ++r) {
        const int64_t i = slots->atom[r];
        int64_t edge = r * slots->width;
        for (int64_t slot = i * slots->width; slot < (i + 1) * slots->width; ++slot) {
            if (!slots->listed_mask[slot]) continue;
            const int64_t j = slots->listed[slot];
            double vector[3], square = 0;
            for (int axis = 0; axis < 3; ++axis) {
                vector[axis] = slots->positions[3 * j + axis] - slots->positions[3 * i + axis] +
                               slots->shifts[3 * slot + axis];
                square += vector[axis] * vector[axis];
            }
            if (square < shortest) {
                shortest = square;
                closest = slot;
            }
            if (!(square < slots->cutoff * slots->cutoff)) continue;
            slots->neighbours[edge] = slots->row[j];
            slots->mask[edge] = true;
            for (int axis = 0; axis < 3; ++axis)
                slots->vectors[3 * edge + axis] = static_cast<Real>(vector[axis]);
            ++edge;
        }
        std::fill(slots->mask + edge, slots->mask + (r + 1) * slots->width, false);
    }
}

// From G_ij, the derivative with respect to r_ij: what it adds to the forces (atoms, 3), G_ij on i
// and −G_ij on j, and to sum_ij r_ij ⊗ G_ij (systems, 3, 3).
void forces(const Part &part, const Slots *slots, const Real *gradients,
            const Copies<double> *forces_of, const Copies<double> *virials_of) {
    double *forces = forces_of->own(part), *virials = virials_of->own(part);
    std::fill_n(forces, forces_of->stride, 0);
    std::fill_n(virials, virials_of->stride, 0);
    for (int64_t r = part.first; r < part.last; ++r) {
        double force[3]{}, virial[9]{};
        for (int64_t edge = r * slots->width;
             edge < (r + 1) * slots->width && slots->mask[edge]; ++edge) {
            const int64_t j = slots->atom[slots->neighbours[edge]];
            for (int a = 0; a < 3; ++a) {
                const double gradient = gradients[3 * edge + a];
                force[a] += gradient;
                forces[3 * j + a] -= gradient;
                for (int b = 0; b < 3; ++b)
                    virial[3 * b + a] += slots->vectors[3 * edge + b] * gradient;
            }
        }
        const int64_t i = slots->atom[r];
        for (int a = 0; a < 3; ++a) forces[3 * i + a] += force[a];
        for (int k = 0; k < 9; ++k) virials[9 * slots->system[i] + k] += virial[k];
    }
}

}  // namespace

EXPORT(camp_edges, edges)
EXPORT(camp_forces, forces)
