// Atomic moments of CarNet, sums over neighbours of products of natural tensors, and their
// derivative, without any edge array that has channels:
//
//   M^i_c = sum_j sum_paths R_path(r_ij) sum_{a,m} table[c, a, m] x^j_a D_m(n_ij),
//
// with R from one table of splines that all pairs of species have in common. D are the natural
// polyadics of the direction, linear in its monomials. Besides the definitions of channels.hpp and
// edge.hpp the preprocessor names COMPONENTS of moments (c; of m there are as many),
// FEATURE_COMPONENTS (a) and PATHS. Arrays with channels are blocked.

#include "moments.hpp"
#include "ordered.hpp"

namespace {

constexpr int components = COMPONENTS, feature_components = FEATURE_COMPONENTS, paths = PATHS;

// Blocks of channels whose values stay in registers together.
constexpr int together = blocks % 4 == 0 ? 4 : blocks % 3 == 0 ? 3 : blocks % 2 == 0 ? 2 : 1;

constexpr int64_t tile_atoms = atoms_in_cache(blocks * components * vector_bytes);

struct Edge : Place {
    int64_t slot, centre, neighbour;
    Real unit[3], monomials[all_components], polyadic[components];
    const Vector *rows, *features;

    // Writes table[c, a, m] D_m of all entries.
    Edge(const Edges &edges, int64_t slot, Real *factors)
        : Place(edges.grid, edges.vectors + 3 * slot),
          slot(slot),
          centre(slot / edges.width),
          neighbour(edges.neighbours[slot]),
          polyadic{},
          rows(edges.table + interval * (blocks * coefficients * paths)),
          features(edges.features + neighbour * (blocks * feature_components)) {
        for (int axis = 0; axis < 3; ++axis) unit[axis] = edges.vectors[3 * slot + axis] / length;
        make_polyadic(unit, monomials);
        for (int64_t k = 0; k < edges.polyadic_entries; ++k)
            polyadic[edges.polyadic[k].result] +=
                edges.polyadic[k].value * monomials[edges.polyadic[k].first];
        for (int64_t k = 0; k < edges.entries; ++k)
            factors[k] = edges.entry[k].value * polyadic[edges.entry[k].second];
    }
};

template <typename Function>
void for_each_edge(const Part &part, const Edges &edges, Function function) {
    std::vector<Real> factors(edges.entries);
    for_each_ordered(part, tile_atoms, edges.width, edges.order, [&](int64_t slot) {
        function(Edge(edges, slot, factors.data()), factors.data());
    });
}

void order(const Part &part, const Edges *edges) {
    order_edges(
        part, tile_atoms, edges->width, edges->mask, edges->grid.intervals,
        [&](int64_t slot) { return Place(edges->grid, edges->vectors + 3 * slot).interval; },
        edges->order);
}

// The moments (atoms, blocks, components), before channels are mixed.
void moments(const Part &part, const Edges *edges, Vector *moments) {
    constexpr int64_t size = blocks * components;
    std::fill(moments + part.first * size, moments + part.last * size, Vector{});
    for_each_edge(part, *edges, [&](const Edge &edge, const Real *factors) {
        for (int first = 0; first < blocks; first += together) {
            Vector radial[together][paths];
            repeat<together>([&](int k) {
                const Vector *row = edge.rows + (first + k) * coefficients * paths;
                for (int path = 0; path < paths; ++path)
                    radial[k][path] = edge.value(row + path, paths);
            });
            const Vector *feature = edge.features + first * feature_components;
            Vector *moment = moments + edge.centre * size + first * components;
            for (int64_t r = 0; r < edges->rows; ++r) {
                const Row &row = edges->row[r];
                Vector sum[together]{};
                for (int64_t e = row.begin; e < row.end; ++e)
                    repeat<together>([&](int k) {
                        sum[k] += feature[k * feature_components + edges->entry[e].first] *
                                  factors[e];
                    });
                repeat<together>([&](int k) {
                    moment[k * components + row.moment] += radial[k][row.path] * sum[k];
                });
            }
        }
    });
}

// From the derivative with respect to the moments: adds to that with respect to their edge vectors
// (atoms, width, 3) and, unless the pointer is null, writes to copies that with respect to features.
void moments_backward(const Part &part, const Edges *edges, const Vector *of_moments,
                      Real *of_vectors, const Copies<Vector> *copies) {
    if (copies) std::fill_n(copies->own(part), copies->stride, Vector{});
    // Where it is not asked for, it goes nowhere.
    std::vector<Vector> nowhere(copies ? 0 : blocks * feature_components);
    for_each_edge(part, *edges, [&](const Edge &edge, const Real *factors) {
        Vector of_polyadic[components]{}, of_t{};
        Vector *of_neighbour =
            copies ? copies->own(part) + edge.neighbour * (blocks * feature_components)
                   : nowhere.data();
        for (int first = 0; first < blocks; first += together) {
            Vector radial[together][paths], slope[together][paths];
            repeat<together>([&](int k) {
                const Vector *row = edge.rows + (first + k) * coefficients * paths;
                for (int path = 0; path < paths; ++path)
                    radial[k][path] = edge.value(row + path, paths, slope[k][path]);
            });
            const Vector *feature = edge.features + first * feature_components;
            Vector *of_feature = of_neighbour + first * feature_components;
            const Vector *of_moment = of_moments + (edge.centre * blocks + first) * components;
            for (int64_t r = 0; r < edges->rows; ++r) {
                const Row &row = edges->row[r];
                Vector sum[together]{}, outer[together], weighted[together];
                repeat<together>([&](int k) {
                    outer[k] = of_moment[k * components + row.moment];
                    weighted[k] = outer[k] * radial[k][row.path];
                });
                for (int64_t e = row.begin; e < row.end; ++e) {
                    const auto &[c, a, m, value] = edges->entry[e];
                    Vector of_factor{};
                    repeat<together>([&](int k) {
                        const int64_t place = k * feature_components + a;
                        sum[k] += feature[place] * factors[e];
                        of_factor += weighted[k] * feature[place];
                        of_feature[place] += weighted[k] * factors[e];
                    });
                    of_polyadic[m] += of_factor * value;
                }
                repeat<together>([&](int k) { of_t += slope[k][row.path] * (outer[k] * sum[k]); });
            }
        }
        Vector of_monomials[all_components]{}, of_unit[3]{};
        for (int64_t k = 0; k < edges->polyadic_entries; ++k)
            of_monomials[edges->polyadic[k].first] +=
                of_polyadic[edges->polyadic[k].result] * edges->polyadic[k].value;
        differentiate_polyadic<all_components>(0, edge.monomials, of_monomials, of_unit);
        differentiate_edge(edge, edge.unit, 0, total(of_t), of_unit, of_vectors + 3 * edge.slot);
    });
}

}  // namespace

EXPORT(OF_FEATURES(carnet_order, FEATURE_COMPONENTS), order)
EXPORT(OF_FEATURES(carnet_moments, FEATURE_COMPONENTS), moments)
EXPORT(OF_FEATURES(carnet_moments_backward, FEATURE_COMPONENTS), moments_backward)
