// Entries of sparse tensors in other places: SparseReorder, SparseReshape, SparseSlice, SparseSplit, SparseConcat, SparseFillEmptyRows.
#include <algorithm>
#include <numeric>

#include "ops/coo.h"

namespace ferry::ops {
namespace {

// Entries `positions` to outputs, their indices first moved by `move(row)` in place.
template <class Move>
Status put_entries(Call& call, const Coo& x, const Value& values, std::span<const int64_t> positions, size_t indices_out, size_t values_out,
                   Move&& move) {
  const Shape shape{static_cast<int64_t>(positions.size()), static_cast<int64_t>(x.rank)};
  FERRY_ASSIGN_OR_RETURN(const auto rows, call.make<int64_t>(indices_out, DType::int64, shape));
  int64_t* to = rows.data();
  for (int64_t position : positions) {
    std::copy_n(x.row(position), x.rank, to);
    move(to);
    to += x.rank;
  }
  FERRY_ASSIGN_OR_RETURN(Value taken, take(values, positions, call.run().pool));
  call.set(values_out, std::move(taken));
  return {};
}

Status reorder(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const Coo x, coo_input(call, 0, 1, 2));
  if (x.is_sorted(false)) {
    call.pass(0, 0);
    call.pass(1, 1);
    return {};
  }
  return put_entries(call, x, call.value(1), sorting_order(x), 0, 1, [](int64_t*) {});
}

Status reshape(Call& call) {
  const DenseTensor& wanted = call.in(2);
  if (!is_vector(wanted.shape())) {
    return invalid_argument(concat("Target shape should be a vector but received shape ", wanted.shape().to_string()));
  }
  FERRY_ASSIGN_OR_RETURN(const Coo x, coo_input(call, 0, 1));
  const int64_t size = *x.shape.num_elements();
  Shape shape;
  int64_t product = 1;
  std::optional<size_t> unknown;
  for (int64_t dim : wanted.values<int64_t>()) {
    if (dim == -1) {
      if (unknown) return invalid_argument(concat("only one output dimension may be -1, not both ", *unknown, " and ", shape.rank()));
      unknown = shape.rank();
      shape.append(1);
      continue;
    }
    if (dim < 0) return invalid_argument(concat("size ", shape.rank(), " must be non-negative, not ", dim));
    if (__builtin_mul_overflow(product, dim, &product))
      return invalid_argument("the requested shape has more elements than 63 bits can count");
    shape.append(dim);
  }
  if (unknown) {
    if (product == 0) {
      return invalid_argument(
          "reshape cannot infer the missing input size for an empty tensor unless all specified input sizes are non-zero");
    }
    if (size % product != 0) {
      return invalid_argument(concat("Input to reshape is a SparseTensor with ", size,
                                     " dense values, but the requested shape requires a multiple of ", product,
                                     ". input_shape=", x.shape.to_string()));
    }
    shape[*unknown] = size / product;
  } else if (product != size) {
    return invalid_argument(concat("Input to reshape is a tensor with ", size, " dense values, but the requested shape has ", product,
                                   ". input_shape=", x.shape.to_string(), " output_shape=", shape.to_string()));
  }
  FERRY_ASSIGN_OR_RETURN(shape, Shape::checked(shape.dims(), call.run().limits));
  call.set(1, shape_tensor(shape));
  if (shape == x.shape) {
    call.pass(0, 0);
    return {};
  }
  FERRY_RETURN_IF_ERROR(x.check_range());
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<int64_t>(0, DType::int64, Shape{x.nnz, static_cast<int64_t>(shape.rank())}));
  int64_t* to = out.data();
  for (int64_t i = 0; i < x.nnz; ++i) {
    const int64_t* row = x.row(i);
    int64_t at = 0;
    for (size_t axis = 0; axis < x.rank; ++axis) at = at * x.shape[axis] + row[axis];
    for (size_t axis = shape.rank(); axis-- > 0;) {
      to[axis] = at % shape[axis];
      at /= shape[axis];
    }
    to += shape.rank();
  }
  return {};
}

