// Edges in the order of the rows of a table that they read, because most of the time would go into
// reading it. Atoms are taken in tiles whose sums stay in the cache.

#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "team.hpp"

namespace {

// Of so many bytes for each atom about half of a usual second-level cache.
constexpr int64_t atoms_in_cache(int64_t bytes) { return 1 + 400000 / bytes; }

template <typename Function>
void for_each_range(int64_t first, int64_t last, int64_t size, Function function) {
    for (int64_t begin = first; begin < last; begin += size)
        function(begin, std::min(begin + size, last));
}

// The slots (atoms, width) that count, tile by tile; −1 ends a tile. `row_of` says for a slot which
// of so many rows of the table it reads. Others go through the order for the same part of the atoms.
template <typename Function>
void order_edges(const Part &part, int64_t tile, int64_t width, const bool *mask, int64_t rows,
                 Function row_of, int64_t *order) {
    const int64_t first = part.first;
    std::vector<int64_t> next(rows + 1), row((part.last - first) * width);
    for_each_range(first, part.last, tile, [&](int64_t begin, int64_t end) {
        std::fill(next.begin(), next.end(), 0);
        for (int64_t slot = begin * width; slot < end * width; ++slot)
            if (mask[slot]) ++next[1 + (row[slot - first * width] = row_of(slot))];
        for (int64_t k = 0; k < rows; ++k) next[k + 1] += next[k];
        if (next[rows] < (end - begin) * width) order[begin * width + next[rows]] = -1;
        for (int64_t slot = begin * width; slot < end * width; ++slot)
            if (mask[slot]) order[begin * width + next[row[slot - first * width]]++] = slot;
    });
}

template <typename Function>
void for_each_ordered(const Part &part, int64_t tile, int64_t width, const int64_t *order,
                      Function function) {
    for_each_range(part.first, part.last, tile, [&](int64_t begin, int64_t end) {
        for (int64_t k = begin * width; k < end * width && order[k] >= 0; ++k) function(order[k]);
    });
}

}  // namespace
