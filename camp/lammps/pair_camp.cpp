// pair_style camp. The model itself is in a library beside its file, compiled by 'camp lammps'; here
// is what concerns LAMMPS: atoms, ghosts, communication between the layers, and errors.

#include "pair_camp.h"

#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <tuple>

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "update.h"
#include "utils.h"

#include "model_file.hpp"

using namespace LAMMPS_NS;

namespace {

constexpr int OWNER_DOUBLES = 2;
constexpr double BOX = 4.0;    // Å, of the curve through space

// So many bytes take so many places in LAMMPS' buffers.
int doubles(int64_t bytes)
{
    return static_cast<int>((bytes + sizeof(double) - 1) / sizeof(double));
}

PairCamp::Bytes allocate(size_t size)
{
    const std::align_val_t alignment{PairCamp::ALIGNMENT};
    return PairCamp::Bytes(static_cast<char *>(::operator new(size, alignment)));
}

}    // namespace

struct PairCamp::Loaded {
    Bytes bytes;
    void *library = nullptr;
    std::unique_ptr<camp::Model> model;
    std::vector<std::string> elements;
    std::vector<double> masses;
    std::string kind;

    ~Loaded()
    {
        model.reset();
        if (library) dlclose(library);
    }
};

PairCamp::PairCamp(LAMMPS *lmp) : Pair(lmp)
{
    restartinfo = 0;
    writedata = 0;
    single_enable = 0;
    one_coeff = 1;
    manybody_flag = 1;
    no_virial_fdotr_compute = 1;
    centroidstressflag = CENTROID_NOTAVAIL;
    comm_forward = OWNER_DOUBLES;
}

PairCamp::~PairCamp()
{
    if (!allocated) return;
    memory->destroy(setflag);
    memory->destroy(cutsq);
}

void PairCamp::settings(int narg, char **)
{
    if (narg) error->all(FLERR, "pair_style camp takes no arguments");
}

void PairCamp::coeff(int narg, char **arg)
{
    const int types = atom->ntypes;
    if (narg < 3 || strcmp(arg[0], "*") != 0 || strcmp(arg[1], "*") != 0)
        error->all(FLERR, "pair_coeff of pair_style camp must be: * * MODEL and the element of each atom type");
    if (narg != 3 + types)
        error->all(FLERR, "pair_coeff names {} elements after the model, but there are {} atom types",
                   narg - 3, types);
    if (!allocated) {
        allocated = 1;
        memory->create(setflag, types + 1, types + 1, "pair:setflag");
        memory->create(cutsq, types + 1, types + 1, "pair:cutsq");
        map = new int[types + 1];
    }
    load(arg[2]);
    std::string said;
    for (int type = 1; type <= types; ++type) {
        const std::string element = arg[2 + type];
        const auto &known = loaded_->elements;
        const auto found = std::find(known.begin(), known.end(), element);
        map[type] = element == "NULL" ? -1 : static_cast<int>(found - known.begin());
        if (element == "NULL") continue;
        if (found == known.end())
            error->all(FLERR, "{} does not know the element {}; it knows {}", arg[2], element,
                       utils::join_words(known, " "));
        said += fmt::format(", type {} is {}", type, element);
    }
    for (int i = 1; i <= types; ++i)
        for (int j = i; j <= types; ++j) setflag[i][j] = map[i] >= 0 && map[j] >= 0;
    if (comm->me == 0)
        utils::logmesg(lmp, "{} ({}): cutoff {} A, {} bytes for each ghost{}\n", arg[2],
                       loaded_->kind, model_->cutoff(), most_bytes(), said);
}

void PairCamp::init_style()
{
    if (!force->newton_pair) error->all(FLERR, "pair_style camp needs 'newton on'");
    if (strcmp(update->unit_style, "metal") != 0)
        error->all(FLERR, "pair_style camp needs 'units metal', not '{}'", update->unit_style);
    if (neighbor->includegroup)
        error->all(FLERR, "pair_style camp cannot work with 'neigh_modify include': it needs all neighbours");
    if (atom->molecular != Atom::ATOMIC)
        for (int k = 1; k <= 3; ++k)
            if (force->special_lj[k] != 1.0 || force->special_coul[k] != 1.0)
                error->all(FLERR, "pair_style camp needs 'special_bonds lj/coul 1 1 1': bonds must not exclude neighbours");
    warn_of_masses();
    // LAMMPS makes its buffers as large as the outermost style asks for.
    force->pair->comm_forward = std::max(force->pair->comm_forward, comm_forward);
    force->pair->comm_reverse = std::max(force->pair->comm_reverse, comm_reverse);
    neighbor->add_request(this, NeighConst::REQ_FULL);
}

