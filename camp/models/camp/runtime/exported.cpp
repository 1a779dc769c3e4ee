// CAMP for programs without Python: the functions of this folder in the order of the layers.
//
// Between the layers go the features h^{t−1} with their channels mixed (Eq. 1), which the sums over
// neighbours read. Compiled for one kind of model: see channels.hpp.

#include <deque>
#include <string>

#include "atoms.hpp"
#include "exported_readout.hpp"
#include "layered_model.hpp"
#include "neighbour_sums.hpp"

#define DECLARE(rank)                                                                          \
    extern "C" Function OF_RANK(camp_order, rank), OF_RANK(camp_sums, rank),                   \
        OF_RANK(camp_sums_backward, rank);
DECLARE(0)
DECLARE(HIGHEST_RANK)

namespace {

constexpr int64_t moment_size = blocks * all_components;  // of an atom, in vectors

class ExportedCamp : public camp::LayeredModel {
  public:
    explicit ExportedCamp(const camp::ModelFile &file)
        : LayeredModel(file),
          grid_{*file.array<int64_t>("intervals").values, cutoff()},
          first_(file.array<Vector>("features", sizeof(Real)).values) {
        const int64_t layers = *file.array<int64_t>("layers").values;
        for (int64_t t = 0; t < layers; ++t) layers_.emplace_back(file, std::to_string(t) + ".");
    }

    int64_t layers() const override { return static_cast<int64_t>(layers_.size()); }

    int64_t row_bytes(int64_t layer) const override {
        return layer == 0 ? 0 : moment_size * vector_bytes;
    }

    void *forward(int64_t t) override {
        LayerState &layer = layers_[t];
        if (t == 0) begin_layers();
        layer.moments.resize(own() * moment_size);
        Edges edges = edges_of(layer);
        const bool first = t == 0;
        if (first) call(OF_RANK(camp_order, 0), own(), &edges);
        call(first ? OF_RANK(camp_sums, 0) : OF_RANK(camp_sums, HIGHEST_RANK), own(), &edges,
             sums_.data());
        Vector *following = nullptr;
        if (t + 1 < layers()) {
            layers_[t + 1].features.resize(rows() * moment_size);
            following = layers_[t + 1].features.data();
        }
        call(camp_atoms, own(), &layer.atoms, sums_.data(), layer.features.data(),
             layer.moments.data(), following, scalars_.data());
        layer.readout.forward(own(), scalars_.data(), outputs());
        return following;
    }

    void *backward(int64_t t) override {
        LayerState &layer = layers_[t];
        Edges edges = edges_of(layer);
        const Copies<Vector> of_following{1, rows() * moment_size, of_features_[(t + 1) % 2].data()};
        if (t > 0) of_features_[t % 2].resize(rows() * moment_size);
        const Copies<Vector> of_own{1, rows() * moment_size, of_features_[t % 2].data()};
        const Copies<Vector> *of_next = t + 1 < layers() ? &of_following : nullptr;
        const Copies<Vector> *of_features = t > 0 ? &of_own : nullptr;
        layer.readout.backward(own(), of_outputs(), scalars_.data());
        call(camp_atoms_backward, own(), &layer.atoms, layer.moments.data(), of_next,
             scalars_.data(), sums_.data(), of_features);
        call(t == 0 ? OF_RANK(camp_sums_backward, 0) : OF_RANK(camp_sums_backward, HIGHEST_RANK),
             own(), &edges, sums_.data(), of_vectors(), of_features);
        return t > 0 ? of_own.values : nullptr;
    }

  private:
    struct LayerState {
        Layer atoms{};
        camp::ExportedReadout readout;
        const Vector *table;
        std::vector<Vector> features;  // what it reads of atoms
        std::vector<Vector> moments;   // what its reverse pass needs

        LayerState(const camp::ModelFile &file, const std::string &prefix)
            : readout(file, prefix),
              table(file.array<Vector>(prefix + "table", sizeof(Real)).values) {
            const auto product = file.array<Contraction>(prefix + "products", sizeof(int64_t));
            const auto term = file.array<Term>(prefix + "terms", sizeof(int64_t));
            const int64_t *sizes = file.array<int64_t>(prefix + "sizes").values;
            atoms.products = {product.count, sizes[0], product.values};
            atoms.terms = term.count;
            atoms.term = term.values;
            atoms.message_components = sizes[1];
            atoms.feature_components = sizes[2];
            atoms.weights = file.array<Vector>(prefix + "weights", sizeof(Real)).values;
            const std::pair<const char *, Mixing *> mixings[] = {
                {"moments", &atoms.moments},
                {"update", &atoms.update},
                {"keep", &atoms.keep},
                {"scalar_update", &atoms.scalar_update},
                {"scalar_keep", &atoms.scalar_keep},
            };
            for (const auto &[name, mixing] : mixings) {
                const auto matrices = file.array<Vector>(prefix + name, sizeof(Real));
                const auto transposed =
                    file.array<Vector>(prefix + name + "_transposed", sizeof(Real));
                *mixing = {matrices.count / (blocks * channels), matrices.values,
                           transposed.values};
            }
        }
    };

    const Grid grid_;
    const Vector *first_;  // features of each species that the first layer reads
    std::deque<LayerState> layers_;
    std::vector<int64_t> order_;
    std::vector<Real> scalars_;                // or the derivatives with respect to them,
    std::vector<Vector> sums_;                 // as here
    std::vector<Vector> of_features_[2];       // of a layer and of the one after it

    void begin_layers() {
        order_.resize(own() * width());
        scalars_.resize(own() * channels);
        sums_.resize(own() * moment_size);
        layers_[0].features.resize(rows() * blocks);
        for (int64_t row = 0; row < rows(); ++row)
            std::copy_n(first_ + species()[row] * blocks, blocks,
                        &layers_[0].features[row * blocks]);
    }

    Edges edges_of(const LayerState &layer) {
        return {width(), species_count(), grid_,         species(),   neighbours(),
                mask(),  vectors(),       order_.data(), layer.table, layer.features.data()};
    }
};

}  // namespace

CAMP_MODEL(ExportedCamp)
