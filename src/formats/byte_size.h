// Sizes that people write into options.
#pragma once

#include <cstdint>
#include <string_view>

#include "ferry/status.h"

namespace ferry {

// "5GB", "500MB" in powers of ten, as Hugging Face's libraries have it; "5GiB" and "5G" in powers of two, as elsewhere here.
Result<uint64_t> byte_size_option(std::string_view name, std::string_view text);

}  // namespace ferry
