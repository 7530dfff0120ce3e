// Set operations on the rows of the last axis: SetSize, DenseToDense-, DenseToSparse- and SparseToSparseSetOperation.
#include <algorithm>
#include <map>

#include "ops/coo.h"
#include "ops/types.h"
#include "tensor/elements.h"

namespace ferry::ops {
namespace {

// Each row's place (its coordinates but the last), and the numbers of its elements.
using Rows = std::map<std::vector<int64_t>, std::vector<int64_t>>;

struct Side {
  Shape shape;  // of all axes
  const DenseTensor* values = nullptr;
  Rows rows;
};

Result<Side> dense_side(Call& call, size_t at) {
  Side out;
  out.shape = call.shape(at);
  out.values = &call.in(at);
  const size_t rank = out.shape.rank();
  if (rank < 2) return invalid_argument(concat("Invalid input set rank ", rank, ", must be 2 or more"));
  const int64_t width = out.shape[rank - 1];
  std::vector<int64_t> place(rank - 1, 0);
  for (int64_t begin = 0; width > 0 && begin < out.values->num_elements(); begin += width) {
    auto& row = out.rows[place];
    for (int64_t i = 0; i < width; ++i) row.push_back(begin + i);
    for (size_t axis = rank - 1; axis-- > 0;) {
      if (++place[axis] < out.shape[axis]) break;
      place[axis] = 0;
    }
  }
  return out;
}

Result<Side> sparse_side(Call& call, size_t at, bool validate) {
  FERRY_ASSIGN_OR_RETURN(const Coo x, coo_input(call, at, at + 1, at + 2));
  if (x.rank < 2) return invalid_argument(concat("Invalid input set rank ", x.rank, ", must be 2 or more"));
  FERRY_RETURN_IF_ERROR(x.check_range());
  if (validate && !x.is_sorted(true))
    return invalid_argument("indices are out of order or repeated. Many sparse ops require sorted indices.");
  Side out;
  out.shape = x.shape;
  out.values = &call.in(at + 1);
  for (int64_t i = 0; i < x.nnz; ++i) out.rows[std::vector<int64_t>(x.row(i), x.row(i) + x.rank - 1)].push_back(i);
  return out;
}

// An element in a form that compares as TensorFlow orders them.
template <class F>
bool with_elements(DType dtype, F&& f) {
  if (dtype == DType::string) return f([](const DenseTensor& x, int64_t i) { return x.strings()[i]; }), true;
  return with_type(dtype, Types<int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t>{},
                   [&]<class T>(TypeTag<T>) { f([](const DenseTensor& x, int64_t i) { return x.values<T>()[static_cast<size_t>(i)]; }); });
}

class SetSizeKernel final : public Kernel {
 public:
  explicit SetSizeKernel(bool validate) : validate_(validate) {}

  Status run(Call& call) const override {
    FERRY_ASSIGN_OR_RETURN(const Side side, sparse_side(call, 0, validate_));
    const Shape shape(side.shape.dims().first(side.shape.rank() - 1));
    FERRY_ASSIGN_OR_RETURN(const auto out, call.make<int32_t>(0, DType::int32, shape));
    std::ranges::fill(out, 0);
    const bool known = with_elements(side.values->dtype(), [&](auto&& element) {
      for (const auto& [place, row] : side.rows) {
        int64_t at = 0;
        for (size_t axis = 0; axis < place.size(); ++axis) at = at * shape[axis] + place[axis];
        out[static_cast<size_t>(at)] = static_cast<int32_t>(unique(element, *side.values, row).size());
      }
    });
    return known ? Status() : no_kernel(call.node().op(), side.values->dtype());
  }

  // Numbers of the elements that differ, in order.
  template <class E>
  static std::vector<int64_t> unique(E&& element, const DenseTensor& values, std::vector<int64_t> row) {
    std::ranges::stable_sort(row, [&](int64_t a, int64_t b) { return element(values, a) < element(values, b); });
    const auto rest = std::ranges::unique(row, [&](int64_t a, int64_t b) { return element(values, a) == element(values, b); });
    row.erase(rest.begin(), rest.end());
    return row;
  }

 private:
  bool validate_;
};

enum class What : uint8_t { a_minus_b, b_minus_a, intersection, union_of_both };
enum class Sides : uint8_t { dense_dense, dense_sparse, sparse_sparse };

class SetOperationKernel final : public Kernel {
 public:
  SetOperationKernel(Sides sides, What what, bool validate) : sides_(sides), what_(what), validate_(validate) {}

