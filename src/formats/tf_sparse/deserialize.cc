#include <algorithm>
#include <cstring>

#include "ferry/checked.h"
#include "formats/tensorproto/tensorproto.h"
#include "formats/tf_sparse/tf_sparse.h"

namespace ferry::tf_sparse {
namespace {

using tensorproto::TensorProtoView;

constexpr std::string_view kParts[] = {"indices", "values", "shape"};

std::string place(size_t row, size_t part) { return concat("serialized tensor ", row, ", ", kParts[part]); }

Status decode(std::string_view text, size_t row, size_t part, const Limits& limits, TensorProtoView& out) {
  const Status status = TensorProtoView::decode(std::as_bytes(std::span(text.data(), text.size())), out, 0, limits);
  return status.ok() ? status : status.nested(place(row, part));
}

Status wrong(size_t row, size_t part, const TensorProtoView& view, std::string_view expected) {
  return data_loss(
      concat(place(row, part), ": found ", dtype_name(view.dtype()), " of shape ", view.shape().to_string(), ", expected ", expected));
}

}  // namespace

Result<SerializedSparse> SerializedSparse::open(std::span<const std::string_view> strings, std::span<const int64_t> shape,
                                                const Limits& limits) {
  const std::string found = Shape(shape).to_string();
  if (shape.empty() || shape.back() != 3) {
    return data_loss(concat("serialized sparse tensors are strings of shape [3] or [..., 3] (indices, values, shape), found ", found));
  }
  SerializedSparse out;
  out.strings_ = strings;
  out.limits_ = limits;
  out.batch_ = Shape(shape.first(shape.size() - 1));
  const auto rows = out.batch_.num_elements();
  if (!rows || static_cast<uint64_t>(*rows) > strings.size() / 3 || static_cast<size_t>(*rows) * 3 != strings.size()) {
    return invalid_argument(concat(strings.size(), " strings are given for shape ", found));
  }
  if (*rows == 0) {
    return unsupported(concat("serialized sparse tensors of shape ", found,
                              " hold no tensor, so rank, dtype and shape are unknown; at least one is needed"));
  }
  out.rows_.reserve(static_cast<size_t>(*rows));
  for (size_t row = 0; row < static_cast<size_t>(*rows); ++row) FERRY_RETURN_IF_ERROR(out.add_row(row));
  Shape whole = out.batch_;
  for (int64_t dim : out.shape_) whole.append(dim);
  if (whole.rank() > limits.max_rank) {
    return limit_exceeded(concat("the sparse tensor has rank ", whole.rank(), ", the limit is ", limits.max_rank, " (max_rank)"));
  }
  out.shape_ = std::move(whole);
  // Entries that no bytes stand for (a short value list) cost memory all the same: the rule of compressed streams.
  uint64_t stored = 0;
  for (std::string_view text : strings) stored += text.size();
  const uint64_t bytes = out.num_bytes();
  if (bytes > limits.max_tensor_bytes) {
    return limit_exceeded(
        concat(out.nnz_, " entries need ", bytes, " bytes, the limit is ", limits.max_tensor_bytes, " (max_tensor_bytes)"));
  }
  if (bytes > limits.free_expanded_bytes && bytes / limits.max_expansion_ratio > stored) {
    return limit_exceeded(concat(stored, " bytes announce ", out.nnz_, " entries, ", bytes, " bytes (max_expansion_ratio)"));
  }
  return out;
}

Status SerializedSparse::add_row(size_t row) {
  const std::string_view* text = &strings_[3 * row];
  TensorProtoView shape;
  FERRY_RETURN_IF_ERROR(decode(text[2], row, 2, limits_, shape));
  if (shape.dtype() != DType::int64 || shape.shape().rank() != 1) return wrong(row, 2, shape, "an int64 vector");
  const auto rank = static_cast<size_t>(shape.num_elements());
  if (row == 0) {
    if (rank > limits_.max_rank)
      return limit_exceeded(concat(place(row, 2), ": rank ", rank, " exceeds the limit of ", limits_.max_rank, " (max_rank)"));
    rank_ = rank;
    for (size_t axis = 0; axis < rank; ++axis) shape_.append(0);
  } else if (rank != rank_) {
    return data_loss(concat(place(row, 2), ": rank ", rank, ", expected ", rank_, " as in the tensors before it"));
  }
  int64_t few[16];
  std::vector<int64_t> many;
  std::span<int64_t> dims(few, rank);
  if (rank > std::size(few)) {
    many.resize(rank);
    dims = many;
  }
  FERRY_RETURN_IF_ERROR(shape.copy_to(std::as_writable_bytes(dims)));
  for (size_t axis = 0; axis < rank; ++axis) {
    if (dims[axis] < 0) return data_loss(concat(place(row, 2), ": axis ", axis, " has the negative length ", dims[axis]));
    shape_[axis] = std::max(shape_[axis], dims[axis]);
  }

  TensorProtoView indices;
  FERRY_RETURN_IF_ERROR(decode(text[0], row, 0, limits_, indices));
  if (indices.dtype() != DType::int64 || indices.shape().rank() != 2) return wrong(row, 0, indices, "an int64 matrix");
  TensorProtoView values;
  FERRY_RETURN_IF_ERROR(decode(text[1], row, 1, limits_, values));
  if (values.shape().rank() != 1) return wrong(row, 1, values, "a vector");
  if (row == 0) {
    dtype_ = values.dtype();
  } else if (values.dtype() != dtype_) {
    return wrong(row, 1, values, concat(dtype_name(dtype_), " as in the tensors before it"));
  }
  const int64_t count = values.num_elements();
  if (indices.shape()[0] != count || indices.shape()[1] != static_cast<int64_t>(rank)) {
    return wrong(row, 0, indices, concat("[", count, ", ", rank, "]: a row of ", rank, " coordinates for each of ", count, " values"));
  }
  if (__builtin_add_overflow(nnz_, count, &nnz_)) return limit_exceeded("more than 2^63 entries");
  rows_.push_back({indices.has_content() ? indices.content().data() : nullptr,
                   values.has_content() && dtype_ != DType::string ? values.content().data() : nullptr, count});
  return {};
}

uint64_t SerializedSparse::num_bytes() const {
  const uint64_t coordinates = 8 * shape_.rank() + (dtype_ == DType::string ? 8 : dtype_size(dtype_));
  return checked_mul<uint64_t>(static_cast<uint64_t>(nnz_), coordinates).value_or(UINT64_MAX) + (dtype_ == DType::string ? 8 : 0);
}

// Each row's coordinates behind those of its place in the batch.
Status SerializedSparse::copy_indices(std::span<int64_t> all, bool& in_range) const {
  int64_t* out = all.data();
  in_range = batch_.rank() == 1 && rank_ == 1;
  const size_t width = batch_.rank();
  std::vector<int64_t> at(width, 0), unpacked;
  for (size_t row = 0; row < rows_.size(); ++row) {
    const int64_t count = rows_[row].nnz;
    const std::byte* from = rows_[row].indices;
    if (from == nullptr && count > 0 && rank_ > 0) {
      TensorProtoView view;
      FERRY_RETURN_IF_ERROR(decode(strings_[3 * row], row, 0, limits_, view));
      unpacked.resize(static_cast<size_t>(count) * rank_);
      const Status status = view.copy_to(std::as_writable_bytes(std::span(unpacked)));
      if (!status.ok()) return status.nested(place(row, 0));
      from = reinterpret_cast<const std::byte*>(unpacked.data());
    }
    const size_t bytes = rank_ * 8;
    if (width == 0) {
      if (count > 0 && bytes > 0) std::memcpy(out, from, static_cast<size_t>(count) * bytes);
      return {};
    }
    if (width == 1 && rank_ == 1) {
      const auto length = static_cast<uint64_t>(shape_[1]);
      bool fits = true;
      for (int64_t i = 0; i < count; ++i, out += 2) {
        uint64_t column;
        std::memcpy(&column, from + 8 * i, 8);
        fits &= column < length;
        out[0] = static_cast<int64_t>(row);
        out[1] = static_cast<int64_t>(column);
      }
      in_range = in_range && fits;
      continue;
    }
    for (int64_t i = 0; i < count; ++i, out += width + rank_) {
      std::memcpy(out, at.data(), width * 8);
      if (bytes > 0) std::memcpy(out + width, from + static_cast<size_t>(i) * bytes, bytes);
    }
    for (size_t axis = width; axis-- > 0;) {
      if (++at[axis] < batch_[axis]) break;
      at[axis] = 0;
    }
  }
  return {};
}

Result<DenseTensor> SerializedSparse::read_string_values() const {
  StringsBuilder builder;
  for (size_t row = 0; row < rows_.size(); ++row) {
    TensorProtoView view;
    FERRY_RETURN_IF_ERROR(decode(strings_[3 * row + 1], row, 1, limits_, view));
    Status appended;
    const Status status = view.for_each_string([&](std::string_view text) {
      if (appended.ok()) appended = builder.append(text);
    });
    if (!status.ok()) return status.nested(place(row, 1));
    FERRY_RETURN_IF_ERROR(appended);
  }
  return std::move(builder).finish(Shape{nnz_});
}

Result<DenseTensor> SerializedSparse::read_values() const {
  if (dtype_ == DType::string) return read_string_values();
  const size_t size = dtype_size(dtype_);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer data, MutableBuffer::allocate(static_cast<size_t>(nnz_) * size));
  std::byte* out = data.data();
  for (size_t row = 0; row < rows_.size(); ++row) {
    const size_t bytes = static_cast<size_t>(rows_[row].nnz) * size;
    if (bytes == 0) continue;
    if (rows_[row].values != nullptr) {
      std::memcpy(out, rows_[row].values, bytes);
    } else {
      TensorProtoView view;
      FERRY_RETURN_IF_ERROR(decode(strings_[3 * row + 1], row, 1, limits_, view));
      const Status status = view.copy_to({out, bytes});
      if (!status.ok()) return status.nested(place(row, 1));
    }
    out += bytes;
  }
  return DenseTensor::make(dtype_, Shape{nnz_}, std::move(data).freeze());
}

