// CACE for programs without Python: the functions of this folder in the order of the layers.
//
// Between the layers goes what the neighbours need for the next one: y times theta^S for the sums,
// and A for the messages of decays.cpp, one after the other in a row. The preprocessor names
// EMBEDDING, the factors of the first sums, FACTORS and KINDS of the others, and FUNCTIONS, see
// degree_sums.cpp.

#include <deque>
#include <string>

#include "atoms.hpp"
#include "decays.hpp"
#include "degree_sums.hpp"
#include "exported_mlp.hpp"
#include "layered_model.hpp"

#define DECLARE(factors, kinds)                                         \
    extern "C" Function WITH_FACTORS(camp_degree_sums, factors, kinds), \
        WITH_FACTORS(camp_degree_sums_backward, factors, kinds);
DECLARE(EMBEDDING, 1)
DECLARE(FACTORS, KINDS)

namespace {

constexpr int64_t embedding = EMBEDDING, channels = embedding * embedding;
// Of the sums of an atom, in vectors.
constexpr int64_t radial_blocks = (FUNCTIONS + lanes - 1) / lanes;

class ExportedCace : public camp::LayeredModel {
  public:
    explicit ExportedCace(const camp::ModelFile &file)
        : LayeredModel(file),
          grid_{*file.array<int64_t>("intervals").values, cutoff()},
          epsilon_(*file.array<double>("direction_epsilon").values),
          functions_(channels * *file.array<int64_t>("radial_functions").values),
          sender_(file.array<Real>("sender").values),
          table_(file.array<Vector>("table", sizeof(Real)).values),
          cut_(file.array<Real>("cut").values),
          network_(file, "readout") {
        const auto bias = file.array<double>("readout_bias");
        readout_ = {bias.count, bias.count ? *bias.values : 0, network_};
        read_ = readout_.linear + network_.first_outputs();
        const int64_t layers = *file.array<int64_t>("layers").values;
        for (int64_t t = 0; t < layers; ++t) layers_.emplace_back(file, t, sender_, read_);
    }

    int64_t layers() const override { return static_cast<int64_t>(layers_.size()); }

    int64_t row_bytes(int64_t t) const override {
        return t == 0 ? 0 : (factors(t) + sent_numbers(t)) * sizeof(Real);
    }

    void *forward(int64_t t) override {
        LayerState &layer = layers_[t], *next = next_of(t);
        if (t == 0)
            begin_layers();
        else
            unpack_rows(t);
        sum_over_neighbours(t);
        layer.basis.resize(tiles() * basis_size());
        layer.kept.resize(tiles() * layer.network.size);
        if (next) {
            next->factors.resize(rows() * factors(t + 1));
            next->sent_basis.resize(rows() * sent_numbers(t + 1) / lanes);
        }
        call(cace_atoms, own(), &layer.atoms, species(), sums_.data(),
             layer.atoms.memory ? layers_[t - 1].basis.data() : nullptr,
             layer.decays ? decayed_.data() : nullptr, layer.basis.data(),
             next && next->decays ? next->sent_basis.data() : nullptr, &readout_, z_.data(),
             layer.sends(), layer.kept.data(), next ? next->factors.data() : nullptr);
        if (next) return pack_rows(t + 1);
        call(cace_readout, own(), &readout_, z_.data(), outputs());
        return nullptr;
    }

    void *backward(int64_t t) override {
        LayerState &layer = layers_[t], *next = next_of(t);
        if (next)
            unpack_derivatives(t + 1);
        else
            begin_backward();
        std::vector<Vector> &of_before = of_basis_[t % 2], &of_basis = of_basis_[(t + 1) % 2];
        if (layer.atoms.memory) of_before.resize(tiles() * basis_size());
        make_room_for_sums(layer);
        const auto of_factors = copies(of_factors_), of_sent_basis = copies(of_sent_basis_);
        call(cace_atoms_backward, own(), &layer.atoms, species(), layer.basis.data(), of_z_.data(),
             layer.sends(), layer.kept.data(), &of_factors,
             next && next->decays ? &of_sent_basis : nullptr,
             next && next->atoms.memory ? of_basis.data() : nullptr, sums_.data(),
             layer.decays ? decayed_.data() : nullptr,
             layer.atoms.memory ? of_before.data() : nullptr);
        sum_over_neighbours_backward(t);
        return t > 0 ? pack_derivatives(t) : nullptr;
    }

