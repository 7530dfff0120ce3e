// The framing of Arrow IPC: files and streams taken apart into a schema, record batches and tensor messages.
#pragma once

#include <memory>
#include <vector>

#include "ferry/io.h"
#include "ferry/limits.h"
#include "ferry/status.h"
#include "formats/arrow/array.h"
#include "formats/arrow/schema.h"

namespace ferry::arrow {

// One encapsulated message: metadata checked, body not looked at.
struct Message {
  // Of MessageHeader in Message.fbs.
  enum Kind : uint8_t { kSchema = 1, kDictionaryBatch, kRecordBatch, kTensor, kSparseTensor };
  uint8_t kind = 0;
  bool version4 = false;
  uint64_t offset = 0;  // of the message, in the source
  Buffer metadata;
  std::shared_ptr<flatbuffers::Bytes> bytes;  // what `header` points into
  std::optional<flatbuffers::Table> header;
  Metadata custom;
  std::shared_ptr<Body> body;
  uint64_t end = 0;  // where the next message starts
};

struct IpcContents {
  Schema schema;
  std::vector<ArrayData> batches;  // one struct array each: its children are the columns
  std::vector<Message> tensors;    // deprecated Tensor and SparseTensor messages, in order
};

// A file ("ARROW1") or a stream, whichever the bytes are. Bodies are views to be loaded later.
Result<IpcContents> read_ipc(const std::shared_ptr<const ByteSource>& source, const Limits& limits);

}  // namespace ferry::arrow
