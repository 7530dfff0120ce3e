// Pieces of rows put together to the tensors of a batch.
#include <algorithm>
#include <cstring>
#include <limits>

#include "dataset/table.h"

namespace ferry::dataset {
namespace {

// The pieces of a batch, column after column, and what they point into.
struct PieceScratch : DecoderScratch {
  std::vector<Piece> pieces;           // [columns, rows]
  std::vector<const int64_t*> splits;  // [rows, inner levels of all columns]
  std::vector<int64_t> counts;
};

// How the pieces of a column are read.
struct Reading {
  size_t index_bytes = 8, stride = 1;
  bool checked = false;  // the indices were looked at when the table was made
  bool unique = false;   // where checked
};

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

Result<DenseTensor> dense_of(DType dtype, Shape shape, PooledBuffer block, size_t bytes) {
  return DenseTensor::make(dtype, std::move(shape), frozen(std::move(block), bytes));
}

// `count(i)` elements of piece i, one after another, as a tensor of `shape`.
template <class Count>
Result<DenseTensor> elements(const Column& column, std::span<const Piece> pieces, Shape shape, int64_t total, BufferPool& pool,
                             Count count) {
  if (column.dtype != DType::string) {
    const size_t size = dtype_size(column.dtype);
    const size_t bytes = static_cast<size_t>(total) * size;
    FERRY_ASSIGN_OR_RETURN(PooledBuffer block, pool.allocate(bytes));
    std::byte* to = block.data();
    for (size_t i = 0; i < pieces.size(); ++i) {
      const size_t piece = static_cast<size_t>(count(i)) * size;
      if (piece == 8) {  // scalars
        std::memcpy(to, pieces[i].values, 8);
      } else if (piece == 4) {
        std::memcpy(to, pieces[i].values, 4);
      } else if (piece > 0) {
        std::memcpy(to, pieces[i].values, piece);
      }
      to += piece;
    }
    return dense_of(column.dtype, std::move(shape), std::move(block), bytes);
  }
  size_t bytes = 0;
  for (size_t i = 0; i < pieces.size(); ++i) bytes += static_cast<size_t>(pieces[i].offsets[count(i)] - pieces[i].offsets[0]);
  FERRY_ASSIGN_OR_RETURN(PooledBuffer offsets, pool.allocate((static_cast<size_t>(total) + 1) * 8));
  FERRY_ASSIGN_OR_RETURN(PooledBuffer heap, pool.allocate(bytes));
  int64_t* offset = offsets.as<int64_t>().data();
  std::byte* to = heap.data();
  int64_t at = 0;
  *offset++ = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const int64_t* from = pieces[i].offsets;
    const int64_t n = count(i);
    for (int64_t k = 1; k <= n; ++k) *offset++ = at + from[k] - from[0];
    const auto size = static_cast<size_t>(from[n] - from[0]);
    if (size > 0) std::memcpy(to + at, pieces[i].values + from[0], size);
    at += static_cast<int64_t>(size);
  }
  return DenseTensor::make_strings(std::move(shape), frozen(std::move(offsets), (static_cast<size_t>(total) + 1) * 8),
                                   frozen(std::move(heap), bytes));
}

Shape with_front(int64_t front, const Shape& inner) {
  Shape out{front};
  for (const int64_t dim : inner) out.append(dim);
  return out;
}

Result<Tensor> fixed(const Column& column, std::span<const Piece> pieces, BufferPool& pool) {
  const auto rows = static_cast<int64_t>(pieces.size());
  const int64_t each = column.elements;
  FERRY_ASSIGN_OR_RETURN(DenseTensor out,
                         elements(column, pieces, with_front(rows, column.inner), rows * each, pool, [each](size_t) { return each; }));
  return Tensor(std::move(out));
}

Result<Tensor> list(const Column& column, std::span<const Piece> pieces, BufferPool& pool, std::vector<int64_t>& counts) {
  counts.resize(pieces.size());
  DenseTensor few[4];
  std::vector<DenseTensor> many;
  if (column.levels > 4) many.resize(column.levels);
  DenseTensor* const splits = column.levels > 4 ? many.data() : few;
  for (size_t level = 0; level < column.levels; ++level) {
    int64_t total = 0;
    if (level == 0) {
      total = static_cast<int64_t>(pieces.size());
    } else {
      for (const int64_t count : counts) total += count;
    }
    const size_t bytes = (static_cast<size_t>(total) + 1) * 8;
    FERRY_ASSIGN_OR_RETURN(PooledBuffer block, pool.allocate(bytes));
    int64_t* to = block.as<int64_t>().data();
    int64_t at = 0;
    *to++ = 0;
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (level == 0) {
        counts[i] = pieces[i].count;
        *to++ = at += counts[i];
        continue;
      }
      const int64_t* from = pieces[i].splits[level - 1];
      for (int64_t k = 1; k <= counts[i]; ++k) *to++ = at + from[k] - from[0];
      counts[i] = from[counts[i]] - from[0];
      at += counts[i];
    }
    FERRY_ASSIGN_OR_RETURN(splits[level], dense_of(DType::int64, Shape{total + 1}, std::move(block), bytes));
  }
  int64_t total = 0;
  for (const int64_t count : counts) total += count;
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, elements(column, pieces, with_front(total, column.inner), total * column.elements, pool,
                                                      [&](size_t i) { return counts[i] * column.elements; }));
  FERRY_ASSIGN_OR_RETURN(RaggedTensor out, RaggedTensor::make(std::vector<DenseTensor>(splits, splits + column.levels), std::move(values)));
  return Tensor(std::move(out));
}

