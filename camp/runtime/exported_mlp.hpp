// Matrices and networks of mlp.hpp from a model file.

#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "mlp.hpp"
#include "model_file.hpp"

namespace camp {

inline Matrix read_matrix(const ModelFile &file, const std::string &name, int64_t outputs) {
    const auto values = file.array<Real>(name);
    return {values.count / outputs, outputs, values.values,
            file.array<Real>(name + "_transposed").values};
}

// Has no layers where the file has none under this name.
class ExportedMlp : public Mlp {
  public:
    ExportedMlp(const ModelFile &file, const std::string &name) : Mlp{} {
        const auto widths = file.array<int64_t>(name + "_widths");
        const Real *values = file.array<Real>(name + "_matrices").values;
        const Real *transposed = file.array<Real>(name + "_transposed").values;
        layers = widths.count;
        biases = file.array<Real>(name + "_biases").values;
        for (int64_t k = 0; k < layers; ++k) {
            if (k > 0) {
                matrices_.push_back({outputs, widths.values[k], values, transposed});
                values += outputs * widths.values[k];
                transposed += outputs * widths.values[k];
            }
            outputs = widths.values[k];
            size += outputs;
            widest = std::max(widest, outputs);
        }
        matrices = matrices_.data();
    }

    // Of the first layer, whose matrix is not here.
    int64_t first_outputs() const { return matrices_.empty() ? outputs : matrices_[0].inputs; }

    // Copies would point into this one.
    ExportedMlp(const ExportedMlp &) = delete;

  private:
    std::vector<Matrix> matrices_;
};

}  // namespace camp
