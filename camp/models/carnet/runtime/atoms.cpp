// What a layer of CarNet does on atoms, between one sum over neighbours and the next:
//
//   M   = channels of the sums mixed
//   H^d = sum over paths k_path [H^{d−1} x M],  m_l = sum_d c_{l,d} H^d_l
//   h'  = (channels of m mixed) + (channels of h mixed)
//   x'  = (channels of h' mixed), what the next layer sums over neighbours
//
// All are natural tensors of ranks 0, 1, … with 2l + 1 components. Arrays with channels are blocked.

#include <vector>

#include "atoms.hpp"
#include "mixing.hpp"

namespace {

constexpr int64_t components(int64_t ranks) { return ranks * ranks; }

// out += what the map makes of `in`.
void mix(const ChannelMap &map, int64_t species, const Vector *in, int64_t in_components,
         Vector *out, int64_t out_components) {
    const int64_t set = map.by_species ? species : 0;
    for (int64_t rank = 0; rank < map.ranks; ++rank)
        mix_components(map.matrices + (set * map.ranks + rank) * blocks * channels, 2 * rank + 1,
                       in + components(rank), in_components, out + components(rank),
                       out_components);
    if (map.ranks)
        for (int block = 0; block < blocks; ++block)
            out[block * out_components] += map.biases[set * blocks + block];
}

// From the derivative with respect to `out`, adds to that with respect to `in`.
void mix_backward(const ChannelMap &map, int64_t species, const Vector *of_out,
                  int64_t out_components, Vector *of_in, int64_t in_components) {
    const int64_t set = map.by_species ? species : 0;
    for (int64_t rank = 0; rank < map.ranks; ++rank)
        mix_components(map.transposed + (set * map.ranks + rank) * blocks * channels, 2 * rank + 1,
                       of_out + components(rank), out_components, of_in + components(rank),
                       in_components);
}

void add(int64_t ranks, const Vector *in, int64_t in_components, Vector *out,
         int64_t out_components) {
    for (int block = 0; block < blocks; ++block)
        for (int64_t c = 0; c < components(ranks); ++c)
            out[block * out_components + c] += in[block * in_components + c];
}

// Sums (atoms, blocks, components) and h to M, h', x' where that differs from h', and scalars of h'
// (atoms, channels).
void forward(const Part &part, const Layer *layer, const int64_t *species, const Vector *sums,
             const Vector *features, Vector *moments, Vector *next, Vector *mixed, Real *scalars) {
    const int64_t given = layer->products.given, size = layer->products.size;
    const int64_t in = components(layer->in_ranks), out = components(layer->out_ranks);
    std::vector<Vector> tensors(size), room(layer->products.widest), message(blocks * out),
        updated(blocks * out);
    for (int64_t atom = part.first; atom < part.last; ++atom) {
        const int64_t z = species[atom];
        const Vector *feature = features + atom * blocks * in;
        Vector *moment = moments + atom * blocks * given;
        std::fill_n(moment, blocks * given, Vector{});
        mix(layer->moments, z, sums + atom * blocks * given, given, moment, given);
        std::fill(message.begin(), message.end(), Vector{});
        for (int block = 0; block < blocks; ++block) {
            std::copy_n(moment + block * given, given, tensors.begin());
            evaluate(layer->products, layer->path_weights + block * layer->products.count,
                     tensors.data(), room.data());
            for (int64_t k = 0; k < layer->terms; ++k) {
                const auto [rank, place] = layer->term[k];
                const Vector weight = layer->degree_weights[block * layer->terms + k];
                for (int64_t c = 0; c < 2 * rank + 1; ++c)
                    message[block * out + components(rank) + c] += tensors[place + c] * weight;
            }
        }
        Vector *result = next ? next + atom * blocks * out : updated.data();
        std::fill_n(result, blocks * out, Vector{});
        if (layer->messages.ranks)
            mix(layer->messages, z, message.data(), out, result, out);
        else
            std::copy(message.begin(), message.end(), result);
        mix(layer->residual, z, feature, in, result, out);
        add(layer->plain_residual, feature, in, result, out);
        if (mixed) {
            Vector *own = mixed + atom * blocks * out;
            std::fill_n(own, blocks * out, Vector{});
            mix(layer->following, z, result, out, own, out);
        }
        for (int u = 0; u < channels; ++u)
            scalars[atom * channels + u] = result[u / lanes * out][u % lanes];
    }
}

// From the derivatives with respect to scalars, to h' as far as the residual of the next layer has
// it, and to x' in copies to be added up: that with respect to sums and, unless the pointer is null,
// to h as far as the residual has it.
void backward(const Part &part, const Layer *layer, const int64_t *species, const Vector *moments,
              const Real *of_scalars, const Vector *of_next, const Copies<Vector> *of_mixed,
              Vector *of_sums, Vector *of_features) {
    const int64_t given = layer->products.given, size = layer->products.size;
    const int64_t in = components(layer->in_ranks), out = components(layer->out_ranks);
    std::vector<Vector> tensors(size), of_tensors(size), room(2 * layer->products.widest),
        of_result(blocks * out), of_message(blocks * out), received(blocks * out),
        of_moment(blocks * given);
    for (int64_t atom = part.first; atom < part.last; ++atom) {
        const int64_t z = species[atom], place = atom * blocks * out;
        std::fill(of_result.begin(), of_result.end(), Vector{});
        if (of_next) add(layer->out_ranks, of_next + place, out, of_result.data(), out);
        if (of_mixed) {
            std::fill(received.begin(), received.end(), Vector{});
            for (int64_t copy = 0; copy < of_mixed->count; ++copy)
                add(layer->out_ranks, of_mixed->values + copy * of_mixed->stride + place, out,
                    received.data(), out);
            if (layer->following.ranks)
                mix_backward(layer->following, z, received.data(), out, of_result.data(), out);
            else
                add(layer->out_ranks, received.data(), out, of_result.data(), out);
        }
        for (int u = 0; u < channels; ++u)
            of_result[u / lanes * out][u % lanes] += of_scalars[atom * channels + u];
        if (of_features) {
            Vector *of_feature = of_features + atom * blocks * in;
            std::fill_n(of_feature, blocks * in, Vector{});
            mix_backward(layer->residual, z, of_result.data(), out, of_feature, in);
            add(layer->plain_residual, of_result.data(), out, of_feature, in);
        }
        std::fill(of_message.begin(), of_message.end(), Vector{});
        if (layer->messages.ranks)
            mix_backward(layer->messages, z, of_result.data(), out, of_message.data(), out);
        else
            std::copy(of_result.begin(), of_result.end(), of_message.begin());
        for (int block = 0; block < blocks; ++block) {
            const Vector *weights = layer->path_weights + block * layer->products.count;
            std::copy_n(moments + (atom * blocks + block) * given, given, tensors.begin());
            evaluate(layer->products, weights, tensors.data(), room.data());
            std::fill(of_tensors.begin(), of_tensors.end(), Vector{});
            for (int64_t k = 0; k < layer->terms; ++k) {
                const auto [rank, where] = layer->term[k];
                const Vector weight = layer->degree_weights[block * layer->terms + k];
                for (int64_t c = 0; c < 2 * rank + 1; ++c)
                    of_tensors[where + c] += of_message[block * out + components(rank) + c] * weight;
            }
            differentiate(layer->products, weights, tensors.data(), of_tensors.data(), room.data());
            std::copy_n(of_tensors.begin(), given, of_moment.begin() + block * given);
        }
        Vector *of_sum = of_sums + atom * blocks * given;
        std::fill_n(of_sum, blocks * given, Vector{});
        mix_backward(layer->moments, z, of_moment.data(), given, of_sum, given);
    }
}

}  // namespace

EXPORT(carnet_atoms, forward)
EXPORT(carnet_atoms_backward, backward)