Status slice(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const Coo x, coo_input(call, 0, 1, 2));
  const DenseTensor &start = call.in(3), &size = call.in(4);
  for (const DenseTensor* one : {&start, &size}) {
    if (!is_vector(one->shape()) || static_cast<size_t>(one->num_elements()) != x.rank) {
      return invalid_argument(
          concat("Expected start and size to be vectors of length ", x.rank, ", but got shape ", one->shape().to_string()));
    }
  }
  const auto begin = start.values<int64_t>(), length = size.values<int64_t>();
  Shape shape;
  std::vector<int64_t> end;
  for (size_t axis = 0; axis < x.rank; ++axis) {
    if (begin[axis] < 0 || length[axis] < 0) {
      return invalid_argument(
          concat("slice of axis ", axis, " begins at ", begin[axis], " and has size ", length[axis], ", both must be at least 0"));
    }
    const int64_t left = std::max<int64_t>(0, x.shape[axis] - begin[axis]);
    shape.append(std::min(left, length[axis]));
    end.push_back(begin[axis] + shape[axis]);
  }
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < x.nnz; ++i) {
    const int64_t* row = x.row(i);
    bool inside = true;
    for (size_t axis = 0; axis < x.rank; ++axis) inside &= row[axis] >= begin[axis] && row[axis] < end[axis];
    if (inside) kept.push_back(i);
  }
  call.set(2, shape_tensor(shape));
  return put_entries(call, x, call.value(1), kept, 0, 1, [&](int64_t* row) {
    for (size_t axis = 0; axis < x.rank; ++axis) row[axis] -= begin[axis];
  });
}

// Inputs: axis, indices, values, shape. The first pieces are one longer where the axis does not divide.
Status split(Call& call) {
  if (call.shape(0).rank() > 1) return invalid_argument("split_dim must be a scalar");
  FERRY_ASSIGN_OR_RETURN(int64_t axis, call.integer(0));
  FERRY_ASSIGN_OR_RETURN(const Coo x, coo_input(call, 1, 2, 3));
  const auto rank = static_cast<int64_t>(x.rank);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) return invalid_argument(concat("Input axis should be in range [", -rank, ", ", rank, "), got ", axis));
  const auto pieces = static_cast<int64_t>(call.num_outputs() / 3);
  const auto split_axis = static_cast<size_t>(axis);
  const int64_t length = x.shape[split_axis];
  if (pieces < 1 || pieces > length) {
    return invalid_argument(concat("Input num_split should be between 1 and the splitting dimension size (", length, "), got ", pieces));
  }
  const int64_t size = length / pieces, longer = length % pieces;
  std::vector<std::vector<int64_t>> kept(static_cast<size_t>(pieces));
  for (int64_t i = 0; i < x.nnz; ++i) {
    const int64_t at = x.row(i)[split_axis];
    if (at < 0 || at >= length) return invalid_argument(concat("indices[", i, ",", axis, "] = ", at, " is out of range [0, ", length, ")"));
    const int64_t piece = at < longer * (size + 1) ? at / (size + 1) : (at - longer) / size;
    kept[static_cast<size_t>(piece)].push_back(i);
  }
  for (size_t piece = 0; piece < kept.size(); ++piece) {
    const auto number = static_cast<int64_t>(piece);
    const int64_t begin = number * size + std::min(number, longer);
    Shape shape = x.shape;
    shape[split_axis] = size + (number < longer ? 1 : 0);
    FERRY_RETURN_IF_ERROR(
        put_entries(call, x, call.value(2), kept[piece], piece, kept.size() + piece, [&](int64_t* row) { row[split_axis] -= begin; }));
    call.set(2 * kept.size() + piece, shape_tensor(shape));
  }
  return {};
}

