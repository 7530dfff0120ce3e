// Outputs whose every axis is a row of pieces of the same axis of one input: tiled, padded, mirrored, rolled, reversed, broadcast.
#pragma once

#include <vector>

#include "ops/move.h"

namespace ferry::ops {

// `count` places of the output: of the input from `begin` on, `step` apart; or of filling.
struct Piece {
  int64_t begin = 0, count = 0, step = 1;
  bool filling = false;
  static Piece fill(int64_t count) { return {0, count, 0, true}; }
};

// One axis: its length in the input, the pieces of it in the output's order, and how often they all repeat.
struct Pieces {
  int64_t length = 0;
  std::vector<Piece> row;
  int64_t times = 1;
  static Pieces whole(int64_t length) { return {length, {{0, length, 1}}, 1}; }
  int64_t per_row() const;
  bool is_whole() const {
    return times == 1 && row.size() == 1 && !row[0].filling && row[0].count == length && (row[0].step == 1 || length == 1);
  }
};

// The shape of such an output; an error where it is too large.
Result<Shape> shape_of(std::span<const Pieces> axes, const Limits& limits);
// Writes it. `filling`: an element in place of zeros. `begin`: the element of x that the axes count from.
void take(Mover& to, const Value& x, std::span<const Pieces> axes, const Value* filling = nullptr, int64_t begin = 0);
// Both, as output 0.
Status give(Call& call, const Value& x, std::span<const Pieces> axes, const Value* filling = nullptr);

}  // namespace ferry::ops
