// Saver's first format (tf.train.Saver(write_version=V1), all checkpoints before 2016): everything in one table, or in several.
//
//   SavedTensorSlices     { SavedTensorSliceMeta meta = 1; SavedSlice data = 2 }     meta under the key "", data under a slice's key
//   SavedTensorSliceMeta  { repeated SavedSliceMeta tensor = 1; VersionDef versions = 2 }
//   SavedSliceMeta        { string name = 1; TensorShapeProto shape = 2; DataType type = 3; repeated TensorSliceProto slice = 4 }
//   SavedSlice            { string name = 1; TensorSliceProto slice = 2; TensorProto data = 3 }     data without dtype and shape
#pragma once

#include <memory>
#include <vector>

#include "ferry/format.h"
#include "wire/sorted_table.h"

namespace ferry::ckpt {

// Whether a table's first value is that of this format.
bool is_saver_v1(std::span<const std::byte> header);
// `tables`: the files of one checkpoint, each with the meta of its own slices.
Result<std::unique_ptr<ArrayReader>> open_saver_v1(std::vector<SortedTable> tables, const ReadOptions& options);

}  // namespace ferry::ckpt
