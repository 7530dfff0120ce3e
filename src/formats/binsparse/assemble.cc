#include "formats/binsparse/assemble.h"

#include <algorithm>
#include <cstring>

#include "ferry/cast.h"
#include "ferry/checked.h"
#include "ferry/sparse.h"
#include "formats/elements.h"

namespace ferry::binsparse {
namespace {

bool is_all_dense(const Descriptor& d) { return std::ranges::none_of(d.levels, &Level::sparse); }

// CSR, or CSC where the axes are turned.
bool is_compressed(const Descriptor& d) {
  return d.levels.size() == 2 && !d.levels[0].sparse && d.levels[1].sparse && d.levels[0].rank == 1 && d.levels[1].rank == 1;
}

TensorKind stored_kind(const Descriptor& d) {
  if (is_all_dense(d)) return TensorKind::dense;
  if (!is_compressed(d)) return TensorKind::coo;
  return d.transpose.empty() ? TensorKind::csr : TensorKind::csc;
}

Result<const TensorInfo*> need(const Arrays& arrays, std::string_view name) {
  const TensorInfo* info = arrays.find(name);
  if (info == nullptr) return data_loss(concat("the descriptor needs an array ", quoted(name), ", and there is none"));
  if (info->kind != TensorKind::dense || info->shape.rank() != 1) {
    return data_loss(concat("array ", quoted(name), " has shape ", info->shape.to_string(), ", expected one axis"));
  }
  return info;
}

Result<const TensorInfo*> need_index(const Descriptor& d, const Arrays& arrays, std::string_view name) {
  FERRY_ASSIGN_OR_RETURN(const TensorInfo* info, need(arrays, name));
  const std::string* declared = d.type_of(name);
  if (declared == nullptr) return data_loss(concat("data_types does not name ", quoted(name)));
  FERRY_ASSIGN_OR_RETURN(const ElementType type, element_type_from_name(*declared));
  const DTypeClass klass = dtype_class(info->dtype);
  if (type.iso || dtype_class(type.dtype) == DTypeClass::kComplex || (klass != DTypeClass::kSigned && klass != DTypeClass::kUnsigned) ||
      dtype_size(info->dtype) != dtype_size(type.dtype)) {
    return data_loss(concat("array ", quoted(name), " is ", dtype_name(info->dtype), " and data_types says ", quoted(*declared),
                            ", expected whole numbers of that size"));
  }
  return info;
}

struct Values {
  const TensorInfo* array;
  ElementType type;
  int64_t count;  // elements in the file
};

Result<Values> need_values(const Descriptor& d, const Arrays& arrays, std::string_view name) {
  FERRY_ASSIGN_OR_RETURN(const TensorInfo* info, need(arrays, name));
  const std::string* declared = d.type_of(name);
  if (declared == nullptr) return data_loss(concat("data_types does not name ", quoted(name)));
  FERRY_ASSIGN_OR_RETURN(const ElementType type, element_type_from_name(*declared));
  Values out{info, type, info->shape[0]};
  if (info->dtype == type.dtype) return out;
  if (type.dtype == DType::bool_ && (info->dtype == DType::uint8 || info->dtype == DType::int8)) return out;
  if (dtype_class(type.dtype) == DTypeClass::kComplex &&
      info->dtype == (type.dtype == DType::complex64 ? DType::float32 : DType::float64)) {
    if (out.count % 2 != 0) return data_loss(concat("array ", quoted(name), " has ", out.count, " numbers, complex ones are pairs"));
    out.count /= 2;
    return out;
  }
  return data_loss(concat("array ", quoted(name), " is ", dtype_name(info->dtype), " and data_types says ", quoted(*declared)));
}

std::string level_array(std::string_view word, size_t axis) { return concat(word, axis); }

// What the arrays' lengths say together.
struct Counts {
  Values values;
  std::vector<int64_t> positions;  // after each level
  int64_t stored() const { return positions.empty() ? 1 : positions.back(); }
};

Result<Counts> count(const Descriptor& d, const Arrays& arrays, const Limits& limits) {
  Counts out;
  const Shape shape = d.level_shape();
  int64_t positions = 1;
  size_t axis = 0;
  uint64_t source_bytes = 0;
  for (const Level& level : d.levels) {
    if (!level.sparse) {
      for (size_t k = 0; k < level.rank; ++k) {
        const auto product = checked_mul<int64_t>(positions, shape[axis + k]);
        if (!product) return data_loss(concat("shape ", d.shape.to_string(), " has more dense positions than 63 bits can count"));
        positions = *product;
      }
    } else {
      if (axis > 0) {
        const std::string name = level_array("pointers_to_", axis);
        FERRY_ASSIGN_OR_RETURN(const TensorInfo* pointers, need_index(d, arrays, name));
        source_bytes += pointers->bytes;
        if (pointers->shape[0] - 1 != positions) {
          return data_loss(concat("array ", quoted(name), " has ", pointers->shape[0], " elements, expected one more than the ", positions,
                                  " it points from"));
        }
      }
      int64_t entries = -1;
      for (size_t k = 0; k < level.rank; ++k) {
        const std::string name = level_array("indices_", axis + k);
        FERRY_ASSIGN_OR_RETURN(const TensorInfo* indices, need_index(d, arrays, name));
        source_bytes += indices->bytes;
        if (entries >= 0 && indices->shape[0] != entries) {
          return data_loss(concat("array ", quoted(name), " has ", indices->shape[0], " elements, the one before it ", entries));
        }
        entries = indices->shape[0];
      }
      positions = entries;
    }
    axis += level.rank;
    out.positions.push_back(positions);
  }
  FERRY_ASSIGN_OR_RETURN(out.values, need_values(d, arrays, "values"));
  source_bytes += out.values.array->bytes;
  if (positions != d.stored) {
    return data_loss(concat("number_of_stored_values is ", d.stored, ", the arrays of format ", d.format, " make ", positions));
  }
  if (out.values.count != (out.values.type.iso ? 1 : positions) && !(out.values.type.iso && positions == 0 && out.values.count == 0)) {
    return data_loss(
        concat("array \"values\" has ", out.values.count, " elements, expected ", out.values.type.iso ? int64_t{1} : positions));
  }
  // One value that stands for all, and coordinates of dense blocks, grow in memory.
  const bool coordinates = stored_kind(d) == TensorKind::coo;
  const uint64_t each = dtype_size(out.values.type.dtype) + (coordinates ? 8 * d.shape.rank() : 0);
  const auto bytes = checked_mul<uint64_t>(static_cast<uint64_t>(positions), each);
  if (!bytes || *bytes > limits.max_tensor_bytes) {
    return limit_exceeded(concat(positions, " stored values exceed the limit of ", limits.max_tensor_bytes, " bytes (max_tensor_bytes)"));
  }
  if (*bytes > limits.free_expanded_bytes && *bytes / limits.max_expansion_ratio > source_bytes) {
    return limit_exceeded(concat(source_bytes, " bytes of arrays stand for ", *bytes, ", more than ", limits.max_expansion_ratio,
                                 " times as many (max_expansion_ratio)"));
  }
  return out;
}

// Whole numbers as int32 where they are of at most 32 bits and everything fits, else as int64; counted from zero.
Result<DenseTensor> read_index(const Descriptor& d, const Arrays& arrays, std::string_view name) {
  FERRY_ASSIGN_OR_RETURN(const TensorInfo* info, need_index(d, arrays, name));
  FERRY_ASSIGN_OR_RETURN(DenseTensor index, arrays.read(*info));
  const bool narrow = d.stored < INT32_MAX && std::ranges::all_of(d.shape, [](int64_t dim) { return dim < INT32_MAX; });
  // An unsigned number that has no place among the signed ones turns negative, and is out of bounds as before.
  if (index.dtype() == DType::uint64) {
    FERRY_ASSIGN_OR_RETURN(index, index.bitcast(DType::int64));
  } else if (index.dtype() == DType::uint32 && narrow) {
    FERRY_ASSIGN_OR_RETURN(index, index.bitcast(DType::int32));
  } else if (index.dtype() != DType::int32 && index.dtype() != DType::int64) {
    FERRY_ASSIGN_OR_RETURN(index, cast(index, narrow ? DType::int32 : DType::int64));
  }
  if (d.index_base == 0) return index;
  FERRY_ASSIGN_OR_RETURN(MutableBuffer shifted, MutableBuffer::allocate(index.buffer().size()));
  const auto shift = [&]<class T>(TypeTag<T>) {
    const auto from = index.values<T>();
    const auto to = shifted.as<T>();
    // The lowest number stays out of bounds.
    for (size_t i = 0; i < from.size(); ++i) to[i] = from[i] < 0 ? from[i] : static_cast<T>(from[i] - 1);
  };
  index.dtype() == DType::int32 ? shift(TypeTag<int32_t>{}) : shift(TypeTag<int64_t>{});
  return DenseTensor::make(index.dtype(), index.shape(), std::move(shifted).freeze());
}

Result<DenseTensor> read_index64(const Descriptor& d, const Arrays& arrays, std::string_view name) {
  FERRY_ASSIGN_OR_RETURN(const DenseTensor index, read_index(d, arrays, name));
  return index.dtype() == DType::int64 ? index : cast(index, DType::int64);
}

// `wanted` elements of values, or one of fill_value.
Result<DenseTensor> read_values(const Arrays& arrays, const Values& values, int64_t wanted) {
  FERRY_ASSIGN_OR_RETURN(const DenseTensor array, arrays.read(*values.array));
  const DType dtype = values.type.dtype;
  if (dtype == DType::bool_ && array.dtype() != DType::bool_) FERRY_RETURN_IF_ERROR(check_bools(array.buffer().bytes()));
  if (!values.type.iso || wanted == values.count) return DenseTensor::make(dtype, Shape{values.count}, array.buffer());
  const size_t size = dtype_size(dtype);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(static_cast<size_t>(wanted) * size));
  if (wanted > 0) std::memcpy(out.data(), array.buffer().data(), size);
  for (size_t done = size; done < out.size(); done *= 2) std::memcpy(out.data() + done, out.data(), std::min(done, out.size() - done));
  return DenseTensor::make(dtype, Shape{wanted}, std::move(out).freeze());
}

// Elements of `levels` order (shape[transpose[k]] on axis k) in the order of the shape.
Result<Buffer> turn(const Buffer& from, const Shape& shape, const std::vector<size_t>& transpose, size_t size) {
  if (from.empty()) return Buffer();  // and the product of the axes may be beyond any number
  const size_t rank = shape.rank();
  std::vector<int64_t> stride(rank);  // in `from`, by axis of the shape
  int64_t step = 1;
  for (size_t k = rank; k-- > 0;) {
    stride[transpose[k]] = step;
    step *= shape[transpose[k]];
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(from.size()));
  std::vector<int64_t> at(rank, 0);
  visit_width(size, [&]<class T>(TypeTag<T>) {
    const T* source = reinterpret_cast<const T*>(from.data());
    T* to = reinterpret_cast<T*>(out.data());
    const int64_t inner = shape[rank - 1], inner_stride = stride[rank - 1];
    for (;;) {
      for (int64_t i = 0; i < inner; ++i) *to++ = source[i * inner_stride];
      size_t axis = rank - 1;
      for (;;) {
        if (axis == 0) return;
        --axis;
        source += stride[axis];
        if (++at[axis] < shape[axis]) break;
        source -= stride[axis] * shape[axis];
        at[axis] = 0;
      }
    }
  });
  return std::move(out).freeze();
}

Result<Tensor> assemble_dense(const Descriptor& d, const Arrays& arrays, const Counts& counts) {
  FERRY_ASSIGN_OR_RETURN(const DenseTensor flat, read_values(arrays, counts.values, counts.stored()));
  Buffer elements = flat.buffer();
  if (!d.transpose.empty()) {
    FERRY_ASSIGN_OR_RETURN(elements, turn(elements, d.shape, d.transpose, dtype_size(flat.dtype())));
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor out, DenseTensor::make(flat.dtype(), d.shape, std::move(elements)));
  return Tensor(std::move(out));
}

Result<Tensor> assemble_compressed(const Descriptor& d, const Arrays& arrays, const Counts& counts) {
  FERRY_ASSIGN_OR_RETURN(DenseTensor indptr, read_index(d, arrays, "pointers_to_1"));
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, read_index(d, arrays, "indices_1"));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, read_values(arrays, counts.values, counts.stored()));
  if (indptr.dtype() != indices.dtype()) {
    FERRY_ASSIGN_OR_RETURN(indptr, cast(indptr, DType::int64));
    FERRY_ASSIGN_OR_RETURN(indices, cast(indices, DType::int64));
  }
  FERRY_ASSIGN_OR_RETURN(SparseTensor out, SparseTensor::compressed(d.transpose.empty() ? Layout::csr : Layout::csc, d.shape,
                                                                    std::move(indptr), std::move(indices), std::move(values)));
  return Tensor(std::move(out));
}

