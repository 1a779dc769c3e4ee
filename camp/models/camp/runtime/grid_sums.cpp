// Sums over neighbours of CAMP in training, with radial functions on a grid, and their derivatives,
// see grid_sums.py. An edge adds to
//
//   psi = sum_{v,v1} R_{v,v1} B_{v1} G_v,   R = sum_k w_k T_k,
//   B_{v1} = <h^j_{v1}, D_{v1}>,  G_v = <D_v, S_v>,
//
// whose derivative with respect to S is what it adds to the sums of atom i. Compiled for one kind of
// layer: the preprocessor also names POINTS. Channels are innermost in all arrays and fill blocks.

#include <algorithm>

#include "paths.hpp"
#include "team.hpp"

namespace {

constexpr int points = POINTS;

static_assert(channels % lanes == 0);

// Row-major arrays of `width` neighbour slots for each atom.
struct Edges {
    int64_t width;
    const int64_t *first, *neighbours;  // (atoms, width): row of the table of the first point
    const bool *mask;                   // (atoms, width)
    const Real *weights;                // (atoms, width, points)
    const Real *polyadics;              // (atoms, width, all_components)
    const Vector *table;                // (rows, paths, blocks)
    const Vector *features;             // (atoms, feature_components, blocks)
};

// One block of channels of a row.
template <typename Number>
struct Block {
    Number *first;

    Number &operator[](int k) const { return first[k * blocks]; }
};

// What an edge reads or adds to, in arrays like those of Edges or of moments.
struct Edge {
    int64_t slot, centre, neighbour, row;

