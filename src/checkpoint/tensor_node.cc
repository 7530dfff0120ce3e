#include "checkpoint/tensor_node.h"

#include <algorithm>

#include "ferry/cast.h"
#include "ferry/ragged.h"
#include "ferry/rearrange.h"
#include "ferry/sparse.h"
#include "wire/utf8.h"

namespace ferry {
namespace {

bool is_sparse(TensorKind kind) { return kind == TensorKind::coo || kind == TensorKind::csr || kind == TensorKind::csc; }

Status not_ragged(std::string_view what) {
  return unsupported(concat("a ragged tensor cannot be ", what, "; make it dense or sparse first (--densify, --sparsify)"));
}

Shape with_axis(const Shape& shape, size_t axis) {
  Shape out;
  for (size_t i = 0; i <= shape.rank(); ++i) {
    if (i == axis) out.append(1);
    if (i < shape.rank()) out.append(shape[i]);
  }
  return out;
}

// -1 takes what is left.
Result<Shape> resolve_shape(const Shape& from, std::span<const int64_t> numbers) {
  Shape out(numbers);
  size_t free = out.rank();
  int64_t known = 1;
  for (size_t i = 0; i < out.rank(); ++i) {
    if (out[i] == -1) {
      free = i;
    } else if (__builtin_mul_overflow(known, out[i], &known)) {
      return invalid_argument(concat("shape ", out.to_string(), " has more elements than 63 bits can count"));
    }
  }
  const int64_t count = from.num_elements().value_or(-1);
  const auto misfit = [&] {
    return invalid_argument(concat("shape ", from.to_string(), " cannot become ", out.to_string(), ": they do not have as many elements"));
  };
  if (free < out.rank()) {
    if (count < 0 || known == 0 || count % known != 0) return misfit();
    out[free] = count / known;
  } else if (count != known) {
    return misfit();
  }
  return out;
}

void take(const Tensor& tensor, TensorInfo& info) {
  info.kind = kind_of(tensor);
  info.dtype = dtype_of(tensor);
  info.shape = shape_of(tensor);
  info.nnz = info.kind == TensorKind::dense ? -1 : nnz_of(tensor);
  info.bytes = num_bytes_of(tensor);
}

Result<Shape> permuted(const Shape& shape, std::span<const int64_t> permutation) {
  std::vector<bool> seen(shape.rank());
  Shape out;
  for (const int64_t axis : permutation) {
    if (permutation.size() != shape.rank() || axis < 0 || static_cast<size_t>(axis) >= shape.rank() || seen[static_cast<size_t>(axis)]) {
      return invalid_argument(
          concat("the permutation ", Shape(permutation).to_string(), " does not name each axis of ", shape.to_string(), " once"));
    }
    seen[static_cast<size_t>(axis)] = true;
    out.append(shape[static_cast<size_t>(axis)]);
  }
  if (permutation.size() != shape.rank()) {
    return invalid_argument(concat("the permutation has ", permutation.size(), " axes, the shape is ", shape.to_string()));
  }
  return out;
}

Status describe_join(const TensorNode& node, std::span<const TensorInfo> inputs, TensorInfo& info) {
  const auto axis = static_cast<size_t>(node.numbers[0]);
  const TensorInfo& first = inputs[0];
  const bool stack = node.op == TensorOp::stack;
  info.nnz = 0;
  int64_t length = 0;
  for (const TensorInfo& part : inputs) {
    bool fits = part.dtype == first.dtype && part.shape.rank() == first.shape.rank() && part.kind == first.kind;
    for (size_t i = 0; fits && i < part.shape.rank(); ++i) fits = (i == axis && !stack) || part.shape[i] == first.shape[i];
    if (!fits) {
      return invalid_argument(concat(kind_name(part.kind), " ", dtype_name(part.dtype), " ", part.shape.to_string(), " does not fit ",
                                     kind_name(first.kind), " ", dtype_name(first.dtype), " ", first.shape.to_string(),
                                     stack ? std::string() : concat(" along axis ", axis)));
    }
    if (__builtin_add_overflow(length, stack ? 1 : part.shape[axis], &length)) {
      return invalid_argument("the joined axis is longer than 63 bits can count");
    }
    if (&part != &first) info.bytes += part.bytes;
    info.nnz = part.nnz < 0 || info.nnz < 0 ? -1 : info.nnz + part.nnz;
  }
  if (first.kind == TensorKind::ragged && (stack || axis != 0)) return not_ragged(stack ? "stacked" : "joined along an inner axis");
  info.shape = stack ? with_axis(first.shape, axis) : first.shape;
  info.shape[axis] = length;
  if (stack && is_sparse(info.kind)) info.kind = TensorKind::coo;
  if (info.kind == TensorKind::dense && !info.shape.num_elements()) {
    return invalid_argument(concat("shape ", info.shape.to_string(), " has more elements than 63 bits can count"));
  }
  return {};
}

Status describe(const TensorNode& node, std::span<const TensorInfo> inputs, TensorInfo& info, const TensorReader& reader,
                const TransformOptions& options) {
  switch (node.op) {
    case TensorOp::leaf: return {};
    case TensorOp::change: {
      if (node.change->predict(info)) return {};
      FERRY_ASSIGN_OR_RETURN(const Tensor tensor, read_node(node, reader, options));
      take(tensor, info);
      return {};
    }
    case TensorOp::cast: {
      // A tensor without elements tells whether there is such a cast at all.
      FERRY_ASSIGN_OR_RETURN(const DenseTensor none, info.dtype == DType::string
                                                         ? Result<DenseTensor>(DenseTensor::of_strings(Shape{0}, {}))
                                                         : DenseTensor::make(info.dtype, Shape{0}, Buffer()));
      FERRY_RETURN_IF_ERROR(ferry::cast(none, node.dtype).status());
      info.dtype = node.dtype;
      break;
    }
    case TensorOp::transpose: {
      if (info.kind == TensorKind::ragged) return not_ragged("transposed");
      FERRY_ASSIGN_OR_RETURN(Shape shape, permuted(info.shape, node.numbers));
      if (node.numbers == std::vector<int64_t>{1, 0}) {
        if (info.kind == TensorKind::csr || info.kind == TensorKind::csc)
          info.kind = info.kind == TensorKind::csr ? TensorKind::csc : TensorKind::csr;
      }
      info.shape = std::move(shape);
      break;
    }
    case TensorOp::reshape: {
      if (info.kind == TensorKind::ragged) return not_ragged("reshaped");
      FERRY_ASSIGN_OR_RETURN(info.shape, resolve_shape(info.shape, node.numbers));
      if (is_sparse(info.kind)) info.kind = TensorKind::coo;
      break;
    }
    case TensorOp::cut: {
      const auto axis = static_cast<size_t>(node.numbers[0]);
      if (info.kind == TensorKind::ragged && axis != 0) return not_ragged("cut along an inner axis");
      info.shape[axis] = node.numbers[2];
      if (info.kind != TensorKind::dense) info.nnz = -1;
      break;
    }
    case TensorOp::join:
    case TensorOp::stack: FERRY_RETURN_IF_ERROR(describe_join(node, inputs, info)); break;
  }
  if (info.kind == TensorKind::dense && info.dtype != DType::string)
    info.bytes = static_cast<uint64_t>(info.shape.num_elements().value_or(0)) * dtype_size(info.dtype);
  return {};
}

// ---- Reading

Result<Tensor> cut_tensor(const Tensor& x, const TensorNode& node) {
  const auto axis = static_cast<size_t>(node.numbers[0]);
  const int64_t begin = node.numbers[1], size = node.numbers[2];
  if (const auto* dense = std::get_if<DenseTensor>(&x)) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, cut(*dense, axis, begin, size));
    return Tensor(std::move(out));
  }
  if (const auto* ragged = std::get_if<RaggedTensor>(&x)) {
    FERRY_ASSIGN_OR_RETURN(RaggedTensor out, slice_rows(*ragged, begin, begin + size));
    return Tensor(std::move(out));
  }
  const auto& sparse = std::get<SparseTensor>(x);
  std::vector<int64_t> begins(sparse.rank(), 0), sizes(sparse.shape().begin(), sparse.shape().end());
  begins[axis] = begin;
  sizes[axis] = size;
  FERRY_ASSIGN_OR_RETURN(SparseTensor out, slice(sparse, begins, sizes));
  if (out.layout() != sparse.layout()) {
    FERRY_ASSIGN_OR_RETURN(out, to_layout(out, sparse.layout()));
  }
  return Tensor(std::move(out));
}

