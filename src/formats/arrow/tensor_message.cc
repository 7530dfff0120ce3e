#include "formats/arrow/tensor_message.h"

#include <algorithm>

#include "ferry/checked.h"
#include "formats/arrow/strided.h"

namespace ferry::arrow {
namespace {

using flatbuffers::Table;
using flatbuffers::Vector;

struct Region {
  uint64_t offset = 0, size = 0;
};

Result<Region> region_of(const Message& message, std::span<const std::byte> structure) {
  int64_t words[2];
  std::memcpy(words, structure.data(), 16);
  const uint64_t size = message.body->size;
  if (words[0] < 0 || words[1] < 0 || static_cast<uint64_t>(words[0]) > size ||
      static_cast<uint64_t>(words[1]) > size - static_cast<uint64_t>(words[0])) {
    return data_loss_at(message.offset,
                        concat("a tensor's buffer is at [", words[0], ", +", words[1], ") of a message body of ", size, " bytes"));
  }
  return Region{static_cast<uint64_t>(words[0]), static_cast<uint64_t>(words[1])};
}

Result<Region> read_region(const Message& message, const Table& table, int slot) {
  FERRY_ASSIGN_OR_RETURN(const auto structure, table.structure(slot, 16));
  if (!structure) return data_loss_at(message.offset, "a tensor message without a buffer");
  return region_of(message, *structure);
}

Result<Buffer> load(const Message& message, Region region) {
  return message.body->source->view(message.body->offset + region.offset, region.size);
}

Result<DType> read_dtype(const Table& header) {
  FERRY_ASSIGN_OR_RETURN(const uint8_t kind, header.scalar<uint8_t>(0, 0));
  FERRY_ASSIGN_OR_RETURN(const auto type, header.table(1));
  FERRY_ASSIGN_OR_RETURN(const Type read, read_type(kind, type));
  const auto dtype = plain_dtype(read.id);
  if (!dtype) return unsupported(concat("a tensor message of Arrow type ", type_name(read), ", expected numbers"));
  return *dtype;
}

Result<Shape> read_shape(const Table& header, TensorInfo& info, const Limits& limits) {
  FERRY_ASSIGN_OR_RETURN(const Vector axes, header.tables(2));
  std::vector<int64_t> dims;
  for (size_t i = 0; i < axes.size(); ++i) {
    FERRY_ASSIGN_OR_RETURN(const Table axis, axes.table(i));
    FERRY_ASSIGN_OR_RETURN(const int64_t size, axis.scalar<int64_t>(0, 0));
    FERRY_ASSIGN_OR_RETURN(const std::string_view name, axis.text(1));
    dims.push_back(size);
    if (!name.empty() && i < limits.max_rank) info.metadata.set(concat("arrow.dim_name.", i), name);
  }
  return sparse_shape(dims, limits);
}

// A vector of integers in the body, widened to int64.
Result<DenseTensor> read_integers(const Message& message, TypeId id, Region region, int64_t count) {
  const DType dtype = *plain_dtype(id);
  const auto bytes = count < 0 ? std::nullopt : checked_mul<uint64_t>(static_cast<uint64_t>(count), dtype_size(dtype));
  if (!bytes || *bytes > region.size) {
    return data_loss_at(message.offset, concat(count, " indices of ", dtype_name(dtype), " do not fit in ", region.size, " bytes"));
  }
  FERRY_ASSIGN_OR_RETURN(Buffer data, load(message, {region.offset, *bytes}));
  if (dtype == DType::int32 || dtype == DType::int64) return DenseTensor::make(dtype, Shape{count}, std::move(data));
  FERRY_ASSIGN_OR_RETURN(data, data.aligned(dtype_size(dtype)));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer wide, MutableBuffer::of<int64_t>(static_cast<size_t>(count)));
  visit_dtype(dtype, [&]<class T>(TypeTag<T>) {
    if constexpr (std::is_integral_v<T>) {
      std::ranges::transform(data.as<T>(), wide.as<int64_t>().begin(), [](T value) { return static_cast<int64_t>(value); });
    }
  });
  return DenseTensor::make(DType::int64, Shape{count}, std::move(wide).freeze());
}

Result<DenseTensor> widened(const DenseTensor& integers) {
  if (integers.dtype() == DType::int64) return integers;
  FERRY_ASSIGN_OR_RETURN(MutableBuffer wide, MutableBuffer::of<int64_t>(static_cast<size_t>(integers.num_elements())));
  std::ranges::copy(integers.values<int32_t>(), wide.as<int64_t>().begin());
  return DenseTensor::make(DType::int64, integers.shape(), std::move(wide).freeze());
}

class DenseMessage : public ColumnTensor {
 public:
  DenseMessage(const Message& message, const ReadOptions& options) : message_(message), limits_(options.limits) {}