// What was found of coordinates that nobody has looked at yet.
struct Found {
  bool unique = true;
};

Status out_of_range(const Column& column, int64_t index, size_t axis) {
  return data_loss(concat(quoted(column.name), ": index ", index, " on axis ", axis, " of a row, expected 0 to ", column.inner[axis] - 1));
}

// The indices of one row of one axis, which rise.
template <class From>
Status check_rising(const Column& column, const Piece& piece, Found& found) {
  int64_t last = -1;
  for (int64_t i = 0; i < piece.count; ++i) {
    const int64_t index = load<From>(piece.indices + static_cast<size_t>(i) * sizeof(From));
    if (index < 0 || index >= column.inner[0]) [[unlikely]]
      return out_of_range(column, index, 0);
    if (index <= last) [[unlikely]] {
      if (index < last)
        return data_loss(concat(quoted(column.name), ": index ", index, " follows ", last, " in a row, expected them to rise"));
      found.unique = false;
    }
    last = index;
  }
  return {};
}

Status check_coordinates(const Column& column, const Piece& piece, const Reading& reading, Found& found) {
  const size_t axes = column.axes();
  if (axes == 1) {
    return reading.index_bytes == 4 ? check_rising<int32_t>(column, piece, found) : check_rising<int64_t>(column, piece, found);
  }
  for (int64_t i = 0; i < piece.count; ++i) {
    int order = i == 0 ? 1 : 0;  // against the entry before
    const std::byte* at = piece.indices + static_cast<size_t>(i) * reading.stride * 8;
    for (size_t axis = 0; axis < axes; ++axis) {
      const auto index = load<int64_t>(at + axis * 8);
      if (index < 0 || index >= column.inner[axis]) return out_of_range(column, index, axis);
      if (order == 0) {
        const auto before = load<int64_t>(at + axis * 8 - reading.stride * 8);
        order = index > before ? 1 : index < before ? -1 : 0;
      }
    }
    if (order < 0) return data_loss(concat(quoted(column.name), ": the entries of a row are not in order"));
    if (order == 0) found.unique = false;
  }
  return {};
}

template <class From>
void put_pairs(int64_t* to, std::span<const Piece> pieces) {
  for (size_t row = 0; row < pieces.size(); ++row) {
    const std::byte* from = pieces[row].indices;
    for (int64_t i = 0; i < pieces[row].count; ++i, to += 2) {
      to[0] = static_cast<int64_t>(row);
      to[1] = load<From>(from + static_cast<size_t>(i) * sizeof(From));
    }
  }
}

