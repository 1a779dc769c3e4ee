// Edge vectors from positions, and forces from what is derived with respect to edge vectors.

#include <algorithm>
#include <cmath>
#include <cstdint>

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

extern "C" {

// Of the rows first, …, last − 1: the edges within the cutoff, r_ij = r_j − r_i + shift. Returns
// the slot of the shortest in the list, and its length squared.
int64_t camp_edges(const Slots *slots, int64_t first, int64_t last, double *shortest) {
    int64_t closest = 0;
    *shortest = INFINITY;
    for (int64_t r = first; r < last; ++r) {
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
            if (square < *shortest) {
                *shortest = square;
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
    return closest;
}

// From G_ij, the derivative with respect to r_ij, of the rows first, …, last − 1: what they add to
// the forces (atoms, 3), G_ij on i and −G_ij on j, and to sum_ij r_ij ⊗ G_ij (systems, 3, 3).
void camp_forces(const Slots *slots, int64_t first, int64_t last, const Real *gradients,
                 double *forces, double *virials) {
    for (int64_t r = first; r < last; ++r) {
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
}
