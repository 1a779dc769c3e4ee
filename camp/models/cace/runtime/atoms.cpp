// What a layer of CACE does on atoms, between one sum over neighbours and the next:
//
//   A_{u,l} = theta^R_b sum_m W^{d(l)}_{m,u} sum_{q(u),m,l} + kappa^{d(l)}_u A'_{u,l} + P_{u,l}
//   B_{k,u} = products of A of the same u
//   y       = H(B), times theta^S for the sums of the next layer
//   z       = first layer of the readout, summed over all layers of CACE
//
// with u = (a, b, n): channel (a, b) of sender and receiver, radial function n; A' that of the layer
// before, where the model has a memory, and P the messages of decays.cpp, where it has those.
// HIGHEST_RANK is the largest degree, BLOCKS as in degree_sums.cpp. All arrays but sums and features
// are in tiles, B in the order (u, k).

#include <vector>

#include "atoms.hpp"
#include "tiles.hpp"

namespace {

constexpr int blocks = BLOCKS;

template <int degree = 0, typename Function>
inline __attribute__((always_inline)) void for_each_degree(Function function) {
    function(std::integral_constant<int, degree>{});
    if constexpr (degree < max_rank) for_each_degree<degree + 1>(function);
}

// What a layer needs of a tile; channels() times mixed are the numbers u.
struct Sizes {
    int64_t channels, basis, sums, features;

