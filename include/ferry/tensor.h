// Tensors: dense, sparse (COO n-D, CSR, CSC) and ragged, equals of one another. Values; copying shares the bytes.
// Constructors named make/coo/csr/… check structure (dtypes, ranks, counts) and never look at the values;
// validate() does, to the level asked for.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ferry/buffer.h"
#include "ferry/dtype.h"
#include "ferry/shape.h"
#include "ferry/status.h"

namespace ferry {

// ---- Dense ---------------------------------------------------------------------------------------------------------

// Strings back to back: element i is bytes[offsets[i], offsets[i + 1]).
class StringsView {
 public:
  StringsView(const int64_t* offsets, const char* bytes, int64_t count) : offsets_(offsets), bytes_(bytes), count_(count) {}
  int64_t size() const { return count_; }
  std::string_view operator[](int64_t i) const { return {bytes_ + offsets_[i], static_cast<size_t>(offsets_[i + 1] - offsets_[i])}; }
  int64_t total_bytes() const { return offsets_[count_] - offsets_[0]; }
  const int64_t* offsets() const { return offsets_; }
  const char* bytes() const { return bytes_; }

 private:
  const int64_t* offsets_;
  const char* bytes_;
  int64_t count_;
};

// Borrowed dense elements, C order, good for one call. data is aligned to the element. Not for strings.
struct DenseView {
  DType dtype = DType::float32;
  std::span<const int64_t> shape;
  const void* data = nullptr;
};

// C order. Fixed-size elements lie in buffer(), aligned to the element; strings in an arena of offsets and bytes.
class DenseTensor {
 public:
  DenseTensor();  // float32 [0]

  // `data` holds exactly the elements of `shape`; an unaligned one is copied.
  static Result<DenseTensor> make(DType dtype, Shape shape, Buffer data);
  // `offsets`: int64 [n + 1], not falling, all within `bytes` (checked, since nothing else would).
  static Result<DenseTensor> make_strings(Shape shape, Buffer offsets, Buffer bytes);
  // Copies. For tests, small results and literals; the count must fit the shape.
  template <class T>
  static DenseTensor of(Shape shape, std::span<const T> values);
  template <class T>
  static DenseTensor of(Shape shape, std::initializer_list<T> values) {
    return of<T>(std::move(shape), std::span<const T>(values.begin(), values.size()));
  }
  template <class T>
  static DenseTensor vector(std::span<const T> values) {
    return of<T>(Shape{static_cast<int64_t>(values.size())}, values);
  }
  template <class T>
  static DenseTensor scalar(T value) {
    return of<T>(Shape{}, std::span<const T>(&value, 1));
  }
  static DenseTensor of_strings(Shape shape, std::span<const std::string_view> values);
  static DenseTensor of_strings(Shape shape, std::initializer_list<std::string_view> values) {
    return of_strings(std::move(shape), std::span<const std::string_view>(values.begin(), values.size()));
  }

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t num_elements() const { return count_; }
  bool is_string() const { return dtype_ == DType::string; }
  uint64_t num_bytes() const;  // elements, or string bytes plus offsets

  // Elements, or for strings the offsets.
  const Buffer& buffer() const { return data_; }
  const Buffer& string_bytes() const { return heap_; }
  // T is the element type, or any type of its width.
  template <class T>
  std::span<const T> values() const {
    FERRY_ASSERT(sizeof(T) == dtype_size(dtype_));
    return {reinterpret_cast<const T*>(data_.data()), static_cast<size_t>(count_)};
  }
  const void* raw() const { return data_.data(); }
  StringsView strings() const {
    FERRY_ASSERT(is_string());
    return {reinterpret_cast<const int64_t*>(data_.data()), reinterpret_cast<const char*>(heap_.data()), count_};
  }
  DenseView view() const { return {dtype_, shape_.dims(), data_.data()}; }

  // The same elements under another shape of as many.
  Result<DenseTensor> reshaped(Shape shape) const;
  // Rows [begin, end) of axis 0, sharing the bytes.
  Result<DenseTensor> slice_rows(int64_t begin, int64_t end) const;
  // The same bits under another dtype of the same width (qint8 as int8, Half as uint16).
  Result<DenseTensor> bitcast(DType dtype) const;

 private:
  DenseTensor(DType dtype, Shape shape, int64_t count, Buffer data, Buffer heap)
      : dtype_(dtype), shape_(std::move(shape)), count_(count), data_(std::move(data)), heap_(std::move(heap)) {}
  DType dtype_;
  Shape shape_;
  int64_t count_;
  Buffer data_;
  Buffer heap_;
};

// Fills a string tensor one element at a time.
class StringsBuilder {
 public:
  Status append(std::string_view text);
  int64_t size() const { return count_; }
  Result<DenseTensor> finish(Shape shape) &&;