  private:
    struct LayerState {
        Layer atoms{};
        const camp::ExportedMlp network;  // H
        const Message message;
        const Vector *decays = nullptr, *prefactors = nullptr;
        std::vector<Real> factors;        // what it reads of atoms: y times theta^S
        std::vector<Vector> sent_basis;   // and A
        std::vector<Vector> basis, kept;  // what its reverse pass needs

        LayerState(const camp::ModelFile &file, int64_t t, const Real *sender, int64_t read)
            : network(file, std::to_string(t) + ".message"),
              message{network, KINDS, FACTORS == EMBEDDING ? 1 : channels, embedding, sender} {
            const std::string prefix = std::to_string(t) + ".";
            const auto product = file.array<Contraction>(prefix + "products", sizeof(int64_t));
            const auto places = file.array<int64_t>(prefix + "places");
            const auto memory = file.array<Real>(prefix + "memory");
            const auto decay = file.array<Vector>(prefix + "decays", sizeof(Real));
            atoms.embedding = embedding;
            atoms.raw = FUNCTIONS;
            atoms.mixed = *file.array<int64_t>("radial_functions").values;
            atoms.received = *file.array<int64_t>(prefix + "received").values;
            atoms.products = {product.count, *file.array<int64_t>(prefix + "size").values,
                              product.values};
            atoms.features = places.count;
            atoms.places = places.values;
            atoms.mixing = file.array<Real>(prefix + "mixing").values;
            atoms.receiver = file.array<Real>(prefix + "receiver").values;
            if (memory.count) atoms.memory = memory.values;
            atoms.read = read;
            atoms.first = t == 0;
            const int64_t hidden = network.layers ? network.first_outputs() : 0;
            atoms.heads = camp::read_matrix(file, prefix + "heads", read + hidden);
            if (!decay.count) return;
            decays = decay.values;
            prefactors = file.array<Vector>(prefix + "prefactors", sizeof(Real)).values;
        }

        const Message *sends() const { return network.layers ? &message : nullptr; }
    };

    const Grid grid_;
    const double epsilon_;
    const int64_t functions_;  // u
    const Real *sender_;
    const Vector *table_;
    const Real *cut_;
    const camp::ExportedMlp network_;
    Readout readout_;
    int64_t read_;  // numbers z that all layers add to
    std::deque<LayerState> layers_;
    std::vector<Vector> z_, of_z_;
    std::vector<Vector> sums_, decayed_;  // or the derivatives with respect to them
    std::vector<Vector> of_factors_, of_sent_basis_;
    std::vector<Vector> of_basis_[2];  // with respect to A of a layer and of the one before it
    std::vector<Real> rows_;           // to and from other processes

    int64_t tiles() const { return own() / lanes + 1; }
    int64_t function_blocks() const { return (functions_ + lanes - 1) / lanes; }
    int64_t basis_size() const { return functions_ * all_components; }

    LayerState *next_of(int64_t t) { return t + 1 < layers() ? &layers_[t + 1] : nullptr; }

    // How many numbers a layer reads of an atom: y times theta^S, and A.
    int64_t factors(int64_t t) const { return layers_[t].atoms.received * (t == 0 ? 1 : KINDS); }
    int64_t sent_numbers(int64_t t) const {
        return layers_[t].decays ? function_blocks() * all_components * lanes : 0;
    }

    static Copies<Vector> copies(std::vector<Vector> &values) {
        return {1, static_cast<int64_t>(values.size()), values.data()};
    }

    void begin_layers() {
        z_.resize(tiles() * readout_.kept());
        layers_[0].factors.resize(rows() * embedding);
        for (int64_t row = 0; row < rows(); ++row)
            std::copy_n(sender_ + species()[row] * embedding, embedding,
                        &layers_[0].factors[row * embedding]);
    }

    void begin_backward() {
        of_z_.resize(tiles() * read_);
        call(cace_readout_backward, own(), &readout_, z_.data(), of_outputs(), of_z_.data());
    }

    void make_room_for_sums(const LayerState &layer) {
        sums_.resize(own() * layer.atoms.received * radial_blocks * all_components);
        if (layer.decays) decayed_.resize(own() * function_blocks() * all_components);
    }

