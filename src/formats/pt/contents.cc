#include "formats/pt/contents.h"

#include <algorithm>
#include <cstring>

#include "ferry/cast.h"
#include "ferry/checked.h"
#include "ferry/sparse.h"
#include "formats/arrow/strided.h"
#include "formats/elements.h"
#include "formats/npy/npy.h"
#include "formats/pt/elements.h"
#include "formats/pt/hybrid.h"
#include "wire/pickle_text.h"

namespace ferry::pt {
namespace {

uint64_t saturating(uint64_t a, uint64_t b) { return checked_mul(a, b).value_or(UINT64_MAX); }
uint64_t plus(uint64_t a, uint64_t b) { return checked_add(a, b).value_or(UINT64_MAX); }

uint64_t bytes_of(DType dtype, const Shape& shape) {
  const auto count = shape.num_elements();
  return count ? saturating(static_cast<uint64_t>(*count), dtype_size(dtype)) : UINT64_MAX;
}

const Strided& strided_of(const DescriptionPtr& part) { return std::get<Strided>(part->what); }

// What every element costs to move: nothing where the storage's bytes are the tensor's.
bool is_plain(const Strided& view, bool big_endian) {
  return view.element->packing == Packing::plain && !(big_endian && view.element->size > 1) && !view.conjugate && !view.negative &&
         view.contiguous();
}

// Sparse layouts that CSR and CSC are, without blocks, batches or dense axes.
bool is_simple(const Compressed& parts) {
  return (parts.layout == "sparse_csr" || parts.layout == "sparse_csc") && parts.shape.rank() == 2;
}

}  // namespace

// ---- Looking

uint64_t Contents::made(const Description& description) const {
  if (const auto* view = std::get_if<Strided>(&description.what)) {
    const Storage& storage = storages_[view->storage];
    const uint64_t expanded = storage.packed ? storage.bytes : 0;
    if (is_plain(*view, big_endian_)) return expanded;
    return plus(expanded, saturating(2, bytes_of(dtype_of(description), *shape_of(description))));
  }
  if (const auto* array = std::get_if<Inline>(&description.what)) return plus(npy::bytes_in_memory(array->header), array->elements.size());
  if (const auto* converted = std::get_if<Converted>(&description.what)) {
    return plus(made(*converted->from), bytes_of(converted->dtype, *shape_of(*converted->from)));
  }
  if (const auto* parts = std::get_if<Compressed>(&description.what)) {
    uint64_t total = plus(made(*parts->indices), made(*parts->values));
    if (parts->indptr != nullptr) total = plus(total, made(*parts->indptr));
    if (is_simple(*parts)) return total;
    const uint64_t entries = static_cast<uint64_t>(shape_of(*parts->values)->num_elements().value_or(INT64_MAX));
    return plus(total, saturating(entries, 8 * parts->shape.rank()));
  }
  const auto& nested = std::get<Nested>(description.what);
  uint64_t total = made(*nested.buffer);
  for (const auto& part : {nested.sizes, nested.strides, nested.offsets}) {
    if (part != nullptr) total = plus(total, plus(made(*part), bytes_of(DType::int64, *shape_of(*part))));
  }
  return plus(total, bytes_of(dtype_of(*nested.buffer), *shape_of(*nested.buffer)));
}

Result<TensorInfo> Contents::inspect(const Description& description) const {
  TensorInfo info;
  info.metadata = description.metadata;
  info.dtype = dtype_of(description);
  const auto place = [&](const Strided& view) {
    const Storage& storage = storages_[view.storage];
    if (!storage.offset) return;
    const uint64_t at = *storage.offset + view.begin + static_cast<uint64_t>(view.offset) * view.element->size;
    if (!info.offset || at < *info.offset) info.offset = at;
  };
  const auto is_view = [&](const Strided& view) {
    if (!in_memory_ || storages_[view.storage].packed || !is_plain(view, big_endian_)) return false;
    if (*view.shape.num_elements() == 0) return true;
    const auto bytes = bytes_->read(storages_[view.storage]);
    const size_t alignment = element_alignment(view.element->dtype);
    return bytes.ok() &&
           reinterpret_cast<uintptr_t>(bytes->data() + view.begin + static_cast<uint64_t>(view.offset) * view.element->size) % alignment ==
               0;
  };
  if (const auto* view = std::get_if<Strided>(&description.what)) {
    info.shape = *shape_of(description);
    info.bytes = bytes_of(info.dtype, info.shape);
    place(*view);
    info.zero_copy = is_view(*view);
  } else if (const auto* array = std::get_if<Inline>(&description.what)) {
    info.shape = array->header.shape;
    info.bytes = npy::bytes_in_memory(array->header);
  } else if (std::holds_alternative<Converted>(description.what)) {
    info.shape = *shape_of(description);
    info.bytes = bytes_of(info.dtype, info.shape);
  } else if (const auto* parts = std::get_if<Compressed>(&description.what)) {
    info.shape = parts->shape;
    const Shape values = *shape_of(*parts->values), indices = *shape_of(*parts->indices);
    info.nnz = values.num_elements().value_or(0);
    info.bytes = bytes_of(info.dtype, values);
    if (is_simple(*parts)) {
      info.kind = parts->layout == "sparse_csr" ? TensorKind::csr : TensorKind::csc;
      info.bytes = plus(info.bytes,
                        plus(bytes_of(dtype_of(*parts->indices), indices), bytes_of(dtype_of(*parts->indptr), *shape_of(*parts->indptr))));
      info.zero_copy = is_view(strided_of(parts->indptr)) && is_view(strided_of(parts->indices)) && is_view(strided_of(parts->values));
    } else {
      info.kind = TensorKind::coo;
      info.bytes = plus(info.bytes, saturating(static_cast<uint64_t>(info.nnz), 8 * parts->shape.rank()));
    }
    for (const auto& part : {parts->indptr, parts->indices, parts->values}) {
      if (part != nullptr) place(strided_of(part));
    }
  } else {
    const auto& nested = std::get<Nested>(description.what);
    info.kind = TensorKind::ragged;
    place(strided_of(nested.buffer));
    if (nested.jagged) {
      const Shape values = *shape_of(*nested.buffer), offsets = *shape_of(*nested.offsets);
      if (offsets.rank() != 1 || offsets[0] < 1 || values.rank() < 1) {
        return data_loss(concat("offsets ", offsets.to_string(), " and values ", values.to_string(), " do not make a jagged tensor"));
      }
      info.shape = Shape{offsets[0] - 1, -1};
      for (size_t axis = 1; axis < values.rank(); ++axis) info.shape.append(values[axis]);
      info.nnz = values.num_elements().value_or(0);
      info.bytes = plus(bytes_of(info.dtype, values), bytes_of(dtype_of(*nested.offsets), offsets));
      info.zero_copy = is_view(strided_of(nested.buffer)) && is_view(strided_of(nested.offsets));
    } else {
      // Its shape is in its bytes.
      FERRY_ASSIGN_OR_RETURN(const Tensor tensor, read(description));
      info.kind = kind_of(tensor);
      info.shape = ferry::shape_of(tensor);
      if (info.kind != TensorKind::dense) info.nnz = nnz_of(tensor);
      info.bytes = num_bytes_of(tensor);
    }
  }
  if (info.bytes > limits_.max_tensor_bytes) {
    return limit_exceeded(
        concat("a tensor takes ", info.bytes, " bytes, more than the limit of ", limits_.max_tensor_bytes, " (max_tensor_bytes)"));
  }
  return info;
}

// ---- Reading

Result<Tensor> Contents::read(const Description& description) const {
  if (const auto* parts = std::get_if<Compressed>(&description.what)) return sparse(*parts);
  if (const auto* parts = std::get_if<Nested>(&description.what)) return nested(*parts);
  FERRY_ASSIGN_OR_RETURN(DenseTensor tensor, dense(description));
  return Tensor(std::move(tensor));
}

Result<DenseTensor> Contents::dense(const Description& description) const {
  if (const auto* view = std::get_if<Strided>(&description.what)) return strided(*view);
  if (const auto* array = std::get_if<Inline>(&description.what)) return inline_array(*array);
  const auto& converted = std::get<Converted>(description.what);
  FERRY_ASSIGN_OR_RETURN(const DenseTensor from, dense(*converted.from));
  return cast(from, converted.dtype);
}

Result<DenseTensor> Contents::strided(const Strided& view) const {
  const Storage& storage = storages_[view.storage];
  const ElementType& element = *view.element;
  const Shape shape = *shape_of(Description{view, {}, {}});
  if (*view.shape.num_elements() == 0) return DenseTensor::make(element.dtype, shape, Buffer());
  FERRY_ASSIGN_OR_RETURN(Buffer bytes, bytes_->read(storage));
  if (view.begin > bytes.size()) return data_loss(concat("storage ", quoted(storage.key), " holds ", bytes.size(), " bytes"));
  bytes = bytes.slice(view.begin, bytes.size() - view.begin);

  if (element.packing == Packing::quint4x2 || element.packing == Packing::quint2x4) {
    const int bits = element.packing == Packing::quint4x2 ? 4 : 2;
    FERRY_ASSIGN_OR_RETURN(const DenseTensor all, unpacked(bytes.bytes(), bits, Shape{static_cast<int64_t>(bytes.size()) * (8 / bits)}));
    FERRY_ASSIGN_OR_RETURN(
        const DenseTensor x,
        arrow::gather_strided(DType::uint8, view.shape, view.strides,
                              all.buffer().slice(static_cast<size_t>(view.offset), all.buffer().size() - static_cast<size_t>(view.offset)),
                              limits_));
    return x.bitcast(element.dtype);
  }
  const uint64_t start = static_cast<uint64_t>(view.offset) * element.size;
  if (start > bytes.size()) return data_loss(concat("storage ", quoted(storage.key), " holds ", bytes.size(), " bytes"));
  std::vector<int64_t> strides(view.strides.size());
  for (size_t axis = 0; axis < strides.size(); ++axis) {
    // The stride of an axis of one element counts for nothing and may be anything.
    strides[axis] = view.shape[axis] == 1 ? 0 : view.strides[axis] * element.size;
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor x,
                         arrow::gather_strided(raw_dtype(element), view.shape, strides, bytes.slice(start, bytes.size() - start), limits_));
  FERRY_ASSIGN_OR_RETURN(x, from_raw(x, element, shape, big_endian_));
  if (view.conjugate) {
    FERRY_ASSIGN_OR_RETURN(x, conjugated(x));
  }
  if (view.negative) {
    FERRY_ASSIGN_OR_RETURN(x, negated(x));
  }
  return x;
}

Result<DenseTensor> Contents::inline_array(const Inline& array) const {
  std::string decoded;
  std::string_view elements = array.elements;
  if (array.latin1) {
    auto bytes = pickle::latin1_bytes(elements);
    if (!bytes) return data_loss("the elements of a NumPy array are spelt with characters past Latin-1");
    decoded = *std::move(bytes);
    elements = decoded;
  }
  if (elements.size() != array.header.data_bytes) {
    return data_loss(concat("a NumPy array of shape ", array.header.shape.to_string(), " needs ", array.header.data_bytes,
                            " bytes, there are ", elements.size()));
  }
  FERRY_ASSIGN_OR_RETURN(const Buffer buffer, Buffer::copy_of(elements));
  return npy::decode(array.header, buffer);
}

Result<DenseTensor> Contents::int64_of(const Description& description) const {
  FERRY_ASSIGN_OR_RETURN(DenseTensor x, dense(description));
  if (x.dtype() == DType::int64) return x;
  if (x.dtype() != DType::int32) return data_loss(concat("indices are ", dtype_name(x.dtype()), ", expected int64 or int32"));
  return cast(x, DType::int64);
}

Result<Tensor> Contents::sparse(const Compressed& parts) const {
  const Validation level = std::max(validation_, Validation::bounds);
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, dense(*parts.values));
  if (is_simple(parts)) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor indptr, dense(*parts.indptr));
    FERRY_ASSIGN_OR_RETURN(DenseTensor indices, dense(*parts.indices));
    FERRY_ASSIGN_OR_RETURN(SparseTensor x, SparseTensor::compressed(parts.layout == "sparse_csr" ? Layout::csr : Layout::csc, parts.shape,
                                                                    std::move(indptr), std::move(indices), std::move(values)));
    FERRY_RETURN_IF_ERROR(x.validate(level));
    return Tensor(std::move(x));
  }
  FERRY_ASSIGN_OR_RETURN(SparseTensor x, [&]() -> Result<SparseTensor> {
    if (parts.layout != "sparse_coo") {
      FERRY_ASSIGN_OR_RETURN(const DenseTensor indptr, int64_of(*parts.indptr));
      FERRY_ASSIGN_OR_RETURN(const DenseTensor indices, int64_of(*parts.indices));
      return from_blocks(parts.layout, parts.shape, indptr, indices, values);
    }
    // [rank, nnz] in PyTorch, [nnz, rank] here.
    Description turned = *parts.indices;
    auto& view = std::get<Strided>(turned.what);
    std::swap(view.shape[0], view.shape[1]);
    std::swap(view.strides[0], view.strides[1]);
    FERRY_ASSIGN_OR_RETURN(DenseTensor indices, int64_of(turned));
    return from_hybrid(parts.shape, std::move(indices), std::move(values));
  }());
  FERRY_RETURN_IF_ERROR(x.validate(level));
  if (parts.coalesced) x = x.with_order(find_order(x));
  return Tensor(std::move(x));
}

Result<Tensor> Contents::nested(const Nested& parts) const {
  const Validation level = std::max(validation_, Validation::bounds);
  FERRY_ASSIGN_OR_RETURN(DenseTensor buffer, dense(*parts.buffer));
  if (parts.jagged) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor offsets, dense(*parts.offsets));
    std::vector<DenseTensor> splits{std::move(offsets)};
    FERRY_ASSIGN_OR_RETURN(RaggedTensor x, RaggedTensor::make(std::move(splits), std::move(buffer)));
    FERRY_RETURN_IF_ERROR(x.validate(level));
    return Tensor(std::move(x));
  }
  FERRY_ASSIGN_OR_RETURN(const DenseTensor sizes, int64_of(*parts.sizes));
  FERRY_ASSIGN_OR_RETURN(const DenseTensor strides, int64_of(*parts.strides));
  DenseTensor offsets;
  if (parts.offsets != nullptr) {
    FERRY_ASSIGN_OR_RETURN(offsets, int64_of(*parts.offsets));
  } else {
    offsets = DenseTensor::vector<int64_t>(parts.offset_list);
  }
  return from_components(buffer, sizes, strides, offsets, limits_);
}

}  // namespace ferry::pt