// Coordinates, one column an axis of the levels, for the positions of one level after the other.
class Walk {
 public:
  Walk(const Descriptor& d, const Arrays& arrays, const Counts& counts)
      : d_(d), arrays_(arrays), counts_(counts), shape_(d.level_shape()) {}

  Result<DenseTensor> coordinates() {
    for (size_t level = 0; level < d_.levels.size(); ++level) {
      FERRY_RETURN_IF_ERROR(d_.levels[level].sparse ? sparse(level) : dense(level));
    }
    const auto count = static_cast<size_t>(counts_.stored());
    const size_t rank = d_.shape.rank();
    FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(count * rank));
    const auto to = out.as<int64_t>();
    for (size_t k = 0; k < rank; ++k) {
      const size_t axis = d_.transpose.empty() ? k : d_.transpose[k];
      const auto from = columns_[k].values<int64_t>();
      for (size_t i = 0; i < count; ++i) to[i * rank + axis] = from[i];
    }
    return DenseTensor::make(DType::int64, Shape{counts_.stored(), static_cast<int64_t>(rank)}, std::move(out).freeze());
  }

 private:
  int64_t before(size_t level) const { return level == 0 ? 1 : counts_.positions[level - 1]; }

  // New columns whose element q is the old one's parent(q).
  template <class Parent>
  Status spread(size_t count, Parent&& parent) {
    for (DenseTensor& column : columns_) {
      FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(count));
      const auto from = column.values<int64_t>();
      const auto to = out.as<int64_t>();
      for (size_t q = 0; q < count; ++q) to[q] = from[parent(q)];
      FERRY_ASSIGN_OR_RETURN(column, DenseTensor::make(DType::int64, Shape{static_cast<int64_t>(count)}, std::move(out).freeze()));
    }
    return {};
  }

  Status dense(size_t level) {
    const size_t axis = columns_.size(), rank = d_.levels[level].rank;
    const auto count = static_cast<size_t>(counts_.positions[level]);
    const size_t block = before(level) == 0 ? 1 : count / static_cast<size_t>(before(level));
    if (count > 0) FERRY_RETURN_IF_ERROR(spread(count, [&](size_t q) { return q / block; }));
    if (count == 0) {
      columns_.assign(axis, DenseTensor::of<int64_t>(Shape{0}, std::span<const int64_t>()));
    }
    size_t inner = block;
    for (size_t k = 0; k < rank; ++k) {
      const auto dim = static_cast<size_t>(shape_[axis + k]);
      FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(count));
      if (count > 0) {
        inner /= dim;
        for (size_t q = 0; q < count; ++q) out.as<int64_t>()[q] = static_cast<int64_t>(q / inner % dim);
      }
      FERRY_ASSIGN_OR_RETURN(DenseTensor column,
                             DenseTensor::make(DType::int64, Shape{static_cast<int64_t>(count)}, std::move(out).freeze()));
      columns_.push_back(std::move(column));
    }
    return {};
  }

  Status sparse(size_t level) {
    const size_t axis = columns_.size();
    const auto count = static_cast<size_t>(counts_.positions[level]);
    if (axis > 0) {
      const std::string name = level_array("pointers_to_", axis);
      FERRY_ASSIGN_OR_RETURN(const DenseTensor pointers, read_index64(d_, arrays_, name));
      const auto p = pointers.values<int64_t>();
      FERRY_ASSIGN_OR_RETURN(MutableBuffer parents, MutableBuffer::of<int64_t>(count));
      const auto parent = parents.as<int64_t>();
      int64_t at = 0;
      for (size_t i = 0; i + 1 < p.size(); ++i) {
        if (p[i] != at || p[i + 1] < at || p[i + 1] > static_cast<int64_t>(count)) {
          return data_loss(concat("array ", quoted(name), ": element ", p[i] != at ? i : i + 1, " is ", p[i] != at ? p[i] : p[i + 1],
                                  ", expected numbers from 0 that do not fall, up to ", count));
        }
        for (; at < p[i + 1]; ++at) parent[static_cast<size_t>(at)] = static_cast<int64_t>(i);
      }
      if (at != static_cast<int64_t>(count)) return data_loss(concat("array ", quoted(name), " ends at ", at, ", expected ", count));
      FERRY_RETURN_IF_ERROR(spread(count, [&](size_t q) { return static_cast<size_t>(parent[q]); }));
    }
    for (size_t k = 0; k < d_.levels[level].rank; ++k) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor column, read_index64(d_, arrays_, level_array("indices_", axis + k)));
      columns_.push_back(std::move(column));
    }
    return {};
  }

  const Descriptor& d_;
  const Arrays& arrays_;
  const Counts& counts_;
  Shape shape_;
  std::vector<DenseTensor> columns_;
};