template <class T>
std::vector<T> all_of(std::vector<Tensor> parts) {
  std::vector<T> out;
  for (Tensor& part : parts) out.push_back(std::get<T>(std::move(part)));
  return out;
}

Result<Tensor> joined(std::vector<Tensor> parts, size_t axis, ThreadPool* pool) {
  const size_t like = parts[0].index();
  if (std::ranges::any_of(parts, [&](const Tensor& part) { return part.index() != like; })) {
    return invalid_argument("dense, sparse and ragged tensors are not joined");
  }
  if (std::holds_alternative<DenseTensor>(parts[0])) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, join(all_of<DenseTensor>(std::move(parts)), axis));
    return Tensor(std::move(out));
  }
  if (std::holds_alternative<RaggedTensor>(parts[0])) {
    FERRY_ASSIGN_OR_RETURN(RaggedTensor out, concat_rows(all_of<RaggedTensor>(std::move(parts))));
    return Tensor(std::move(out));
  }
  const std::vector<SparseTensor> sparse = all_of<SparseTensor>(std::move(parts));
  FERRY_ASSIGN_OR_RETURN(SparseTensor out, concat(std::span<const SparseTensor>(sparse), static_cast<int64_t>(axis), pool));
  return Tensor(std::move(out));
}

Result<Tensor> reshaped(const Tensor& x, std::span<const int64_t> numbers) {
  FERRY_ASSIGN_OR_RETURN(Shape shape, resolve_shape(shape_of(x), numbers));
  if (const auto* dense = std::get_if<DenseTensor>(&x)) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, dense->reshaped(std::move(shape)));
    return Tensor(std::move(out));
  }
  if (!std::holds_alternative<SparseTensor>(x)) return not_ragged("reshaped");
  FERRY_ASSIGN_OR_RETURN(SparseTensor out, reshape(std::get<SparseTensor>(x), shape));
  return Tensor(std::move(out));
}

