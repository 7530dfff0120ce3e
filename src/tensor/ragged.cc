// Ragged tensors: splits and lengths, windows, and the ways to and from sparse.
#include "ferry/ragged.h"

#include <algorithm>
#include <limits>

#include "ferry/checked.h"
#include "tensor/elements.h"

namespace ferry {
namespace {

using elements::freeze;
using elements::visit_index;

Status check_index_vector(const DenseTensor& x, std::string_view what) {
  if ((x.dtype() != DType::int32 && x.dtype() != DType::int64) || x.shape().rank() != 1) {
    return invalid_argument(
        concat(what, " are ", dtype_name(x.dtype()), " of shape ", x.shape().to_string(), ", expected one axis of int32 or int64"));
  }
  return {};
}

// The same splits, each less `by`.
template <class Split>
Result<DenseTensor> shifted(const DenseTensor& splits, Split by) {
  if (by == 0) return splits;
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<Split>(static_cast<size_t>(splits.num_elements())));
  std::ranges::transform(splits.values<Split>(), out.as<Split>().begin(), [by](Split at) { return static_cast<Split>(at - by); });
  return freeze<Split>(std::move(out));
}

// The coordinates of to_sparse(), made level by level: those of the rows of one level become, with the position in the
// row put behind, those of the rows of the next.
struct Coordinates {
  MutableBuffer data;
  int64_t rows, width;
};

// `rows` in all; row r of `outer` stands for length(r) of them.
template <class Length>
Result<Coordinates> descend(Coordinates outer, int64_t rows, const Length& length) {
  const int64_t width = outer.width + 1;
  const auto numbers = checked_mul(rows, width);
  if (!numbers) return limit_exceeded(concat(rows, " coordinates of ", width, " axes are more than memory can hold"));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer data, MutableBuffer::of<int64_t>(static_cast<size_t>(*numbers)));
  const int64_t* from = outer.data.as<int64_t>().data();
  int64_t* to = data.as<int64_t>().data();
  for (int64_t row = 0; row < outer.rows; ++row, from += outer.width) {
    const int64_t count = length(row);
    for (int64_t i = 0; i < count; ++i) {
      to = std::copy_n(from, outer.width, to);
      *to++ = i;
    }
  }
  return Coordinates{std::move(data), rows, width};
}

}  // namespace

Result<DenseTensor> splits_from_lengths(const DenseTensor& lengths) {
  FERRY_RETURN_IF_ERROR(check_index_vector(lengths, "row lengths"));
  return visit_index(lengths.dtype(), [&]<class Split>(TypeTag<Split>) -> Result<DenseTensor> {
    const auto from = lengths.values<Split>();
    FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<Split>(from.size() + 1));
    Split* to = out.as<Split>().data();
    Split total = 0;
    to[0] = 0;
    for (size_t row = 0; row < from.size(); ++row) {
      if (from[row] < 0) return invalid_argument(concat("row ", row, " has the length ", from[row], ", expected 0 or more"));
      if (__builtin_add_overflow(total, from[row], &total)) {
        return invalid_argument(
            concat("the row lengths up to row ", row, " add up to more than ", dtype_name(lengths.dtype()), " can count"));
      }
      to[row + 1] = total;
    }
    return freeze<Split>(std::move(out));
  });
}

Result<DenseTensor> lengths_from_splits(const DenseTensor& splits) {
  FERRY_RETURN_IF_ERROR(check_index_vector(splits, "row_splits"));
  if (splits.num_elements() == 0) return invalid_argument("row_splits are empty, expected at least the leading 0");
  return visit_index(splits.dtype(), [&]<class Split>(TypeTag<Split>) -> Result<DenseTensor> {
    const auto from = splits.values<Split>();
    FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<Split>(from.size() - 1));
    Split* to = out.as<Split>().data();
    if (from[0] != 0) return invalid_argument(concat("row_splits start at ", from[0], ", expected 0"));
    for (size_t row = 0; row + 1 < from.size(); ++row) {
      if (from[row + 1] < from[row]) {
        return invalid_argument(concat("row_splits fall from ", from[row], " to ", from[row + 1], " at row ", row));
      }
      to[row] = static_cast<Split>(from[row + 1] - from[row]);
    }
    return freeze<Split>(std::move(out));
  });
}

Result<RaggedTensor> from_lengths(std::span<const DenseTensor> nested_lengths, DenseTensor flat_values) {
  std::vector<DenseTensor> splits;
  for (const DenseTensor& lengths : nested_lengths) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor level, splits_from_lengths(lengths));
    splits.push_back(std::move(level));
  }
  FERRY_ASSIGN_OR_RETURN(RaggedTensor out, RaggedTensor::make(std::move(splits), std::move(flat_values)));
  FERRY_RETURN_IF_ERROR(out.validate(Validation::bounds));
  return out;
}

