#include "formats/binsparse/spell.h"

#include <algorithm>
#include <limits>

#include "ferry/sparse.h"

namespace ferry::binsparse {
namespace {

Descriptor outline(std::string_view format, const Shape& shape, int64_t stored) {
  Descriptor out;
  out.format = format;
  out.shape = shape;
  out.stored = stored;
  return out;
}

std::string_view sparse_format(const SparseTensor& x) {
  switch (x.layout()) {
    case Layout::csr: return "CSR";
    case Layout::csc: return "CSC";
    case Layout::coo: break;
  }
  return x.rank() == 1 ? "CVEC" : x.rank() == 2 ? "COOR" : "custom";
}

Descriptor sparse_outline(const SparseTensor& x) {
  Descriptor out = outline(sparse_format(x), x.shape(), x.nnz());
  if (out.format == "custom") out.levels = {{true, x.rank()}};
  return out;
}

// bool as bytes, complex as pairs, all on one axis.
Result<Array> values_array(std::string name, const DenseTensor& values, Descriptor& descriptor) {
  descriptor.types.emplace_back(name, element_type_name({values.dtype(), false}));
  DType dtype = values.dtype();
  int64_t count = values.num_elements();
  if (dtype == DType::bool_) dtype = DType::uint8;
  if (dtype == DType::complex64 || dtype == DType::complex128) {
    dtype = dtype == DType::complex64 ? DType::float32 : DType::float64;
    count *= 2;
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor array, DenseTensor::make(dtype, Shape{count}, values.buffer()));
  return Array{std::move(name), std::move(array)};
}

void add_index(Spelled& out, std::string name, DenseTensor array) {
  out.descriptor.types.emplace_back(name, element_type_name({array.dtype(), false}));
  out.arrays.push_back({std::move(name), std::move(array)});
}

template <class Index>
Result<DenseTensor> column(const SparseTensor& x, size_t axis) {
  const auto nnz = static_cast<size_t>(x.nnz());
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<Index>(nnz));
  const int64_t* const from = x.coordinates();  // null where there are none
  const auto to = out.as<Index>();
  for (size_t i = 0; i < nnz; ++i) to[i] = static_cast<Index>(from[i * x.rank() + axis]);
  return DenseTensor::make(dtype_of<Index>(), Shape{x.nnz()}, std::move(out).freeze());
}

Result<SparseTensor> canonical(const SparseTensor& given) {
  FERRY_RETURN_IF_ERROR(given.validate(Validation::bounds));
  Order order = given.order();
  SparseTensor x = given;
  if (!order.sorted || !order.unique) order = find_order(x);
  if (!order.sorted) {
    FERRY_ASSIGN_OR_RETURN(x, sort(x));
    order = find_order(x);
  }
  if (!order.unique) return unsupported("Binsparse holds one entry a place, and some places have several; use --coalesce");
  return x;
}

Result<Spelled> spell_dense(const DenseTensor& x) {
  Spelled out;
  const size_t rank = x.shape().rank();
  out.descriptor = outline(rank == 1 ? "DVEC" : rank == 2 ? "DMATR" : "custom", x.shape(), x.num_elements());
  if (rank > 2) out.descriptor.levels = {{false, rank}};
  FERRY_ASSIGN_OR_RETURN(Array values, values_array("values", x, out.descriptor));
  out.arrays.push_back(std::move(values));
  return out;
}

Result<Spelled> spell_sparse(const SparseTensor& given) {
  if (given.rank() == 0) return unsupported("Binsparse has no sparse scalars; use --densify");
  FERRY_ASSIGN_OR_RETURN(const SparseTensor x, canonical(given));
  Spelled out;
  out.descriptor = sparse_outline(x);
  if (x.layout() != Layout::coo) {
    add_index(out, "pointers_to_1", x.indptr());
    add_index(out, "indices_1", x.indices());
  } else {
    // As SciPy: 32 bits where every axis fits them.
    const bool narrow = std::ranges::all_of(x.shape(), [](int64_t dim) { return dim <= std::numeric_limits<int32_t>::max(); });
    for (size_t axis = 0; axis < x.rank(); ++axis) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor index, narrow ? column<int32_t>(x, axis) : column<int64_t>(x, axis));
      add_index(out, concat("indices_", axis), std::move(index));
    }
  }
  FERRY_ASSIGN_OR_RETURN(Array values, values_array("values", x.values(), out.descriptor));
  out.arrays.push_back(std::move(values));
  return out;
}

}  // namespace

Result<Spelled> spell(const Tensor& tensor) {
  if (const auto* dense = std::get_if<DenseTensor>(&tensor)) return spell_dense(*dense);
  if (const auto* sparse = std::get_if<SparseTensor>(&tensor)) return spell_sparse(*sparse);
  return unsupported("Binsparse has no ragged tensors");
}

std::string describe_parts(const SparseTensor& x, std::string_view prefix, DType index) {
  if (x.rank() == 0 || !x.validate(Validation::canonical).ok()) return "";
  Descriptor descriptor = sparse_outline(x);
  std::vector<std::pair<std::string, std::string>> arrays;
  const auto add = [&](std::string name, DType dtype, std::string place) {
    descriptor.types.emplace_back(name, element_type_name({dtype, false}));
    arrays.emplace_back(std::move(name), concat(prefix, place));
  };
  if (x.layout() != Layout::coo) {
    add("pointers_to_1", index, "indptr");
    add("indices_1", index, "indices");
  } else {
    for (size_t axis = 0; axis < x.rank(); ++axis) add(concat("indices_", axis), index, concat("indices[:,", axis, "]"));
  }
  add("values", x.dtype(), "values");
  return write_descriptor(descriptor, arrays);
}

}  // namespace ferry::binsparse
