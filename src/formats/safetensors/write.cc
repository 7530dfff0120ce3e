#include "formats/safetensors/write.h"

#include <algorithm>

#include "formats/safetensors/plan.h"

namespace ferry::safetensors {
namespace {

bool is_wide(const PlannedArray& array) { return array.stored.coding == Coding::pairs; }

// As the library: by dtype from the widest, then by name, so that no element lies across its own alignment.
std::vector<size_t> order_of(const Plan& plan) {
  std::vector<size_t> order(plan.items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, [&](size_t a, size_t b) {
    const Item &x = plan.items[a], &y = plan.items[b];
    const bool wide = is_wide(plan.arrays[a]);
    if (wide != is_wide(plan.arrays[b])) return wide;
    return x.type != y.type ? x.type > y.type : x.name < y.name;
  });
  return order;
}

}  // namespace

Status write(const TensorReader& tensors, ByteSink& sink, const WriteOptions& options) {
  FERRY_ASSIGN_OR_RETURN(Plan plan, plan_of(tensors, options));
  const std::vector<size_t> order = order_of(plan);
  uint64_t at = 0;
  for (const size_t i : order) {
    Item& item = plan.items[i];
    item.begin = at;
    at += *bytes_of(item.type, item.shape);
    item.end = at;
  }
  // complex128 is aligned to 16 bytes here; everything else to 8, as the library does it.
  const std::string header = write_header(plan.items, plan.metadata, !order.empty() && is_wide(plan.arrays[order[0]]) ? 16 : 8);
  if (header.size() - 8 > kLongestHeader) {
    return unsupported(concat("the header would be ", header.size() - 8, " bytes long and safetensors allows ", kLongestHeader,
                              "; write several files (--select)"));
  }
  sink.expect(header.size() + at);
  FERRY_RETURN_IF_ERROR(sink.write(header));
  PlannedBytes arrays(tensors, plan, options);
  for (const size_t i : order) {
    FERRY_ASSIGN_OR_RETURN(const Buffer bytes, arrays.read(i));
    FERRY_RETURN_IF_ERROR(write_through(sink, bytes));
  }
  return {};
}

}  // namespace ferry::safetensors
