#include "ferry/tensor.h"

#include <algorithm>
#include <cstring>

#include "ferry/checked.h"

namespace ferry {
namespace {

Result<int64_t> count_elements(const Shape& shape) {
  for (int64_t dim : shape) {
    if (dim < 0) return invalid_argument(concat("shape ", shape.to_string(), " has a negative axis"));
  }
  const auto count = shape.num_elements();
  if (!count) return invalid_argument(concat("shape ", shape.to_string(), " has more elements than 63 bits can count"));
  return *count;
}

bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

bool same(const DenseTensor& a, const DenseTensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  if (!a.is_string()) return same_bytes(a.buffer().bytes(), b.buffer().bytes());
  const StringsView x = a.strings(), y = b.strings();
  for (int64_t i = 0; i < x.size(); ++i) {
    if (x[i] != y[i]) return false;
  }
  return true;
}

bool same(const SparseTensor& a, const SparseTensor& b) {
  return a.layout() == b.layout() && a.shape() == b.shape() && same(a.indices(), b.indices()) && same(a.values(), b.values()) &&
         (a.layout() == Layout::coo || same(a.indptr(), b.indptr()));
}

bool same(const RaggedTensor& a, const RaggedTensor& b) {
  return std::ranges::equal(a.nested_row_splits(), b.nested_row_splits(), [](const auto& x, const auto& y) { return same(x, y); }) &&
         same(a.flat_values(), b.flat_values());
}

}  // namespace

// ---- Dense

DenseTensor::DenseTensor() : DenseTensor(DType::float32, Shape{0}, 0, Buffer(), Buffer()) {}

Result<DenseTensor> DenseTensor::make(DType dtype, Shape shape, Buffer data) {
  if (!is_fixed_size(dtype)) return unsupported(concat("a plain array cannot hold elements of dtype ", dtype_name(dtype)));
  FERRY_ASSIGN_OR_RETURN(const int64_t count, count_elements(shape));
  const auto bytes = checked_mul<uint64_t>(static_cast<uint64_t>(count), dtype_size(dtype));
  if (!bytes || *bytes != data.size()) {
    return invalid_argument(concat("shape ", shape.to_string(), " of ", dtype_name(dtype), " needs ",
                                   bytes ? concat(*bytes) : std::string("more than 2^64"), " bytes, ", data.size(), " are given"));
  }
  FERRY_ASSIGN_OR_RETURN(data, data.aligned(std::min<size_t>(dtype_size(dtype), alignof(std::max_align_t))));
  return DenseTensor(dtype, std::move(shape), count, std::move(data), Buffer());
}

Result<DenseTensor> DenseTensor::make_strings(Shape shape, Buffer offsets, Buffer bytes) {
  FERRY_ASSIGN_OR_RETURN(const int64_t count, count_elements(shape));
  if (offsets.size() % 8 != 0 || offsets.size() / 8 != static_cast<uint64_t>(count) + 1) {
    return invalid_argument(
        concat("shape ", shape.to_string(), " of strings needs ", count + 1, " offsets, ", offsets.size() / 8, " are given"));
  }
  FERRY_ASSIGN_OR_RETURN(offsets, offsets.aligned(8));
  int64_t last = 0;
  for (const int64_t offset : offsets.as<int64_t>()) {
    if (offset < last || offset > static_cast<int64_t>(bytes.size())) {
      return data_loss(concat("string offset ", offset, " is not between ", last, " and the ", bytes.size(), " string bytes"));
    }
    last = offset;
  }
  return DenseTensor(DType::string, std::move(shape), count, std::move(offsets), std::move(bytes));
}

DenseTensor DenseTensor::of_strings(Shape shape, std::span<const std::string_view> values) {
  StringsBuilder builder;
  for (std::string_view value : values) {
    const Status status = builder.append(value);
    FERRY_ASSERT(status.ok());
  }
  auto tensor = std::move(builder).finish(std::move(shape));
  FERRY_ASSERT(tensor.ok());
  return *std::move(tensor);
}

uint64_t DenseTensor::num_bytes() const {
  if (!is_string()) return data_.size();
  return data_.size() + static_cast<uint64_t>(strings().total_bytes());
}

Result<DenseTensor> DenseTensor::reshaped(Shape shape) const {
  FERRY_ASSIGN_OR_RETURN(const int64_t count, count_elements(shape));
  if (count != count_) {
    return invalid_argument(concat(count_, " elements of shape ", shape_.to_string(), " do not fit shape ", shape.to_string()));
  }
  return DenseTensor(dtype_, std::move(shape), count_, data_, heap_);
}

Result<DenseTensor> DenseTensor::slice_rows(int64_t begin, int64_t end) const {
  if (shape_.rank() == 0 || begin < 0 || end < begin || end > shape_[0]) {
    return invalid_argument(concat("rows ", begin, " to ", end, " are not within shape ", shape_.to_string()));
  }
  Shape shape = shape_;
  shape[0] = end - begin;
  const int64_t row = shape_[0] == 0 ? 0 : count_ / shape_[0];
  const int64_t count = row * (end - begin);
  if (is_string()) {
    Buffer offsets = data_.slice(static_cast<size_t>(begin * row) * 8, static_cast<size_t>(count + 1) * 8);
    return DenseTensor(dtype_, std::move(shape), count, std::move(offsets), heap_);
  }
  const size_t size = dtype_size(dtype_);
  Buffer data = data_.slice(static_cast<size_t>(begin * row) * size, static_cast<size_t>(count) * size);
  return DenseTensor(dtype_, std::move(shape), count, std::move(data), Buffer());
}

Result<DenseTensor> DenseTensor::bitcast(DType dtype) const {
  if (!is_fixed_size(dtype) || dtype_size(dtype) != dtype_size(dtype_)) {
    return invalid_argument(concat(dtype_name(dtype_), " elements cannot be read as ", dtype_name(dtype), ": another size"));
  }
  return DenseTensor(dtype, shape_, count_, data_, Buffer());
}

Status StringsBuilder::append(std::string_view text) {
  bytes_ += text;
  offsets_.push_back(static_cast<int64_t>(bytes_.size()));
  ++count_;
  return {};
}

Result<DenseTensor> StringsBuilder::finish(Shape shape) && {
  auto offsets = std::make_shared<std::vector<int64_t>>(std::move(offsets_));
  auto bytes = std::make_shared<std::string>(std::move(bytes_));
  Buffer offset_buffer = Buffer::adopt(offsets->data(), offsets->size() * 8, offsets);
  Buffer byte_buffer = Buffer::adopt(bytes->data(), bytes->size(), bytes);
  return DenseTensor::make_strings(std::move(shape), std::move(offset_buffer), std::move(byte_buffer));
}

// ---- Sparse

std::string_view layout_name(Layout layout) {
  switch (layout) {
    case Layout::coo: return "coo";
    case Layout::csr: return "csr";
    case Layout::csc: return "csc";
  }
  __builtin_unreachable();
}

SparseTensor::SparseTensor() : shape_{0, 0} {
  // Nowhere in particular, but not null; made often, on the way to something else, so nothing is allocated.
  alignas(kAlignment) static const int64_t nothing[1] = {};
  auto none = DenseTensor::make(DType::int64, Shape{0, 2}, Buffer::borrow(nothing, 0));
  FERRY_ASSERT(none.ok());
  indices_ = *std::move(none);
  order_ = {true, true};
}

static Status check_values(const DenseTensor& values) {
  if (values.shape().rank() != 1)
    return invalid_argument(concat("sparse values have shape ", values.shape().to_string(), ", expected one axis"));
  return {};
}

Result<SparseTensor> SparseTensor::coo(Shape shape, DenseTensor indices, DenseTensor values, Order order) {
  FERRY_RETURN_IF_ERROR(check_values(values));
  for (int64_t dim : shape) {
    if (dim < 0) return invalid_argument(concat("dense_shape ", shape.to_string(), " has a negative axis"));
  }
  if (indices.dtype() != DType::int64) return invalid_argument(concat("COO indices are ", dtype_name(indices.dtype()), ", expected int64"));
  if (indices.shape().rank() != 2 || indices.shape()[0] != values.num_elements() ||
      indices.shape()[1] != static_cast<int64_t>(shape.rank())) {
    return invalid_argument(concat("COO indices have shape ", indices.shape().to_string(), ", expected [", values.num_elements(), ", ",
                                   shape.rank(), "]: one row of ", shape.rank(), " coordinates for each of ", values.num_elements(),
                                   " values"));
  }
  SparseTensor out;
  out.layout_ = Layout::coo;
  out.shape_ = std::move(shape);
  out.indices_ = std::move(indices);
  out.values_ = std::move(values);
  out.order_ = out.nnz() <= 0 ? Order{true, true} : order;
  return out;
}

Result<SparseTensor> SparseTensor::compressed(Layout layout, Shape shape, DenseTensor indptr, DenseTensor indices, DenseTensor values,
                                              Order order) {
  FERRY_ASSERT(layout != Layout::coo);
  FERRY_RETURN_IF_ERROR(check_values(values));
  const std::string_view name = layout_name(layout);
  if (shape.rank() != 2 || shape[0] < 0 || shape[1] < 0) {
    return invalid_argument(concat(name, " needs a shape of two axes, found ", shape.to_string()));
  }
  const DType index = indices.dtype();
  if ((index != DType::int32 && index != DType::int64) || indptr.dtype() != index) {
    return invalid_argument(
        concat(name, " indptr is ", dtype_name(indptr.dtype()), " and indices ", dtype_name(index), ", expected both int32 or both int64"));
  }
  const int64_t major = shape[layout == Layout::csr ? 0 : 1];
  if (indptr.shape().rank() != 1 || indptr.num_elements() - 1 != major) {
    return invalid_argument(
        concat(name, " indptr has shape ", indptr.shape().to_string(), ", expected [", major, " + 1] for shape ", shape.to_string()));
  }
  if (indices.shape().rank() != 1 || indices.num_elements() != values.num_elements()) {
    return invalid_argument(
        concat(name, " indices have shape ", indices.shape().to_string(), ", expected one for each of ", values.num_elements(), " values"));
  }
  SparseTensor out;
  out.layout_ = layout;
  out.shape_ = std::move(shape);
  out.indptr_ = std::move(indptr);
  out.indices_ = std::move(indices);
  out.values_ = std::move(values);
  out.order_ = out.nnz() == 0 ? Order{true, true} : order;
  return out;
}

Result<SparseTensor> SparseTensor::csr(Shape shape, DenseTensor indptr, DenseTensor indices, DenseTensor values, Order order) {
  return compressed(Layout::csr, std::move(shape), std::move(indptr), std::move(indices), std::move(values), order);
}

Result<SparseTensor> SparseTensor::csc(Shape shape, DenseTensor indptr, DenseTensor indices, DenseTensor values, Order order) {
  return compressed(Layout::csc, std::move(shape), std::move(indptr), std::move(indices), std::move(values), order);
}

SparseTensor SparseTensor::with_order(Order order) const {
  SparseTensor out = *this;
  out.order_ = order;
  return out;
}

Result<SparseTensor> SparseTensor::with_values(DenseTensor values) const {
  FERRY_RETURN_IF_ERROR(check_values(values));
  if (values.num_elements() != nnz()) {
    return invalid_argument(concat(values.num_elements(), " values given for ", nnz(), " entries"));
  }
  SparseTensor out = *this;
  out.values_ = std::move(values);
  return out;
}

// ---- Ragged

RaggedTensor::RaggedTensor() : splits_{DenseTensor::of<int64_t>(Shape{1}, {0})} {}

Result<RaggedTensor> RaggedTensor::make(std::vector<DenseTensor> row_splits, DenseTensor flat_values) {
  if (row_splits.empty()) return invalid_argument("a ragged tensor needs at least one row_splits");
  for (size_t level = 0; level < row_splits.size(); ++level) {
    const DenseTensor& splits = row_splits[level];
    if ((splits.dtype() != DType::int64 && splits.dtype() != DType::int32) || splits.dtype() != row_splits[0].dtype()) {
      return invalid_argument(
          concat("row_splits at level ", level, " is ", dtype_name(splits.dtype()), ", expected all int64 or all int32"));
    }
    if (splits.shape().rank() != 1 || splits.num_elements() < 1) {
      return invalid_argument(concat("row_splits at level ", level, " has shape ", splits.shape().to_string(), ", expected [rows + 1]"));
    }
  }
  if (flat_values.shape().rank() == 0) return invalid_argument("flat_values of a ragged tensor need at least one axis, found a scalar");
  RaggedTensor out;
  out.splits_ = std::move(row_splits);
  out.values_ = std::move(flat_values);
  return out;
}

Shape RaggedTensor::shape() const {
  Shape out{rows()};
  for (size_t level = 0; level < splits_.size(); ++level) out.append(-1);
  for (int64_t dim : values_.shape().dims().subspan(1)) out.append(dim);
  return out;
}

uint64_t RaggedTensor::num_bytes() const {
  uint64_t bytes = values_.num_bytes();
  for (const DenseTensor& splits : splits_) bytes += splits.num_bytes();
  return bytes;
}

// ---- Any of them

std::string_view kind_name(TensorKind kind) {
  switch (kind) {
    case TensorKind::dense: return "dense";
    case TensorKind::coo: return "coo";
    case TensorKind::csr: return "csr";
    case TensorKind::csc: return "csc";
    case TensorKind::ragged: return "ragged";
  }
  __builtin_unreachable();
}

std::optional<TensorKind> kind_from_name(std::string_view name) {
  for (TensorKind kind : {TensorKind::dense, TensorKind::coo, TensorKind::csr, TensorKind::csc, TensorKind::ragged}) {
    if (kind_name(kind) == name) return kind;
  }
  return std::nullopt;
}

TensorKind kind_of(const Tensor& tensor) {
  if (const auto* sparse = std::get_if<SparseTensor>(&tensor)) {
    switch (sparse->layout()) {
      case Layout::coo: return TensorKind::coo;
      case Layout::csr: return TensorKind::csr;
      case Layout::csc: return TensorKind::csc;
    }
  }
  return std::holds_alternative<RaggedTensor>(tensor) ? TensorKind::ragged : TensorKind::dense;
}

DType dtype_of(const Tensor& tensor) {
  return std::visit([](const auto& t) { return t.dtype(); }, tensor);
}

Shape shape_of(const Tensor& tensor) {
  return std::visit([](const auto& t) { return Shape(t.shape()); }, tensor);
}

int64_t nnz_of(const Tensor& tensor) {
  if (const auto* dense = std::get_if<DenseTensor>(&tensor)) return dense->num_elements();
  if (const auto* sparse = std::get_if<SparseTensor>(&tensor)) return sparse->nnz();
  return std::get<RaggedTensor>(tensor).flat_values().num_elements();
}

uint64_t num_bytes_of(const Tensor& tensor) {
  return std::visit([](const auto& t) { return t.num_bytes(); }, tensor);
}

Status validate(const Tensor& tensor, Validation level) {
  if (const auto* sparse = std::get_if<SparseTensor>(&tensor)) return sparse->validate(level);
  if (const auto* ragged = std::get_if<RaggedTensor>(&tensor)) return ragged->validate(level);
  return {};
}

bool identical(const Tensor& a, const Tensor& b) {
  if (a.index() != b.index()) return false;
  return std::visit([&]<class T>(const T& x) { return same(x, std::get<T>(b)); }, a);
}

}  // namespace ferry
