// Tensor bundles and Saver V1 tables whose checksums fit whatever they hold: nothing but the entries' own contents protects the reader.
//   the bytes   entries: length of the key, key, length of the value (two bytes), value; ended by a key of length 255; then the data file
#include <cstdlib>
#include <map>

#include "ferry/format.h"
#include "support/memory_folder.h"
#include "wire/sorted_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ferry;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto take = [&](size_t count) {
    const std::string_view out = rest.substr(0, count);
    rest.remove_prefix(out.size());
    return out;
  };
  std::map<std::string, std::string> entries;
  while (rest.size() > 3) {
    const auto key_size = static_cast<uint8_t>(take(1)[0]);
    if (key_size == 255) break;
    const std::string_view key = take(key_size);
    if (rest.size() < 2) break;
    const std::string_view length = take(2);
    entries.emplace(key, take(static_cast<uint8_t>(length[0]) | static_cast<size_t>(static_cast<uint8_t>(length[1])) << 8));
  }
  SortedTableWriter table(1 << 10);
  for (const auto& [key, value] : entries) table.add(key, value);
  const auto folder = std::make_shared<testing_support::MemoryFolder>();
  folder->files = {{"m.index", std::move(table).finish()}, {"m.data-00000-of-00001", std::string(rest)}};
  ReadOptions options;
  options.limits.max_tensor_bytes = 32 << 20;
  // Nobody makes checksums fit by trying.
  options.validation = Validation::trust;
  const auto reader = open_tensors(Place{*folder->open("m.index"), nullptr}, find_format("ckpt"), options);
  if (!reader.ok()) {
    if (reader.status().code() == StatusCode::internal || reader.status().message().empty()) std::abort();
    return 0;
  }
  (void)(*reader)->verify();
  for (size_t i = 0; i < (*reader)->tensors().size(); ++i) {
    const auto tensor = (*reader)->read(i);
    if (tensor.ok()) (void)validate(*tensor, Validation::bounds);
  }
  return 0;
}