template <class From, class To>
void put_minor(To* to, std::span<const Piece> pieces) {
  for (const Piece& piece : pieces) {
    for (int64_t i = 0; i < piece.count; ++i) *to++ = static_cast<To>(load<From>(piece.indices + static_cast<size_t>(i) * sizeof(From)));
  }
}

template <class To>
Result<SparseTensor> csr(const Column& column, std::span<const Piece> pieces, int64_t nnz, const Reading& reading, Order order,
                         DenseTensor values, BufferPool& pool) {
  const auto rows = static_cast<int64_t>(pieces.size());
  FERRY_ASSIGN_OR_RETURN(PooledBuffer pointers, pool.allocate(static_cast<size_t>(rows + 1) * sizeof(To)));
  FERRY_ASSIGN_OR_RETURN(PooledBuffer minor, pool.allocate(static_cast<size_t>(nnz) * sizeof(To)));
  To* at = pointers.as<To>().data();
  To end = 0;
  *at++ = 0;
  for (const Piece& piece : pieces) *at++ = end = static_cast<To>(end + static_cast<To>(piece.count));
  if (reading.index_bytes == sizeof(To)) {
    std::byte* to = minor.data();
    for (const Piece& piece : pieces) {
      const size_t size = static_cast<size_t>(piece.count) * sizeof(To);
      if (size > 0) std::memcpy(to, piece.indices, size);
      to += size;
    }
  } else if (reading.index_bytes == 4) {
    put_minor<int32_t>(minor.as<To>().data(), pieces);
  } else {
    put_minor<int64_t>(minor.as<To>().data(), pieces);
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor indptr,
                         dense_of(dtype_of<To>(), Shape{rows + 1}, std::move(pointers), static_cast<size_t>(rows + 1) * sizeof(To)));
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices,
                         dense_of(dtype_of<To>(), Shape{nnz}, std::move(minor), static_cast<size_t>(nnz) * sizeof(To)));
  return SparseTensor::csr(Shape{rows, column.inner[0]}, std::move(indptr), std::move(indices), std::move(values), order);
}

Result<Tensor> sparse(const Column& column, std::span<const Piece> pieces, const Reading& reading, Layout layout, BufferPool& pool) {
  int64_t nnz = 0;
  for (const Piece& piece : pieces) nnz += piece.count;
  Order order{true, reading.unique};
  if (!reading.checked) {
    Found found;
    for (const Piece& piece : pieces) FERRY_RETURN_IF_ERROR(check_coordinates(column, piece, reading, found));
    order.unique = found.unique;
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, elements(column, pieces, Shape{nnz}, nnz, pool, [&](size_t i) { return pieces[i].count; }));
  const size_t axes = column.axes();
  if (layout == Layout::csr && axes == 1) {
    const bool narrow = column.inner[0] <= std::numeric_limits<int32_t>::max() && nnz <= std::numeric_limits<int32_t>::max();
    auto out = narrow ? csr<int32_t>(column, pieces, nnz, reading, order, std::move(values), pool)
                      : csr<int64_t>(column, pieces, nnz, reading, order, std::move(values), pool);
    if (!out.ok()) return out.status();
    return Tensor(*std::move(out));
  }
  const size_t rank = axes + 1, bytes = static_cast<size_t>(nnz) * rank * 8;
  FERRY_ASSIGN_OR_RETURN(PooledBuffer block, pool.allocate(bytes));
  int64_t* to = block.as<int64_t>().data();
  if (axes == 1 && reading.stride == 1) {
    if (reading.index_bytes == 4) {
      put_pairs<int32_t>(to, pieces);
    } else {
      put_pairs<int64_t>(to, pieces);
    }
  } else {
    for (size_t row = 0; row < pieces.size(); ++row) {
      for (int64_t i = 0; i < pieces[row].count; ++i) {
        *to++ = static_cast<int64_t>(row);
        if (axes > 0) std::memcpy(to, pieces[row].indices + static_cast<size_t>(i) * reading.stride * 8, axes * 8);
        to += axes;
      }
    }
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, dense_of(DType::int64, Shape{nnz, static_cast<int64_t>(rank)}, std::move(block), bytes));
  FERRY_ASSIGN_OR_RETURN(SparseTensor out, SparseTensor::coo(with_front(static_cast<int64_t>(pieces.size()), column.inner),
                                                             std::move(indices), std::move(values), order));
  return Tensor(std::move(out));
}