  Status plan(std::string name) {
    const Table& header = *message_.header;
    info_.name = std::move(name);
    info_.kind = TensorKind::dense;
    FERRY_ASSIGN_OR_RETURN(info_.dtype, read_dtype(header));
    FERRY_ASSIGN_OR_RETURN(const Shape shape, read_shape(header, info_, limits_));
    FERRY_ASSIGN_OR_RETURN(info_.shape, Shape::checked(shape.dims(), limits_));
    FERRY_ASSIGN_OR_RETURN(const Vector strides, header.vector(3, 8));
    FERRY_ASSIGN_OR_RETURN(region_, read_region(message_, header, 4));
    const auto width = static_cast<int64_t>(dtype_size(info_.dtype));
    const auto bytes = checked_mul<int64_t>(info_.shape.num_elements().value_or(0), width);
    if (!bytes || static_cast<uint64_t>(*bytes) > limits_.max_tensor_bytes)
      return limit_exceeded("a tensor message beyond max_tensor_bytes");
    if (strides.size() == 0) {
      // Without elements the strides are never used, and the other axes may multiply to anything.
      int64_t stride = info_.shape.num_elements().value_or(0) == 0 ? 0 : width;
      strides_.resize(info_.shape.rank());
      for (size_t axis = info_.shape.rank(); axis-- > 0;) {
        strides_[axis] = stride;
        stride *= stride == 0 ? 0 : info_.shape[axis];
      }
    } else if (strides.size() == info_.shape.rank()) {
      for (size_t i = 0; i < strides.size(); ++i) strides_.push_back(strides.get<int64_t>(i));
    } else {
      return data_loss_at(message_.offset, concat(strides.size(), " strides for a tensor of rank ", info_.shape.rank()));
    }
    info_.bytes = static_cast<uint64_t>(*bytes);
    info_.offset = message_.body->offset + region_.offset;
    info_.zero_copy = message_.body->source->in_memory();
    return {};
  }
  Result<Tensor> read() const override {
    FERRY_ASSIGN_OR_RETURN(const Buffer data, load(message_, region_));
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, gather_strided(info_.dtype, info_.shape, strides_, data, limits_));
    return Tensor(std::move(out));
  }

 private:
  const Message& message_;
  Limits limits_;
  std::vector<int64_t> strides_;
  Region region_;
};

class SparseMessage : public ColumnTensor {
 public:
  SparseMessage(const Message& message, const ReadOptions& options) : message_(message), options_(options) {}

  Status plan(std::string name) {
    const Table& header = *message_.header;
    info_.name = std::move(name);
    FERRY_ASSIGN_OR_RETURN(info_.dtype, read_dtype(header));
    FERRY_ASSIGN_OR_RETURN(info_.shape, read_shape(header, info_, options_.limits));
    FERRY_ASSIGN_OR_RETURN(info_.nnz, header.scalar<int64_t>(3, 0));
    FERRY_ASSIGN_OR_RETURN(const uint8_t kind, header.scalar<uint8_t>(4, 0));
    FERRY_ASSIGN_OR_RETURN(index_, header.table(5));
    FERRY_ASSIGN_OR_RETURN(values_, read_region(message_, header, 6));
    const auto bytes = info_.nnz < 0 ? std::nullopt : checked_mul<uint64_t>(static_cast<uint64_t>(info_.nnz), dtype_size(info_.dtype));
    if (!index_ || !bytes || *bytes > values_.size) {
      return data_loss_at(message_.offset, concat("a sparse tensor of ", info_.nnz, " values in ", values_.size, " bytes"));
    }
    values_.size = *bytes;
    info_.bytes = *bytes;
    info_.offset = message_.body->offset + values_.offset;
    switch (kind) {
      case 1: return plan_coo();
      case 2: return plan_compressed();
      case 3: return plan_csf();
      default: return unsupported(concat("a sparse tensor message with index type ", kind, "; COO, CSR, CSC and CSF are read"));
    }
  }

