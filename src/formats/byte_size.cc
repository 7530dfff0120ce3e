#include "formats/byte_size.h"

#include <charconv>

namespace ferry {

Result<uint64_t> byte_size_option(std::string_view name, std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  constexpr std::string_view kPrefixes = "KMGT";
  double scale = 1;
  if (!unit.empty() && unit != "B") {
    const size_t power = kPrefixes.find(unit[0] >= 'a' ? static_cast<char>(unit[0] - 32) : unit[0]);
    unit.remove_prefix(1);
    const bool decimal = unit == "B" || unit == "b";
    if (power != std::string_view::npos && (decimal || unit.empty() || unit == "iB")) {
      for (size_t i = 0; i <= power; ++i) scale *= decimal ? 1000 : 1024;
    } else {
      scale = 0;
    }
  }
  const double bytes = number * scale;
  if (error != std::errc() || !(bytes >= 1 && bytes < 1e18)) {
    return invalid_argument(concat(name, " is ", quoted(text), ", expected a size like 5GB or 500MB"));
  }
  return static_cast<uint64_t>(bytes);
}

}  // namespace ferry
