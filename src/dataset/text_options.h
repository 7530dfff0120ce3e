// Settings of the text sources.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ferry/dataset.h"

namespace ferry::dataset {

std::shared_ptr<const class FileKind> libsvm_kind(LibsvmOptions options);
std::shared_ptr<const class FileKind> csv_kind(CsvOptions options);
std::shared_ptr<const class FileKind> criteo_kind(CriteoOptions options);

}  // namespace ferry::dataset