 private:
  int64_t count_ = 0;
  std::vector<int64_t> offsets_{0};
  std::string bytes_;
};

// ---- Sparse --------------------------------------------------------------------------------------------------------

enum class Layout : uint8_t { coo, csr, csc };
std::string_view layout_name(Layout layout);

// How far values are checked. Bytes from outside are always checked to `bounds` before use.
enum class Validation : uint8_t {
  trust,      // structure only
  bounds,     // every index in range, row pointers not falling, string offsets in their arena
  canonical,  // and sorted, and no coordinate twice
};

// What is known of the order of entries. False means "not known to be", never "known not to be".
struct Order {
  bool sorted = false;  // COO: row-major, CSR/CSC: minor indices rise within each major row (equal ones may repeat)
  bool unique = false;  // no coordinate twice
  friend bool operator==(Order, Order) = default;
};

// COO: indices int64 [nnz, rank], as TensorFlow. CSR/CSC: rank 2, indptr [rows or columns + 1] and indices [nnz], both
// int32 or both int64. values [nnz], any dtype. Missing entries are zero, "" or false.
class SparseTensor {
 public:
  SparseTensor();  // float32 COO of shape [0, 0] without entries

  static Result<SparseTensor> coo(Shape shape, DenseTensor indices, DenseTensor values, Order order = {});
  static Result<SparseTensor> csr(Shape shape, DenseTensor indptr, DenseTensor indices, DenseTensor values, Order order = {});
  static Result<SparseTensor> csc(Shape shape, DenseTensor indptr, DenseTensor indices, DenseTensor values, Order order = {});
  static Result<SparseTensor> compressed(Layout layout, Shape shape, DenseTensor indptr, DenseTensor indices, DenseTensor values,
                                         Order order = {});

  Layout layout() const { return layout_; }
  DType dtype() const { return values_.dtype(); }
  const Shape& shape() const { return shape_; }
  size_t rank() const { return shape_.rank(); }
  int64_t nnz() const { return values_.num_elements(); }
  Order order() const { return order_; }
  const DenseTensor& values() const { return values_; }
  const DenseTensor& indices() const { return indices_; }
  const DenseTensor& indptr() const { return indptr_; }  // CSR and CSC
  DType index_dtype() const { return indices_.dtype(); }
  // COO: nnz rows of rank() coordinates.
  const int64_t* coordinates() const { return static_cast<const int64_t*>(indices_.raw()); }
  uint64_t num_bytes() const { return values_.num_bytes() + indices_.num_bytes() + indptr_.num_bytes(); }

  Status validate(Validation level) const;
  // The same entries with facts that the caller has proved.
  SparseTensor with_order(Order order) const;
  Result<SparseTensor> with_values(DenseTensor values) const;

 private:
  Layout layout_ = Layout::coo;
  Shape shape_;
  DenseTensor indices_, values_, indptr_;
  Order order_;
};

// ---- Ragged --------------------------------------------------------------------------------------------------------

// Rows of different lengths, nested: row_splits(0) is the outermost, each int64 (or all int32) and rising from 0;
// the last one cuts axis 0 of flat_values, whose further axes are uniform. As tf.RaggedTensor.
class RaggedTensor {
 public:
  RaggedTensor();  // float32, no rows

  static Result<RaggedTensor> make(std::vector<DenseTensor> row_splits, DenseTensor flat_values);

  DType dtype() const { return values_.dtype(); }
  DType splits_dtype() const { return splits_.front().dtype(); }
  size_t ragged_rank() const { return splits_.size(); }
  int64_t rows() const { return splits_.front().num_elements() - 1; }
  const DenseTensor& row_splits(size_t level) const { return splits_[level]; }
  std::span<const DenseTensor> nested_row_splits() const { return splits_; }
  const DenseTensor& flat_values() const { return values_; }
  Shape shape() const;  // -1 for each ragged axis: [rows, -1, …, inner axes]
  uint64_t num_bytes() const;

  Status validate(Validation level) const;

 private:
  std::vector<DenseTensor> splits_;
  DenseTensor values_;
};

// ---- Any of them ---------------------------------------------------------------------------------------------------

using Tensor = std::variant<DenseTensor, SparseTensor, RaggedTensor>;

enum class TensorKind : uint8_t { dense, coo, csr, csc, ragged };
std::string_view kind_name(TensorKind kind);
std::optional<TensorKind> kind_from_name(std::string_view name);

TensorKind kind_of(const Tensor& tensor);
DType dtype_of(const Tensor& tensor);
Shape shape_of(const Tensor& tensor);
int64_t nnz_of(const Tensor& tensor);  // stored values
uint64_t num_bytes_of(const Tensor& tensor);
Status validate(const Tensor& tensor, Validation level);

// Same kind, dtype, shape and stored bits, entry by entry: a NaN equals itself, 0.0 and -0.0 differ.
bool identical(const Tensor& a, const Tensor& b);

template <class T>
DenseTensor DenseTensor::of(Shape shape, std::span<const T> values) {
  auto data = Buffer::copy_of(std::as_bytes(values));
  FERRY_ASSERT(data.ok());
  auto tensor = make(ferry::dtype_of<T>(), std::move(shape), *std::move(data));
  FERRY_ASSERT(tensor.ok());
  return *std::move(tensor);
}

}  // namespace ferry
