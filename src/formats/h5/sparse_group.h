// Sparse matrices as AnnData keeps them: a group of data, indices and indptr whose attributes tell the layout and the shape.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "ferry/tensor.h"

namespace ferry::h5 {

inline constexpr std::string_view kEncodingType = "encoding-type", kEncodingVersion = "encoding-version";

// "csr_matrix" or "csc_matrix" of `encoding-type`; also the older `h5sparse_format` of AnnData before 0.7, "csr" or "csc".
inline std::optional<Layout> sparse_encoding(std::string_view encoding) {
  if (encoding == "csr_matrix" || encoding == "csr") return Layout::csr;
  if (encoding == "csc_matrix" || encoding == "csc") return Layout::csc;
  return std::nullopt;
}
inline std::string_view encoding_of(Layout layout) { return layout == Layout::csr ? "csr_matrix" : "csc_matrix"; }

}  // namespace ferry::h5