double PairCamp::init_one(int, int)
{
    return model_->cutoff();
}

void PairCamp::compute(int eflag, int vflag)
{
    ev_init(eflag, vflag);
    const int all = atom->nlocal + atom->nghost;
    // Indices have the same meaning as long as the list has not been made anew.
    if (neighbor->ago == 0 || !numbered_) number_rows();
    species_.resize(rows_);
    for (int i = 0; i < all; ++i)
        if (row_[i] >= 0) species_[row_[i]] = map[atom->type[i]];
    const camp::Atoms atoms{static_cast<int64_t>(index_.size()), rows_, species_.data(),
                            index_.data(), row_.data(), all ? atom->x[0] : nullptr,
                            list->numneigh, list->firstneigh, NEIGHMASK};
    refuse(model_->begin(atoms));
    const int64_t layers = model_->layers();
    for (int64_t layer = 0; layer < layers; ++layer)
        if (void *features = model_->forward(layer)) fetch(features, layer + 1);
    if (eflag_either) {
        const double *energies = model_->energies();
        for (size_t row = 0; row < index_.size(); ++row) {
            if (eflag_global) eng_vdwl += energies[row];
            if (eflag_atom) eatom[index_[row]] += energies[row];
        }
    }
    for (int64_t layer = layers - 1; layer >= 0; --layer)
        if (void *derivatives = model_->backward(layer)) send_home(derivatives, layer);
    double found[6]{};
    model_->finish(all ? atom->f[0] : nullptr, found, vflag_atom ? vatom[0] : nullptr);
    if (vflag_global)
        for (int k = 0; k < 6; ++k) virial[k] += found[k];
}

// ---- rows

// Own atoms get rows along a curve through space, so that near ones are near in memory; then come
// the ghosts that other ranks own.
void PairCamp::number_rows()
{
    const int all = atom->nlocal + atom->nghost;
    index_.assign(list->ilist, list->ilist + list->inum);
    sort_along_curve(index_);
    row_.assign(all, -1);
    for (size_t row = 0; row < index_.size(); ++row) row_[index_[row]] = static_cast<int64_t>(row);
    owner_.assign(all, comm->me);
    owners_row_.assign(row_.begin(), row_.end());
    cargo_ = OWNERS;
    comm->forward_comm(this, OWNER_DOUBLES);
    rows_ = static_cast<int64_t>(index_.size());
    for (int i = atom->nlocal; i < all; ++i)
        if (owners_row_[i] >= 0) row_[i] = own_image(i) ? owners_row_[i] : rows_++;
    sort_neighbours();
    numbered_ = true;
}

void PairCamp::sort_along_curve(std::vector<int> &atoms) const
{
    double low[3] = {0, 0, 0};
    for (size_t k = 0; k < atoms.size(); ++k)
        for (int axis = 0; axis < 3; ++axis)
            low[axis] = k ? std::min(low[axis], atom->x[atoms[k]][axis]) : atom->x[atoms[k]][axis];
    std::vector<std::pair<uint64_t, int>> places;
    places.reserve(atoms.size());
    for (int i : atoms) {
        uint64_t place = 0;
        for (int axis = 0; axis < 3; ++axis) {
            const auto box = static_cast<uint64_t>((atom->x[i][axis] - low[axis]) / BOX);
            for (int bit = 0; bit < 21; ++bit) place |= (box >> bit & 1) << (3 * bit + axis);
        }
        places.emplace_back(place, i);
    }
    const tagint *tag = atom->tag;
    std::sort(places.begin(), places.end(), [&](const auto &a, const auto &b) {
        return std::tie(a.first, tag[a.second]) < std::tie(b.first, tag[b.second]);
    });
    for (size_t k = 0; k < atoms.size(); ++k) atoms[k] = places[k].second;
}