  Status run(Call& call) const override {
    FERRY_ASSIGN_OR_RETURN(const Side a, sides_ == Sides::sparse_sparse ? sparse_side(call, 0, validate_) : dense_side(call, 0));
    FERRY_ASSIGN_OR_RETURN(const Side b, sides_ == Sides::dense_dense
                                             ? dense_side(call, 1)
                                             : sparse_side(call, sides_ == Sides::dense_sparse ? 1 : 3, validate_));
    const size_t outer = a.shape.rank() - 1;
    if (a.shape.rank() != b.shape.rank() || !std::ranges::equal(a.shape.dims().first(outer), b.shape.dims().first(outer))) {
      return invalid_argument(concat("Mismatched group shapes: ", a.shape.to_string(), " vs. ", b.shape.to_string()));
    }
    // Elements of the second side are numbered after those of the first.
    const int64_t base = a.values->num_elements();
    std::vector<int64_t> taken, flat;
    int64_t widest = 0;
    const bool known = with_elements(a.values->dtype(), [&](auto&& element) {
      std::map<std::vector<int64_t>, std::pair<const std::vector<int64_t>*, const std::vector<int64_t>*>> places;
      for (const auto& [place, row] : a.rows) places[place].first = &row;
      for (const auto& [place, row] : b.rows) places[place].second = &row;
      static const std::vector<int64_t> kNone;
      for (const auto& [place, both] : places) {
        const auto left = SetSizeKernel::unique(element, *a.values, both.first != nullptr ? *both.first : kNone);
        const auto right = SetSizeKernel::unique(element, *b.values, both.second != nullptr ? *both.second : kNone);
        int64_t column = 0;
        const auto put = [&](int64_t number) {
          flat.insert(flat.end(), place.begin(), place.end());
          flat.push_back(column++);
          taken.push_back(number);
        };
        size_t i = 0, j = 0;
        while (i < left.size() || j < right.size()) {
          const bool only_left = j == right.size() || (i < left.size() && element(*a.values, left[i]) < element(*b.values, right[j]));
          const bool only_right = !only_left && (i == left.size() || element(*b.values, right[j]) < element(*a.values, left[i]));
          if (only_left) {
            if (what_ == What::a_minus_b || what_ == What::union_of_both) put(left[i]);
            ++i;
          } else if (only_right) {
            if (what_ == What::b_minus_a || what_ == What::union_of_both) put(base + right[j]);
            ++j;
          } else {
            if (what_ == What::intersection || what_ == What::union_of_both) put(left[i]);
            ++i;
            ++j;
          }
        }
        widest = std::max(widest, column);
      }
    });
    if (!known) return no_kernel(call.node().op(), a.values->dtype());
    const auto count = static_cast<int64_t>(taken.size());
    FERRY_ASSIGN_OR_RETURN(DenseTensor indices, index_tensor(std::move(flat), count, outer + 1));
    call.set(0, std::move(indices));
    FERRY_ASSIGN_OR_RETURN(const DenseTensor first, a.values->reshaped(Shape{base}));
    FERRY_ASSIGN_OR_RETURN(const DenseTensor second, b.values->reshaped(Shape{b.values->num_elements()}));
    const DenseTensor parts[] = {first, second};
    FERRY_ASSIGN_OR_RETURN(const DenseTensor joined, elements::join(parts));
    FERRY_ASSIGN_OR_RETURN(DenseTensor values, elements::take(joined, taken));
    call.set(1, std::move(values));
    Shape shape = a.shape;
    shape[outer] = widest;
    call.set(2, shape_tensor(shape));
    return {};
  }

 private:
  Sides sides_;
  What what_;
  bool validate_;
};

Result<KernelRef> make_size(const NodeInfo& node) { return KernelRef(std::make_unique<SetSizeKernel>(node.flag("validate_indices"))); }

template <Sides kSides>
Result<KernelRef> make_operation(const NodeInfo& node) {
  std::string text = node.text("set_operation");
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  constexpr std::string_view kNames[] = {"a-b", "b-a", "intersection", "union"};
  const auto it = std::ranges::find(kNames, text);
  if (it == std::end(kNames)) return invalid_argument(concat("Invalid set_operation ", quoted(text), "."));
  return KernelRef(std::make_unique<SetOperationKernel>(kSides, static_cast<What>(it - std::begin(kNames)), node.flag("validate_indices")));
}

}  // namespace

extern const Op SetSize_op, DenseToDenseSetOperation_op, DenseToSparseSetOperation_op, SparseToSparseSetOperation_op;
const Op SetSize_op{"SetSize", make_size};
const Op DenseToDenseSetOperation_op{"DenseToDenseSetOperation", make_operation<Sides::dense_dense>};
const Op DenseToSparseSetOperation_op{"DenseToSparseSetOperation", make_operation<Sides::dense_sparse>};
const Op SparseToSparseSetOperation_op{"SparseToSparseSetOperation", make_operation<Sides::sparse_sparse>};

}  // namespace ferry::ops
