// A trained model for programs without Python, as one of many processes asks it, layer by layer:
//
//   begin;  forward(0), forward(1), …;  energies;  …, backward(1), backward(0);  finish
//
// Before forward(t), t > 0, the program fetches what the layer reads of atoms that other processes
// own, from there. After backward(t), t > 0, it sends the derivatives with respect to it home,
// where they are added up. Made by camp_model (see layered_model.hpp) from a model file.

#pragma once

#include <cstddef>
#include <cstdint>

namespace camp {

// Of this file; a program and a model of different numbers do not understand each other.
constexpr int interface_number = 1;

// The atoms that one process sees, by the program's indices, and their rows in what layers read of
// atoms. Rows 0, …, own − 1 are the atoms that it owns; images of an atom may share its row.
struct Atoms {
    int64_t own, rows;
    const int64_t *species;        // (rows) places in the model's list of elements
    const int *index;              // (own) the program's index of each
    const int64_t *row;            // of each index; −1 for atoms that the model does not know
    const double *positions;       // of each index, Å (…, 3)
    const int *listed;             // of each index below: how many neighbours are listed,
    const int *const *neighbours;  // and their indices, both directions of each pair
    int index_bits;                // which bits of these are the index
};

// Why an evaluation is impossible, and between which indices.
struct Obstacle {
    enum { none, coincidence, unknown_neighbour } kind = none;
    int first = 0, second = 0;
};

class Model {
  public:
    virtual ~Model() = default;

    virtual double cutoff() const = 0;  // Å
    virtual int64_t layers() const = 0;
    // Of a row of what this layer reads of atoms; 0 where it needs their species only.
    virtual int64_t row_bytes(int64_t layer) const = 0;

    // The atoms stay as they are until `finish`.
    virtual Obstacle begin(const Atoms &atoms) = 0;
    // What the next layer reads of atoms, with the rows of own atoms filled; null after the last.
    virtual void *forward(int64_t layer) = 0;
    // Of own atoms, eV.
    virtual const double *energies() const = 0;
    // The derivatives of the sum of all energies of this process with respect to what the layer
    // read, of all rows; null after the first. What others send is to be added to it.
    virtual void *backward(int64_t layer) = 0;
    // row += part, both of row_bytes(layer).
    virtual void add(int64_t layer, void *row, const void *part) const = 0;
    // Adds forces (…, 3), eV/Å, the virial Σ r ⊗ F (xx, yy, zz, xy, xz, yz), eV, and, unless null,
    // its half for either end of each pair (…, 6), by the program's indices.
    virtual void finish(double *forces, double *virial, double *atomic_virials) = 0;
};

// The number of the interface that a library was compiled with, and a model made from the bytes of
// a model file, which must outlive it and begin at a multiple of 64; or null, and why.
using InterfaceNumber = int();
using MakeModel = Model *(const char *bytes, size_t size, char *complaint, size_t room);

}  // namespace camp
