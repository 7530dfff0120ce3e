// The way from a column down to one innermost array, through lists and structs. A struct forks it: each of its fields
// is a tensor of its own, named column/field.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ferry/format.h"
#include "ferry/status.h"
#include "formats/arrow/array.h"
#include "formats/arrow/leaf.h"
#include "formats/arrow/schema.h"

namespace ferry::arrow {

// What our writer says of a column where Arrow's type does not: see docs/formats/arrow.md.
inline constexpr std::string_view kDTypeKey = "ferry.dtype";
inline constexpr std::string_view kRowsKey = "ferry.rows";    // "one": the column's only row is the whole tensor
inline constexpr std::string_view kShapeKey = "ferry.shape";  // of what one row holds
inline constexpr std::string_view kSparseKey = "binsparse";   // a descriptor

struct Note {
  std::optional<DType> dtype;
  bool whole = false;
  std::optional<std::vector<int64_t>> shape;
};
Note note_of(const Field& field);
// The field's metadata without what was used up; dates and foreign extension types add what they were.
Metadata visible_metadata(const Field& field);

struct Level {
  TypeId kind = TypeId::list;        // list, large_list or fixed_size_list
  std::vector<int64_t> dims;         // of fixed_size_list: as they lie
  std::vector<int64_t> permutation;  // empty: none
  std::vector<Piece> pieces;         // the list arrays
  int64_t entries = 0;               // of the pieces together
  int64_t below = 0;                 // what they hold together
  bool fixed() const { return kind == TypeId::fixed_size_list; }
};

struct Path {
  std::string name;
  int64_t rows = 0;
  std::vector<Level> levels;
  std::vector<Piece> wrappers;  // lists and structs on the way, which must be free of nulls
  const Field* leaf = nullptr;
  std::vector<Piece> pieces;
  int64_t count = 0;  // elements of the pieces
};

// Reads the first and the last offset of each list, nothing more.
Status find_paths(const Field& field, std::vector<Piece> pieces, Path so_far, const Limits& limits, std::vector<Path>& out);
std::vector<Piece> whole_pieces(std::span<const ArrayData* const> chunks);

// One tensor that a column, or a field within it, becomes.
class ColumnTensor {
 public:
  virtual ~ColumnTensor() = default;
  const TensorInfo& info() const { return info_; }
  virtual Result<Tensor> read() const = 0;

 protected:
  TensorInfo info_;
};

// The tensor at the end of one path: dense where no list varies, else ragged.
Result<std::unique_ptr<ColumnTensor>> path_tensor(Path path, Note note, Metadata metadata, const ReadOptions& options);
// All tensors of a column. They refer to the field and the chunks, which outlive them.
Status column_tensors(const Field& field, std::span<const ArrayData* const> chunks, const ReadOptions& options,
                      std::vector<std::unique_ptr<ColumnTensor>>& out);

// Null where the column is not what they read (another rule then applies).
Result<std::unique_ptr<ColumnTensor>> sparse_tensor(const Field& field, std::span<const ArrayData* const> chunks,
                                                    const ReadOptions& options);
Result<std::unique_ptr<ColumnTensor>> variable_shape_tensor(const Field& field, std::span<const ArrayData* const> chunks,
                                                            const ReadOptions& options);

// Sparse shapes may have more elements than 63 bits can count; axes are not negative and not too many.
Result<Shape> sparse_shape(std::span<const int64_t> dims, const Limits& limits);

// The plain dtype under which Arrow stores a dtype of the same width that it has no word for; itself where it has one.
// complex: the float of its two parts.
DType storage_dtype(DType dtype);

}  // namespace ferry::arrow
