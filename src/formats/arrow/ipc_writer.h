// Arrow IPC files and streams, written in one pass: one schema, one record batch.
#pragma once

#include <optional>

#include "ferry/io.h"
#include "ferry/status.h"
#include "formats/arrow/encode.h"

namespace ferry::arrow {

struct IpcOptions {
  bool stream = false;
  std::optional<BlockCodec> codec;  // of the buffers
  int level = 0;
};
Status write_ipc(const Table& table, ByteSink& sink, const IpcOptions& options);

}  // namespace ferry::arrow