Result<Tensor> assemble(const Column& column, std::span<const Piece> pieces, const Reading& reading, Layout layout, BufferPool& pool,
                        PieceScratch& scratch) {
  switch (column.form) {
    case Column::Form::fixed: return fixed(column, pieces, pool);
    case Column::Form::list: return list(column, pieces, pool, scratch.counts);
    case Column::Form::sparse: return sparse(column, pieces, reading, layout, pool);
  }
  __builtin_unreachable();
}

class PiecesDecoder : public RowDecoder {
 public:
  explicit PiecesDecoder(std::vector<Column> columns) : columns_(std::move(columns)), spec_(batch_spec(columns_)) {
    for (const Column& column : columns_) inner_levels_ += column.levels > 1 ? column.levels - 1 : 0;
  }
  std::span<const ElementSpec> spec() const override { return spec_; }
  std::unique_ptr<DecoderScratch> new_scratch() const override { return std::make_unique<PieceScratch>(); }

  Status decode(const RowBlock& rows, std::span<const uint32_t> which, const BatchOptions& options, BufferPool& pool, DecoderScratch* given,
                TensorMap& out, BadRow& bad) const override {
    auto& scratch = static_cast<PieceScratch&>(*given);
    const size_t count = which.size();
    scratch.pieces.resize(columns_.size() * count);
    scratch.splits.resize(inner_levels_ * count);
    for (size_t i = 0; i < count; ++i) {
      if (Status status = take(rows.row(which[i]), i, count, scratch); !status.ok()) {
        bad.row = i;
        return status;
      }
    }
    for (size_t c = 0; c < columns_.size(); ++c) {
      const std::span<const Piece> pieces(scratch.pieces.data() + c * count, count);
      auto tensor = assemble(columns_[c], pieces, reading(c), options.sparse, pool, scratch);
      if (!tensor.ok()) {
        if (tensor.status().code() == StatusCode::data_loss) bad.row = first_bad(c, pieces);
        return tensor.status();
      }
      FERRY_RETURN_IF_ERROR(set_tensor(out, c, columns_[c].name, *std::move(tensor)));
    }
    return {};
  }

  Result<int64_t> length(const Row& row, size_t feature) const override {
    PieceScratch scratch;
    scratch.pieces.resize(columns_.size());
    scratch.splits.resize(inner_levels_);
    FERRY_RETURN_IF_ERROR(take(row, 0, 1, scratch));
    return columns_[feature].form == Column::Form::fixed ? columns_[feature].elements : scratch.pieces[feature].count;
  }

 protected:
  // Puts the pieces of one row at i of each column's.
  virtual Status take(const Row& row, size_t i, size_t count, PieceScratch& scratch) const = 0;
  virtual Reading reading(size_t column) const = 0;
  std::vector<Column> columns_;
  std::vector<ElementSpec> spec_;
  size_t inner_levels_ = 0;

 private:
  size_t first_bad(size_t c, std::span<const Piece> pieces) const {
    Found found;
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (!check_coordinates(columns_[c], pieces[i], reading(c), found).ok()) return i;
    }
    return 0;
  }
};

class TableDecoder : public PiecesDecoder {
 public:
  explicit TableDecoder(std::shared_ptr<const Table> table)
      : PiecesDecoder(std::vector<Column>(table->columns().begin(), table->columns().end())), table_(std::move(table)) {}

