// Columns of features ↔ TensorMap: what is dense, ragged or sparse in an Example, and how the rest is said.
//
// An Example knows lists of int64, float and bytes, without shapes. So beside the feature x may stand two marks, features that
// other readers pass over (or use):
//   x/shape  int64  the shape of x in this row; -1 for an axis that is ragged
//   x/dtype  bytes  the dtype of x, where it is none of the three
// They are written only where x would read back as something else, and read only where they fit x; else they are features as
// any other. Sparse x: x/indices (or x/indices_0, x/indices_1 … for several axes), x/values, x/dense_shape.
// docs/formats/example.md, docs/formats/tfrecord.md
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ferry/features.h"
#include "ferry/parts.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/tensor_map.h"
#include "records/columns.h"
#include "records/rows.h"

namespace ferry::records {

enum class Rows : uint8_t {
  one,   // the map is one record: a feature of n values is [n]
  many,  // axis 0 counts the records: [rows], [rows, n], or ragged where rows differ
};

struct TableOptions {
  Rows rows = Rows::many;
  bool marks = true;                // read and write them
  std::vector<FeatureSpec> schema;  // what features are to become, instead of what their rows look like; nothing else is read
  PartsOptions parts;
  Validation validation = Validation::bounds;
};

// ---- Reading

Result<TensorMap> tensors_of(std::vector<NamedColumn> columns, int64_t records, const TableOptions& options);

// ---- Writing

struct Table {
  std::vector<FeatureColumn> columns;
  int64_t rows = 0;
};
// Unsupported where an Example cannot hold it, with the way out.
Result<Table> table_of(const TensorMap& tensors, const TableOptions& options);

inline constexpr std::string_view kShapeMark = "/shape", kDTypeMark = "/dtype";

// What Examples take: all but complex and quantized numbers.
inline constexpr DTypeSet kWritableDTypes = DTypeSet::all() - DTypeSet::of(DType::complex64, DType::complex128, DType::qint8, DType::quint8,
                                                                           DType::qint16, DType::quint16, DType::qint32);
// The three dtypes of the lists as they are, others widened without loss.
Result<DenseTensor> to_native(std::string_view name, const DenseTensor& x);
// Whether a list of `values` values a row (-1: it differs) can have the shape `mark` in each row.
bool shape_fits(std::span<const int64_t> mark, int64_t values);

}  // namespace ferry::records
