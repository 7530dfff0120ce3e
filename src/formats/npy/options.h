// Options that npy and npz share.
#pragma once

#include "ferry/format.h"

namespace ferry::npy {

// Metadata key under which a tensor read as uint8 keeps the descr that does not tell its dtype.
inline constexpr std::string_view kUntypedKey = "npy.descr";

inline constexpr OptionSpec kVoidOption = {"void", "float8_e4m3fn|int4|...",
                                           "dtype of one-byte elements that NumPy calls void ('<V1'); without it they are read as uint8"};

inline Result<DType> one_byte_void_option(const FormatOptions& options) {
  const std::string_view name = options.get("void", "uint8");
  const auto dtype = dtype_from_name(name);
  if (!dtype || dtype_size(*dtype) != 1) {
    return invalid_argument(concat("option void is ", quoted(name), ", expected a dtype of one byte, such as float8_e4m3fn"));
  }
  return *dtype;
}

}  // namespace ferry::npy