Result<SparseTensor> to_sparse(const RaggedTensor& x) {
  return visit_index(x.splits_dtype(), [&]<class Split>(TypeTag<Split>) -> Result<SparseTensor> {
    Shape shape = x.shape();
    Coordinates at;
    at.rows = x.rows();
    at.width = 1;
    FERRY_ASSIGN_OR_RETURN(at.data, MutableBuffer::of<int64_t>(static_cast<size_t>(at.rows)));
    for (int64_t row = 0; row < at.rows; ++row) at.data.as<int64_t>()[static_cast<size_t>(row)] = row;
    for (size_t level = 0; level < x.ragged_rank(); ++level) {
      const auto splits = x.row_splits(level).values<Split>();
      int64_t longest = 0;
      const auto length = [&](int64_t row) {
        const auto r = static_cast<size_t>(row);
        const int64_t count = splits[r + 1] - splits[r];
        longest = std::max(longest, count);
        return count;
      };
      FERRY_ASSIGN_OR_RETURN(at, descend(std::move(at), splits.back(), length));
      shape[level + 1] = longest;
    }
    for (int64_t uniform : x.flat_values().shape().dims().subspan(1)) {
      const auto rows = checked_mul(at.rows, uniform);
      if (!rows) return limit_exceeded("the values are more than 63 bits can count");
      FERRY_ASSIGN_OR_RETURN(at, descend(std::move(at), *rows, [&](int64_t) { return uniform; }));
    }
    FERRY_ASSIGN_OR_RETURN(DenseTensor indices, freeze<int64_t>(std::move(at.data), Shape{at.rows, at.width}));
    FERRY_ASSIGN_OR_RETURN(DenseTensor values, x.flat_values().reshaped(Shape{x.flat_values().num_elements()}));
    return SparseTensor::coo(std::move(shape), std::move(indices), std::move(values), {true, true});
  });
}

Result<RaggedTensor> ragged_from_sparse(const SparseTensor& x) {
  if (x.rank() != 2) {
    return invalid_argument(concat("rows of lists need a sparse tensor of two axes, found shape ", x.shape().to_string()));
  }
  const int64_t rows = x.shape()[0];
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(static_cast<size_t>(rows) + 1));
  int64_t* splits = out.as<int64_t>().data();
  const auto not_filled = [](int64_t row, int64_t expected, int64_t found) {
    return invalid_argument(concat("row ", row, " has an entry in column ", found, " where column ", expected,
                                   " is next; the entries must fill each row from the left, in order, without gaps"));
  };
  splits[0] = 0;
  if (x.layout() == Layout::coo) {
    const int64_t* at = x.coordinates();
    int64_t i = 0;
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t begin = i;
      for (; i < x.nnz() && at[2 * i] == row; ++i) {
        if (at[2 * i + 1] != i - begin) return not_filled(row, i - begin, at[2 * i + 1]);
      }
      splits[row + 1] = i;
    }
    if (i < x.nnz()) {
      return invalid_argument(concat("entry ", i, " is in row ", at[2 * i], ", after entries of later rows; sort the tensor first"));
    }
  } else if (x.layout() == Layout::csr) {
    FERRY_RETURN_IF_ERROR(visit_index(x.index_dtype(), [&]<class Index>(TypeTag<Index>) -> Status {
      const auto ends = x.indptr().values<Index>();
      const auto columns = x.indices().values<Index>();
      for (int64_t row = 0; row < rows; ++row) {
        const int64_t begin = ends[static_cast<size_t>(row)], end = ends[static_cast<size_t>(row) + 1];
        for (int64_t i = begin; i < end; ++i) {
          const int64_t column = columns[static_cast<size_t>(i)];
          if (column != i - begin) return not_filled(row, i - begin, column);
        }
        splits[row + 1] = end;
      }
      return {};
    }));
  } else {
    return unsupported("rows of lists are read from COO or CSR; convert the CSC tensor to CSR first");
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor level, freeze<int64_t>(std::move(out)));
  return RaggedTensor::make({std::move(level)}, x.values());
}

