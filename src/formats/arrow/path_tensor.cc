// From a path to its tensor: row splits from the lists above, uniform axes from the fixed-size lists below.
#include <algorithm>
#include <limits>

#include "ferry/checked.h"
#include "formats/arrow/path.h"
#include "formats/arrow/strided.h"

namespace ferry::arrow {
namespace {

Status refuse_null_rows(std::span<const Piece> wrappers) {
  for (const Piece& piece : wrappers) {
    int64_t first = 0;
    FERRY_ASSIGN_OR_RETURN(const int64_t nulls, count_nulls(*piece.array, piece.begin, piece.end, &first));
    if (nulls > 0) {
      return unsupported(concat(nulls, " of ", piece.end - piece.begin, " lists or structs are null (the first is number ", first,
                                "), and no tensor has a word for that; fill or drop them first"));
    }
  }
  return {};
}

// Appends the lengths of a piece's lists to running sums.
template <class Offset, class Split>
Status append_splits(const Piece& piece, Split*& out) {
  if (piece.begin == piece.end) return {};
  FERRY_ASSIGN_OR_RETURN(const Buffer offsets, piece.array->buffers[1].load());
  const std::byte* data = offsets.data() + static_cast<size_t>(piece.begin) * sizeof(Offset);
  Offset last;
  std::memcpy(&last, data, sizeof(Offset));
  const int64_t shift = static_cast<int64_t>(out[-1]) - last;
  for (int64_t i = 1; i <= piece.end - piece.begin; ++i) {
    Offset offset;
    std::memcpy(&offset, data + static_cast<size_t>(i) * sizeof(Offset), sizeof(Offset));
    if (offset < last) return data_loss(concat("list offsets fall from ", last, " to ", offset, " at row ", i - 1));
    last = offset;
    *out++ = static_cast<Split>(offset + shift);
  }
  return {};
}

template <class Split>
Result<DenseTensor> make_splits(const Level& level) {
  FERRY_ASSIGN_OR_RETURN(MutableBuffer splits, MutableBuffer::of<Split>(static_cast<size_t>(level.entries) + 1));
  Split* out = splits.as<Split>().data();
  *out++ = 0;
  if (level.fixed()) {
    const int64_t length = level.entries == 0 ? 0 : level.below / level.entries;
    for (int64_t i = 1; i <= level.entries; ++i) *out++ = static_cast<Split>(i * length);
  }
  for (const Piece& piece : level.pieces) {
    if (level.kind == TypeId::list) FERRY_RETURN_IF_ERROR((append_splits<int32_t, Split>(piece, out)));
    if (level.kind == TypeId::large_list) FERRY_RETURN_IF_ERROR((append_splits<int64_t, Split>(piece, out)));
  }
  return DenseTensor::make(dtype_of<Split>(), Shape{level.entries + 1}, std::move(splits).freeze());
}

// Arrow's own offsets are row splits, where there is one piece of them and they start at 0.
Result<std::optional<DenseTensor>> splits_view(const Level& level, DType dtype) {
  using Out = std::optional<DenseTensor>;
  if (level.pieces.size() != 1 || level.entries == 0 || level.fixed()) return Out();
  if ((level.kind == TypeId::list) != (dtype == DType::int32)) return Out();
  const Piece& piece = level.pieces[0];
  FERRY_ASSIGN_OR_RETURN(const Buffer offsets, piece.array->buffers[1].load());
  const size_t width = dtype_size(dtype);
  const Buffer slice = offsets.slice(static_cast<size_t>(piece.begin) * width, static_cast<size_t>(level.entries + 1) * width);
  int64_t first = 0;
  std::memcpy(&first, slice.data(), width);
  if (first != 0) return Out();
  FERRY_ASSIGN_OR_RETURN(DenseTensor out, DenseTensor::make(dtype, Shape{level.entries + 1}, slice));
  return Out(std::move(out));
}

class PathTensor : public ColumnTensor {
 public:
  PathTensor(Path path, Note note, const ReadOptions& options)
      : path_(std::move(path)), note_(std::move(note)), limits_(options.limits), validation_(options.validation) {}