Result<Tensor> transposed(const Tensor& x, std::span<const int64_t> permutation, ThreadPool* pool) {
  if (const auto* dense = std::get_if<DenseTensor>(&x)) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, transpose(*dense, permutation, pool));
    return Tensor(std::move(out));
  }
  if (!std::holds_alternative<SparseTensor>(x)) return not_ragged("transposed");
  FERRY_ASSIGN_OR_RETURN(SparseTensor out, transpose(std::get<SparseTensor>(x), permutation, pool));
  return Tensor(std::move(out));
}

// Elements that were copied are needed no more.
void let_go(const Tensor& from, const Tensor& to) {
  const auto* x = std::get_if<DenseTensor>(&from);
  const auto* y = std::get_if<DenseTensor>(&to);
  constexpr size_t kWorthIt = 64 << 10;
  if (x != nullptr && y != nullptr && !y->buffer().is_mapped() && x->buffer().size() >= kWorthIt) x->buffer().drop_pages();
}

Result<Tensor> evaluate(const TensorNode& node, const TensorReader& reader, const TransformOptions& options) {
  if (node.op == TensorOp::leaf) {
    FERRY_ASSIGN_OR_RETURN(Tensor tensor, reader.read(node.leaf));
    FERRY_RETURN_IF_ERROR(validate(tensor, Validation::bounds));
    return tensor;
  }
  std::vector<Tensor> inputs;
  uint64_t bytes = 0;
  for (const TensorNodeRef& input : node.inputs) {
    FERRY_ASSIGN_OR_RETURN(inputs.emplace_back(), evaluate(*input, reader, options));
    bytes += num_bytes_of(inputs.back());
  }
  ThreadPool* pool = bytes >= (1 << 20) ? options.pool : nullptr;
  const auto made = [&]() -> Result<Tensor> {
    switch (node.op) {
      case TensorOp::leaf: break;
      case TensorOp::change: return node.change->apply(inputs[0]);
      case TensorOp::cast: return ferry::cast(inputs[0], node.dtype, {.checked = node.checked, .pool = pool});
      case TensorOp::transpose: return transposed(inputs[0], node.numbers, pool);
      case TensorOp::reshape: return reshaped(inputs[0], node.numbers);
      case TensorOp::cut: return cut_tensor(inputs[0], node);
      case TensorOp::join: return joined(inputs, static_cast<size_t>(node.numbers[0]), pool);
      case TensorOp::stack: {
        const auto axis = static_cast<size_t>(node.numbers[0]);
        for (Tensor& input : inputs) {
          FERRY_ASSIGN_OR_RETURN(input, reshaped(input, with_axis(shape_of(input), axis).dims()));
        }
        return joined(std::move(inputs), axis, pool);
      }
    }
    __builtin_unreachable();
  };
  auto out = made();
  if (!out.ok()) return node.where.empty() ? out.status() : out.status().with_context(node.where);
  for (const Tensor& input : inputs) let_go(input, *out);
  return out;
}

}  // namespace

Status set_depth(TensorNode& node) {
  constexpr size_t kMost = 1000;
  for (const TensorNodeRef& input : node.inputs) node.depth = std::max(node.depth, input->depth + 1);
  return node.depth <= kMost ? Status() : limit_exceeded(concat("a tensor is changed by more than ", kMost, " steps"));
}

Status named_by_leaf(const Status& status, const TensorNode& node, const TensorReader& reader) {
  std::vector<size_t> leaves;
  leaves_of(node, leaves);
  const std::string& name = reader.tensors()[leaves[0]].name;
  return status.with_context(concat("tensor ", name.empty() ? std::string("(root)") : printable(name)));
}

Status describe_node(const TensorNode& node, std::span<const TensorInfo> inputs, TensorInfo& info, const TensorReader& reader,
                     const TransformOptions& options) {
  const Status status = describe(node, inputs, info, reader, options);
  if (status.ok() || status.message().starts_with("tensor ")) return status;
  return named_by_leaf(node.where.empty() ? status : status.with_context(node.where), node, reader);
}

Result<Tensor> read_node(const TensorNode& node, const TensorReader& reader, const TransformOptions& options) {
  auto out = evaluate(node, reader, options);
  if (!out.ok()) return named_by_leaf(out.status(), node, reader);
  return out;
}

void leaves_of(const TensorNode& node, std::vector<size_t>& out) {
  if (node.op == TensorOp::leaf) {
    if (std::ranges::find(out, node.leaf) == out.end()) out.push_back(node.leaf);
    return;
  }
  for (const TensorNodeRef& input : node.inputs) leaves_of(*input, out);
}

}  // namespace ferry
