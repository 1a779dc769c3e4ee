// What all kinds of models share of camp/runtime/model.hpp: edges within the cutoff, energies in eV,
// forces. A kind adds what its layers do, and names itself by CAMP_MODEL. The preprocessor names
// REAL (float or double) and KIND, the text that a model file of the same kind has.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

#include "model.hpp"
#include "model_file.hpp"

namespace camp {

class LayeredModel : public Model {
  public:
    using Real = REAL;

    explicit LayeredModel(const ModelFile &file)
        : cutoff_(*file.array<double>("cutoff").values),
          scale_(file.array<double>("energy_scale").values),
          shift_(file.array<double>("energy_shift").values),
          species_count_(static_cast<int64_t>(file.elements.size())) {}

    double cutoff() const override { return cutoff_; }

    Obstacle begin(const Atoms &atoms) override {
        atoms_ = atoms;
        Obstacle obstacle;
        // As wide as before, unless an atom has more neighbours by now.
        while (const int64_t most = fill_edges(&obstacle)) width_ = most;
        of_vectors_.assign(3 * atoms.own * width_, 0);
        outputs_.assign(atoms.own, 0);
        additions_.assign(atoms.own, 0);
        of_outputs_.resize(atoms.own);
        for (int64_t i = 0; i < atoms.own; ++i)
            of_outputs_[i] = static_cast<Real>(scale_[atoms.species[i]]);
        return obstacle;
    }

    const double *energies() const override {
        energies_.resize(atoms_.own);
        for (int64_t i = 0; i < atoms_.own; ++i) {
            const int64_t s = atoms_.species[i];
            energies_[i] = scale_[s] * outputs_[i] + shift_[s] + additions_[i];
        }
        return energies_.data();
    }

    void add(int64_t layer, void *row, const void *part) const override {
        Real *sum = static_cast<Real *>(row);
        const Real *more = static_cast<const Real *>(part);
        const int64_t count = row_bytes(layer) / sizeof(Real);
        for (int64_t k = 0; k < count; ++k) sum[k] += more[k];
    }

    void finish(double *forces, double *virial, double *atomic_virials) override {
        constexpr int pairs[6][2] = {{0, 0}, {1, 1}, {2, 2}, {0, 1}, {0, 2}, {1, 2}};
        for (int64_t row = 0; row < atoms_.own; ++row) {
            const int64_t i = atoms_.index[row];
            double force[3]{};
            for (int64_t slot = row * width_; slot < (row + 1) * width_ && mask_[slot]; ++slot) {
                const int64_t j = listed_[slot];
                const Real *gradient = &of_vectors_[3 * slot], *vector = &vectors_[3 * slot];
                for (int axis = 0; axis < 3; ++axis) {
                    force[axis] += gradient[axis];
                    forces[3 * j + axis] -= gradient[axis];
                }
                for (int k = 0; k < 6; ++k) {
                    const auto [a, b] = pairs[k];
                    const double part = -0.5 * (double(vector[a]) * gradient[b] +
                                                double(vector[b]) * gradient[a]);
                    virial[k] += part;
                    if (!atomic_virials) continue;
                    atomic_virials[6 * i + k] += 0.5 * part;
                    atomic_virials[6 * j + k] += 0.5 * part;
                }
            }
            for (int axis = 0; axis < 3; ++axis) forces[3 * i + axis] += force[axis];
        }
    }

  protected:
    int64_t own() const { return atoms_.own; }
    int64_t rows() const { return atoms_.rows; }
    const int64_t *species() const { return atoms_.species; }
    int64_t species_count() const { return species_count_; }

    // Edges (own, width): in each row the first slots, as far as the mask is true. Neighbours are
    // rows; vectors (own, width, 3) point to them.
    int64_t width() const { return width_; }
    const int64_t *neighbours() const { return neighbours_.data(); }
    const bool *mask() const { return mask_.get(); }
    const Real *vectors() const { return vectors_.data(); }
    // The derivatives of the energies in eV with respect to them: zeros to add to.
    Real *of_vectors() { return of_vectors_.data(); }