  Status plan(Metadata metadata) {
    const auto& levels = path_.levels;
    for (size_t i = 0; i < levels.size(); ++i) {
      if (!levels[i].fixed()) end_ = i + 1;
    }
    const bool whole = note_.whole && path_.rows == 1;
    begin_ = whole && !levels.empty() && !levels[0].fixed() ? 1 : 0;
    const bool pairs =
        levels.size() == 2 && levels[1].dims == std::vector<int64_t>{2} && note_.dtype && dtype_class(*note_.dtype) == DTypeClass::kComplex;
    const bool empty_rows =
        !note_.whole && end_ == 1 && (levels.size() == 1 || pairs) && levels[0].below == 0 && note_.shape && holds_nothing(*note_.shape);
    if (empty_rows) begin_ = 1;
    ragged_ = end_ > begin_;
    const size_t first_inner = std::max(begin_, end_);
    outer_ = first_inner == 0 || empty_rows ? path_.rows : levels[first_inner - 1].below;
    std::vector<int64_t> inner;
    for (size_t i = first_inner; i < levels.size(); ++i) {
      const Level& level = levels[i];
      for (size_t axis = 0; axis < level.dims.size(); ++axis) {
        inner.push_back(level.dims[level.permutation.empty() ? axis : static_cast<size_t>(level.permutation[axis])]);
      }
    }
    info_.dtype = find_dtype(inner);
    std::vector<int64_t> dims{outer_};
    if (empty_rows) inner = *note_.shape;
    dims.insert(dims.end(), inner.begin(), inner.end());
    if (!ragged_ && whole) {
      if (begin_ == 0) {
        dims.erase(dims.begin());
      } else if (note_.shape && same_count(*note_.shape, dims)) {
        dims = *note_.shape;
      }
    }
    FERRY_ASSIGN_OR_RETURN(shape_, Shape::checked(dims, limits_));
    describe(std::move(metadata));
    return {};
  }

  Result<Tensor> read() const override {
    auto out = read_unnamed();
    if (!out.ok()) return out.status().with_context(concat("column ", quoted(path_.name)));
    return out;
  }

 private:
  static bool holds_nothing(const std::vector<int64_t>& dims) {
    return std::ranges::find(dims, 0) != dims.end() && std::ranges::all_of(dims, [](int64_t dim) { return dim >= 0; });
  }
  bool same_count(const std::vector<int64_t>& a, const std::vector<int64_t>& b) const {
    const auto x = Shape::checked(a, limits_), y = Shape::checked(b, limits_);
    return x.ok() && y.ok() && x->num_elements() == y->num_elements();
  }

  // The storage dtype, or what the note says it stands for. Complex takes up the innermost axis of two.
  DType find_dtype(std::vector<int64_t>& inner) {
    const DType stored = *leaf_dtype(*path_.leaf);
    if (!note_.dtype || storage_dtype(*note_.dtype) != stored || path_.leaf->dictionary) return stored;
    if (dtype_class(*note_.dtype) == DTypeClass::kComplex) {
      if (inner.empty() || inner.back() != 2) return stored;
      inner.pop_back();
    }
    return *note_.dtype;
  }

  DType splits_dtype() const {
    for (size_t i = begin_; i < end_; ++i) {
      const Level& level = path_.levels[i];
      if (level.kind == TypeId::large_list || level.below > std::numeric_limits<int32_t>::max()) return DType::int64;
    }
    return DType::int32;
  }

  void describe(Metadata metadata) {
    info_.name = path_.name;
    info_.kind = ragged_ ? TensorKind::ragged : TensorKind::dense;
    info_.metadata = std::move(metadata);
    const int64_t count = shape_.num_elements().value_or(0);
    info_.bytes = static_cast<uint64_t>(count) * std::max<size_t>(8, dtype_size(info_.dtype));
    if (is_fixed_size(info_.dtype)) {
      info_.bytes = static_cast<uint64_t>(count) * dtype_size(info_.dtype);
    } else {
      info_.bytes = 8 * (static_cast<uint64_t>(count) + 1);
      for (const Piece& piece : path_.pieces) {
        for (size_t i = 2; i < piece.array->buffers.size(); ++i) info_.bytes += piece.array->buffers[i].stored_size();
      }
    }
    info_.shape = shape_;
    if (ragged_) {
      info_.nnz = count;
      info_.shape = Shape{path_.levels[begin_].entries};
      for (size_t i = begin_; i < end_; ++i) {
        info_.shape.append(-1);
        info_.bytes += (static_cast<uint64_t>(path_.levels[i].entries) + 1) * dtype_size(splits_dtype());
      }
      for (const int64_t dim : shape_.dims().subspan(1)) info_.shape.append(dim);
    }
    if (!path_.pieces.empty() && path_.pieces[0].array->buffers.size() > 1) info_.offset = path_.pieces[0].array->buffers[1].offset();
    info_.zero_copy = leaf_is_view(*path_.leaf, path_.pieces);
    for (const Level& level : path_.levels) info_.zero_copy = info_.zero_copy && level.permutation.empty();
  }