Result<Tensor> assemble_stored(const Descriptor& d, const Arrays& arrays, const Counts& counts) {
  if (is_all_dense(d)) return assemble_dense(d, arrays, counts);
  if (is_compressed(d)) return assemble_compressed(d, arrays, counts);
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, Walk(d, arrays, counts).coordinates());
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, read_values(arrays, counts.values, counts.stored()));
  FERRY_ASSIGN_OR_RETURN(SparseTensor out, SparseTensor::coo(d.shape, std::move(indices), std::move(values)));
  return Tensor(std::move(out));
}

bool is_zero(const DenseTensor& one) {
  return visit_dtype(one.dtype(), [&]<class T>(TypeTag<T>) { return to_arithmetic(one.values<T>()[0]) == Arithmetic<T>{}; });
}

// The one element, or nothing where it is zero or absent.
Result<std::optional<DenseTensor>> read_fill(const Descriptor& d, const Arrays& arrays, DType dtype) {
  if (!d.fill) return std::optional<DenseTensor>();
  FERRY_ASSIGN_OR_RETURN(const Values fill, need_values(d, arrays, "fill_value"));
  if (fill.count != 1) return data_loss(concat("fill_value has ", fill.count, " elements, expected one"));
  FERRY_ASSIGN_OR_RETURN(DenseTensor one, read_values(arrays, fill, 1));
  if (is_zero(one)) return std::optional<DenseTensor>();
  // PyData's is an int64 or a float64 whatever the values are.
  auto same = cast(one, dtype, {.checked = true});
  if (!same.ok()) return same.status().with_context("fill_value");
  return std::optional(*std::move(same));
}