class ConcatKernel final : public Kernel {
 public:
  explicit ConcatKernel(int64_t axis) : axis_(axis) {}
  Status run(Call& call) const override {
    const size_t parts = call.num_inputs() / 3;
    std::vector<Coo> inputs;
    std::vector<const Value*> values;
    int64_t nnz = 0;
    for (size_t i = 0; i < parts; ++i) {
      FERRY_ASSIGN_OR_RETURN(Coo one, coo_input(call, i, parts + i, 2 * parts + i));
      nnz += one.nnz;
      inputs.push_back(std::move(one));
      values.push_back(&call.value(parts + i));
    }
    const auto rank = static_cast<int64_t>(inputs[0].rank);
    const int64_t at = axis_ < 0 ? axis_ + rank : axis_;
    if (at < 0 || at >= rank) return invalid_argument(concat("Concat dimension must be in range [", -rank, ", ", rank, "), got ", axis_));
    const auto axis = static_cast<size_t>(at);
    Coo all;
    all.rank = inputs[0].rank;
    all.nnz = nnz;
    all.shape = inputs[0].shape;
    std::vector<int64_t> flat;
    flat.reserve(static_cast<size_t>(nnz) * all.rank);
    int64_t offset = 0;
    for (size_t i = 0; i < parts; ++i) {
      const Coo& one = inputs[i];
      if (one.rank != all.rank) {
        return invalid_argument(
            concat("Ranks of all input tensors must match: expected ", all.rank, " but got ", one.rank, " at position ", i));
      }
      for (size_t k = 0; k < all.rank; ++k) {
        if (k != axis && one.shape[k] != all.shape[k]) {
          return invalid_argument(concat("Input shapes must match: expected ", all.shape[k], " for dimension ", k, " but got ",
                                         one.shape[k], " at position ", i));
        }
      }
      const size_t begin = flat.size();
      flat.insert(flat.end(), one.indices.begin(), one.indices.end());
      for (size_t k = begin + axis; k < flat.size(); k += all.rank) {
        if (__builtin_add_overflow(flat[k], offset, &flat[k])) return invalid_argument("an index past 63 bits");
      }
      if (__builtin_add_overflow(offset, one.shape[axis], &offset)) return invalid_argument("the axis is longer than 63 bits can count");
    }
    all.shape[axis] = offset;
    FERRY_ASSIGN_OR_RETURN(all.shape, Shape::checked(all.shape.dims(), call.run().limits));
    all.indices = flat;
    FERRY_ASSIGN_OR_RETURN(Value joined, join(values));
    call.set(2, shape_tensor(all.shape));
    if (!all.is_sorted(false)) return put_entries(call, all, joined, sorting_order(all), 0, 1, [](int64_t*) {});
    call.set(1, std::move(joined));
    FERRY_ASSIGN_OR_RETURN(DenseTensor indices, index_tensor(std::move(flat), nnz, all.rank));
    call.set(0, std::move(indices));
    return {};
  }

 private:
  int64_t axis_;
};

Result<KernelRef> make_concat(const NodeInfo& node) {
  if (node.number("N") < 2) return invalid_argument("N must be at least 2");
  return KernelRef(std::make_unique<ConcatKernel>(node.number("concat_dim")));
}

