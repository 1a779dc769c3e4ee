// Programs of contractions of symmetric tensors, for many channels or atoms at once.
//
// The tensors of an atom stand one after another in an array; a program says which of them are
// contracted, and where the result goes (camp/runtime/contractions.py).

#pragma once

#include <algorithm>

#include "symmetric.hpp"

// All indices of the tensor of rank `low` at `first` contracted with as many of the tensor of rank
// low + rank at `second` are the tensor of rank `rank` at `place`.
struct Contraction {
    int64_t low, rank, first, second, place;
};

struct Contractions {
    int64_t count, size;  // size: components of all tensors together
    const Contraction *list;
};

namespace {

// Component with the exponents of two others added; all_components where there is none.
constexpr std::array<std::array<int, all_components>, all_components> make_sums() {
    std::array<std::array<int, all_components>, all_components> result{};
    for (int a = 0; a < all_components; ++a)
        for (int b = 0; b < all_components; ++b) {
            const auto &p = component[a].exponents, &q = component[b].exponents;
            const int place = place_of(p[0] + q[0], p[1] + q[1], p[2] + q[2]);
            result[a][b] = place < all_components ? place : all_components;
        }
    return result;
}

constexpr auto component_sum = make_sums();

template <int low, int rank>
void contract(const Vector *first, const Vector *second, Vector *result) {
    repeat<size(rank)>([&](int c) {
        Vector sum{};
        repeat<size(low)>([&](int a) {
            const int high = component_sum[begin(low) + a][begin(rank) + c] - begin(low + rank);
            sum += first[a] * second[high] * component[begin(low) + a].multiplicity;
        });
        result[c] = sum;
    });
}

template <int low, int rank>
void contract_backward(const Vector *first, const Vector *second, const Vector *of_result,
                       Vector *of_first, Vector *of_second) {
    repeat<size(rank)>([&](int c) {
        repeat<size(low)>([&](int a) {
            const int high = component_sum[begin(low) + a][begin(rank) + c] - begin(low + rank);
            const Vector scaled = of_result[c] * component[begin(low) + a].multiplicity;
            of_first[a] += scaled * second[high];
            of_second[high] += scaled * first[a];
        });
    });
}

// Calls a template by ranks that are known only when it runs.
template <int low = 0, int rank = 0, typename Function>
inline __attribute__((always_inline)) void with_ranks(const Contraction &item, Function function) {
    if (item.low == low && item.rank == rank)
        function(std::integral_constant<int, low>{}, std::integral_constant<int, rank>{});
    else if constexpr (low + rank < max_rank)
        with_ranks<low, rank + 1>(item, function);
    else if constexpr (low < max_rank)
        with_ranks<low + 1, 0>(item, function);
}

// The tensors that a program begins with are there already.
void evaluate(const Contractions &program, Vector *tensors) {
    for (int64_t k = 0; k < program.count; ++k) {
        const Contraction &item = program.list[k];
        with_ranks(item, [&](auto low, auto rank) {
            contract<low, rank>(tensors + item.first, tensors + item.second, tensors + item.place);
        });
    }
}

// From the derivative with respect to all tensors, each as if nothing followed from it, to that
// with respect to those that the program begins with.
void differentiate(const Contractions &program, const Vector *tensors, Vector *of_tensors) {
    for (int64_t k = program.count - 1; k >= 0; --k) {
        const Contraction &item = program.list[k];
        with_ranks(item, [&](auto low, auto rank) {
            contract_backward<low, rank>(tensors + item.first, tensors + item.second,
                                         of_tensors + item.place, of_tensors + item.first,
                                         of_tensors + item.second);
        });
    }
}

}  // namespace
