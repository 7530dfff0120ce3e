// The Arrow C data and C stream interfaces: tensors handed to and taken from other libraries in this process, by pointer.
// Memory is shared but for booleans going either way (bits there, bytes here). https://arrow.apache.org/docs/format/CDataInterface.html
#pragma once

#include <cstdint>
#include <string_view>

#include "ferry/format.h"
#include "ferry/status.h"
#include "ferry/tensor_map.h"

// The ABI's own structs and guards, so that they meet those of other headers.
extern "C" {
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4
struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema** children;
  struct ArrowSchema* dictionary;
  void (*release)(struct ArrowSchema*);
  void* private_data;
};
struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void** buffers;
  struct ArrowArray** children;
  struct ArrowArray* dictionary;
  void (*release)(struct ArrowArray*);
  void* private_data;
};
#endif
#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE
struct ArrowArrayStream {
  int (*get_schema)(struct ArrowArrayStream*, struct ArrowSchema* out);
  int (*get_next)(struct ArrowArrayStream*, struct ArrowArray* out);
  const char* (*get_last_error)(struct ArrowArrayStream*);
  void (*release)(struct ArrowArrayStream*);
  void* private_data;
};
#endif
}

namespace ferry::arrow {

// Export. The structs are filled on success only; their receiver releases them. What they point to lives until then.
// A tensor: by rows where it can be (dense of rank 1 and more, CSR, ragged), else one row.
Status export_tensor(std::string_view name, const Tensor& tensor, const Metadata& metadata, ArrowSchema* schema, ArrowArray* array);
// A map: one struct array, its fields the columns that the IPC writer would write.
Status export_map(const TensorMap& tensors, ArrowSchema* schema, ArrowArray* array);
Status export_stream(const TensorMap& tensors, ArrowArrayStream* stream);

// Import. The structs are taken over (their `release` is null afterwards) whether or not this succeeds. Pointers are the
// producer's promise; offsets and indices behind them are checked. A struct array's fields become the tensors, any other
// array one tensor under the name of its schema.
Result<TensorMap> import_array(ArrowSchema* schema, ArrowArray* array, const ReadOptions& options = {});
Result<TensorMap> import_stream(ArrowArrayStream* stream, const ReadOptions& options = {});

}  // namespace ferry::arrow
