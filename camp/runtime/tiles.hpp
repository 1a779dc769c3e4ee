// Atoms in tiles as wide as a vector register: one value of all atoms of a tile is a vector.
//
// Every part of the atoms has tiles of its own, the last one not full. Arrays in tiles are (tiles,
// values) with room for tiles_for(atoms, threads) of them (camp/runtime/tiles.py).

#pragma once

#include "team.hpp"
#include "vectors.hpp"

namespace {

struct Tile {
    int64_t place;         // among all tiles
    int64_t first, count;  // atoms

    // (atoms, values) → (values); zero where there is no atom.
    void load(const Real *values, int64_t number, Vector *result) const {
        for (int64_t k = 0; k < number; ++k) result[k] = Vector{};
        for (int64_t lane = 0; lane < count; ++lane)
            for (int64_t k = 0; k < number; ++k)
                result[k][lane] = values[(first + lane) * number + k];
    }

    // The reverse.
    void store(const Vector *values, int64_t number, Real *result) const {
        for (int64_t lane = 0; lane < count; ++lane)
            for (int64_t k = 0; k < number; ++k)
                result[(first + lane) * number + k] = values[k][lane];
    }

    // Rows (rows, number) of a table, one for each atom.
    void look_up(const Real *table, const int64_t *rows, int64_t number, Vector *result) const {
        for (int64_t k = 0; k < number; ++k) result[k] = Vector{};
        for (int64_t lane = 0; lane < count; ++lane)
            for (int64_t k = 0; k < number; ++k)
                result[k][lane] = table[rows[first + lane] * number + k];
    }
};

template <typename Function>
void for_each_tile(const Part &part, Function function) {
    int64_t place = part.first / lanes + part.number;
    for (int64_t first = part.first; first < part.last; first += lanes)
        function(Tile{place++, first, first + lanes < part.last ? lanes : part.last - first});
}

}  // namespace
