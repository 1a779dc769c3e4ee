// CarNet for programs without Python: the functions of this folder in the order of the layers.
//
// Between the layers go the features x that the next one sums over neighbours. The preprocessor
// names FEATURE_COMPONENTS of all layers but the first, where there is one.

#include <deque>
#include <string>

#include "atoms.hpp"
#include "exported_readout.hpp"
#include "layered_model.hpp"
#include "moments.hpp"
#include "repulsion.hpp"

#define DECLARE(components)                                    \
    extern "C" Function OF_FEATURES(carnet_order, components), \
        OF_FEATURES(carnet_moments, components), OF_FEATURES(carnet_moments_backward, components);
DECLARE(1)
DECLARE(FEATURE_COMPONENTS)

namespace {

camp::ModelFile::View<TableEntry> entries(const camp::ModelFile &file, const std::string &name) {
    // Items of numbers of several kinds are stored as bytes.
    return file.array<TableEntry>(name, 1);
}

ChannelMap channel_map(const camp::ModelFile &file, const std::string &name) {
    const auto matrices = file.array<Vector>(name, sizeof(Real));
    const auto biases = file.array<Vector>(name + "_biases", sizeof(Real));
    if (!matrices.count) return {};
    const int64_t sets = biases.count / blocks;
    return {matrices.count / (sets * blocks * channels), sets > 1, matrices.values,
            file.array<Vector>(name + "_transposed", sizeof(Real)).values, biases.values};
}

Copies<Vector> one_copy(std::vector<Vector> &values) {
    return {1, static_cast<int64_t>(values.size()), values.data()};
}

class ExportedCarNet : public camp::LayeredModel {
  public:
    explicit ExportedCarNet(const camp::ModelFile &file)
        : LayeredModel(file),
          grid_{*file.array<int64_t>("intervals").values, cutoff()},
          first_(file.array<Vector>("features", sizeof(Real)).values) {
        const auto mixed = file.array<Vector>("mixed_features", sizeof(Real));
        if (mixed.count) first_mixed_ = mixed.values;
        const int64_t layers = *file.array<int64_t>("layers").values;
        for (int64_t t = 0; t < layers; ++t) layers_.emplace_back(file, std::to_string(t) + ".");
        const auto charges = file.array<double>("repulsion_charges");
        if (!charges.count) return;
        const double *lengths = file.array<double>("repulsion_lengths").values;
        repulsion_.smooth = *file.array<int64_t>("repulsion_smooth").values;
        repulsion_.cutoff = lengths[0];
        repulsion_.length = lengths[1];
        repulsion_.charges = charges.values;
        repulsion_.screening = file.array<double>("repulsion_screening").values;
        repulsion_.radii = file.array<double>("repulsion_radii").values;
    }

    int64_t layers() const override { return static_cast<int64_t>(layers_.size()); }

    int64_t row_bytes(int64_t t) const override { return t == 0 ? 0 : row_size(t) * vector_bytes; }

    void *forward(int64_t t) override {
        LayerState &layer = layers_[t];
        if (t == 0) begin_layers();
        make_room(layer);
        const Edges edges = edges_of(layer);
        if (t == 0) call(OF_FEATURES(carnet_order, 1), own(), &edges);
        call(t == 0 ? OF_FEATURES(carnet_moments, 1)
                    : OF_FEATURES(carnet_moments, FEATURE_COMPONENTS),
             own(), &edges, sums_.data());
        Vector *next = nullptr, *mixed = nullptr;
        if (t + 1 < layers()) {
            LayerState &following = layers_[t + 1];
            following.features.resize(rows() * row_size(t + 1));
            next = following.features.data();
            if (first_mixed_) following.mixed.resize(following.features.size());
            if (first_mixed_) mixed = following.mixed.data();
        }
        call(carnet_atoms, own(), &layer.atoms, species(), sums_.data(), layer.features.data(),
             layer.moments.data(), next, mixed, scalars_.data());
        layer.readout.forward(own(), scalars_.data(), outputs());
        return mixed ? mixed : next;
    }

    void *backward(int64_t t) override {
        LayerState &layer = layers_[t];
        const bool last = t + 1 == layers();
        make_room(layer);
        std::vector<Vector> &of_features = of_features_[t % 2];
        std::vector<Vector> &of_next = of_features_[(t + 1) % 2];
        of_features.resize(own() * row_size(t));
        const Copies<Vector> of_following = one_copy(of_summed_);
        layer.readout.backward(own(), of_outputs(), scalars_.data());
        call(carnet_atoms_backward, own(), &layer.atoms, species(), layer.moments.data(),
             scalars_.data(), last ? nullptr : of_next.data(), last ? nullptr : &of_following,
             sums_.data(), t > 0 ? of_features.data() : nullptr);
        of_summed_.resize(rows() * row_size(t));
        const Copies<Vector> of_summed = one_copy(of_summed_);
        const Edges edges = edges_of(layer);
        call(t == 0 ? OF_FEATURES(carnet_moments_backward, 1)
                    : OF_FEATURES(carnet_moments_backward, FEATURE_COMPONENTS),
             own(), &edges, sums_.data(), of_vectors(), t == 0 ? nullptr : &of_summed);
        if (t > 0) return of_summed_.data();
        repel_backward();
        return nullptr;
    }