    // What the network says of own atoms: zeros to add to; and the derivatives of the energies in
    // eV with respect to it.
    Real *outputs() { return outputs_.data(); }
    const Real *of_outputs() const { return of_outputs_.data(); }

    // What it says of own atoms in eV, besides: zeros to add to.
    Real *additions() { return additions_.data(); }

  private:
    // Å; as in camp/graph/neighbours.py.
    static constexpr double coincidence_distance = 1e-3;

    const double cutoff_, *scale_, *shift_;
    const int64_t species_count_;
    Atoms atoms_{};
    int64_t width_ = 1, slots_ = 0;
    std::vector<int64_t> neighbours_;
    std::vector<int> listed_;  // the program's indices of the neighbours
    std::unique_ptr<bool[]> mask_;
    std::vector<Real> vectors_, of_vectors_, outputs_, of_outputs_, additions_;
    mutable std::vector<double> energies_;

    // Returns zero, or how many neighbours an atom has if that is more than the width.
    int64_t fill_edges(Obstacle *obstacle) {
        if (const int64_t slots = atoms_.own * width_; slots > slots_) {
            slots_ = slots + slots / 8;
            neighbours_.resize(slots_);
            listed_.resize(slots_);
            vectors_.resize(3 * slots_);
            mask_.reset(new bool[slots_]);
        }
        const double limit = cutoff_ * cutoff_;
        int64_t most = 0;
        for (int64_t row = 0; row < atoms_.own; ++row) {
            const int i = atoms_.index[row];
            const double *from = atoms_.positions + 3 * i;
            int64_t count = 0;
            for (int k = 0; k < atoms_.listed[i]; ++k) {
                const int j = atoms_.neighbours[i][k] & atoms_.index_bits;
                const double *to = atoms_.positions + 3 * j;
                const double vector[3] = {to[0] - from[0], to[1] - from[1], to[2] - from[2]};
                const double square =
                    vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2];
                if (!(square < limit)) continue;
                if (count < width_) {
                    const int64_t slot = row * width_ + count;
                    neighbours_[slot] = atoms_.row[j];
                    listed_[slot] = j;
                    mask_[slot] = true;
                    for (int axis = 0; axis < 3; ++axis)
                        vectors_[3 * slot + axis] = static_cast<Real>(vector[axis]);
                    if (square < coincidence_distance * coincidence_distance)
                        *obstacle = {Obstacle::coincidence, i, j};
                    if (atoms_.row[j] < 0) *obstacle = {Obstacle::unknown_neighbour, i, j};
                }
                ++count;
            }
            if (count < width_)
                std::fill(&mask_[row * width_ + count], &mask_[(row + 1) * width_], false);
            most = std::max(most, count);
        }
        return most > width_ ? most : 0;
    }
};

template <typename Kind>
Model *make_model(const char *bytes, size_t size, char *complaint, size_t room) {
    try {
        const ModelFile file(bytes, size);
        if (file.kind != KIND)
            throw BadModelFile("is of the kind '" + file.kind + "', but its library of '" KIND
                               "'; make both anew with 'camp lammps'");
        return new Kind(file);
    } catch (const std::exception &error) {
        std::snprintf(complaint, room, "%s", error.what());
        return nullptr;
    }
}

}  // namespace camp

// The two functions that a program looks for in the library.
#define CAMP_MODEL(Kind)                                                                      \
    extern "C" [[gnu::visibility("default")]] int camp_interface_number() {                   \
        return camp::interface_number;                                                        \
    }                                                                                         \
    extern "C" [[gnu::visibility("default")]] camp::Model *camp_model(                        \
        const char *bytes, size_t size, char *complaint, size_t room) {                       \
        return camp::make_model<Kind>(bytes, size, complaint, room);                          \
    }