  Result<Tensor> read_unnamed() const {
    FERRY_RETURN_IF_ERROR(refuse_null_rows(path_.wrappers));
    FERRY_ASSIGN_OR_RETURN(DenseTensor flat, decode_leaf(*path_.leaf, path_.pieces, limits_));
    FERRY_RETURN_IF_ERROR(permute(flat));
    if (dtype_class(info_.dtype) == DTypeClass::kComplex) {
      FERRY_ASSIGN_OR_RETURN(flat, DenseTensor::make(info_.dtype, shape_, flat.buffer()));
    } else {
      if (info_.dtype != flat.dtype()) {
        FERRY_ASSIGN_OR_RETURN(flat, flat.bitcast(info_.dtype));
      }
      FERRY_ASSIGN_OR_RETURN(flat, flat.reshaped(shape_));
    }
    if (!ragged_) return Tensor(std::move(flat));
    const DType dtype = splits_dtype();
    std::vector<DenseTensor> splits;
    for (size_t i = begin_; i < end_; ++i) {
      const Level& level = path_.levels[i];
      uint64_t from = 0;
      for (const Piece& piece : level.pieces) {
        for (const LazyBuffer& buffer : piece.array->buffers) from += buffer.stored_size();
      }
      const auto size = checked_mul<uint64_t>(static_cast<uint64_t>(level.entries) + 1, dtype_size(dtype));
      if (!size) return limit_exceeded("more rows than the address space");
      FERRY_RETURN_IF_ERROR(check_expansion(from + static_cast<uint64_t>(level.below), *size, limits_));
      FERRY_ASSIGN_OR_RETURN(auto view, splits_view(level, dtype));
      if (!view) {
        FERRY_ASSIGN_OR_RETURN(view, dtype == DType::int32 ? make_splits<int32_t>(level) : make_splits<int64_t>(level));
      }
      splits.push_back(*std::move(view));
    }
    FERRY_ASSIGN_OR_RETURN(RaggedTensor out, RaggedTensor::make(std::move(splits), std::move(flat)));
    FERRY_RETURN_IF_ERROR(out.validate(std::max(validation_, Validation::bounds)));
    return Tensor(std::move(out));
  }

  // Fixed-shape tensors whose axes lie in another order than they are meant.
  Status permute(DenseTensor& flat) const {
    if (flat.num_elements() == 0) return {};
    int64_t before = outer_;
    for (size_t i = std::max(begin_, end_); i < path_.levels.size(); ++i) {
      const Level& level = path_.levels[i];
      int64_t size = 1;
      for (const int64_t dim : level.dims) size *= dim;
      if (!level.permutation.empty()) {
        const int64_t block = flat.num_elements() / before / size;
        FERRY_ASSIGN_OR_RETURN(flat, permute_middle(flat, before, level.dims, level.permutation, block, limits_));
      }
      before *= size;
    }
    return {};
  }

  Path path_;
  Note note_;
  Limits limits_;
  Validation validation_;
  size_t begin_ = 0, end_ = 0;  // the levels that become row splits
  bool ragged_ = false;
  int64_t outer_ = 0;  // of the flat values
  Shape shape_;        // of the flat values
};

}  // namespace

Result<std::unique_ptr<ColumnTensor>> path_tensor(Path path, Note note, Metadata metadata, const ReadOptions& options) {
  auto out = std::make_unique<PathTensor>(std::move(path), std::move(note), options);
  FERRY_RETURN_IF_ERROR(out->plan(std::move(metadata)));
  return std::unique_ptr<ColumnTensor>(std::move(out));
}

Status column_tensors(const Field& field, std::span<const ArrayData* const> chunks, const ReadOptions& options,
                      std::vector<std::unique_ptr<ColumnTensor>>& out) {
  if (options.parts.enabled) {
    FERRY_ASSIGN_OR_RETURN(auto sparse, sparse_tensor(field, chunks, options));
    if (sparse) {
      out.push_back(std::move(sparse));
      return {};
    }
  }
  FERRY_ASSIGN_OR_RETURN(auto variable, variable_shape_tensor(field, chunks, options));
  if (variable) {
    out.push_back(std::move(variable));
    return {};
  }
  Path start;
  start.name = field.name;
  for (const ArrayData* chunk : chunks) start.rows += chunk->length;
  std::vector<Path> paths;
  FERRY_RETURN_IF_ERROR(find_paths(field, whole_pieces(chunks), std::move(start), options.limits, paths));
  for (Path& path : paths) {
    Metadata metadata = visible_metadata(field);
    if (path.leaf != &field) {
      for (const auto& [key, value] : visible_metadata(*path.leaf)) metadata.set(key, value);
    }
    FERRY_ASSIGN_OR_RETURN(auto tensor, path_tensor(std::move(path), note_of(field), std::move(metadata), options));
    out.push_back(std::move(tensor));
  }
  return {};
}

}  // namespace ferry::arrow