// By atoms and their places, not by indices: those are others after a restart, and sums in another
// order are rounded differently.
void PairCamp::sort_neighbours()
{
    const tagint *tag = atom->tag;
    double **x = atom->x;
    const auto before = [&](int a, int b) {
        const int i = a & NEIGHMASK, j = b & NEIGHMASK;
        return std::tie(tag[i], x[i][0], x[i][1], x[i][2]) <
               std::tie(tag[j], x[j][0], x[j][1], x[j][2]);
    };
    for (int i : index_)
        std::sort(list->firstneigh[i], list->firstneigh[i] + list->numneigh[i], before);
}

bool PairCamp::own_image(int i) const
{
    return owner_[i] == comm->me;
}

// ---- communication

void PairCamp::fetch(void *rows, int64_t layer)
{
    set_cargo(rows, layer);
    // All ghosts are images of own atoms where there is one rank.
    if (comm->nprocs > 1) comm->forward_comm(this, doubles(cargo_bytes_));
}

void PairCamp::send_home(void *rows, int64_t layer)
{
    set_cargo(rows, layer);
    if (comm->nprocs > 1) comm->reverse_comm(this, doubles(cargo_bytes_));
}

void PairCamp::set_cargo(void *rows, int64_t layer)
{
    cargo_ = ROWS;
    cargo_rows_ = static_cast<char *>(rows);
    cargo_layer_ = layer;
    cargo_bytes_ = model_->row_bytes(layer);
}

int PairCamp::pack_forward_comm(int n, int *list, double *buffer, int, int *)
{
    if (cargo_ == OWNERS) {
        for (int k = 0; k < n; ++k) {
            buffer[OWNER_DOUBLES * k] = owner_[list[k]];
            buffer[OWNER_DOUBLES * k + 1] = static_cast<double>(owners_row_[list[k]]);
        }
        return OWNER_DOUBLES * n;
    }
    const int size = doubles(cargo_bytes_);
    for (int k = 0; k < n; ++k)
        if (const int64_t row = row_[list[k]]; row >= 0)
            memcpy(buffer + k * size, cargo_rows_ + row * cargo_bytes_, cargo_bytes_);
    return n * size;
}

void PairCamp::unpack_forward_comm(int n, int first, double *buffer)
{
    if (cargo_ == OWNERS) {
        for (int k = 0; k < n; ++k) {
            owner_[first + k] = static_cast<int>(buffer[OWNER_DOUBLES * k]);
            owners_row_[first + k] = static_cast<int64_t>(buffer[OWNER_DOUBLES * k + 1]);
        }
        return;
    }
    const int size = doubles(cargo_bytes_);
    for (int k = 0; k < n; ++k)
        if (const int i = first + k; row_[i] >= 0 && !own_image(i))
            memcpy(cargo_rows_ + row_[i] * cargo_bytes_, buffer + k * size, cargo_bytes_);
}

int PairCamp::pack_reverse_comm(int n, int first, double *buffer)
{
    const int size = doubles(cargo_bytes_);
    for (int k = 0; k < n; ++k) {
        const int i = first + k;
        // What concerns an image of an own atom is in the row of that atom already.
        if (row_[i] >= 0 && !own_image(i))
            memcpy(buffer + k * size, cargo_rows_ + row_[i] * cargo_bytes_, cargo_bytes_);
        else
            memset(buffer + k * size, 0, size * sizeof(double));
    }
    return n * size;
}

void PairCamp::unpack_reverse_comm(int n, int *list, double *buffer)
{
    const int size = doubles(cargo_bytes_);
    for (int k = 0; k < n; ++k)
        if (const int64_t row = row_[list[k]]; row >= 0)
            model_->add(cargo_layer_, cargo_rows_ + row * cargo_bytes_, buffer + k * size);
}

// ---- what is refused

void PairCamp::refuse(const camp::Obstacle &obstacle)
{
    if (obstacle.kind == camp::Obstacle::none) return;
    const tagint first = atom->tag[obstacle.first], second = atom->tag[obstacle.second];
    if (obstacle.kind == camp::Obstacle::coincidence)
        error->one(FLERR, "atoms {} and {} coincide", first, second);
    error->one(FLERR, "atom {} is a neighbour of atom {}, but belongs to no rank of pair_style camp",
               second, first);
}

