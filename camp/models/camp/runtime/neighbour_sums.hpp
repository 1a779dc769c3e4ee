// What the functions of neighbour_sums.cpp read, and their names.

#pragma once

#include "channels.hpp"
#include "edge.hpp"
#include "team.hpp"

// What all functions read. Row-major arrays of `width` neighbour slots for each atom.
struct Edges {
    int64_t width, species_count;
    Grid grid;
    const int64_t *species;     // (atoms)
    const int64_t *neighbours;  // (atoms, width)
    const bool *mask;           // (atoms, width)
    const Real *vectors;        // (atoms, width, 3)
    int64_t *order;             // (atoms, width), see ordered.hpp
    const Vector *table;        // blocked: (species² · intervals, blocks, COEFFICIENTS, paths)
    const Vector *features;     // blocked: (atoms, blocks, feature components)
};

// Names of functions compiled for features up to one rank, such as camp_sums_2.
#define OF_RANK_(name, rank) name##_##rank
#define OF_RANK(name, rank) OF_RANK_(name, rank)
