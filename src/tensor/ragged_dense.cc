// Ragged to dense with padding, and back.
#include <algorithm>
#include <cstring>

#include "ferry/checked.h"
#include "ferry/ragged.h"
#include "tensor/elements.h"

namespace ferry {
namespace {

using elements::freeze;
using elements::Run;
using elements::visit_index;

// Of the inner axes of values, those after the first: how many elements one row has.
int64_t inner_count(const DenseTensor& values) {
  int64_t count = 1;
  for (int64_t dim : values.shape().dims().subspan(1)) count *= dim;
  return count;
}

// Walks the rows of every level and calls copy(to, from, count) for each innermost row: `count` rows of flat_values from
// row `from` on go to row `to` of the dense result, seen as rows of its innermost axes.
template <class Split, class Copy>
void walk(const RaggedTensor& x, const Shape& shape, size_t level, int64_t begin, int64_t end, int64_t to, const Copy& copy) {
  const Split* splits = x.row_splits(level).values<Split>().data();
  const int64_t width = shape[level + 1];
  for (int64_t row = begin; row < end; ++row, ++to) {
    const int64_t first = splits[row], count = std::min<int64_t>(splits[row + 1] - first, width);
    if (level + 1 < x.ragged_rank()) {
      walk<Split>(x, shape, level + 1, first, first + count, to * width, copy);
    } else if (count > 0) {
      copy(to * width, first, count);
    }
  }
}

// One element, or one row of the inner axes, in the dtype of the values.
Status check_padding(const DenseTensor& padding, DType dtype, const Shape& inner) {
  if (padding.dtype() != dtype) {
    return invalid_argument(concat("the padding is ", dtype_name(padding.dtype()), ", the values ", dtype_name(dtype)));
  }
  if (padding.shape().rank() != 0 && padding.shape() != inner) {
    return invalid_argument(concat("the padding has shape ", padding.shape().to_string(), ", expected a scalar",
                                   inner.rank() > 0 ? concat(" or ", inner.to_string()) : std::string()));
  }
  return {};
}

// Two walks: the first for the offsets, the second for the bytes.
template <class Split>
Result<DenseTensor> fill_strings(const RaggedTensor& x, Shape shape, int64_t rows, const DenseTensor& padding, const Limits& limits) {
  const StringsView from = x.flat_values().strings(), fill = padding.strings();
  const int64_t inner = inner_count(x.flat_values()), count = rows * inner;
  const auto filler = [&](int64_t at) { return fill[fill.size() == 1 ? 0 : at % inner]; };
  // Calls f(text) for each element of the result in order.
  const auto each = [&](const auto& f) {
    int64_t at = 0;
    if (count == 0) return;
    walk<Split>(x, shape, 0, 0, x.rows(), 0, [&](int64_t to, int64_t first, int64_t copied) {
      for (; at < to * inner; ++at) f(filler(at));
      for (int64_t i = first * inner; i < (first + copied) * inner; ++i, ++at) f(from[i]);
    });
    for (; at < count; ++at) f(filler(at));
  };
  FERRY_ASSIGN_OR_RETURN(MutableBuffer offsets, MutableBuffer::of<int64_t>(static_cast<size_t>(count) + 1));
  int64_t* offset = offsets.as<int64_t>().data();
  uint64_t bytes = 0;  // no sum of `count` sizes wraps: each is below 2^48 or so, and the offsets themselves are in memory
  *offset = 0;
  each([&](std::string_view text) {
    bytes += text.size();
    *++offset = static_cast<int64_t>(bytes);
  });
  if (bytes > limits.max_densified_bytes) {
    return limit_exceeded(concat("the padded strings would have ", bytes, " bytes, more than the limit of ", limits.max_densified_bytes,
                                 " (max_densified_bytes); give a smaller width or a shorter padding"));
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer heap, MutableBuffer::allocate(bytes));
  std::byte* to = heap.data();
  each([&](std::string_view text) {
    if (!text.empty()) std::memcpy(to, text.data(), text.size());
    to += text.size();
  });
  return DenseTensor::make_strings(std::move(shape), std::move(offsets).freeze(), std::move(heap).freeze());
}

template <class Split>
Result<DenseTensor> fill_numbers(const RaggedTensor& x, Shape shape, int64_t rows, size_t bytes, const DenseTensor* padding) {
  const size_t row_bytes = static_cast<size_t>(inner_count(x.flat_values())) * dtype_size(x.dtype());
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, padding != nullptr ? MutableBuffer::allocate(bytes) : MutableBuffer::zeroed(bytes));
  if (padding != nullptr && bytes > 0) {
    // What is filled is copied behind itself, twice as much each time.
    size_t filled = padding->buffer().size();
    std::memcpy(out.data(), padding->raw(), filled);
    for (size_t more; filled < bytes; filled += more) {
      more = std::min(filled, bytes - filled);
      std::memcpy(out.data() + filled, out.data(), more);
    }
  }
  const auto* from = static_cast<const std::byte*>(x.flat_values().raw());
  if (rows > 0) {
    walk<Split>(x, shape, 0, 0, x.rows(), 0, [&](int64_t to, int64_t first, int64_t count) {
      std::memcpy(out.data() + static_cast<size_t>(to) * row_bytes, from + static_cast<size_t>(first) * row_bytes,
                  static_cast<size_t>(count) * row_bytes);
    });
  }
  return DenseTensor::make(x.dtype(), std::move(shape), std::move(out).freeze());
}

// Whether a row of the dense tensor is all padding, by value: 0.0 is -0.0, and NaN is not even itself, as in TensorFlow.
class PaddingTest {
 public:
  PaddingTest(const DenseTensor& dense, const DenseTensor& padding, int64_t inner) : dense_(dense), padding_(padding), inner_(inner) {}

