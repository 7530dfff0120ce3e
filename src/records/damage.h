// Between reading a frame and what is done where it is none.
#pragma once

#include "ferry/records.h"

namespace ferry {

struct RecordReader::Damage {
  enum class Kind : uint8_t { cut_header, length, too_long, cut_data, data } kind;
  uint64_t size = 0;   // as the header says it
  uint64_t found = 0;  // bytes that there are, of what was expected
};

}  // namespace ferry
