// Sums over neighbours by degree, and their derivative:
//
//   S^i_{q,m,l} = sum_j R_m(r_ij) y^j_{d,q} u_ij^l,
//
// u^l the monomials of the direction, d their degree, R_m from one table that all pairs of species
// have in common. Besides the definitions of edge.hpp and symmetric.hpp (max_rank is the largest
// degree) the preprocessor names FUNCTIONS (m), FACTORS (q) and KINDS of factors: as many as there
// are degrees, or 1 where all degrees have the same.
//
// Radial functions are in the lanes of vectors, the last of which is filled up with zeros. Edges
// are taken one atom after the other, so that a sum stays in registers while edges are added.

#include <algorithm>

#include "degree_sums.hpp"
#include "symmetric.hpp"

namespace {

constexpr int factors = FACTORS, kinds = KINDS;
constexpr int blocks = (FUNCTIONS + lanes - 1) / lanes;
constexpr int sums_of_atom = factors * blocks * all_components;

// Edges of an atom that are taken together.
constexpr int chunk_edges = 16;

constexpr int kind(int degree) { return kinds == 1 ? 0 : degree; }

struct Edge : Place {
    Real unit[3], polyadic[all_components];
    const Vector *row;
    const Real *features;

    Edge(const Edges &edges, int64_t slot)
        : Place(edges.grid, edges.vectors + 3 * slot),
          row(edges.table + interval * (coefficients * blocks)),
          features(edges.features + edges.neighbours[slot] * (kinds * factors)) {
        const Real reach = length + static_cast<Real>(edges.epsilon);
        for (int axis = 0; axis < 3; ++axis) unit[axis] = edges.vectors[3 * slot + axis] / reach;
        make_polyadic(unit, polyadic);
    }
};

// What a sum needs of some edges of an atom.
struct Chunk {
    int count = 0;
    Vector radial[chunk_edges][blocks];
    Real polyadic[chunk_edges][all_components];
    const Real *features[chunk_edges];

    void add(const Edge &edge) {
        for (int block = 0; block < blocks; ++block)
            radial[count][block] = edge.value(edge.row + block * coefficients, 1);
        std::copy_n(edge.polyadic, all_components, polyadic[count]);
        features[count++] = edge.features;
    }
};

template <int degree = 0, typename Function>
inline __attribute__((always_inline)) void for_each_degree(Function function) {
    function(std::integral_constant<int, degree>{});
    if constexpr (degree < max_rank) for_each_degree<degree + 1>(function);
}

void add_edges(const Chunk &chunk, Vector *sums) {
    for (int q = 0; q < factors; ++q)
        for (int block = 0; block < blocks; ++block)
            for_each_degree([&](auto degree) {
                constexpr int first = begin(degree), count = size(degree);
                Vector *places = sums + (q * blocks + block) * all_components + first;
                Vector sum[count];
                repeat<count>([&](int c) { sum[c] = places[c]; });
                for (int k = 0; k < chunk.count; ++k) {
                    const Real y = chunk.features[k][kind(degree) * factors + q];
                    const Vector weighted = chunk.radial[k][block] * y;
                    repeat<count>([&](int c) {
                        sum[c] += weighted * chunk.polyadic[k][first + c];
                    });
                }
                repeat<count>([&](int c) { places[c] = sum[c]; });
            });
}

// The sums (atoms, FACTORS, blocks, components).
void sums(const Part &part, const Edges *edges, Vector *sums) {
    for (int64_t atom = part.first; atom < part.last; ++atom) {
        Vector *of_atom = sums + atom * sums_of_atom;
        std::fill_n(of_atom, sums_of_atom, Vector{});
        Chunk chunk;
        for (int64_t slot = atom * edges->width; slot < (atom + 1) * edges->width; ++slot) {
            if (!edges->mask[slot]) continue;
            chunk.add(Edge(*edges, slot));
            if (chunk.count < chunk_edges) continue;
            add_edges(chunk, of_atom);
            chunk.count = 0;
        }
        add_edges(chunk, of_atom);
    }
}

// From the derivative with respect to the sums: adds to that with respect to their edge vectors
// (atoms, width, 3) and, unless the pointer is null, writes to copies that with respect to the
// features, for each function on its own: (atoms, KINDS, FACTORS, blocks).
void sums_backward(const Part &part, const Edges *edges, const Vector *of_sums, Real *of_vectors,
                   const Copies<Vector> *copies) {
    Vector *of_features = copies ? copies->own(part) : nullptr;
    if (copies) std::fill_n(of_features, copies->stride, Vector{});
    const auto differentiate = [&](int64_t slot, const Vector *of_sum) {
        const Edge edge(*edges, slot);
        Vector radial[blocks], slope[blocks], of_radial[blocks]{}, of_unit[3]{};
        for (int block = 0; block < blocks; ++block)
            radial[block] = edge.value(edge.row + block * coefficients, 1, slope[block]);
        Vector *of_own =
            of_features + edges->neighbours[slot] * (kinds * factors * blocks);
        for_each_degree([&](auto degree) {
            constexpr int first = begin(degree), count = size(degree);
            Vector of_polyadic[count]{};
            for (int q = 0; q < factors; ++q) {
                const int feature = kind(degree) * factors + q;
                const Real y = edge.features[feature];
                for (int block = 0; block < blocks; ++block) {
                    const Vector *of_place = of_sum + (q * blocks + block) * all_components + first;
                    const Vector weighted = radial[block] * y;
                    Vector along{};
                    repeat<count>([&](int c) {
                        of_polyadic[c] += of_place[c] * weighted;
                        along += of_place[c] * edge.polyadic[first + c];
                    });
                    of_radial[block] += along * y;
                    if (of_features) of_own[feature * blocks + block] += along * radial[block];
                }
            }
            differentiate_polyadic<count>(first, edge.polyadic, of_polyadic, of_unit);
        });
        Vector of_t{};
        for (int block = 0; block < blocks; ++block) of_t += of_radial[block] * slope[block];
        differentiate_edge(edge, edge.unit, static_cast<Real>(edges->epsilon), total(of_t), of_unit,
                           of_vectors + 3 * slot);
    };
    for (int64_t slot = part.first * edges->width; slot < part.last * edges->width; ++slot)
        if (edges->mask[slot])
            differentiate(slot, of_sums + slot / edges->width * sums_of_atom);
}

}  // namespace

EXPORT(WITH_FACTORS(camp_degree_sums, FACTORS, KINDS), sums)
EXPORT(WITH_FACTORS(camp_degree_sums_backward, FACTORS, KINDS), sums_backward)
