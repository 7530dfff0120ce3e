// EditDistance: how many insertions, deletions and replacements lie between the rows of two sparse tensors.
#include <algorithm>
#include <limits>
#include <map>

#include "ops/distinct.h"
#include "ops/move.h"

namespace ferry::ops {
namespace {

// Entries [begin, end) that share all coordinates but the last, for each row of a sparse tensor that has any; rows rise. The last
// coordinate says no more than the order, as in TensorFlow.
struct Row {
  int64_t begin = 0, end = 0;
};
using Rows = std::map<int64_t, Row>;

struct Side {
  std::span<const int64_t> indices, shape;
  const DenseTensor* values;
};

Result<Side> side_of(const Call& call, size_t first, std::string_view name) {
  const Shape &indices = call.shape(first), &values = call.shape(first + 1), &shape = call.shape(first + 2);
  if (indices.rank() != 2) return invalid_argument(concat(name, "_indices should be a matrix, but got shape: ", indices.to_string()));
  if (values.rank() != 1) return invalid_argument(concat(name, "_values should be a vector, but got shape: ", values.to_string()));
  if (shape.rank() != 1) return invalid_argument(concat(name, "_shape should be a vector, but got shape: ", shape.to_string()));
  if (values[0] != indices[0] || shape[0] != indices[1]) {
    return invalid_argument(
        concat(name, ": indices ", indices.to_string(), ", values ", values.to_string(), " and shape ", shape.to_string(), " do not fit"));
  }
  return Side{call.values<int64_t>(first), call.values<int64_t>(first + 2), &call.in(first + 1)};
}

Result<Rows> rows_of(const Side& side, const Shape& out) {
  const size_t rank = side.shape.size();
  const int64_t count = side.values->num_elements();
  Rows rows;
  int64_t before = -1;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t* const at = side.indices.data() + i * static_cast<int64_t>(rank);
    int64_t row = 0;
    for (size_t k = 0; k + 1 < rank; ++k) {
      if (at[k] < 0 || at[k] >= out[k]) {
        return invalid_argument(concat("entry ", i, " is out of bounds: ", at[k], " on axis ", k, " of ", out[k]));
      }
      row = row * out[k] + at[k];
    }
    if (row < before) return invalid_argument(concat("entry ", i, " is out of order"));
    if (row != before) rows[row].begin = i;
    rows[row].end = i + 1;
    before = row;
  }
  return rows;
}

template <class Elements>
float distance(const Elements& a, Row x, const Elements& b, Row y) {
  const int64_t width = y.end - y.begin;
  std::vector<int64_t> row(static_cast<size_t>(width) + 1);
  for (int64_t j = 0; j <= width; ++j) row[static_cast<size_t>(j)] = j;
  for (int64_t i = x.begin; i < x.end; ++i) {
    int64_t corner = row[0]++;
    for (int64_t j = 0; j < width; ++j) {
      const auto at = static_cast<size_t>(j);
      const int64_t changed = corner + (a.equal(i, b, y.begin + j) ? 0 : 1);
      corner = row[at + 1];
      row[at + 1] = std::min({row[at] + 1, row[at + 1] + 1, changed});
    }
  }
  return static_cast<float>(row[static_cast<size_t>(width)]);
}

class EditDistanceKernel final : public Kernel {
 public:
  explicit EditDistanceKernel(bool normalize) : normalize_(normalize) {}
  Status run(Call& call) const override {
    FERRY_ASSIGN_OR_RETURN(const Side guess, side_of(call, 0, "hypothesis"));
    FERRY_ASSIGN_OR_RETURN(const Side truth, side_of(call, 3, "truth"));
    if (guess.shape.size() != truth.shape.size() || truth.shape.size() < 2) {
      return invalid_argument(
          concat("truth and hypothesis must have the same rank, at least 2, not ", truth.shape.size(), " and ", guess.shape.size()));
    }
    Shape shape;
    for (size_t k = 0; k + 1 < truth.shape.size(); ++k) shape.append(std::max(truth.shape[k], guess.shape[k]));
    FERRY_ASSIGN_OR_RETURN(shape, Shape::checked(shape.dims(), call.run().limits));
    FERRY_ASSIGN_OR_RETURN(const Rows guesses, rows_of(guess, shape));
    FERRY_ASSIGN_OR_RETURN(const Rows truths, rows_of(truth, shape));
    FERRY_ASSIGN_OR_RETURN(const auto out, call.make<float>(0, DType::float32, shape));
    std::ranges::fill(out, 0.0f);
    for (const auto& [row, entries] : guesses) {  // where there is no truth
      out[static_cast<size_t>(row)] = normalize_ ? std::numeric_limits<float>::infinity() : static_cast<float>(entries.end - entries.begin);
    }
    Status status;
    const bool known = with_elements<Join<Numbers, Types<bool>>>(
        [&](const auto& a, const auto& b) {
          for (const auto& [row, entries] : truths) {
            const auto length = static_cast<float>(entries.end - entries.begin);
            const auto it = guesses.find(row);
            out[static_cast<size_t>(row)] = it != guesses.end() ? distance(a, entries, b, it->second) / (normalize_ ? length : 1.0f)
                                            : normalize_        ? 1.0f
                                                                : length;
            if (status.ok()) status = call.run().check();
            if (!status.ok()) return;
          }
        },
        *truth.values, *guess.values);
    FERRY_RETURN_IF_ERROR(status);
    return known ? Status() : no_kernel("EditDistance", truth.values->dtype());
  }

 private:
  bool normalize_;
};
Result<KernelRef> make_edit_distance(const NodeInfo& node) {
  return KernelRef(std::make_unique<EditDistanceKernel>(node.flag("normalize")));
}

}  // namespace

extern const Op EditDistance_op;
const Op EditDistance_op{"EditDistance", make_edit_distance};

}  // namespace ferry::ops
