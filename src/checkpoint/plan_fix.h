// What makes a tensor fit a variable of another shape or dtype.
#pragma once

#include <optional>
#include <string>

#include "checkpoint/plan_names.h"
#include "ferry/plan.h"

namespace ferry::plan {

// Equal, an axis of -1 being any.
bool fits(const Shape& have, const std::optional<Shape>& wanted);

// The transposition that the two words mean: a "weight" of PyTorch is a "kernel" of Keras with its axes the other way round. Empty
// where they mean none, or the shapes are not those.
std::vector<size_t> layout_change(Leaf from, Leaf to, size_t rank);
Shape transposed(const Shape& shape, const std::vector<size_t>& permutation);

// The least that makes the shape fit; nothing where values would have to be invented or thrown away in more than one axis.
// A transposition that the words mean is part of it even where the shape would fit without (square kernels).
std::optional<Fix> find_fix(const Shape& have, const std::optional<Shape>& wanted, Leaf from, Leaf to);
void add_cast(Fix& fix, DType have, std::optional<DType> wanted);

// Whether `fixes` allow all of it; a transposition that `meant` says comes with the name is not asked for.
bool allowed(const Fix& fix, const Fixes& fixes, bool meant);

// "transposed (1, 0), cast float64 → float32 (rounds)".
std::string fix_text(const Fix& fix, const Have& have);
// The options that allow it: "--fix transpose --fix cast".
std::string fix_options(const Fix& fix, bool meant);

// [3, ?]
std::string shape_text(const Shape& shape);
std::string shape_text(const std::optional<Shape>& shape);

}  // namespace ferry::plan