  // How many of the `width` rows of inner_ elements from row `first` on are left when those that are padding go.
  int64_t length(int64_t first, int64_t width) const {
    int64_t kept = width;
    while (kept > 0 && is_padding(first + kept - 1)) --kept;
    return kept;
  }

 private:
  bool is_padding(int64_t row) const {
    const bool scalar = padding_.num_elements() == 1;
    if (dense_.is_string()) {
      const StringsView values = dense_.strings(), padding = padding_.strings();
      for (int64_t i = 0; i < inner_; ++i) {
        if (values[row * inner_ + i] != padding[scalar ? 0 : i]) return false;
      }
      return true;
    }
    return visit_dtype(dense_.dtype(), [&]<class T>(TypeTag<T>) {
      const T* values = static_cast<const T*>(dense_.raw()) + row * inner_;
      const T* padding = static_cast<const T*>(padding_.raw());
      for (int64_t i = 0; i < inner_; ++i) {
        if (to_arithmetic(values[i]) != to_arithmetic(padding[scalar ? 0 : i])) return false;
      }
      return true;
    });
  }

  const DenseTensor& dense_;
  const DenseTensor& padding_;
  int64_t inner_;
};

}  // namespace

Result<DenseTensor> to_dense(const RaggedTensor& x, const std::optional<DenseTensor>& padding, std::span<const int64_t> widths,
                             const Limits& limits) {
  if (!widths.empty() && widths.size() != x.ragged_rank()) {
    return invalid_argument(concat(widths.size(), " widths are given for ", x.ragged_rank(), " ragged axes"));
  }
  if (padding) FERRY_RETURN_IF_ERROR(check_padding(*padding, x.dtype(), x.flat_values().shape().drop_front(1)));
  return visit_index(x.splits_dtype(), [&]<class Split>(TypeTag<Split>) -> Result<DenseTensor> {
    Shape shape = x.shape();
    for (size_t level = 0; level < x.ragged_rank(); ++level) {
      int64_t& width = shape[level + 1];
      width = widths.empty() ? -1 : widths[level];
      if (width < -1)
        return invalid_argument(concat("width ", width, " on ragged axis ", level + 1, ", expected 0 or more, or -1 for the longest row"));
      if (width >= 0) continue;
      const auto splits = x.row_splits(level).values<Split>();
      width = 0;
      for (size_t row = 0; row + 1 < splits.size(); ++row) width = std::max<int64_t>(width, splits[row + 1] - splits[row]);
    }
    const auto count = shape.num_elements();
    const size_t size = x.flat_values().is_string() ? sizeof(int64_t) : dtype_size(x.dtype());
    const auto bytes = count ? checked_mul(static_cast<uint64_t>(*count), static_cast<uint64_t>(size)) : std::nullopt;
    if (!bytes || *bytes > limits.max_densified_bytes) {
      return limit_exceeded(concat("the dense tensor would have the shape ", shape.to_string(), ", more than the limit of ",
                                   limits.max_densified_bytes, " bytes (max_densified_bytes); give a smaller width"));
    }
    const int64_t rows = *count == 0 ? 0 : *count / inner_count(x.flat_values());
    if (x.flat_values().is_string()) {
      return fill_strings<Split>(x, std::move(shape), rows, padding ? *padding : DenseTensor::of_strings(Shape{}, {""}), limits);
    }
    return fill_numbers<Split>(x, std::move(shape), rows, *bytes, padding ? &*padding : nullptr);
  });
}