    void sum_over_neighbours(int64_t t) {
        const LayerState &layer = layers_[t];
        const Edges edges = edges_of(layer);
        const Decays decays = decays_of(layer);
        make_room_for_sums(layer);
        if (layer.atoms.received)
            call(t == 0 ? WITH_FACTORS(camp_degree_sums, EMBEDDING, 1)
                        : WITH_FACTORS(camp_degree_sums, FACTORS, KINDS),
                 own(), &edges, sums_.data());
        if (layer.decays)
            call(cace_decays, own(), &decays, layer.sent_basis.data(), decayed_.data());
    }

    void sum_over_neighbours_backward(int64_t t) {
        const LayerState &layer = layers_[t];
        const Edges edges = edges_of(layer);
        const Decays decays = decays_of(layer);
        of_factors_.resize(rows() * factors(t) * radial_blocks);
        of_sent_basis_.resize(rows() * sent_numbers(t) / lanes);
        const auto of_factors = copies(of_factors_), of_sent_basis = copies(of_sent_basis_);
        if (layer.atoms.received)
            call(t == 0 ? WITH_FACTORS(camp_degree_sums_backward, EMBEDDING, 1)
                        : WITH_FACTORS(camp_degree_sums_backward, FACTORS, KINDS),
                 own(), &edges, sums_.data(), of_vectors(), t == 0 ? nullptr : &of_factors);
        if (layer.decays)
            call(cace_decays_backward, own(), &decays, layer.sent_basis.data(), decayed_.data(),
                 of_vectors(), &of_sent_basis);
    }

    Edges edges_of(const LayerState &layer) const {
        return {width(), grid_,     epsilon_, neighbours(),
                mask(),  vectors(), table_,   layer.factors.data()};
    }

    Decays decays_of(const LayerState &layer) const {
        return {width(),   grid_, function_blocks(), neighbours(),    mask(),
                vectors(), cut_,  layer.decays,      layer.prefactors};
    }

    // Null where atoms only remember.
    void *sent_rows(int64_t t) { return row_bytes(t) ? rows_.data() : nullptr; }

    // Rows of what layer t reads, of own atoms, and back, of those of other processes.
    void *pack_rows(int64_t t) {
        const int64_t y = factors(t), a = sent_numbers(t);
        const Real *basis = reinterpret_cast<const Real *>(layers_[t].sent_basis.data());
        rows_.resize(rows() * (y + a));
        for (int64_t row = 0; row < own(); ++row) {
            Real *sent = rows_.data() + row * (y + a);
            std::copy_n(layers_[t].factors.data() + row * y, y, sent);
            std::copy_n(basis + row * a, a, sent + y);
        }
        return sent_rows(t);
    }

    void unpack_rows(int64_t t) {
        const int64_t y = factors(t), a = sent_numbers(t);
        Real *basis = reinterpret_cast<Real *>(layers_[t].sent_basis.data());
        for (int64_t row = own(); row < rows(); ++row) {
            const Real *sent = rows_.data() + row * (y + a);
            std::copy_n(sent, y, layers_[t].factors.data() + row * y);
            std::copy_n(sent + y, a, basis + row * a);
        }
    }

    // The derivatives with respect to them, of all rows, and back, of own atoms. Those with respect
    // to y are sums of as many vectors as there are blocks.
    void *pack_derivatives(int64_t t) {
        const int64_t y = factors(t), a = sent_numbers(t);
        const Real *of_basis = reinterpret_cast<const Real *>(of_sent_basis_.data());
        rows_.resize(rows() * (y + a));
        for (int64_t row = 0; row < rows(); ++row) {
            Real *sent = rows_.data() + row * (y + a);
            const Vector *terms = of_factors_.data() + row * y * radial_blocks;
            for (int64_t k = 0; k < y; ++k) {
                sent[k] = 0;
                for (int64_t block = 0; block < radial_blocks; ++block) sent[k] += total(*terms++);
            }
            std::copy_n(of_basis + row * a, a, sent + y);
        }
        return sent_rows(t);
    }

    void unpack_derivatives(int64_t t) {
        const int64_t y = factors(t), a = sent_numbers(t);
        Real *of_basis = reinterpret_cast<Real *>(of_sent_basis_.data());
        for (int64_t row = 0; row < own(); ++row) {
            const Real *sent = rows_.data() + row * (y + a);
            Vector *terms = of_factors_.data() + row * y * radial_blocks;
            std::fill_n(terms, y * radial_blocks, Vector{});
            for (int64_t k = 0; k < y; ++k) terms[k * radial_blocks][0] = sent[k];
            std::copy_n(sent + y, a, of_basis + row * a);
        }
    }
};

}  // namespace

CAMP_MODEL(ExportedCace)
