// The Tensor and SparseTensor messages of Arrow IPC: deprecated there, so read and never written.
#pragma once

#include <memory>
#include <string>

#include "ferry/format.h"
#include "formats/arrow/ipc_reader.h"
#include "formats/arrow/path.h"

namespace ferry::arrow {

// The message outlives the result.
Result<std::unique_ptr<ColumnTensor>> message_tensor(const Message& message, std::string name, const ReadOptions& options);

}  // namespace ferry::arrow