Result<RaggedTensor> ragged_from_dense(const DenseTensor& dense, const std::optional<DenseTensor>& lengths,
                                       const std::optional<DenseTensor>& padding) {
  if (dense.shape().rank() < 2) {
    return invalid_argument(concat("a dense tensor of at least two axes is needed, found shape ", dense.shape().to_string()));
  }
  if (lengths && padding) return invalid_argument("give row lengths or a padding, not both");
  const int64_t rows = dense.shape()[0], width = dense.shape()[1];
  const Shape inner = dense.shape().drop_front(2);
  int64_t inner_elements = 1;
  for (int64_t dim : inner) inner_elements *= dim;
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(static_cast<size_t>(rows) + 1));
  int64_t* splits = out.as<int64_t>().data();
  splits[0] = 0;
  std::vector<Run> runs(static_cast<size_t>(rows));
  const auto lay_out = [&](const auto& length) {
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t count = length(row);
      runs[static_cast<size_t>(row)] = {row * width, count, splits[row]};
      splits[row + 1] = splits[row] + count;
    }
  };
  if (lengths) {
    if ((lengths->dtype() != DType::int32 && lengths->dtype() != DType::int64) || lengths->shape() != Shape{rows}) {
      return invalid_argument(concat("row lengths are ", dtype_name(lengths->dtype()), " of shape ", lengths->shape().to_string(),
                                     ", expected int32 or int64 of shape [", rows, "]"));
    }
    // Lengths past the row's end are cut to it, as TensorFlow does.
    visit_index(lengths->dtype(), [&]<class Length>(TypeTag<Length>) {
      lay_out(
          [&, given = lengths->values<Length>()](int64_t row) { return std::clamp<int64_t>(given[static_cast<size_t>(row)], 0, width); });
    });
  } else if (padding) {
    FERRY_RETURN_IF_ERROR(check_padding(*padding, dense.dtype(), inner));
    const PaddingTest test(dense, *padding, inner_elements);
    lay_out([&](int64_t row) { return test.length(row * width, width); });
  } else {
    lay_out([&](int64_t) { return width; });
  }
  const int64_t total = splits[rows];
  Shape flat_shape{rows * width};
  for (int64_t dim : inner) flat_shape.append(dim);
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, dense.reshaped(std::move(flat_shape)));
  if (total < rows * width) {
    FERRY_ASSIGN_OR_RETURN(values, elements::take_runs(values, runs, total));
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor level, freeze<int64_t>(std::move(out)));
  return RaggedTensor::make({std::move(level)}, std::move(values));
}

}  // namespace ferry
