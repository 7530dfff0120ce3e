// Ragged tensors made, gathered, filled up: RaggedRange, RaggedGather, RaggedFillEmptyRows.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "ops/coo.h"
#include "ops/elementwise.h"
#include "ops/ragged_parts.h"
#include "tensor/elements.h"

namespace ferry::ops {
namespace {

// ---- RaggedRange: starts, limits, deltas; each a scalar or a vector

template <class T>
Result<int64_t> range_size(T start, T limit, T delta) {
  if (delta == 0) return invalid_argument("Requires delta != 0");
  if ((delta > 0 && limit < start) || (delta < 0 && limit > start)) return int64_t{0};
  if constexpr (std::is_integral_v<T>) {
    const auto magnitude = [](T a, T b) {
      return a > b ? static_cast<uint64_t>(a) - static_cast<uint64_t>(b) : static_cast<uint64_t>(b) - static_cast<uint64_t>(a);
    };
    const uint64_t length = magnitude(limit, start), step = magnitude(delta, 0);
    return static_cast<int64_t>(std::min<uint64_t>(length / step + (length % step != 0 ? 1 : 0), INT64_MAX));
  } else {
    const T size = std::ceil(std::abs((limit - start) / delta));
    if (!(size < static_cast<T>(std::numeric_limits<int64_t>::max())))
      return invalid_argument("Requires ((limit - start) / delta) <= 9223372036854775807");
    return static_cast<int64_t>(size);
  }
}

template <class T>
Status range(Call& call) {
  constexpr std::string_view kNames[] = {"starts", "limits", "deltas"};
  std::optional<int64_t> rows;
  for (size_t i = 0; i < 3; ++i) {
    const Shape& shape = call.shape(i);
    if (shape.rank() > 1) return invalid_argument(concat(kNames[i], " must be a scalar or vector"));
    if (shape.rank() == 0) continue;
    if (rows && *rows != shape[0]) return invalid_argument("starts, limits, and deltas must have the same shape");
    rows = shape[0];
  }
  const int64_t count = rows.value_or(1);
  const auto at = [&](size_t input, int64_t row) {
    return call.values<T>(input)[static_cast<size_t>(call.shape(input).rank() == 0 ? 0 : row)];
  };
  FERRY_ASSIGN_OR_RETURN(MutableBuffer block, MutableBuffer::of<int64_t>(static_cast<size_t>(count) + 1));
  const auto splits = block.as<int64_t>();
  splits[0] = 0;
  for (int64_t row = 0; row < count; ++row) {
    FERRY_ASSIGN_OR_RETURN(const int64_t size, range_size(at(0, row), at(1, row), at(2, row)));
    if (__builtin_add_overflow(splits[static_cast<size_t>(row)], size, &splits[static_cast<size_t>(row) + 1])) {
      return invalid_argument("the ranges have more elements than 63 bits can count");
    }
  }
  FERRY_RETURN_IF_ERROR(put_integers(call, 0, call.node().output_dtypes()[0], splits));
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<T>(1, dtype_of<T>(), Shape{splits.back()}));
  size_t to = 0;
  for (int64_t row = 0; row < count; ++row) {
    T value = at(0, row);
    const T delta = at(2, row);
    for (int64_t i = splits[static_cast<size_t>(row)]; i < splits[static_cast<size_t>(row) + 1]; ++i) {
      out[to++] = value;
      value = wrapping(value, delta, [](auto a, auto b) { return a + b; });
    }
  }
  return {};
}

Result<KernelRef> make_range(const NodeInfo& node) {
  KernelRef out;
  with_type(node.type("T"), Types<float, double, int32_t, int64_t>{},
            [&]<class T>(TypeTag<T>) { out = std::make_unique<FreeKernel<range<T>>>(); });
  if (out == nullptr) return no_kernel(node.op(), node.type("T"));
  return out;
}

// ---- RaggedGather: params' splits from the outermost in, params' values, indices

Status gather(Call& call) {
  const size_t levels = call.num_inputs() - 2;
  const DenseTensor &values = call.in(levels), &given = call.in(levels + 1);
  if (levels == 0) return invalid_argument("params must have at least one ragged axis");
  if (values.shape().rank() == 0) return invalid_argument("params.rank must be nonzero");
  std::vector<std::vector<int64_t>> splits;
  for (size_t level = 0; level < levels; ++level) {
    const DenseTensor& one = call.in(level);
    if (one.num_elements() == 0 || one.shape().rank() != 1) return invalid_argument("Ragged splits may not be empty");
    FERRY_ASSIGN_OR_RETURN(std::vector<int64_t> numbers, call.integers(level));
    const int64_t most = level + 1 == levels ? values.shape()[0] : call.in(level + 1).num_elements() - 1;
    if (numbers.front() < 0) return invalid_argument("Ragged splits must be non-negative");
    if (!std::ranges::is_sorted(numbers)) return invalid_argument("Ragged splits must be sorted");
    if (numbers.back() > most) return invalid_argument("Ragged splits must not point past values");
    splits.push_back(std::move(numbers));
  }
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> indices, call.integers(levels + 1));
  const auto params = static_cast<int64_t>(splits[0].size()) - 1;
  for (int64_t index : indices) {
    if (index < 0 || index >= params) return invalid_argument(concat("indices = ", index, " is not in [0, ", params, ")"));
  }
  // Axes of the indices above the last become axes of rows of one length.
  const Shape& dims = given.shape();
  const size_t outer = dims.rank() == 0 ? 0 : dims.rank() - 1;
  const bool scalar = dims.rank() == 0;
  if (call.num_outputs() != outer + levels + 1 - (scalar ? 1 : 0)) {
    return invalid_argument(concat("indices of rank ", dims.rank(), " give a ragged rank of ", outer + levels - (scalar ? 1 : 0), ", not ",
                                   call.num_outputs() - 1));
  }
  const DType dtype = call.in(0).dtype();
  int64_t rows = 1;
  for (size_t axis = 0; axis < outer; ++axis) {
    rows *= dims[axis];
    if (static_cast<uint64_t>(rows) > call.run().limits.max_tensor_bytes / sizeof(int64_t)) return limit_exceeded(concat(rows, " rows"));
    std::vector<int64_t> numbers(static_cast<size_t>(rows) + 1);
    for (size_t i = 0; i < numbers.size(); ++i) {
      if (__builtin_mul_overflow(static_cast<int64_t>(i), dims[axis + 1], &numbers[i])) return limit_exceeded("the splits pass 63 bits");
    }
    FERRY_RETURN_IF_ERROR(put_integers(call, axis, dtype, numbers));
  }
  // Level by level: the runs of rows that are wanted, and where the rows in them end.
  std::vector<std::pair<int64_t, int64_t>> runs;
  for (int64_t index : indices) runs.emplace_back(index, index + 1);
  for (size_t level = 0; level < levels; ++level) {
    std::vector<int64_t> out{0};
    for (auto& [begin, end] : runs) {
      FERRY_RETURN_IF_ERROR(call.run().check());
      const std::vector<int64_t>& cut = splits[level];
      if (out.size() + static_cast<size_t>(end - begin) > call.run().limits.max_tensor_bytes / sizeof(int64_t))
        return limit_exceeded("the splits gathered pass max_tensor_bytes");
      if (!(scalar && level == 0)) {
        const int64_t shift = out.back() - cut[static_cast<size_t>(begin)];
        for (int64_t row = begin; row < end; ++row) out.push_back(cut[static_cast<size_t>(row) + 1] + shift);
      }
      begin = cut[static_cast<size_t>(begin)];
      end = cut[static_cast<size_t>(end)];
    }
    if (!(scalar && level == 0)) FERRY_RETURN_IF_ERROR(put_integers(call, outer + level - (scalar ? 1 : 0), dtype, out));
  }
  std::vector<elements::Run> wanted;
  int64_t total = 0;
  for (const auto& [begin, end] : runs) {
    if (begin == end) continue;
    wanted.push_back({begin, end - begin, total});
    total += end - begin;
  }
  const int64_t row = values.shape()[0] == 0 ? 0 : values.num_elements() / values.shape()[0];
  if (row > 0 && static_cast<uint64_t>(total) >
                     call.run().limits.max_tensor_bytes / (static_cast<uint64_t>(row) * std::max<size_t>(1, dtype_size(values.dtype())))) {
    return limit_exceeded(concat(total, " values gathered (max_tensor_bytes)"));
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor out, elements::take_runs(values, wanted, total, call.run().pool));
  call.set(call.num_outputs() - 1, std::move(out));
  return {};
}