Result<SparseTensor> SerializedSparse::to_tensor(Validation validation) const {
  const auto rank = static_cast<int64_t>(shape_.rank());
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indices, MutableBuffer::of<int64_t>(static_cast<size_t>(nnz_ * rank)));
  bool in_range = false;
  FERRY_RETURN_IF_ERROR(copy_indices(indices.as<int64_t>(), in_range));
  FERRY_ASSIGN_OR_RETURN(DenseTensor index_tensor, DenseTensor::make(DType::int64, Shape{nnz_, rank}, std::move(indices).freeze()));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, read_values());
  FERRY_ASSIGN_OR_RETURN(SparseTensor out, SparseTensor::coo(shape_, std::move(index_tensor), std::move(values)));
  if (!in_range || validation != Validation::bounds) FERRY_RETURN_IF_ERROR(out.validate(validation));
  return out;
}

static Result<SparseTensor> deserialize_strings(const DenseTensor& serialized, const Limits& limits, Validation validation) {
  if (!serialized.is_string()) {
    return invalid_argument(concat("serialized sparse tensors are strings, found ", dtype_name(serialized.dtype())));
  }
  const StringsView strings = serialized.strings();
  std::vector<std::string_view> views;
  views.reserve(static_cast<size_t>(strings.size()));
  for (int64_t i = 0; i < strings.size(); ++i) views.push_back(strings[i]);
  FERRY_ASSIGN_OR_RETURN(const auto sparse, SerializedSparse::open(views, serialized.shape().dims(), limits));
  return sparse.to_tensor(validation);
}

Result<SparseTensor> deserialize(const DenseTensor& serialized, const Limits& limits, Validation validation) {
  return deserialize_strings(serialized, limits, validation);
}

Result<SparseTensor> deserialize_many(const DenseTensor& serialized, const Limits& limits, Validation validation) {
  if (serialized.shape().rank() != 2) {
    return invalid_argument(concat("many serialized sparse tensors are strings of shape [B, 3], found ", serialized.shape().to_string()));
  }
  return deserialize_strings(serialized, limits, validation);
}

Result<SparseTensor> deserialize(std::array<std::string_view, 3> strings, const Limits& limits, Validation validation) {
  const int64_t shape[] = {3};
  FERRY_ASSIGN_OR_RETURN(const auto sparse, SerializedSparse::open(strings, shape, limits));
  return sparse.to_tensor(validation);
}

Result<SparseTensor> deserialize_many(std::span<const std::string_view> strings, const Limits& limits, Validation validation) {
  const int64_t shape[] = {static_cast<int64_t>(strings.size() / 3), 3};
  FERRY_ASSIGN_OR_RETURN(const auto sparse, SerializedSparse::open(strings, shape, limits));
  return sparse.to_tensor(validation);
}

}  // namespace ferry::tf_sparse
