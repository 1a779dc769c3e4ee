// What the functions of moments.cpp read, and their names.

#pragma once

#include "channels.hpp"
#include "edge.hpp"
#include "products.hpp"
#include "team.hpp"

// What a path adds to one component of the moments: entries (c, a, m) from begin to end − 1.
struct Row {
    int64_t path, moment, begin, end;
};

// Row-major arrays of `width` neighbour slots for each atom.
struct Edges {
    int64_t width;
    Grid grid;
    int64_t polyadic_entries, rows, entries;
    const TableEntry *polyadic;  // D_c from monomials: (c, monomial, 0)
    const Row *row;
    const TableEntry *entry;
    const int64_t *neighbours;  // (atoms, width)
    const bool *mask;           // (atoms, width)
    const Real *vectors;        // (atoms, width, 3)
    int64_t *order;             // (atoms, width), see ordered.hpp
    const Vector *table;        // blocked: (intervals, blocks, COEFFICIENTS, paths)
    const Vector *features;     // blocked: (atoms, blocks, feature components)
};

// Names of functions compiled for so many FEATURE_COMPONENTS, such as carnet_moments_9.
#define OF_FEATURES_(name, components) name##_##components
#define OF_FEATURES(name, components) OF_FEATURES_(name, components)
