#include "formats/metadata.h"

#include <unordered_map>

namespace ferry {

void set_all(Metadata& to, const MetadataEntries& entries) {
  constexpr size_t kFew = 32;
  if (to.size() + entries.size() <= kFew) {
    for (const auto& [key, value] : entries) to.set(key, value);
    return;
  }
  MetadataEntries all;
  std::unordered_map<std::string_view, size_t> places;
  const auto add = [&](std::string_view key, std::string_view value) {
    const auto [it, fresh] = places.emplace(key, all.size());
    if (fresh) {
      all.emplace_back(key, value);
    } else {
      all[it->second].second = value;
    }
  };
  for (const auto& [key, value] : to) add(key, value);
  for (const auto& [key, value] : entries) add(key, value);
  Metadata out;
  for (const auto& [key, value] : all) out.append(std::string(key), std::string(value));
  to = std::move(out);
}

}  // namespace ferry