  private:
    struct LayerState {
        Layer atoms{};
        camp::ExportedReadout readout;
        Edges edges{};
        std::vector<Vector> features, mixed;  // h, and x where it is something else
        std::vector<Vector> moments;          // what its reverse pass needs

        LayerState(const camp::ModelFile &file, const std::string &prefix) : readout(file, prefix) {
            load_atoms(file, prefix);
            const auto polyadic = entries(file, prefix + "polyadic");
            const auto row = file.array<Row>(prefix + "rows", sizeof(int64_t));
            const auto entry = entries(file, prefix + "row_entries");
            edges.polyadic_entries = polyadic.count;
            edges.polyadic = polyadic.values;
            edges.rows = row.count;
            edges.row = row.values;
            edges.entries = entry.count;
            edges.entry = entry.values;
            edges.table = file.array<Vector>(prefix + "table", sizeof(Real)).values;
        }

        void load_atoms(const camp::ModelFile &file, const std::string &prefix) {
            const auto product = file.array<WeightedProduct>(prefix + "products", sizeof(int64_t));
            const auto term = file.array<Term>(prefix + "terms", sizeof(int64_t));
            const int64_t *sizes = file.array<int64_t>(prefix + "sizes").values;
            atoms.moments = channel_map(file, prefix + "moments");
            atoms.messages = channel_map(file, prefix + "messages");
            atoms.residual = channel_map(file, prefix + "residual");
            atoms.following = channel_map(file, prefix + "following");
            atoms.plain_residual = sizes[0];
            atoms.in_ranks = sizes[1];
            atoms.out_ranks = sizes[2];
            atoms.products = {product.count,  sizes[3], sizes[4], sizes[5],
                              product.values, entries(file, prefix + "entries").values};
            atoms.terms = term.count;
            atoms.term = term.values;
            atoms.path_weights = file.array<Vector>(prefix + "path_weights", sizeof(Real)).values;
            atoms.degree_weights =
                file.array<Vector>(prefix + "degree_weights", sizeof(Real)).values;
        }
    };

    const Grid grid_;
    const Vector *first_, *first_mixed_ = nullptr;  // h and x of each species; null where x is h
    Repulsion repulsion_{};                         // without charges there is none
    std::deque<LayerState> layers_;
    std::vector<int64_t> order_;
    std::vector<Real> scalars_;           // or the derivatives with respect to them,
    std::vector<Vector> sums_;            // as here
    std::vector<Vector> of_features_[2];  // with respect to h of a layer and of the next one,
    std::vector<Vector> of_summed_;       // and to x
    std::vector<Real> of_additions_;

    // Of features of an atom, in vectors.
    int64_t row_size(int64_t t) const {
        return blocks * layers_[t].atoms.in_ranks * layers_[t].atoms.in_ranks;
    }

    void begin_layers() {
        order_.resize(own() * width());
        scalars_.resize(own() * channels);
        layers_[0].features = of_species(first_);
        if (first_mixed_) layers_[0].mixed = of_species(first_mixed_);
        if (!repulsion_.charges) return;
        place_repulsion();
        call(carnet_repulsion, own(), &repulsion_, additions());
    }

    void repel_backward() {
        if (!repulsion_.charges) return;
        of_additions_.assign(own(), 1);
        call(carnet_repulsion_backward, own(), &repulsion_, of_additions_.data(), of_vectors());
    }

    void place_repulsion() {
        repulsion_.width = width();
        repulsion_.species = species();
        repulsion_.neighbours = neighbours();
        repulsion_.mask = mask();
        repulsion_.vectors = vectors();
    }

    std::vector<Vector> of_species(const Vector *table) const {
        std::vector<Vector> values(rows() * blocks);
        for (int64_t row = 0; row < rows(); ++row)
            std::copy_n(table + species()[row] * blocks, blocks, &values[row * blocks]);
        return values;
    }

    void make_room(LayerState &layer) {
        sums_.resize(own() * blocks * layer.atoms.products.given);
        layer.moments.resize(sums_.size());
    }

    Edges edges_of(LayerState &layer) {
        Edges edges = layer.edges;
        edges.width = width();
        edges.grid = grid_;
        edges.neighbours = neighbours();
        edges.mask = mask();
        edges.vectors = vectors();
        edges.order = order_.data();
        edges.features = first_mixed_ ? layer.mixed.data() : layer.features.data();
        return edges;
    }
};

}  // namespace

CAMP_MODEL(ExportedCarNet)