std::string fill_text(const DenseTensor& one) {
  return visit_dtype(one.dtype(), [&]<class T>(TypeTag<T>) {
    const T value = one.values<T>()[0];
    if constexpr (is_complex_v<T>) {
      return concat(static_cast<double>(value.real()), value.imag() < 0 ? "" : "+", static_cast<double>(value.imag()), "j");
    } else if constexpr (is_small_float_v<T> || std::is_floating_point_v<T>) {
      return concat(static_cast<double>(to_arithmetic(value)));
    } else {
      return concat(to_arithmetic(value));
    }
  });
}

Result<Tensor> fill_densely(const SparseTensor& x, const DenseTensor& fill, const Limits& limits) {
  FERRY_RETURN_IF_ERROR(x.validate(Validation::bounds));
  const auto count = x.shape().num_elements();
  const size_t size = dtype_size(x.dtype());
  const auto bytes = count ? checked_mul<uint64_t>(static_cast<uint64_t>(*count), size) : std::nullopt;
  if (!bytes || *bytes > limits.max_densified_bytes) {
    return limit_exceeded(
        concat("shape ", x.shape().to_string(), " filled exceeds ", limits.max_densified_bytes, " bytes (max_densified_bytes)"));
  }
  FERRY_ASSIGN_OR_RETURN(const SparseTensor coo, to_layout(x, Layout::coo));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(*bytes));
  const size_t rank = x.rank();
  visit_width(size, [&]<class T>(TypeTag<T>) {
    std::ranges::fill(out.as<T>(), *reinterpret_cast<const T*>(fill.raw()));
    const T* from = static_cast<const T*>(coo.values().raw());
    for (size_t i = 0; i < static_cast<size_t>(coo.nnz()); ++i) {
      int64_t at = 0;
      for (size_t axis = 0; axis < rank; ++axis) at = at * x.shape()[axis] + coo.coordinates()[i * rank + axis];
      out.as<T>()[static_cast<size_t>(at)] = from[i];
    }
  });
  FERRY_ASSIGN_OR_RETURN(DenseTensor dense, DenseTensor::make(x.dtype(), x.shape(), std::move(out).freeze()));
  return Tensor(std::move(dense));
}

}  // namespace

