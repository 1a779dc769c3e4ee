// Small networks of linear layers with SiLU between them, for one tile of atoms (tiles.hpp).

#pragma once

#include <algorithm>
#include <vector>

#include "vectors.hpp"

// (inputs, outputs), and the same transposed.
struct Matrix {
    int64_t inputs, outputs;
    const Real *values, *transposed;
};

// All but the product of the first layer, which may be made together with other ones. What is kept
// for the reverse pass are the products of all layers, before biases, one after another.
struct Mlp {
    int64_t layers, size, outputs, widest;  // size: of what is kept
    const Matrix *matrices;  // of the second layer, the third, …
    const Real *biases;      // of all layers
};

namespace {

template <int count>
void multiply_columns(int64_t inputs, int64_t outputs, const Real *matrix, const Vector *in,
                      Vector *out) {
    Vector sum[count]{};
    for (int64_t i = 0; i < inputs; ++i)
        repeat<count>([&](int o) { sum[o] += in[i] * matrix[i * outputs + o]; });
    repeat<count>([&](int o) { out[o] = sum[o]; });
}

// out[o] = sum_i in[i] W[i, o].
void multiply(int64_t inputs, int64_t outputs, const Real *matrix, const Vector *in, Vector *out) {
    int64_t o = 0;
    for (; o + 12 <= outputs; o += 12)
        multiply_columns<12>(inputs, outputs, matrix + o, in, out + o);
    for (; o + 4 <= outputs; o += 4)
        multiply_columns<4>(inputs, outputs, matrix + o, in, out + o);
    for (; o < outputs; ++o) multiply_columns<1>(inputs, outputs, matrix + o, in, out + o);
}

void multiply(const Matrix &matrix, const Vector *in, Vector *out) {
    multiply(matrix.inputs, matrix.outputs, matrix.values, in, out);
}

// From the derivative with respect to `out` to that with respect to `in`.
void multiply_backward(const Matrix &matrix, const Vector *of_out, Vector *of_in) {
    multiply(matrix.outputs, matrix.inputs, matrix.transposed, of_out, of_in);
}

inline Vector sigmoid(const Vector &x) { return 1 / (1 + exponential(-x)); }

// From the products of the first layer to those of the others, and to the results.
void finish(const Mlp &mlp, Vector *products, Vector *results) {
    std::vector<Vector> in(mlp.widest);
    const Real *bias = mlp.biases;
    for (int64_t layer = 0; layer + 1 < mlp.layers; ++layer) {
        const Matrix &matrix = mlp.matrices[layer];
        for (int64_t k = 0; k < matrix.inputs; ++k) {
            const Vector x = *products++ + *bias++;
            in[k] = x * sigmoid(x);
        }
        multiply(matrix, in.data(), products);
    }
    for (int64_t k = 0; k < mlp.outputs; ++k) results[k] = products[k] + bias[k];
}

// From the derivative with respect to the results to that with respect to the first products.
void finish_backward(const Mlp &mlp, const Vector *products, const Vector *of_results,
                     Vector *of_products) {
    std::vector<Vector> of_in(mlp.widest), of_out(of_results, of_results + mlp.outputs);
    int64_t last = mlp.size - mlp.outputs;
    for (int64_t layer = mlp.layers - 2; layer >= 0; --layer) {
        const Matrix &matrix = mlp.matrices[layer];
        multiply_backward(matrix, of_out.data(), of_in.data());
        last -= matrix.inputs;
        of_out.resize(matrix.inputs);
        for (int64_t k = 0; k < matrix.inputs; ++k) {
            const Vector x = products[last + k] + mlp.biases[last + k], s = sigmoid(x);
            of_out[k] = of_in[k] * s * (1 + x * (1 - s));
        }
    }
    std::copy(of_out.begin(), of_out.end(), of_products);
}

}  // namespace
