// What the functions of repulsion.cpp read, and their names.

#pragma once

#include "team.hpp"
#include "vectors.hpp"

// Row-major arrays of `width` neighbour slots for each atom.
struct Repulsion {
    int64_t width, smooth;
    double cutoff, length;         // Å
    const double *charges;         // of species; times the root of half of e²/(4 pi eps0)
    const double *screening;       // of species: the charge to the power
    const double *radii;           // of species
    const int64_t *species;        // (atoms)
    const int64_t *neighbours;     // (atoms, width)
    const bool *mask;              // (atoms, width)
    const Real *vectors;           // (atoms, width, 3)
};

extern "C" Function carnet_repulsion, carnet_repulsion_backward;