Result<TensorInfo> describe(const Descriptor& d, const Arrays& arrays, const AssembleOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const Counts counts, count(d, arrays, options.limits));
  TensorInfo info;
  info.kind = stored_kind(d);
  info.dtype = counts.values.type.dtype;
  info.shape = d.shape;
  info.metadata = d.attributes;
  info.offset = counts.values.array->offset;
  info.bytes = static_cast<uint64_t>(counts.stored()) * dtype_size(info.dtype);
  info.zero_copy = !counts.values.type.iso && counts.values.array->zero_copy && d.structure == Structure::none;
  if (info.kind == TensorKind::dense) {
    info.zero_copy = info.zero_copy && d.transpose.empty();
  } else {
    info.nnz = counts.stored();
    if (info.kind == TensorKind::coo) {
      info.zero_copy = false;
      info.bytes += static_cast<uint64_t>(counts.stored()) * 8 * d.shape.rank();
    } else {
      for (const std::string_view name : {"pointers_to_1", "indices_1"}) {
        const TensorInfo* index = arrays.find(name);
        info.zero_copy = info.zero_copy && index->zero_copy && dtype_size(index->dtype) >= 4 && d.index_base == 0;
        info.bytes += index->bytes;
      }
      info.zero_copy = info.zero_copy && dtype_size(arrays.find("pointers_to_1")->dtype) == dtype_size(arrays.find("indices_1")->dtype);
    }
    FERRY_ASSIGN_OR_RETURN(const auto fill, read_fill(d, arrays, info.dtype));
    if (fill) {
      if (options.fill == Fill::dense) {
        info.kind = TensorKind::dense;
        info.zero_copy = false;
        info.nnz = -1;
        info.bytes = static_cast<uint64_t>(d.shape.num_elements().value_or(0)) * dtype_size(info.dtype);
      } else {
        info.metadata.set("fill_value", fill_text(*fill));
      }
    }
  }
  if (d.structure != Structure::none && info.kind != TensorKind::dense) {
    // How many entries lie on the diagonal shows only when they are read.
    AssembleOptions look = options;
    look.fill = Fill::drop;
    FERRY_ASSIGN_OR_RETURN(const Tensor tensor, assemble(d, arrays, look));
    info.nnz = nnz_of(tensor);
    info.bytes = num_bytes_of(tensor);
  }
  return info;
}

Result<Tensor> assemble(const Descriptor& d, const Arrays& arrays, const AssembleOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const Counts counts, count(d, arrays, options.limits));
  std::optional<DenseTensor> fill;
  if (!is_all_dense(d)) {
    FERRY_ASSIGN_OR_RETURN(fill, read_fill(d, arrays, counts.values.type.dtype));
  }
  if (fill && options.fill == Fill::refuse) {
    return unsupported(concat("places that are not stored are ", fill_text(*fill),
                              ", and our sparse tensors have zeros there; read it with fill=dense, or with fill=drop to have zeros"));
  }
  FERRY_ASSIGN_OR_RETURN(Tensor out, assemble_stored(d, arrays, counts));
  if (d.structure != Structure::none) {
    FERRY_ASSIGN_OR_RETURN(out, expand_structure(std::move(out), d.structure, options));
  }
  FERRY_RETURN_IF_ERROR(validate(out, options.validation));
  if (fill && options.fill == Fill::dense) return fill_densely(std::get<SparseTensor>(out), *fill, options.limits);
  return out;
}

}  // namespace ferry::binsparse