// The order of the elements is what users get wrong.
void PairCamp::warn_of_masses()
{
    if (comm->me || !atom->mass) return;
    for (int type = 1; type <= atom->ntypes; ++type) {
        if (map[type] < 0) continue;
        const double usual = loaded_->masses[map[type]], mass = atom->mass[type];
        if (std::fabs(mass - usual) > 0.1 * usual)
            error->warning(FLERR, "type {} is {}, whose usual mass is {:.4g}, but has the mass {:.4g}", type,
                           loaded_->elements[map[type]], usual, mass);
    }
}

// ---- the model

// If any rank has a complaint, all stop with that of the first.
void PairCamp::stop_together(const std::string &complaint)
{
    int first = complaint.empty() ? comm->nprocs : comm->me, rank = 0;
    MPI_Allreduce(&first, &rank, 1, MPI_INT, MPI_MIN, world);
    if (rank == comm->nprocs) return;
    char text[1000] = "";
    if (comm->me == rank) strncpy(text, complaint.c_str(), sizeof text - 1);
    MPI_Bcast(text, sizeof text, MPI_CHAR, rank, world);
    error->all(FLERR, "{}", text);
}

void PairCamp::load(const std::string &path)
{
    auto loaded = std::make_unique<Loaded>();
    const bigint size = read_everywhere(path, loaded->bytes);
    std::string complaint;
    try {
        const camp::ModelFile file(loaded->bytes.get(), size);
        loaded->elements = file.elements;
        loaded->kind = file.kind;
        const auto masses = file.array<double>("masses");
        loaded->masses.assign(masses.values, masses.values + masses.count);
    } catch (const camp::BadModelFile &bad) {
        complaint = path + " " + bad.what();
    }
    stop_together(complaint);
    stop_together(make_model(path, size, *loaded));
    model_ = loaded->model.get();
    loaded_ = std::move(loaded);
    comm_forward = std::max(OWNER_DOUBLES, doubles(most_bytes()));
    comm_reverse = doubles(most_bytes());
}

// The first rank reads a file and gives it to the others; returns its size.
bigint PairCamp::read_everywhere(const std::string &path, Bytes &bytes)
{
    bigint size = 0;
    std::string complaint;
    if (comm->me == 0) {
        std::ifstream file(path, std::ios::binary | std::ios::ate);
        size = file ? static_cast<bigint>(file.tellg()) : -1;
        if (size >= 0) {
            bytes = allocate(size);
            file.seekg(0);
        }
        if (size < 0 || !file.read(bytes.get(), size)) complaint = path + " cannot be read";
    }
    stop_together(complaint);
    MPI_Bcast(&size, 1, MPI_LMP_BIGINT, 0, world);
    if (comm->me) bytes = allocate(size);
    constexpr bigint most = 1 << 30;
    for (bigint done = 0; done < size; done += most)
        MPI_Bcast(bytes.get() + done, static_cast<int>(std::min(most, size - done)), MPI_BYTE, 0,
                  world);
    return size;
}

// Returns what is wrong.
std::string PairCamp::make_model(const std::string &path, bigint size, Loaded &loaded)
{
    const size_t dot = path.find_last_of("./");
    const std::string stem = dot == std::string::npos || path[dot] == '/' ? path : path.substr(0, dot);
    const std::string name = (stem.find('/') == std::string::npos ? "./" : "") + stem + ".so";
    loaded.library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!loaded.library) return "the library of " + path + " cannot be loaded: " + dlerror();
    const auto number =
        reinterpret_cast<camp::InterfaceNumber *>(dlsym(loaded.library, "camp_interface_number"));
    const auto make = reinterpret_cast<camp::MakeModel *>(dlsym(loaded.library, "camp_model"));
    if (!number || !make || number() != camp::interface_number)
        return name + " is of another version of camp; make it anew with 'camp lammps'";
    char room[500];
    loaded.model.reset(make(loaded.bytes.get(), size, room, sizeof room));
    return loaded.model ? "" : path + " " + room;
}

int64_t PairCamp::most_bytes() const
{
    int64_t most = 0;
    for (int64_t layer = 0; layer < model_->layers(); ++layer)
        most = std::max(most, model_->row_bytes(layer));
    return most;
}
