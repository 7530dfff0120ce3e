#include <cstring>

#include "ferry/checked.h"
#include "ferry/sparse.h"
#include "formats/tensorproto/tensorproto.h"
#include "formats/tf_sparse/tf_sparse.h"

namespace ferry::tf_sparse {
namespace {

using tensorproto::header_bound;
using tensorproto::put_header;

Result<SparseTensor> as_coo(const SparseTensor& x) {
  if (x.layout() == Layout::coo) return x;
  return to_layout(x, Layout::coo);
}

// TensorFlow's IndicesValid: in range, rising, none twice.
Status check_entries(const SparseTensor& x) {
  FERRY_RETURN_IF_ERROR(x.validate(Validation::bounds));
  const size_t rank = x.rank();
  const int64_t* at = x.coordinates();
  for (int64_t i = 1; i < x.nnz(); ++i, at += rank) {
    size_t axis = 0;
    while (axis < rank && at[axis] == at[rank + axis]) ++axis;
    if (axis < rank && at[axis] < at[rank + axis]) [[likely]]
      continue;
    const std::string place = Shape(std::span(at + rank, rank)).to_string();
    if (axis == rank) {
      return invalid_argument(
          concat("entry ", i, " repeats the coordinate ", place, "; serialize_many_sparse needs one entry each: coalesce them"));
    }
    return invalid_argument(
        concat("entry ", i, " at ", place, " is out of order; serialize_many_sparse needs entries sorted by row: sort them"));
  }
  return {};
}

// Writes the three strings of each row into one arena. Coordinates of two axes are checked as they are written, for one pass.
class ManyWriter {
 public:
  explicit ManyWriter(const SparseTensor& x)
      : x_(x), inner_(x.shape().drop_front(1)), width_(static_cast<int64_t>(x.rank()) - 1), is_string_(x.dtype() == DType::string) {}

  Result<DenseTensor> write() {
    const int64_t rows = x_.shape()[0];
    if (width_ != 1) FERRY_RETURN_IF_ERROR(check_entries(x_));
    FERRY_RETURN_IF_ERROR(allocate(rows));
    int64_t entry = 0;
    const int64_t rank = width_ + 1, nnz = x_.nnz();
    const int64_t* coordinates = x_.coordinates();
    for (int64_t row = 0; row < rows; ++row) {
      int64_t end = entry;
      while (end < nnz && coordinates[end * rank] == row) ++end;
      write_row(entry, end);
      entry = end;
    }
    // Entries that no row took, or that do not rise within one: what is written is dropped, and the slow way says which.
    if (entry < nnz || !in_order_) {
      FERRY_RETURN_IF_ERROR(check_entries(x_));
      return internal_error("entries that are in order were taken for others");
    }
    heap_.truncate(static_cast<size_t>(at_ - start()));
    return DenseTensor::make_strings(Shape{rows, 3}, std::move(offsets_).freeze(), std::move(heap_).freeze());
  }

 private:
  const char* start() { return reinterpret_cast<const char*>(heap_.data()); }

  Status allocate(int64_t rows) {
    const auto inner = static_cast<uint64_t>(width_);
    const uint64_t per_row = header_bound(2) + header_bound(1) + header_bound(1) + 8 * inner;
    const uint64_t per_entry = 8 * inner + (is_string_ ? 5 : dtype_size(x_.dtype()));
    const auto heads = checked_mul<uint64_t>(static_cast<uint64_t>(rows), per_row);
    const auto entries = checked_mul<uint64_t>(static_cast<uint64_t>(x_.nnz()), per_entry);
    auto total = heads && entries ? checked_add(*heads, *entries) : std::nullopt;
    if (total && is_string_) total = checked_add<uint64_t>(*total, static_cast<uint64_t>(x_.values().strings().total_bytes()));
    if (!total) return limit_exceeded(concat(rows, " rows need more than 2^64 bytes when serialized one by one"));
    FERRY_ASSIGN_OR_RETURN(heap_, MutableBuffer::allocate(static_cast<size_t>(*total)));
    FERRY_ASSIGN_OR_RETURN(offsets_, MutableBuffer::of<int64_t>(3 * static_cast<size_t>(rows) + 1));
    at_ = reinterpret_cast<char*>(heap_.data());
    offset_ = offsets_.as<int64_t>().data();
    *offset_++ = 0;
    return {};
  }