    template <typename Number>
    Number *weights(Number *array) const { return array + slot * points; }
    template <typename Number>
    Number *polyadic(Number *array) const { return array + slot * all_components; }
    // Point after point, its paths.
    template <typename Number>
    Block<Number> table(Number *array, int block) const {
        return {array + row * paths * blocks + block};
    }
    template <typename Number>
    Block<Number> features(Number *array, int block) const {
        return {array + neighbour * feature_components * blocks + block};
    }
    template <typename Number>
    Block<Number> moments(Number *array, int block) const {
        return {array + centre * all_components * blocks + block};
    }
};

template <typename Function>
inline __attribute__((always_inline)) void for_each_edge(const Part &part, const Edges &edges,
                                                         Function function) {
    for (int64_t slot = part.first * edges.width; slot < part.last * edges.width; ++slot)
        if (edges.mask[slot])
            function(Edge{slot, slot / edges.width, edges.neighbours[slot], edges.first[slot]});
}

// G_v for all v.
inline __attribute__((always_inline)) void projections(const Real *polyadic,
                                                       const Block<const Vector> &moments,
                                                       Vector *result) {
    repeat<max_rank + 1>([&](int v) {
        result[v] = moments[begin(v)] * polyadic[begin(v)];
        for (int c = begin(v) + 1; c < begin(v + 1); ++c) result[v] += moments[c] * polyadic[c];
    });
}

// Adds to the derivatives with respect to h and D of <h_{v1}, D_{v1}> from those with respect to it.
inline __attribute__((always_inline)) void add_to_features(const Vector *of_bracket,
                                                           const Real *polyadic,
                                                           const Block<Vector> &of_features) {
    repeat<max_feature_rank + 1>([&](int v1) {
        for (int c = begin(v1); c < begin(v1 + 1); ++c)
            of_features[c] += of_bracket[v1] * (polyadic[c] * component[c].multiplicity);
    });
}

inline __attribute__((always_inline)) void add_to_polyadic(const Vector *of_bracket,
                                                           const Block<const Vector> &features,
                                                           Vector *of_polyadic) {
    repeat<max_feature_rank + 1>([&](int v1) {
        for (int c = begin(v1); c < begin(v1 + 1); ++c)
            of_polyadic[c] += of_bracket[v1] * features[c] * component[c].multiplicity;
    });
}

template <int count>
inline __attribute__((always_inline)) void totals(const Vector *values, Real *result) {
    repeat<count>([&](int k) { result[k] = total(values[k]); });
}

// The sums into moments (atoms, blocks, all_components).
void sums(const Part &part, const Edges *edges, Vector *moments) {
    constexpr int64_t size = blocks * all_components;
    std::fill(moments + part.first * size, moments + part.last * size, Vector{});
    for_each_edge(part, *edges, [&](const Edge &edge) {
        const Real *w = edge.weights(edges->weights), *polyadic = edge.polyadic(edges->polyadics);
        for (int block = 0; block < blocks; ++block) {
            const auto rows = edge.table(edges->table, block);
            const auto moment = edge.moments(moments, block);
            Vector bracket[max_feature_rank + 1];
            brackets(polyadic, edge.features(edges->features, block), bracket);
            repeat<max_rank + 1>([&](int v) {
                Vector g{};
                repeat<sources(0)>([&](int v1) {
                    if (v1 >= sources(v)) return;
                    Vector radial{};
                    for (int k = 0; k < points; ++k)
                        radial += rows[k * paths + first_path(v) + v1] * w[k];
                    g += radial * bracket[v1];
                });
                for (int c = begin(v); c < begin(v + 1); ++c) moment[c] += g * polyadic[c];
            });
        }
    });
}

// From S, the derivative with respect to the moments: that of psi with respect to w and D, and to
// the features in the copy of this thread.
void gradient(const Part &part, const Edges *edges, const Vector *of_moments, Real *of_weights,
              Real *of_polyadics, const Copies<Vector> *of_features) {
    Vector *own = of_features->own(part);
    std::fill(own, own + of_features->stride, Vector{});
    for_each_edge(part, *edges, [&](const Edge &edge) {
        const Real *w = edge.weights(edges->weights), *polyadic = edge.polyadic(edges->polyadics);
        Vector of_weight[points]{}, of_polyadic[all_components]{};
        for (int block = 0; block < blocks; ++block) {
            const auto rows = edge.table(edges->table, block);
            const auto features = edge.features(edges->features, block);
            const auto of_moment = edge.moments(of_moments, block);
            Vector bracket[max_feature_rank + 1], of_bracket[max_feature_rank + 1]{};
            Vector projection[max_rank + 1];
            brackets(polyadic, features, bracket);
            projections(polyadic, of_moment, projection);
            repeat<max_rank + 1>([&](int v) {
                Vector g{};
                repeat<sources(0)>([&](int v1) {
                    if (v1 >= sources(v)) return;
                    const Vector of_radial = bracket[v1] * projection[v];
                    Vector radial{};
                    for (int k = 0; k < points; ++k) {
                        const Vector row = rows[k * paths + first_path(v) + v1];
                        radial += row * w[k];
                        of_weight[k] += row * of_radial;
                    }
                    g += radial * bracket[v1];
                    of_bracket[v1] += radial * projection[v];
                });
                for (int c = begin(v); c < begin(v + 1); ++c) of_polyadic[c] += g * of_moment[c];
            });
            add_to_polyadic(of_bracket, features, of_polyadic);
            add_to_features(of_bracket, polyadic, edge.features(own, block));
        }
        totals<points>(of_weight, edge.weights(of_weights));
        totals<all_components>(of_polyadic, edge.polyadic(of_polyadics));
    });
}

// The same with respect to the table, in the copy of this thread.
void table_gradient(const Part &part, const Edges *edges, const Vector *of_moments,
                    const Copies<Vector> *of_table) {
    Vector *own = of_table->own(part);
    std::fill(own, own + of_table->stride, Vector{});
    for_each_edge(part, *edges, [&](const Edge &edge) {
        const Real *w = edge.weights(edges->weights), *polyadic = edge.polyadic(edges->polyadics);
        for (int block = 0; block < blocks; ++block) {
            const auto of_rows = edge.table(own, block);
            Vector bracket[max_feature_rank + 1], projection[max_rank + 1];
            brackets(polyadic, edge.features(edges->features, block), bracket);
            projections(polyadic, edge.moments(of_moments, block), projection);
            repeat<max_rank + 1>([&](int v) {
                for (int v1 = 0; v1 < sources(v); ++v1) {
                    const Vector of_radial = bracket[v1] * projection[v];
                    for (int k = 0; k < points; ++k)
                        of_rows[k * paths + first_path(v) + v1] += of_radial * w[k];
                }
            });
        }
    });
}

// Derivatives of psi's own derivative along a change (w', D', h') of w, D and h: with respect to S,
// the table, w, D and h, those that atoms share in the copies of this thread.
void second_gradient(const Part &part, const Edges *edges, const Vector *of_moments,
                     const Real *weight_changes, const Real *polyadic_changes,
                     const Vector *feature_changes, Vector *moments, Real *of_weights,
                     Real *of_polyadics, const Copies<Vector> *of_features,
                     const Copies<Vector> *of_table) {
    constexpr int64_t size = blocks * all_components;
    std::fill(moments + part.first * size, moments + part.last * size, Vector{});
    Vector *own_features = of_features->own(part), *own_table = of_table->own(part);
    std::fill(own_features, own_features + of_features->stride, Vector{});
    std::fill(own_table, own_table + of_table->stride, Vector{});
    for_each_edge(part, *edges, [&](const Edge &edge) {
        const Real *w = edge.weights(edges->weights), *polyadic = edge.polyadic(edges->polyadics);
        const Real *w_change = edge.weights(weight_changes);
        const Real *polyadic_change = edge.polyadic(polyadic_changes);
        Vector of_weight[points]{}, of_polyadic[all_components]{};
        for (int block = 0; block < blocks; ++block) {
            const auto rows = edge.table(edges->table, block);
            const auto features = edge.features(edges->features, block);
            const auto feature_change = edge.features(feature_changes, block);
            const auto of_moment = edge.moments(of_moments, block);
            const auto moment = edge.moments(moments, block);
            const auto of_rows = edge.table(own_table, block);
            constexpr int kinds = max_feature_rank + 1;
            Vector bracket[kinds], change_at_features[kinds], bracket_change[kinds];
            Vector projection[max_rank + 1], projection_change[max_rank + 1];
            brackets(polyadic, features, bracket);
            brackets(polyadic_change, features, change_at_features);
            brackets(polyadic, feature_change, bracket_change);
            for (int v1 = 0; v1 < kinds; ++v1) bracket_change[v1] += change_at_features[v1];
            projections(polyadic, of_moment, projection);
            projections(polyadic_change, of_moment, projection_change);
            Vector of_bracket[kinds]{}, of_bracket_change[kinds]{};
            repeat<max_rank + 1>([&](int v) {
                Vector g{}, g_change{};
                repeat<sources(0)>([&](int v1) {
                    if (v1 >= sources(v)) return;
                    const Vector of_radial = bracket[v1] * projection[v];
                    const Vector of_radial_change =
                        bracket_change[v1] * projection[v] + bracket[v1] * projection_change[v];
                    Vector radial{}, radial_change{};
                    for (int k = 0; k < points; ++k) {
                        const int place = k * paths + first_path(v) + v1;
                        const Vector row = rows[place];
                        radial += row * w[k];
                        radial_change += row * w_change[k];
                        of_weight[k] += row * of_radial_change;
                        of_rows[place] += of_radial * w_change[k] + of_radial_change * w[k];
                    }
                    g += radial * bracket[v1];
                    g_change += radial_change * bracket[v1] + radial * bracket_change[v1];
                    of_bracket[v1] += radial * projection[v];
                    of_bracket_change[v1] +=
                        radial_change * projection[v] + radial * projection_change[v];
                });
                for (int c = begin(v); c < begin(v + 1); ++c) {
                    moment[c] += g_change * polyadic[c] + g * polyadic_change[c];
                    of_polyadic[c] += g_change * of_moment[c];
                }
            });
            add_to_polyadic(of_bracket_change, features, of_polyadic);
            add_to_polyadic(of_bracket, feature_change, of_polyadic);
            const auto of_feature = edge.features(own_features, block);
            add_to_features(of_bracket_change, polyadic, of_feature);
            add_to_features(of_bracket, polyadic_change, of_feature);
        }
        totals<points>(of_weight, edge.weights(of_weights));
        totals<all_components>(of_polyadic, edge.polyadic(of_polyadics));
    });
}

}  // namespace

EXPORT(camp_grid_sums, sums)
EXPORT(camp_grid_gradient, gradient)
EXPORT(camp_grid_table_gradient, table_gradient)
EXPORT(camp_grid_second_gradient, second_gradient)
