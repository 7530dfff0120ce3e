// Metadata of an npz archive: one flat JSON object of strings in the archive's comment, which numpy.load never shows; in the
// member __metadata__.json where it is longer than a comment may be. docs/formats/npz.md
#pragma once

#include <string>
#include <string_view>

#include "ferry/status.h"
#include "ferry/tensor_map.h"

namespace ferry::npz {

inline constexpr std::string_view kMetadataMember = "__metadata__.json";
inline constexpr size_t kLongestComment = 0xffff;

// Begins with the key that says it is ours. Unsupported where a text is not UTF-8.
Result<std::string> metadata_to_json(const Metadata& metadata);
// Whether a comment is ours; others say what they say to somebody else.
bool is_our_json(std::string_view text);
Result<Metadata> metadata_from_json(std::string_view text);

}  // namespace ferry::npz