Status fill_empty_rows(Call& call) {
  const DenseTensor &indices = call.in(0), &dims = call.in(2);
  if (!is_vector(dims.shape()) || dims.num_elements() == 0) return invalid_argument("Dense shape must be a vector and cannot be empty");
  if (indices.shape().rank() != 2) return invalid_argument(concat("indices must be a matrix, saw: ", indices.shape().to_string()));
  const Shape& held = call.shape(1);
  if (held.rank() != 1) return invalid_argument(concat("values must be a vector, saw: ", held.to_string()));
  if (indices.shape()[0] != held[0]) {
    return invalid_argument(
        concat("The length of `values` (", held[0], ") must match the first dimension of `indices` (", indices.shape()[0], ")."));
  }
  if (!is_scalar(call.shape(3))) return invalid_argument(concat("default_value must be a scalar, saw: ", call.shape(3).to_string()));
  const int64_t nnz = held[0], rows = dims.values<int64_t>()[0];
  const auto rank = static_cast<size_t>(indices.shape()[1]);
  if (rank < 1) return invalid_argument("indices must have at least one coordinate");
  if (rows < 0) return invalid_argument(concat("dense_shape[0] is ", rows));
  if (rows == 0 && nnz != 0) {
    return invalid_argument(concat("Received SparseTensor with dense_shape[0] = 0 but indices.shape[0] = ", nnz));
  }
  const int64_t* const from = indices.values<int64_t>().data();
  // A row's first place in the result: every row has at least one.
  FERRY_ASSIGN_OR_RETURN(const auto empty, call.make<bool>(2, DType::bool_, Shape{rows}));
  FERRY_ASSIGN_OR_RETURN(const auto reverse, call.make<int64_t>(3, DType::int64, Shape{nnz}));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer places, MutableBuffer::zeroed(static_cast<size_t>(rows) * sizeof(int64_t)));
  const auto place = places.as<int64_t>();
  bool ordered = true;
  for (int64_t i = 0, last = 0; i < nnz; ++i) {
    const int64_t row = from[static_cast<size_t>(i) * rank];
    if (row < 0 || row >= rows)
      return invalid_argument(concat("indices(", i, ", 0) is invalid: ", row, (row < 0 ? " < 0" : " >= "), (row < 0 ? 0 : rows)));
    ++place[static_cast<size_t>(row)];
    ordered = ordered && row >= last;
    last = row;
  }
  int64_t total = 0, empties = 0;
  for (size_t row = 0; row < static_cast<size_t>(rows); ++row) {
    const int64_t count = place[row];
    empty[row] = count == 0;
    empties += count == 0 ? 1 : 0;
    place[row] = total;
    total += std::max<int64_t>(1, count);
  }
  if (empties == 0 && ordered) {
    call.pass(0, 0);
    call.pass(1, 1);
    std::iota(reverse.begin(), reverse.end(), int64_t{0});
    return {};
  }
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<int64_t>(0, DType::int64, Shape{total, static_cast<int64_t>(rank)}));
  // Values come from the input, and the default that stands behind it.
  FERRY_ASSIGN_OR_RETURN(MutableBuffer sources, MutableBuffer::of<int64_t>(static_cast<size_t>(total)));
  const auto source = sources.as<int64_t>();
  std::ranges::fill(source, nnz);
  for (size_t row = 0; row < static_cast<size_t>(rows); ++row) {
    if (!empty[row]) continue;
    int64_t* const to = out.data() + static_cast<size_t>(place[row]) * rank;
    std::fill_n(to, rank, int64_t{0});
    to[0] = static_cast<int64_t>(row);
  }
  for (int64_t i = 0; i < nnz; ++i) {
    const int64_t* const entry = from + static_cast<size_t>(i) * rank;
    const int64_t to = place[static_cast<size_t>(entry[0])]++;
    std::copy_n(entry, rank, out.data() + static_cast<size_t>(to) * rank);
    source[static_cast<size_t>(to)] = i;
    reverse[static_cast<size_t>(i)] = to;
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

#define FERRY_SPARSE_OP(op, make) \
  extern const Op op##_op;        \
  const Op op##_op { #op, make }

FERRY_SPARSE_OP(SparseReorder, make_free<reorder>);
FERRY_SPARSE_OP(SparseReshape, make_free<reshape>);
FERRY_SPARSE_OP(SparseSlice, make_free<slice>);
FERRY_SPARSE_OP(SparseSplit, make_free<split>);
FERRY_SPARSE_OP(SparseConcat, make_concat);
FERRY_SPARSE_OP(SparseFillEmptyRows, make_free<fill_empty_rows>);

}  // namespace ferry::ops