  Result<Tensor> read() const override {
    FERRY_ASSIGN_OR_RETURN(Buffer data, load(message_, values_));
    FERRY_ASSIGN_OR_RETURN(DenseTensor values, DenseTensor::make(info_.dtype, Shape{info_.nnz}, std::move(data)));
    Result<SparseTensor> out = SparseTensor();
    if (info_.kind == TensorKind::coo) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor indices, levels_.empty() ? read_coo() : expand_csf());
      out = SparseTensor::coo(info_.shape, std::move(indices), std::move(values));
    } else {
      FERRY_ASSIGN_OR_RETURN(DenseTensor indptr, read_integers(message_, pointer_type_, pointers_[0], pointer_count()));
      FERRY_ASSIGN_OR_RETURN(DenseTensor indices, read_integers(message_, index_type_, indices_[0], info_.nnz));
      if (indptr.dtype() != indices.dtype()) {
        FERRY_ASSIGN_OR_RETURN(indptr, widened(indptr));
        FERRY_ASSIGN_OR_RETURN(indices, widened(indices));
      }
      out = SparseTensor::compressed(info_.kind == TensorKind::csr ? Layout::csr : Layout::csc, info_.shape, std::move(indptr),
                                     std::move(indices), std::move(values));
    }
    if (!out.ok()) return out.status();
    FERRY_RETURN_IF_ERROR(out->validate(std::max(options_.validation, Validation::bounds)));
    return Tensor(*std::move(out));
  }

 private:
  Status bad(std::string_view what) const { return data_loss_at(message_.offset, std::string(what)); }

  Result<TypeId> int_type(int slot) const {
    FERRY_ASSIGN_OR_RETURN(const auto type, index_->table(slot));
    return read_int_type(type);
  }

  Status plan_coo() {
    info_.kind = TensorKind::coo;
    FERRY_ASSIGN_OR_RETURN(index_type_, int_type(0));
    FERRY_ASSIGN_OR_RETURN(const Vector strides, index_->vector(1, 8));
    FERRY_ASSIGN_OR_RETURN(const Region region, read_region(message_, *index_, 2));
    indices_ = {region};
    const auto width = static_cast<int64_t>(dtype_size(*plain_dtype(index_type_)));
    const auto row = checked_mul<int64_t>(width, static_cast<int64_t>(info_.shape.rank()));
    strides_ = {*row, width};
    if (strides.size() == 2) strides_ = {strides.get<int64_t>(0), strides.get<int64_t>(1)};
    return {};
  }

  Result<DenseTensor> read_coo() const {
    FERRY_ASSIGN_OR_RETURN(const Buffer data, load(message_, indices_[0]));
    const Shape shape{info_.nnz, static_cast<int64_t>(info_.shape.rank())};
    const DType dtype = *plain_dtype(index_type_);
    FERRY_ASSIGN_OR_RETURN(DenseTensor raw, gather_strided(dtype, shape, strides_, data, options_.limits));
    if (dtype == DType::int64) return raw;
    FERRY_ASSIGN_OR_RETURN(MutableBuffer wide, MutableBuffer::of<int64_t>(static_cast<size_t>(raw.num_elements())));
    visit_dtype(dtype, [&]<class T>(TypeTag<T>) {
      if constexpr (std::is_integral_v<T>) {
        std::ranges::transform(raw.values<T>(), wide.as<int64_t>().begin(), [](T value) { return static_cast<int64_t>(value); });
      }
    });
    return DenseTensor::make(DType::int64, shape, std::move(wide).freeze());
  }

  Status plan_compressed() {
    FERRY_ASSIGN_OR_RETURN(const int16_t axis, index_->scalar<int16_t>(0, 0));
    if (info_.shape.rank() != 2 || axis < 0 || axis > 1) return bad("a compressed sparse tensor message that is no matrix");
    info_.kind = axis == 0 ? TensorKind::csr : TensorKind::csc;
    FERRY_ASSIGN_OR_RETURN(pointer_type_, int_type(1));
    FERRY_ASSIGN_OR_RETURN(const Region pointers, read_region(message_, *index_, 2));
    FERRY_ASSIGN_OR_RETURN(index_type_, int_type(3));
    FERRY_ASSIGN_OR_RETURN(const Region indices, read_region(message_, *index_, 4));
    pointers_ = {pointers};
    indices_ = {indices};
    return {};
  }
  int64_t pointer_count() const {  // -1, which fits nowhere, where the axis itself does not
    return checked_add<int64_t>(info_.shape[info_.kind == TensorKind::csr ? 0 : 1], 1).value_or(-1);
  }

  // Compressed sparse fibers: level by level, indices of the axes in axisOrder, and pointers from each to the next.
  Status plan_csf() {
    info_.kind = TensorKind::coo;
    const size_t rank = info_.shape.rank();
    FERRY_ASSIGN_OR_RETURN(pointer_type_, int_type(0));
    FERRY_ASSIGN_OR_RETURN(const Vector pointers, index_->vector(1, 16));
    FERRY_ASSIGN_OR_RETURN(index_type_, int_type(2));
    FERRY_ASSIGN_OR_RETURN(const Vector indices, index_->vector(3, 16));
    FERRY_ASSIGN_OR_RETURN(const Vector order, index_->vector(4, 4));
    if (rank == 0 || indices.size() != rank || order.size() != rank || pointers.size() != rank - 1) {
      return bad("a CSF tensor message whose buffers do not match its rank");
    }
    for (size_t level = 0; level < rank; ++level) {
      levels_.push_back(order.get<int32_t>(level));
      FERRY_ASSIGN_OR_RETURN(const Region region, region_of(message_, indices.bytes().subspan(16 * level, 16)));
      indices_.push_back(region);
      if (level + 1 < rank) {
        FERRY_ASSIGN_OR_RETURN(const Region pointer, region_of(message_, pointers.bytes().subspan(16 * level, 16)));
        pointers_.push_back(pointer);
      }
    }
    if (!is_permutation(levels_)) return bad("a CSF tensor message whose axis order is none");
    // The schema calls these lengths bytes; Arrow's own library writes the number of elements. The innermost level tells.
    const auto width = dtype_size(*plain_dtype(index_type_)), pointer_width = dtype_size(*plain_dtype(pointer_type_));
    const auto nnz = static_cast<uint64_t>(info_.nnz);
    if (indices_.back().size == nnz && nnz > 0) {
      for (Region& region : indices_) FERRY_RETURN_IF_ERROR(grow(region, width));
      for (Region& region : pointers_) FERRY_RETURN_IF_ERROR(grow(region, pointer_width));
    }
    return {};
  }

  Status grow(Region& region, uint64_t width) const {
    if (region.size > (message_.body->size - region.offset) / width) return bad("a CSF tensor message whose buffers reach past its body");
    region.size *= width;
    return {};
  }

  Result<DenseTensor> expand_csf() const {
    const size_t rank = levels_.size();
    const auto bytes = checked_mul<uint64_t>(static_cast<uint64_t>(info_.nnz), 8 * rank);
    if (!bytes) return bad("a CSF tensor message too large to expand");
    FERRY_RETURN_IF_ERROR(check_expansion(message_.body->size, *bytes, options_.limits));
    FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(*bytes));
    const auto coordinates = out.as<int64_t>();
    // From the innermost level out: `owner[i]` is the position at the level above that entry i belongs to, and so the
    // entries of the whole tensor are followed up to the root.
    const auto width = dtype_size(*plain_dtype(index_type_));
    std::vector<int64_t> position(static_cast<size_t>(info_.nnz));
    for (size_t i = 0; i < position.size(); ++i) position[i] = static_cast<int64_t>(i);
    int64_t count = info_.nnz;
    for (size_t level = rank; level-- > 0;) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor raw, read_integers(message_, index_type_, indices_[level], count));
      FERRY_ASSIGN_OR_RETURN(raw, widened(raw));
      const auto values = raw.values<int64_t>();
      const auto axis = static_cast<size_t>(levels_[level]);
      for (size_t i = 0; i < position.size(); ++i) coordinates[i * rank + axis] = values[static_cast<size_t>(position[i])];
      if (level == 0) break;
      const auto above = static_cast<int64_t>(indices_[level - 1].size / width);
      FERRY_ASSIGN_OR_RETURN(DenseTensor pointers, read_integers(message_, pointer_type_, pointers_[level - 1], above + 1));
      FERRY_ASSIGN_OR_RETURN(pointers, widened(pointers));
      const auto ends = pointers.values<int64_t>();
      if (ends[0] != 0 || ends[static_cast<size_t>(above)] != count) return bad("CSF pointers that do not cover the level below");
      std::vector<int64_t> owner(static_cast<size_t>(count));
      for (int64_t i = 0; i < above; ++i) {
        const int64_t begin = ends[static_cast<size_t>(i)], end = ends[static_cast<size_t>(i) + 1];
        if (end < begin || end > count) return bad("CSF pointers that fall");
        std::fill(owner.begin() + begin, owner.begin() + end, i);
      }
      for (int64_t& at : position) at = owner[static_cast<size_t>(at)];
      count = above;
    }
    return DenseTensor::make(DType::int64, Shape{info_.nnz, static_cast<int64_t>(rank)}, std::move(out).freeze());
  }

  const Message& message_;
  ReadOptions options_;
  std::optional<Table> index_;
  TypeId index_type_ = TypeId::int64, pointer_type_ = TypeId::int64;
  std::vector<Region> indices_, pointers_;
  std::vector<int64_t> strides_;  // COO
  std::vector<int64_t> levels_;   // CSF: the axis of each level
  Region values_;
};

}  // namespace

Result<std::unique_ptr<ColumnTensor>> message_tensor(const Message& message, std::string name, const ReadOptions& options) {
  if (message.kind == Message::kTensor) {
    auto out = std::make_unique<DenseMessage>(message, options);
    FERRY_RETURN_IF_ERROR(out->plan(std::move(name)));
    return std::unique_ptr<ColumnTensor>(std::move(out));
  }
  auto out = std::make_unique<SparseMessage>(message, options);
  FERRY_RETURN_IF_ERROR(out->plan(std::move(name)));
  return std::unique_ptr<ColumnTensor>(std::move(out));
}

}  // namespace ferry::arrow
