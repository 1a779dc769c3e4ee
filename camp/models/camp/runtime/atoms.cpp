// What a layer of CAMP does on atoms, between one sum over neighbours and the next:
//
//   M_v  = A_v sum_v                                        channels mixed (Eq. 6)
//   m_v  = sum over paths W_path M_{v1} . (M_{v2} . (… M_{vn}))        hyper moments (Eqs. 7, 8)
//   h'_v = U_v m_v + R_v h_v                                update (Eq. 9), mixed (Eq. 1)
//
// every dot a contraction of all indices of its left side. Arrays with channels are blocked.

#include <vector>

#include "atoms.hpp"
#include "mixing.hpp"

namespace {

// Atoms that share a matrix while it is in the cache.
constexpr int64_t tile_atoms = 8;

// out += in · W for all components of all ranks, and for the atoms of a tile.
void mix(int64_t ranks, const Vector *matrices, int64_t atoms, const Vector *in,
         int64_t in_components, Vector *out, int64_t out_components) {
    for (int64_t rank = 0; rank < ranks; ++rank)
        for (int64_t i = 0; i < atoms; ++i) {
            const Vector *from = in + i * blocks * in_components + begin(rank);
            Vector *to = out + i * blocks * out_components + begin(rank);
            mix_components(matrices + rank * blocks * channels, size(rank), from, in_components, to,
                           out_components);
        }
}

// All tensors of one block of channels of an atom.
void evaluate(const Layer &layer, const Vector *moments, Vector *tensors) {
    std::copy(moments, moments + all_components, tensors);
    evaluate(layer.products, tensors);
}

void add_messages(const Layer &layer, int block, const Vector *tensors, Vector *messages) {
    for (int64_t k = 0; k < layer.terms; ++k) {
        const auto [rank, place] = layer.term[k];
        const Vector weight = layer.weights[block * layer.terms + k];
        for (int c = begin(rank); c < begin(rank + 1); ++c)
            messages[c] += weight * tensors[place + c - begin(rank)];
    }
}

// From the derivative with respect to messages that with respect to moments, of one block.
void differentiate(const Layer &layer, int block, const Vector *tensors,
                   const Vector *of_messages, Vector *of_tensors) {
    std::fill(of_tensors, of_tensors + layer.products.size, Vector{});
    for (int64_t k = 0; k < layer.terms; ++k) {
        const auto [rank, place] = layer.term[k];
        const Vector weight = layer.weights[block * layer.terms + k];
        for (int c = begin(rank); c < begin(rank + 1); ++c)
            of_tensors[place + c - begin(rank)] += weight * of_messages[c];
    }
    differentiate(layer.products, tensors, of_tensors);
}

template <typename Function>
void for_each_tile(int64_t first, int64_t last, Function function) {
    for (int64_t tile = first; tile < last; tile += tile_atoms)
        function(tile, std::min(tile_atoms, last - tile));
}

// Blocked: sums and features to moments and, unless this is the last layer, next features. Scalars
// (atoms, channels) are not blocked.
void forward(const Part &part, const Layer *layer, const Vector *sums, const Vector *features,
             Vector *moments, Vector *next, Real *scalars) {
    const int64_t outputs = layer->message_components, inputs = layer->feature_components;
    std::vector<Vector> messages(tile_atoms * blocks * outputs), tensors(layer->products.size),
        scalar(tile_atoms * blocks);
    for_each_tile(part.first, part.last, [&](int64_t tile, int64_t atoms) {
        constexpr int64_t size = blocks * all_components;
        Vector *moment = moments + tile * size;
        const Vector *feature = features + tile * blocks * inputs;
        const auto add = [&](const Mixing &mixing, const Vector *in, int64_t in_components,
                             Vector *out, int64_t out_components) {
            mix(mixing.ranks, mixing.matrices, atoms, in, in_components, out, out_components);
        };
        std::fill(moment, moment + atoms * size, Vector{});
        add(layer->moments, sums + tile * size, all_components, moment, all_components);
        std::fill(messages.begin(), messages.end(), Vector{});
        for (int64_t k = 0; k < atoms * blocks; ++k) {
            evaluate(*layer, moment + k * all_components, tensors.data());
            add_messages(*layer, k % blocks, tensors.data(), &messages[k * outputs]);
        }
        if (layer->update.ranks) {
            Vector *updated = next + tile * size;
            std::fill(updated, updated + atoms * size, Vector{});
            add(layer->update, messages.data(), outputs, updated, all_components);
            add(layer->keep, feature, inputs, updated, all_components);
        }
        std::fill(scalar.begin(), scalar.end(), Vector{});
        add(layer->scalar_update, messages.data(), outputs, scalar.data(), 1);
        add(layer->scalar_keep, feature, inputs, scalar.data(), 1);
        unpack(atoms, 1, reinterpret_cast<Real *>(scalar.data()), scalars + tile * channels);
    });
}

// From the derivatives with respect to next features, in copies to be added up in the first, and to
// scalars: that with respect to sums and, unless the pointer is null, the first part of that with
// respect to features.
void backward(const Part &part, const Layer *layer, const Vector *moments,
              const Copies<Vector> *of_next, const Real *of_scalars, Vector *of_sums,
              const Copies<Vector> *of_features) {
    const int64_t outputs = layer->message_components, inputs = layer->feature_components;
    std::vector<Vector> of_messages(tile_atoms * blocks * outputs), tensors(layer->products.size),
        of_tensors(layer->products.size), of_moments(tile_atoms * blocks * all_components),
        of_scalar(tile_atoms * blocks);
    if (of_features) std::fill_n(of_features->own(part), of_features->stride, Vector{});
    for_each_tile(part.first, part.last, [&](int64_t tile, int64_t atoms) {
        constexpr int64_t size = blocks * all_components;
        const auto add = [&](const Mixing &mixing, const Vector *in, int64_t in_components,
                             Vector *out, int64_t out_components) {
            mix(mixing.ranks, mixing.transposed, atoms, in, in_components, out, out_components);
        };
        pack(atoms, 1, of_scalars + tile * channels, reinterpret_cast<Real *>(of_scalar.data()));
        std::fill(of_messages.begin(), of_messages.end(), Vector{});
        add(layer->scalar_update, of_scalar.data(), 1, of_messages.data(), outputs);
        Vector *of_updated = of_next ? of_next->values + tile * size : nullptr;
        if (of_next)
            for (int64_t copy = 1; copy < of_next->count; ++copy)
                for (int64_t k = 0; k < atoms * size; ++k)
                    of_updated[k] += of_updated[copy * of_next->stride + k];
        if (layer->update.ranks)
            add(layer->update, of_updated, all_components, of_messages.data(), outputs);
        if (of_features) {
            Vector *of_feature = of_features->own(part) + tile * blocks * inputs;
            add(layer->scalar_keep, of_scalar.data(), 1, of_feature, inputs);
            if (layer->update.ranks)
                add(layer->keep, of_updated, all_components, of_feature, inputs);
        }
        for (int64_t k = 0; k < atoms * blocks; ++k) {
            evaluate(*layer, moments + tile * size + k * all_components, tensors.data());
            differentiate(*layer, k % blocks, tensors.data(), &of_messages[k * outputs],
                          of_tensors.data());
            std::copy(of_tensors.begin(), of_tensors.begin() + all_components,
                      &of_moments[k * all_components]);
        }
        std::fill(of_sums + tile * size, of_sums + (tile + atoms) * size, Vector{});
        add(layer->moments, of_moments.data(), all_components, of_sums + tile * size,
            all_components);
    });
}

}  // namespace

EXPORT(camp_atoms, forward)
EXPORT(camp_atoms_backward, backward)