 private:
  Status take(const Row& row, size_t i, size_t count, PieceScratch& scratch) const override {
    const auto number = load<int64_t>(row.bytes.data());
    const int64_t** splits = scratch.splits.data() + i * inner_levels_;
    for (size_t c = 0; c < columns_.size(); ++c) {
      scratch.pieces[c * count + i] = table_->piece(c, number, splits);
      if (columns_[c].levels > 1) splits += columns_[c].levels - 1;
    }
    return {};
  }
  Reading reading(size_t column) const override {
    return {table_->index_bytes(column), table_->index_stride(column), true, table_->unique(column)};
  }
  std::shared_ptr<const Table> table_;
};

// Reads the row code front to back and trusts no number in it.
class CodeReader {
 public:
  explicit CodeReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  // `count` things of `size` bytes; null where so many are not there.
  const std::byte* take(int64_t count, size_t size) {
    const size_t left = bytes_.size() - at_;
    if (count < 0 || (size > 0 && static_cast<uint64_t>(count) > left / size)) return nullptr;
    const std::byte* out = bytes_.data() + at_;
    at_ = std::min(bytes_.size(), (at_ + static_cast<size_t>(count) * size + 7) & ~size_t{7});
    return out;
  }
  bool at_end() const { return at_ == bytes_.size(); }
  size_t position() const { return at_; }

 private:
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
};

class RowCodeDecoder : public PiecesDecoder {
 public:
  using PiecesDecoder::PiecesDecoder;

 private:
  Status take(const Row& row, size_t i, size_t count, PieceScratch& scratch) const override {
    CodeReader in(row.bytes);
    const int64_t** splits = scratch.splits.data() + i * inner_levels_;
    for (size_t c = 0; c < columns_.size(); ++c) {
      const Column& column = columns_[c];
      Piece& piece = scratch.pieces[c * count + i];
      piece = {};
      const auto cut = [&] {
        return data_loss(concat(quoted(column.name), ": the row ends at byte ", row.bytes.size(), " before its values do"));
      };
      int64_t elements = column.elements;
      if (column.form != Column::Form::fixed) {
        const std::byte* at = in.take(1, 8);
        if (at == nullptr) return cut();
        elements = piece.count = load<int64_t>(at);
        if (piece.count < 0) return cut();
      }
      if (column.form == Column::Form::list) {
        piece.splits = splits;
        for (size_t level = 0; level + 1 < column.levels; ++level) {
          if (elements == INT64_MAX) return cut();
          const auto* at = reinterpret_cast<const int64_t*>(in.take(elements + 1, 8));
          if (at == nullptr || !rises(at, elements)) return cut();
          *splits++ = at;
          elements = at[elements];
        }
        if (__builtin_mul_overflow(elements, column.elements, &elements)) return cut();
      }
      if (column.form == Column::Form::sparse) {
        piece.indices = in.take(elements, column.axes() * column.index_bytes);
        if (piece.indices == nullptr) return cut();
      }
      if (column.dtype == DType::string) {
        if (elements == INT64_MAX) return cut();
        const auto* offsets = reinterpret_cast<const int64_t*>(in.take(elements + 1, 8));
        if (offsets == nullptr || !rises(offsets, elements)) return cut();
        piece.offsets = offsets;
        piece.values = in.take(offsets[elements], 1);
      } else {
        piece.values = in.take(elements, dtype_size(column.dtype));
      }
      if (piece.values == nullptr) return cut();
    }
    if (!in.at_end()) return data_loss(concat("the row has ", row.bytes.size(), " bytes, its values end at byte ", in.position()));
    return {};
  }
  static bool rises(const int64_t* at, int64_t count) {
    if (at[0] != 0) return false;
    for (int64_t i = 0; i < count; ++i) {
      if (at[i + 1] < at[i]) return false;
    }
    return true;
  }
  Reading reading(size_t column) const override { return {columns_[column].index_bytes, columns_[column].axes(), false, false}; }
};

}  // namespace

std::shared_ptr<const RowDecoder> decoder_of(std::shared_ptr<const Table> table) {
  return std::make_shared<TableDecoder>(std::move(table));
}
std::shared_ptr<const RowDecoder> row_code_decoder(std::vector<Column> columns) {
  return std::make_shared<RowCodeDecoder>(std::move(columns));
}

}  // namespace ferry::dataset
