// Any set of array names, dtypes and shapes: the Parts rule gives every array exactly one place, and what it groups it can
// take apart again.
#include <cstdlib>
#include <string_view>
#include <vector>

#include "ferry/parts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ferry;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto byte = [&]() -> int {
    if (rest.empty()) return 0;
    const int b = static_cast<unsigned char>(rest[0]);
    rest.remove_prefix(1);
    return b;
  };
  constexpr DType kTypes[] = {DType::int64, DType::int32, DType::float32, DType::uint8, DType::string};
  constexpr std::string_view kSuffixes[] = {"",       "/indices",   "/values", "/dense_shape", "/indptr", "/row_splits", "/row_splits_0",
                                            "/bytes", "/offsets",   ".shape",  "_data",        ":row",    ":col",        "indices",
                                            "values", "dense_shape"};
  TensorMap arrays;
  while (!rest.empty() && arrays.size() < 40) {
    std::string name(1, static_cast<char>('a' + byte() % 3));
    const std::string_view suffix = kSuffixes[byte() % std::size(kSuffixes)];
    if (byte() % 4 == 0) name.clear();
    name += suffix;
    if (byte() % 8 == 0) name += static_cast<char>(byte());
    const DType dtype = kTypes[byte() % std::size(kTypes)];
    Shape shape;
    for (int axes = byte() % 3; axes > 0; --axes) shape.append(byte() % 5);
    const auto count = static_cast<size_t>(*shape.num_elements());
    Tensor tensor;
    if (dtype == DType::string) {
      tensor = DenseTensor::of_strings(shape, std::vector<std::string_view>(count, "x"));
    } else {
      std::vector<std::byte> bytes(count * dtype_size(dtype));
      for (size_t i = 0; i < bytes.size(); i += dtype_size(dtype)) bytes[i] = static_cast<std::byte>(byte() % 6);
      auto made = DenseTensor::make(dtype, shape, *Buffer::copy_of(bytes));
      if (!made.ok()) std::abort();
      tensor = *made;
    }
    (void)arrays.add(name, tensor);
  }
  std::vector<ArrayInfo> infos;
  for (const auto& entry : arrays) infos.push_back({entry.name, dtype_of(entry.tensor), shape_of(entry.tensor)});
  auto grouping = find_parts(infos, {});
  if (!grouping.ok()) return 0;
  std::vector<int> seen(infos.size());
  for (size_t i : grouping->plain) ++seen.at(i);
  for (const PartGroup& group : grouping->groups) {
    for (const Part& part : group.parts) ++seen.at(part.array);
  }
  for (int n : seen) {
    if (n != 1) std::abort();
  }
  auto grouped = group_parts(arrays);
  if (!grouped.ok()) return 0;
  for (const auto& entry : *grouped) (void)validate(entry.tensor, Validation::canonical);
  auto apart = ungroup_parts(*grouped);
  if (apart.ok()) (void)group_parts(*apart);
  return 0;
}
