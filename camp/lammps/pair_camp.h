// pair_style camp: potentials exported by 'camp lammps', on any number of ranks.

#ifdef PAIR_CLASS
// clang-format off
PairStyle(camp,PairCamp);
// clang-format on
#else

#ifndef LMP_PAIR_CAMP_H
#define LMP_PAIR_CAMP_H

#include <memory>
#include <new>
#include <string>
#include <vector>

#include "model.hpp"
#include "pair.h"

namespace LAMMPS_NS {

class PairCamp : public Pair {
  public:
    // Bytes that begin where a model needs them to.
    static constexpr size_t ALIGNMENT = 64;
    struct Aligned {
        void operator()(char *bytes) const
        {
            ::operator delete(bytes, std::align_val_t(ALIGNMENT));
        }
    };
    using Bytes = std::unique_ptr<char[], Aligned>;

    explicit PairCamp(class LAMMPS *lmp);
    ~PairCamp() override;

    void settings(int narg, char **arg) override;
    void coeff(int narg, char **arg) override;
    void init_style() override;
    double init_one(int i, int j) override;
    void compute(int eflag, int vflag) override;

    int pack_forward_comm(int n, int *list, double *buffer, int, int *) override;
    void unpack_forward_comm(int n, int first, double *buffer) override;
    int pack_reverse_comm(int n, int first, double *buffer) override;
    void unpack_reverse_comm(int n, int *list, double *buffer) override;

  private:
    // A model file, and the library that reads it.
    struct Loaded;
    std::unique_ptr<Loaded> loaded_;
    camp::Model *model_ = nullptr;

    // Rows in what layers read of atoms, by local index; −1 for atoms of other pair styles. Images
    // of own atoms have the row of their atom: what it holds need not be fetched.
    std::vector<int64_t> row_;
    std::vector<int> index_;        // of own atoms, by row
    std::vector<int64_t> species_;  // by row
    int64_t rows_ = 0;
    bool numbered_ = false;
    // Who owns the atom at a local index, and its row there.
    std::vector<int> owner_;
    std::vector<int64_t> owners_row_;

    // What the next communication carries: owners, or rows of what a layer reads.
    enum { OWNERS, ROWS } cargo_ = OWNERS;
    char *cargo_rows_ = nullptr;
    int64_t cargo_bytes_ = 0, cargo_layer_ = 0;

    void load(const std::string &path);
    bigint read_everywhere(const std::string &path, Bytes &bytes);
    std::string make_model(const std::string &path, bigint size, Loaded &loaded);
    void stop_together(const std::string &complaint);
    void number_rows();
    void sort_along_curve(std::vector<int> &atoms) const;
    void sort_neighbours();
    void refuse(const camp::Obstacle &obstacle);
    void warn_of_masses();
    void fetch(void *rows, int64_t layer);
    void send_home(void *rows, int64_t layer);
    void set_cargo(void *rows, int64_t layer);
    int64_t most_bytes() const;
    bool own_image(int i) const;
};

}    // namespace LAMMPS_NS

#endif
#endif