    explicit Sizes(const Layer &layer)
        : channels(layer.embedding * layer.embedding),
          basis(channels * layer.mixed * all_components),
          sums(layer.received * layer.raw * all_components),
          features(channels * layer.mixed * layer.features) {}
};

// Sums of atoms (atoms, q, blocks, components, lanes of m) → (q, m, components).
void load_sums(const Layer &layer, const Tile &tile, const Real *sums, Vector *result) {
    const int64_t size = layer.received * blocks * all_components * lanes;
    for (int64_t lane = 0; lane < tile.count; ++lane) {
        const Real *of_atom = sums + (tile.first + lane) * size;
        Vector *place = result;
        for (int64_t q = 0; q < layer.received; ++q, of_atom += blocks * all_components * lanes)
            for (int64_t m = 0; m < layer.raw; ++m)
                for (int c = 0; c < all_components; ++c)
                    (*place++)[lane] = of_atom[(m / lanes * all_components + c) * lanes + m % lanes];
    }
}

// The reverse.
void store_sums(const Layer &layer, const Tile &tile, const Vector *values, Real *sums) {
    const int64_t size = layer.received * blocks * all_components * lanes;
    for (int64_t lane = 0; lane < tile.count; ++lane) {
        Real *of_atom = sums + (tile.first + lane) * size;
        std::fill_n(of_atom, size, 0);
        const Vector *place = values;
        for (int64_t q = 0; q < layer.received; ++q, of_atom += blocks * all_components * lanes)
            for (int64_t m = 0; m < layer.raw; ++m)
                for (int c = 0; c < all_components; ++c)
                    of_atom[(m / lanes * all_components + c) * lanes + m % lanes] = (*place++)[lane];
    }
}

// Functions u of atoms (atoms, blocks, components, lanes of u): adds them to (u, components) of a
// tile.
void add_functions(const Tile &tile, int64_t functions, const Real *values, Vector *result) {
    const int64_t size = (functions + lanes - 1) / lanes * all_components * lanes;
    for (int64_t lane = 0; lane < tile.count; ++lane) {
        const Real *of_atom = values + (tile.first + lane) * size;
        for (int64_t u = 0; u < functions; ++u)
            for (int c = 0; c < all_components; ++c)
                result[u * all_components + c][lane] +=
                    of_atom[(u / lanes * all_components + c) * lanes + u % lanes];
    }
}

// The reverse, with zeros in lanes of no function.
void store_functions(const Tile &tile, int64_t functions, const Vector *values, Real *result) {
    const int64_t size = (functions + lanes - 1) / lanes * all_components * lanes;
    for (int64_t lane = 0; lane < tile.count; ++lane) {
        Real *of_atom = result + (tile.first + lane) * size;
        std::fill_n(of_atom, size, 0);
        for (int64_t u = 0; u < functions; ++u)
            for (int c = 0; c < all_components; ++c)
                of_atom[(u / lanes * all_components + c) * lanes + u % lanes] =
                    values[u * all_components + c][lane];
    }
}

// Calls a function for all u, with the place of q(u) among sums (q, m, components).
template <typename Function>
void for_each_function(const Layer &layer, Function function) {
    const int64_t k = layer.embedding;
    for (int64_t a = 0, u = 0; a < k; ++a)
        for (int64_t b = 0; b < k; ++b) {
            const int64_t q = layer.received == k ? a : a * k + b;
            for (int64_t n = 0; n < layer.mixed; ++n, ++u)
                function(u, b, q * layer.raw * all_components);
        }
}

// A from sums, if there are any, and A'.
void mix(const Layer &layer, const Vector *receiver, const Vector *sums, const Vector *before,
         Vector *basis) {
    const int64_t functions = layer.embedding * layer.embedding * layer.mixed;
    for_each_function(layer, [&](int64_t u, int64_t b, int64_t place) {
        for_each_degree([&](auto degree) {
            constexpr int first = begin(degree), count = size(degree);
            const int64_t row = degree * functions + u;
            const Real *weight = layer.mixing + row * layer.raw;
            Vector sum[count]{};
            for (int64_t m = 0; m < layer.raw && layer.received; ++m)
                repeat<count>([&](int c) {
                    sum[c] += sums[place + m * all_components + first + c] * weight[m];
                });
            Vector *result = basis + u * all_components + first;
            repeat<count>([&](int c) { result[c] = sum[c] * receiver[b]; });
            if (before) {
                const Vector *own = before + u * all_components + first;
                repeat<count>([&](int c) { result[c] += own[c] * layer.memory[row]; });
            }
        });
    });
}

// From the derivative with respect to A, adds to those with respect to sums and A'.
void mix_backward(const Layer &layer, const Vector *receiver, const Vector *of_basis,
                  Vector *of_sums, Vector *of_before) {
    const int64_t functions = layer.embedding * layer.embedding * layer.mixed;
    for_each_function(layer, [&](int64_t u, int64_t b, int64_t place) {
        for_each_degree([&](auto degree) {
            constexpr int first = begin(degree), count = size(degree);
            const int64_t row = degree * functions + u;
            const Real *weight = layer.mixing + row * layer.raw;
            const Vector *outer = of_basis + u * all_components + first;
            Vector scaled[count];
            repeat<count>([&](int c) { scaled[c] = outer[c] * receiver[b]; });
            for (int64_t m = 0; m < layer.raw && layer.received; ++m)
                repeat<count>([&](int c) {
                    of_sums[place + m * all_components + first + c] += scaled[c] * weight[m];
                });
            if (of_before) {
                Vector *own = of_before + u * all_components + first;
                repeat<count>([&](int c) { own[c] = outer[c] * layer.memory[row]; });
            }
        });
    });
}

// Sums (atoms, q, blocks, components) and P (atoms, blocks of u, components) to A, also in the form
// of P, to what is kept of H, and to the features that are sent (atoms, kinds, q); all but sums, A
// and z may be missing. Adds to z, whose tiles have room for all that is kept of the readout.
void forward(const Part &part, const Layer *layer, const int64_t *species, const Real *sums,
             const Vector *before, const Real *decayed, Vector *basis, Real *sent_basis,
             const Readout *readout, Vector *z, const Message *message, Vector *kept, Real *sent) {
    const Sizes sizes(*layer);
    const int64_t heads = layer->heads.outputs, functions = sizes.channels * layer->mixed;
    std::vector<Vector> sum(sizes.sums), receiver(layer->embedding), sender(layer->embedding),
        tensors(layer->products.size), features(sizes.features), products(heads);
    for_each_tile(part, [&](const Tile &tile) {
        Vector *own = basis + tile.place * sizes.basis;
        load_sums(*layer, tile, sums, sum.data());
        tile.look_up(layer->receiver, species, layer->embedding, receiver.data());
        mix(*layer, receiver.data(), sum.data(),
            before ? before + tile.place * sizes.basis : nullptr, own);
        if (decayed) add_functions(tile, functions, decayed, own);
        if (sent_basis) store_functions(tile, functions, own, sent_basis);
        Vector *feature = features.data();
        for (int64_t k = 0; k < sizes.basis; k += all_components) {
            std::copy_n(own + k, all_components, tensors.data());
            evaluate(layer->products, tensors.data());
            for (int64_t s = 0; s < layer->features; ++s) *feature++ = tensors[layer->places[s]];
        }
        multiply(layer->heads, features.data(), products.data());
        Vector *read = z + tile.place * readout->kept();
        for (int64_t k = 0; k < layer->read; ++k)
            read[k] = layer->first ? products[k] : read[k] + products[k];
        if (!message) return;
        Vector *first = kept + tile.place * message->network.size;
        std::copy(products.begin() + layer->read, products.end(), first);
        std::vector<Vector> factors(message->network.outputs),
            result(message->kinds * message->sent());
        finish(message->network, first, factors.data());
        tile.look_up(message->sender, species, message->embedding, sender.data());
        for (int64_t kind = 0, k = 0; kind < message->kinds; ++kind)
            for (int64_t q = 0; q < message->sent(); ++q)
                result[k++] = factors[kind * message->channels + message->factor(q)] *
                              sender[message->of_sender(q)];
        tile.store(result.data(), result.size(), sent);
    });
}

// From the derivatives with respect to z, to what is sent (copies, atoms, kinds, q, blocks, lanes),
// to be added up over copies, blocks and lanes, to A in the form of P, in copies as well, and, in
// `of_basis`, to A as far as the next layer remembers it: those with respect to sums, P and A'.
void backward(const Part &part, const Layer *layer, const int64_t *species, const Vector *basis,
              const Vector *of_z, const Message *message, const Vector *kept,
              const Copies<Vector> *of_sent, const Copies<Vector> *of_sent_basis,
              const Vector *of_basis, Real *of_sums, Real *of_decayed, Vector *of_before) {
    const Sizes sizes(*layer);
    const int64_t functions = sizes.channels * layer->mixed;
    std::vector<Vector> of_sum(sizes.sums), receiver(layer->embedding), sender(layer->embedding),
        tensors(layer->products.size), of_tensors(layer->products.size),
        of_features(sizes.features), of_products(layer->heads.outputs), of_own(sizes.basis);
    for_each_tile(part, [&](const Tile &tile) {
        const Vector *read = of_z + tile.place * layer->read;
        std::copy_n(read, layer->read, of_products.data());
        if (message) {
            std::vector<Vector> of_factors(message->network.outputs);
            tile.look_up(message->sender, species, message->embedding, sender.data());
            const int64_t number = message->kinds * message->sent();
            for (int64_t kind = 0, k = 0; kind < message->kinds; ++kind)
                for (int64_t q = 0; q < message->sent(); ++q, ++k) {
                    Vector sum{};
                    for (int64_t copy = 0; copy < of_sent->count; ++copy)
                        for (int64_t lane = 0; lane < tile.count; ++lane) {
                            const Vector *terms = of_sent->values + copy * of_sent->stride +
                                                  ((tile.first + lane) * number + k) * blocks;
                            for (int block = 0; block < blocks; ++block)
                                sum[lane] += total(terms[block]);
                        }
                    of_factors[kind * message->channels + message->factor(q)] +=
                        sum * sender[message->of_sender(q)];
                }
            finish_backward(message->network, kept + tile.place * message->network.size,
                            of_factors.data(), of_products.data() + layer->read);
        }
        multiply_backward(layer->heads, of_products.data(), of_features.data());
        const Vector *own = basis + tile.place * sizes.basis, *of_feature = of_features.data();
        for (int64_t k = 0; k < sizes.basis; k += all_components) {
            std::copy_n(own + k, all_components, tensors.data());
            evaluate(layer->products, tensors.data());
            std::fill(of_tensors.begin(), of_tensors.end(), Vector{});
            for (int64_t s = 0; s < layer->features; ++s)
                of_tensors[layer->places[s]] += *of_feature++;
            differentiate(layer->products, tensors.data(), of_tensors.data());
            std::copy_n(of_tensors.data(), all_components, of_own.data() + k);
        }
        if (of_basis)
            for (int64_t k = 0; k < sizes.basis; ++k)
                of_own[k] += of_basis[tile.place * sizes.basis + k];
        if (of_sent_basis)
            for (int64_t copy = 0; copy < of_sent_basis->count; ++copy) {
                const Vector *terms = of_sent_basis->values + copy * of_sent_basis->stride;
                add_functions(tile, functions, reinterpret_cast<const Real *>(terms),
                              of_own.data());
            }
        if (of_decayed) store_functions(tile, functions, of_own.data(), of_decayed);
        std::fill(of_sum.begin(), of_sum.end(), Vector{});
        tile.look_up(layer->receiver, species, layer->embedding, receiver.data());
        mix_backward(*layer, receiver.data(), of_own.data(), of_sum.data(),
                     of_before ? of_before + tile.place * sizes.basis : nullptr);
        store_sums(*layer, tile, of_sum.data(), of_sums);
    });
}

// Energies (atoms) from z, and what is kept of the readout.
void read(const Part &part, const Readout *readout, Vector *z, Real *energies) {
    for_each_tile(part, [&](const Tile &tile) {
        Vector *kept = z + tile.place * readout->kept(), energy;
        finish(readout->network, kept + readout->linear, &energy);
        if (readout->linear) energy += kept[0] + static_cast<Real>(readout->bias);
        tile.store(&energy, 1, energies);
    });
}

// From the derivative with respect to energies to that with respect to z (tiles, read).
void read_backward(const Part &part, const Readout *readout, const Vector *z,
                   const Real *of_energies, Vector *of_z) {
    const Mlp &network = readout->network;
    const int64_t first = network.layers > 1 ? network.matrices[0].inputs : network.outputs;
    for_each_tile(part, [&](const Tile &tile) {
        Vector of_energy, *result = of_z + tile.place * (readout->linear + first);
        tile.load(of_energies, 1, &of_energy);
        if (readout->linear) result[0] = of_energy;
        finish_backward(network, z + tile.place * readout->kept() + readout->linear, &of_energy,
                        result + readout->linear);
    });
}

}  // namespace

EXPORT(cace_atoms, forward)
EXPORT(cace_atoms_backward, backward)
EXPORT(cace_readout, read)
EXPORT(cace_readout_backward, read_backward)
