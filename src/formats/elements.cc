#include "formats/elements.h"

#include <cstdint>

namespace ferry {

Status check_bools(std::span<const std::byte> bytes) {
  const auto* values = reinterpret_cast<const uint8_t*>(bytes.data());
  uint8_t seen = 0;
  for (size_t i = 0; i < bytes.size(); ++i) seen |= values[i];
  if (seen <= 1) return {};
  size_t i = 0;
  while (values[i] <= 1) ++i;
  return data_loss_at(i, concat("bool element ", i, " is ", values[i], ", expected 0 or 1"));
}

}  // namespace ferry