  void end_string() { *offset_++ = at_ - start(); }

  void write_row(int64_t begin, int64_t end) {
    const int64_t count = end - begin;
    const int64_t index_shape[2] = {count, width_};
    at_ = put_header(at_, DType::int64, index_shape, static_cast<uint64_t>(count * width_) * 8);
    write_indices(begin, end);
    end_string();
    if (is_string_) {
      at_ = tensorproto::put_strings_as_content(at_, std::span(&count, 1), x_.values().strings(), begin, end);
    } else {
      const size_t size = dtype_size(x_.dtype());
      const size_t bytes = static_cast<size_t>(count) * size;
      at_ = put_header(at_, x_.dtype(), std::span(&count, 1), bytes);
      if (bytes > 0) std::memcpy(at_, static_cast<const char*>(x_.values().raw()) + static_cast<size_t>(begin) * size, bytes);
      at_ += bytes;
    }
    end_string();
    const size_t shape_bytes = static_cast<size_t>(width_) * 8;
    at_ = put_header(at_, DType::int64, std::span(&width_, 1), shape_bytes);
    std::memcpy(at_, inner_.begin(), shape_bytes);
    at_ += shape_bytes;
    end_string();
  }

  // The coordinates without the first. The output has no alignment.
  void write_indices(int64_t begin, int64_t end) {
    const int64_t* from = x_.coordinates() + begin * (width_ + 1);
    if (width_ == 1) {
      const int64_t length = inner_[0];
      int64_t last = -1;
      bool rises = true;
      for (int64_t i = begin; i < end; ++i, from += 2, at_ += 8) {
        const int64_t column = from[1];
        rises &= column > last;
        last = column;
        std::memcpy(at_, &column, 8);
      }
      in_order_ = in_order_ && rises && last < length;
      return;
    }
    const size_t bytes = static_cast<size_t>(width_) * 8;
    for (int64_t i = begin; i < end; ++i, from += width_ + 1, at_ += bytes) std::memcpy(at_, from + 1, bytes);
  }

  const SparseTensor& x_;
  const Shape inner_;
  const int64_t width_;  // rank of each row
  const bool is_string_;
  MutableBuffer heap_, offsets_;
  char* at_ = nullptr;
  int64_t* offset_ = nullptr;
  bool in_order_ = true;
};

}  // namespace

Result<std::array<std::string, 3>> serialize_parts(const SparseTensor& any) {
  FERRY_ASSIGN_OR_RETURN(const SparseTensor x, as_coo(any));
  std::array<std::string, 3> out;
  FERRY_RETURN_IF_ERROR(tensorproto::encode_as_content(out[0], x.indices()));
  FERRY_RETURN_IF_ERROR(tensorproto::encode_as_content(out[1], x.values()));
  FERRY_RETURN_IF_ERROR(tensorproto::encode_as_content(out[2], DenseTensor::vector<int64_t>(x.shape().dims())));
  return out;
}

Result<DenseTensor> serialize(const SparseTensor& x) {
  FERRY_ASSIGN_OR_RETURN(const auto parts, serialize_parts(x));
  return DenseTensor::of_strings(Shape{3}, {parts[0], parts[1], parts[2]});
}

Result<DenseTensor> serialize_many(const SparseTensor& any) {
  if (any.rank() < 2) {
    return invalid_argument(concat("serialize_many_sparse needs rank 2 or more, one row for each index of axis 0; the tensor has shape ",
                                   any.shape().to_string()));
  }
  FERRY_ASSIGN_OR_RETURN(const SparseTensor x, as_coo(any));
  return ManyWriter(x).write();
}

}  // namespace ferry::tf_sparse