Result<SparseTensor> ragged_ids_to_csr(const RaggedTensor& ids, int64_t columns, DType value_dtype) {
  if (ids.ragged_rank() != 1 || ids.flat_values().shape().rank() != 1) {
    return invalid_argument(concat("id lists have two axes, rows and ids, found shape ", ids.shape().to_string()));
  }
  if (ids.dtype() != DType::int32 && ids.dtype() != DType::int64) {
    return invalid_argument(concat("ids are ", dtype_name(ids.dtype()), ", expected int32 or int64"));
  }
  if (columns < 0) return invalid_argument(concat(columns, " columns were asked for, expected 0 or more"));
  if (value_dtype == DType::string || !is_fixed_size(value_dtype)) {
    return unsupported(concat("there is no 1 of dtype ", dtype_name(value_dtype)));
  }
  FERRY_RETURN_IF_ERROR(visit_index(ids.dtype(), [&]<class Id>(TypeTag<Id>) -> Status {
    const auto values = ids.flat_values().values<Id>();
    for (size_t i = 0; i < values.size(); ++i) {
      if (static_cast<uint64_t>(static_cast<int64_t>(values[i])) >= static_cast<uint64_t>(columns)) {
        return invalid_argument(concat("id ", values[i], " (number ", i, ") is not among the ", columns, " columns"));
      }
    }
    return {};
  }));
  // The bytes are shared where splits and ids agree on a dtype; else both become int64.
  DenseTensor indptr = ids.row_splits(0), indices = ids.flat_values();
  const bool agree = indptr.dtype() == indices.dtype();
  for (DenseTensor* index : {&indptr, &indices}) {
    if (agree || index->dtype() == DType::int64) continue;
    FERRY_ASSIGN_OR_RETURN(MutableBuffer wide, MutableBuffer::of<int64_t>(static_cast<size_t>(index->num_elements())));
    std::ranges::copy(index->values<int32_t>(), wide.as<int64_t>().begin());
    FERRY_ASSIGN_OR_RETURN(*index, freeze<int64_t>(std::move(wide)));
  }
  const auto count = static_cast<size_t>(indices.num_elements());
  FERRY_ASSIGN_OR_RETURN(DenseTensor ones, visit_dtype(value_dtype, [&]<class T>(TypeTag<T>) -> Result<DenseTensor> {
                           FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<T>(count));
                           std::fill_n(reinterpret_cast<T*>(out.data()), count, static_cast<T>(1));
                           return DenseTensor::make(value_dtype, Shape{static_cast<int64_t>(count)}, std::move(out).freeze());
                         }));
  return SparseTensor::csr(Shape{ids.rows(), columns}, std::move(indptr), std::move(indices), std::move(ones));
}

Result<RaggedTensor> slice_rows(const RaggedTensor& x, int64_t begin, int64_t end) {
  if (begin < 0 || end < begin || end > x.rows()) {
    return invalid_argument(concat("rows ", begin, " to ", end, " are not within the ", x.rows(), " rows"));
  }
  return visit_index(x.splits_dtype(), [&]<class Split>(TypeTag<Split>) -> Result<RaggedTensor> {
    std::vector<DenseTensor> splits;
    for (const DenseTensor& level : x.nested_row_splits()) {
      FERRY_ASSIGN_OR_RETURN(const DenseTensor window, level.slice_rows(begin, end + 1));
      const auto at = window.values<Split>();
      begin = at.front();
      end = at.back();
      FERRY_ASSIGN_OR_RETURN(DenseTensor cut, shifted<Split>(window, at.front()));
      splits.push_back(std::move(cut));
    }
    FERRY_ASSIGN_OR_RETURN(DenseTensor values, x.flat_values().slice_rows(begin, end));
    return RaggedTensor::make(std::move(splits), std::move(values));
  });
}

Result<RaggedTensor> concat_rows(std::span<const RaggedTensor> parts) {
  if (parts.empty()) return invalid_argument("concat needs at least one tensor");
  const RaggedTensor& first = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) {
    const RaggedTensor& part = parts[i];
    if (part.dtype() != first.dtype()) {
      return invalid_argument(concat("part ", i, " is ", dtype_name(part.dtype()), ", the first one ", dtype_name(first.dtype())));
    }
    if (part.ragged_rank() != first.ragged_rank() ||
        !std::ranges::equal(part.flat_values().shape().dims().subspan(1), first.flat_values().shape().dims().subspan(1))) {
      return invalid_argument(
          concat("part ", i, " has shape ", part.shape().to_string(), ", which does not go on ", first.shape().to_string()));
    }
  }
  if (parts.size() == 1) return first;
  bool wide = false;
  for (size_t level = 0; level < first.ragged_rank(); ++level) {
    int64_t total = 0;
    for (const RaggedTensor& part : parts) {
      wide |= part.splits_dtype() == DType::int64;
      visit_index(part.splits_dtype(), [&]<class Split>(TypeTag<Split>) { total += part.row_splits(level).values<Split>().back(); });
    }
    wide |= total > std::numeric_limits<int32_t>::max();
  }
  return visit_index(wide ? DType::int64 : DType::int32, [&]<class Out>(TypeTag<Out>) -> Result<RaggedTensor> {
    std::vector<DenseTensor> splits;
    for (size_t level = 0; level < first.ragged_rank(); ++level) {
      size_t count = 1;
      for (const RaggedTensor& part : parts) count += static_cast<size_t>(part.row_splits(level).num_elements()) - 1;
      FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<Out>(count));
      Out* to = out.as<Out>().data();
      *to++ = 0;
      int64_t base = 0;
      for (const RaggedTensor& part : parts) {
        visit_index(part.splits_dtype(), [&]<class Split>(TypeTag<Split>) {
          const auto from = part.row_splits(level).values<Split>();
          for (Split end : from.subspan(1)) *to++ = static_cast<Out>(base + end);
          base += from.back();
        });
      }
      FERRY_ASSIGN_OR_RETURN(DenseTensor joined, freeze<Out>(std::move(out)));
      splits.push_back(std::move(joined));
    }
    std::vector<DenseTensor> values;
    for (const RaggedTensor& part : parts) values.push_back(part.flat_values());
    FERRY_ASSIGN_OR_RETURN(DenseTensor joined, elements::join(values));
    return RaggedTensor::make(std::move(splits), std::move(joined));
  });
}

}  // namespace ferry
