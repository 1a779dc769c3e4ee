// Sums over neighbours of CAMP, and their derivative, without any edge array that has channels:
//
//   s_{v1}(ij) = <h^j_{v1}, D_{v1}(r_ij)>,  g_v(ij) = sum_{v1} R_{v,v1}(r_ij) s_{v1}(ij),
//   M^i_v      = sum_j g_v(ij) D_v(r_ij),
//
// with R from tables of splines. Compiled for one kind of layer: besides those of channels.hpp the
// preprocessor names MAX_FEATURE_RANK and COEFFICIENTS. Arrays with channels are blocked.
//
// Most of the time would go into reading tables. Therefore atoms are taken in tiles whose moments
// stay in the cache, and the edges of a tile in the order of the rows of the table that they read.

#include <cmath>
#include <vector>

#include "neighbour_sums.hpp"

namespace {

constexpr int max_feature_rank = MAX_FEATURE_RANK;
constexpr int coefficients = COEFFICIENTS;

constexpr int feature_components = begin(max_feature_rank + 1);

// Paths (v, v1) into rank v: v1 = 0, …, sources(v) − 1.
constexpr int sources(int v) {
    return 1 + (max_feature_rank < max_rank - v ? max_feature_rank : max_rank - v);
}

constexpr int first_path(int v) { return v == 0 ? 0 : first_path(v - 1) + sources(v - 1); }

constexpr int paths = first_path(max_rank + 1);

Real total(const Vector &vector) {
    Real sum = 0;
    for (int lane = 0; lane < lanes; ++lane) sum += vector[lane];
    return sum;
}

// About half of a usual second-level cache.
constexpr int64_t tile_atoms = 1 + 400000 / (blocks * moment_components * vector_bytes);

// Where an edge is in the table.
struct Place {
    Real length, t, per_length;
    int64_t row;

    Place(const Edges &edges, int64_t slot) {
        const Real *vector = edges.vectors + 3 * slot;
        length = std::sqrt(vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2]);
        per_length = static_cast<Real>(edges.intervals / edges.cutoff);
        const Real position = length * per_length;
        // False also for what is not a number, which must not become an address.
        const int64_t interval =
            position < edges.intervals ? static_cast<int64_t>(position) : edges.intervals - 1;
        t = position - interval < 1 ? position - interval : 1;
        const int64_t centre = edges.species[slot / edges.width];
        const int64_t neighbour = edges.species[edges.neighbours[slot]];
        row = (centre * edges.species_count + neighbour) * edges.intervals + interval;
    }
};

struct Edge : Place {
    int64_t slot, centre, neighbour;
    Real unit[3], polyadic[moment_components];
    const Vector *rows;

    Edge(const Edges &edges, int64_t slot)
        : Place(edges, slot),
          slot(slot),
          centre(slot / edges.width),
          neighbour(edges.neighbours[slot]),
          rows(edges.table + row * (blocks * coefficients * paths)) {
        for (int axis = 0; axis < 3; ++axis) unit[axis] = edges.vectors[3 * slot + axis] / length;
        polyadic[0] = 1;
        repeat<moment_components - 1>([&](int k) {
            const auto &[exponents, below, multiplicity] = component[k + 1];
            const int axis = exponents[0] ? 0 : exponents[1] ? 1 : 2;
            polyadic[k + 1] = unit[axis] * polyadic[below[axis]];
        });
    }

    // s_{v1} of one block of channels.
    inline __attribute__((always_inline)) void brackets(const Vector *features,
                                                        Vector *result) const {
        repeat<max_feature_rank + 1>([&](int v1) {
            Vector sum = features[begin(v1)] * (polyadic[begin(v1)] *
                                                component[begin(v1)].multiplicity);
            for (int c = begin(v1) + 1; c < begin(v1 + 1); ++c)
                sum += features[c] * (polyadic[c] * component[c].multiplicity);
            result[v1] = sum;
        });
    }
};

template <typename Function>
void for_each_tile(int64_t first, int64_t last, Function function) {
    for (int64_t tile = first; tile < last; tile += tile_atoms)
        function(tile, tile + tile_atoms < last ? tile + tile_atoms : last);
}

template <typename Function>
void for_each_edge(const Edges &edges, int64_t first, int64_t last, Function function) {
    for_each_tile(first, last, [&](int64_t begin, int64_t end) {
        for (int64_t k = begin * edges.width; k < end * edges.width && edges.order[k] >= 0; ++k)
            function(Edge(edges, edges.order[k]));
    });
}

// The slots that count, tile by tile, in the order of the rows of the table; −1 ends a tile. The
// other functions need it for the same part of the atoms.
void order(const Part &part, const Edges *edges) {
    const auto [number, first, last] = part;
    const int64_t rows = edges->species_count * edges->species_count * edges->intervals;
    std::vector<int64_t> next(rows + 1), row((last - first) * edges->width);
    for_each_tile(first, last, [&](int64_t begin, int64_t end) {
        std::fill(next.begin(), next.end(), 0);
        for (int64_t slot = begin * edges->width; slot < end * edges->width; ++slot)
            if (edges->mask[slot])
                ++next[1 + (row[slot - first * edges->width] = Place(*edges, slot).row)];
        for (int64_t k = 0; k < rows; ++k) next[k + 1] += next[k];
        int64_t *order = edges->order + begin * edges->width;
        if (next[rows] < (end - begin) * edges->width) order[next[rows]] = -1;
        for (int64_t slot = begin * edges->width; slot < end * edges->width; ++slot)
            if (edges->mask[slot]) order[next[row[slot - first * edges->width]]++] = slot;
    });
}

