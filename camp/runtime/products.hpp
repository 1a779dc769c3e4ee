// Programs of weighted products of components by constant sparse tables, for one block of channels:
//
//   z_c += w sum_{a,b} table[c, a, b] x_a y_b
//
// The tensors of an atom stand one after another in an array; a program says which of them are
// multiplied, and where the products are added (camp/runtime/products.py).

#pragma once

#include <algorithm>

#include "vectors.hpp"

// One number of a table.
struct TableEntry {
    int32_t result, first, second;  // c, a, b
    Real value;
};

// A product, with the places of its factors and of its result, the number of its weight, that of
// components a, and its entries.
struct WeightedProduct {
    int64_t first, second, result, weight, components, begin, end;
};

struct Products {
    int64_t count, given, size, widest;  // components: given ones, all, most of a first factor
    const WeightedProduct *list;
    const TableEntry *entries;
};

namespace {

// The given tensors are there already; weights stand a stride apart.
void evaluate(const Products &program, const Vector *weights, Vector *tensors, Vector *room) {
    std::fill(tensors + program.given, tensors + program.size, Vector{});
    for (int64_t k = 0; k < program.count; ++k) {
        const WeightedProduct &item = program.list[k];
        const Vector weight = weights[item.weight];
        for (int64_t a = 0; a < item.components; ++a) room[a] = tensors[item.first + a] * weight;
        const Vector *second = tensors + item.second;
        Vector *result = tensors + item.result;
        for (int64_t e = item.begin; e < item.end; ++e) {
            const auto &[c, a, b, value] = program.entries[e];
            result[c] += room[a] * second[b] * value;
        }
    }
}

// From the derivative with respect to all tensors, each as if nothing followed from it, to that
// with respect to the given ones. Needs room for two first factors.
void differentiate(const Products &program, const Vector *weights, const Vector *tensors,
                   Vector *of_tensors, Vector *room) {
    Vector *of_room = room + program.widest;
    for (int64_t k = program.count - 1; k >= 0; --k) {
        const WeightedProduct &item = program.list[k];
        const Vector weight = weights[item.weight];
        for (int64_t a = 0; a < item.components; ++a) {
            room[a] = tensors[item.first + a] * weight;
            of_room[a] = Vector{};
        }
        const Vector *second = tensors + item.second, *of_result = of_tensors + item.result;
        Vector *of_second = of_tensors + item.second;
        for (int64_t e = item.begin; e < item.end; ++e) {
            const auto &[c, a, b, value] = program.entries[e];
            const Vector outer = of_result[c] * value;
            of_room[a] += outer * second[b];
            of_second[b] += outer * room[a];
        }
        for (int64_t a = 0; a < item.components; ++a)
            of_tensors[item.first + a] += of_room[a] * weight;
    }
}

}  // namespace
