// Hyper moments of CAMP (Eqs. 7 and 8) and their derivative, channel by channel:
//
//   m_v = sum over paths W_path M_{v1} . (M_{v2} . (… M_{vn})),
//
// every dot a contraction of all indices of its left side. A *program* lists the products: each
// contracts a moment with what was computed before. Arrays with channels are blocked.

#include <vector>

#include "channels.hpp"

namespace {

// Component with the exponents of two others added; moment_components where there is none.
constexpr std::array<std::array<int, moment_components>, moment_components> all_sums() {
    std::array<std::array<int, moment_components>, moment_components> result{};
    for (int a = 0; a < moment_components; ++a)
        for (int b = 0; b < moment_components; ++b) {
            result[a][b] = moment_components;
            for (int c = 0; c < moment_components; ++c) {
                bool equal = true;
                for (int axis = 0; axis < 3; ++axis)
                    equal = equal && component[a].exponents[axis] + component[b].exponents[axis] ==
                                         component[c].exponents[axis];
                if (equal) result[a][b] = c;
            }
        }
    return result;
}

constexpr auto component_sum = all_sums();

}  // namespace

// The tensor at `place` among the tensors of an atom is the moment of rank `low` contracted with
// the tensor of rank low + rank at `other`. The moments themselves come first.
struct Product {
    int64_t low, rank, other, place;
};

// weight · the tensor of this rank at `place` is part of the message.
struct Term {
    int64_t rank, place;
};

struct Program {
    int64_t products, terms, size, message_components;
    const Product *product;
    const Term *term;
    const Vector *weights;  // blocked: (1, blocks, terms)
};

namespace {

void evaluate(const Program &program, const Vector *moments, Vector *tensors) {
    std::copy(moments, moments + moment_components, tensors);
    for (int64_t k = 0; k < program.products; ++k) {
        const auto [low, rank, other, place] = program.product[k];
        const Vector *high = tensors + other - begin(low + rank);
        for (int c = begin(rank); c < begin(rank + 1); ++c) {
            Vector sum{};
            for (int a = begin(low); a < begin(low + 1); ++a)
                sum += tensors[a] * high[component_sum[a][c]] * component[a].multiplicity;
            tensors[place + c - begin(rank)] = sum;
        }
    }
}

}  // namespace

extern "C" {

void camp_messages(const Program *program, int64_t atoms, const Real *moments, Real *messages) {
    const int64_t outputs = program->message_components;
    std::vector<Vector> moment(blocks * moment_components), message(blocks * outputs),
        tensors(program->size);
    for (int64_t i = 0; i < atoms; ++i) {
        pack(1, moment_components, moments + i * moment_components * channels,
             reinterpret_cast<Real *>(moment.data()));
        std::fill(message.begin(), message.end(), Vector{});
        for (int block = 0; block < blocks; ++block) {
            evaluate(*program, &moment[block * moment_components], tensors.data());
            for (int64_t k = 0; k < program->terms; ++k) {
                const auto [rank, place] = program->term[k];
                const Vector weight = program->weights[block * program->terms + k];
                for (int c = begin(rank); c < begin(rank + 1); ++c)
                    message[block * outputs + c] += weight * tensors[place + c - begin(rank)];
            }
        }
        unpack(1, outputs, reinterpret_cast<Real *>(message.data()),
               messages + i * outputs * channels);
    }
}

// From the derivative with respect to the messages, that with respect to the moments.
void camp_messages_backward(const Program *program, int64_t atoms, const Real *moments,
                            const Real *message_gradients, Real *moment_gradients) {
    const int64_t outputs = program->message_components;
    std::vector<Vector> moment(blocks * moment_components), of_message(blocks * outputs),
        tensors(program->size), of_tensors(program->size);
    for (int64_t i = 0; i < atoms; ++i) {
        pack(1, moment_components, moments + i * moment_components * channels,
             reinterpret_cast<Real *>(moment.data()));
        pack(1, outputs, message_gradients + i * outputs * channels,
             reinterpret_cast<Real *>(of_message.data()));
        for (int block = 0; block < blocks; ++block) {
            evaluate(*program, &moment[block * moment_components], tensors.data());
            std::fill(of_tensors.begin(), of_tensors.end(), Vector{});
            for (int64_t k = 0; k < program->terms; ++k) {
                const auto [rank, place] = program->term[k];
                const Vector weight = program->weights[block * program->terms + k];
                for (int c = begin(rank); c < begin(rank + 1); ++c)
                    of_tensors[place + c - begin(rank)] += weight * of_message[block * outputs + c];
            }
            for (int64_t k = program->products - 1; k >= 0; --k) {
                const auto [low, rank, other, place] = program->product[k];
                const int64_t offset = other - begin(low + rank);
                for (int c = begin(rank); c < begin(rank + 1); ++c) {
                    const Vector outer = of_tensors[place + c - begin(rank)];
                    for (int a = begin(low); a < begin(low + 1); ++a) {
                        const int64_t high = offset + component_sum[a][c];
                        const Vector scaled = outer * component[a].multiplicity;
                        of_tensors[a] += scaled * tensors[high];
                        of_tensors[high] += scaled * tensors[a];
                    }
                }
            }
            std::copy(of_tensors.begin(), of_tensors.begin() + moment_components,
                      &moment[block * moment_components]);
        }
        unpack(1, moment_components, reinterpret_cast<Real *>(moment.data()),
               moment_gradients + i * moment_components * channels);
    }
}
}