// The sums into blocked moments (atoms, blocks, moment components).
void sums(const Part &part, const Edges *edges, Vector *moments) {
    constexpr int64_t size = blocks * moment_components;
    std::fill(moments + part.first * size, moments + part.last * size, Vector{});
    for_each_edge(*edges, part.first, part.last, [&](const Edge &edge) {
        Vector *moment = moments + edge.centre * size;
        const Vector *features = edges->features + edge.neighbour * blocks * feature_components;
        for (int block = 0; block < blocks; ++block) {
            const Vector *rows = edge.rows + block * coefficients * paths;
            Vector bracket[max_feature_rank + 1], radial[paths];
            edge.brackets(features + block * feature_components, bracket);
            repeat<paths>([&](int path) {
                Vector value = rows[(coefficients - 1) * paths + path];
                for (int power = coefficients - 2; power >= 0; --power)
                    value = value * edge.t + rows[power * paths + path];
                radial[path] = value;
            });
            repeat<max_rank + 1>([&](int v) {
                Vector g = radial[first_path(v)] * bracket[0];
                for (int v1 = 1; v1 < sources(v); ++v1)
                    g += radial[first_path(v) + v1] * bracket[v1];
                for (int c = begin(v); c < begin(v + 1); ++c)
                    moment[block * moment_components + c] += g * edge.polyadic[c];
            });
        }
    });
}

// From the derivative with respect to the moments, blocked like them: what they add to that with
// respect to their edge vectors (atoms, width, 3) and, unless the pointer is null, to that with
// respect to the features, blocked like them.
void sums_backward(const Part &part, const Edges *edges, const Vector *moment_gradients,
                   Real *vector_gradients, const Copies<Vector> *copies) {
    Vector *feature_gradients = copies ? copies->own(part) : nullptr;
    for_each_edge(*edges, part.first, part.last, [&](const Edge &edge) {
        const Vector *moment = moment_gradients + edge.centre * blocks * moment_components;
        const int64_t offset = edge.neighbour * blocks * feature_components;
        Vector of_polyadic[moment_components]{}, of_t{};
        for (int block = 0; block < blocks; ++block) {
            const Vector *rows = edge.rows + block * coefficients * paths;
            const Vector *features = edges->features + offset + block * feature_components;
            const Vector *of_moment = moment + block * moment_components;
            Vector bracket[max_feature_rank + 1], of_bracket[max_feature_rank + 1]{};
            edge.brackets(features, bracket);
            repeat<max_rank + 1>([&](int v) {
                Vector g{}, of_g{};
                for (int c = begin(v); c < begin(v + 1); ++c)
                    of_g += of_moment[c] * edge.polyadic[c];
                for (int v1 = 0; v1 < sources(v); ++v1) {
                    const Vector *row = rows + first_path(v) + v1;
                    Vector radial = row[(coefficients - 1) * paths], slope{};
                    for (int power = coefficients - 2; power >= 0; --power) {
                        slope = slope * edge.t + radial;
                        radial = radial * edge.t + row[power * paths];
                    }
                    g += radial * bracket[v1];
                    of_bracket[v1] += radial * of_g;
                    of_t += slope * (bracket[v1] * of_g);
                }
                for (int c = begin(v); c < begin(v + 1); ++c)
                    of_polyadic[c] += g * of_moment[c];
            });
            repeat<max_feature_rank + 1>([&](int v1) {
                for (int c = begin(v1); c < begin(v1 + 1); ++c)
                    of_polyadic[c] +=
                        features[c] * of_bracket[v1] * component[c].multiplicity;
            });
            if (feature_gradients) {
                Vector *of_features = feature_gradients + offset + block * feature_components;
                repeat<max_feature_rank + 1>([&](int v1) {
                    for (int c = begin(v1); c < begin(v1 + 1); ++c)
                        of_features[c] +=
                            of_bracket[v1] * (edge.polyadic[c] * component[c].multiplicity);
                });
            }
        }
        Vector of_unit[3]{};
        repeat<moment_components>([&](int c) {
            for (int axis = 0; axis < 3; ++axis)
                if (const int exponent = component[c].exponents[axis])
                    of_unit[axis] +=
                        of_polyadic[c] * (exponent * edge.polyadic[component[c].below[axis]]);
        });
        const Real unit_gradient[3] = {total(of_unit[0]), total(of_unit[1]),
                                       total(of_unit[2])};
        const Real along = unit_gradient[0] * edge.unit[0] + unit_gradient[1] * edge.unit[1] +
                           unit_gradient[2] * edge.unit[2];
        const Real of_length = total(of_t) * edge.per_length;
        for (int axis = 0; axis < 3; ++axis)
            vector_gradients[3 * edge.slot + axis] +=
                of_length * edge.unit[axis] +
                (unit_gradient[axis] - along * edge.unit[axis]) / edge.length;
    });
}

}  // namespace

EXPORT(OF_RANK(camp_order, MAX_FEATURE_RANK), order)
EXPORT(OF_RANK(camp_sums, MAX_FEATURE_RANK), sums)
EXPORT(OF_RANK(camp_sums_backward, MAX_FEATURE_RANK), sums_backward)