// ---- RaggedFillEmptyRows: value_rowids, values, nrows, default

Status fill_empty_rows(Call& call) {
  const DenseTensor& ids = call.in(0);
  if (!is_scalar(call.shape(2))) return invalid_argument(concat("nrows must be a scalar, saw: ", call.shape(2).to_string()));
  if (!is_vector(ids.shape())) return invalid_argument(concat("value_rowids must be a vector, saw: ", ids.shape().to_string()));
  const Shape& held = call.shape(1);
  if (!is_vector(held)) return invalid_argument(concat("values must be a vector, saw: ", held.to_string()));
  if (held[0] != ids.num_elements()) {
    return invalid_argument(
        concat("The length of `values` (", held[0], ") must match the first dimension of `value_rowids` (", ids.num_elements(), ")."));
  }
  if (!is_scalar(call.shape(3))) return invalid_argument(concat("default_value must be a scalar, saw: ", call.shape(3).to_string()));
  FERRY_ASSIGN_OR_RETURN(const int64_t rows, call.integer(2));
  const int64_t count = held[0];
  if (rows < 0) return invalid_argument(concat("nrows is ", rows));
  if (rows == 0 && count != 0) return invalid_argument(concat("Received RaggedTensor with nrows = 0 but value_rowids.shape[0] = ", count));
  FERRY_ASSIGN_OR_RETURN(const auto empty, call.make<bool>(2, DType::bool_, Shape{rows}));
  FERRY_ASSIGN_OR_RETURN(const auto reverse, call.make<int64_t>(3, DType::int64, Shape{count}));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer places, MutableBuffer::zeroed(static_cast<size_t>(rows) * sizeof(int64_t)));
  const auto place = places.as<int64_t>();
  const auto from = ids.values<int64_t>();
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i] < 0 || from[i] >= rows) return invalid_argument(concat("value_rowids(", i, ") is invalid: ", from[i], ", nrows is ", rows));
    ++place[static_cast<size_t>(from[i])];
  }
  int64_t total = 0;
  for (size_t row = 0; row < place.size(); ++row) {
    const int64_t here = place[row];
    empty[row] = here == 0;
    place[row] = total;
    total += std::max<int64_t>(1, here);
  }
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<int64_t>(0, DType::int64, Shape{total}));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer sources, MutableBuffer::of<int64_t>(static_cast<size_t>(total)));
  const auto source = sources.as<int64_t>();
  std::ranges::fill(source, count);  // the default, which stands behind the values
  for (size_t row = 0; row < place.size(); ++row) {
    if (empty[row]) out[static_cast<size_t>(place[row])] = static_cast<int64_t>(row);
  }
  for (size_t i = 0; i < from.size(); ++i) {
    const int64_t to = place[static_cast<size_t>(from[i])]++;
    out[static_cast<size_t>(to)] = from[i];
    source[static_cast<size_t>(to)] = static_cast<int64_t>(i);
    reverse[i] = to;
  }
  Value otherwise = call.value(3);
  if (otherwise.is_tensor()) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor one, otherwise.tensor().reshaped(Shape{1}));
    otherwise = Value(std::move(one));
  } else {
    otherwise = Value(otherwise.dtype(), Shape{1}, {otherwise.object_ref()});
  }
  const Value* const both[] = {&call.value(1), &otherwise};
  FERRY_ASSIGN_OR_RETURN(const Value joined, join(both));
  FERRY_ASSIGN_OR_RETURN(Value values, take(joined, source, call.run().pool));
  call.set(1, std::move(values));
  return {};
}

}  // namespace

extern const Op RaggedRange_op, RaggedGather_op, RaggedFillEmptyRows_op;
const Op RaggedRange_op{"RaggedRange", make_range};
const Op RaggedGather_op{"RaggedGather", make_free<gather>};
const Op RaggedFillEmptyRows_op{"RaggedFillEmptyRows", make_free<fill_empty_rows>};

}  // namespace ferry::ops
