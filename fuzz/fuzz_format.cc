// One format, any bytes: opening, listing, reading, verifying end in a value or an error; what was read and can be
// written reads back equal.
#include <cstdio>
#include <cstdlib>

#include "ferry/format.h"
#include "support/compare.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ferry;
  static const Format* format = find_format(FERRY_FUZZ_FORMAT);
  ReadOptions options;
  options.limits.max_tensor_bytes = 32 << 20;
  options.limits.max_expanded_bytes = 32 << 20;
  options.limits.free_expanded_bytes = 8 << 20;
  options.limits.max_densified_bytes = 32 << 20;
  // A heap copy of its own, so that a read past the end is seen.
  auto copy = Buffer::copy_of({reinterpret_cast<const std::byte*>(data), size});
  if (!copy.ok()) return 0;
  const auto source = memory_source(*copy);
  if (format->sniff != nullptr) (void)format->sniff(copy->bytes());
  if (format->open_names != nullptr) {
    const auto names = format->open_names(source, options);
    for (size_t i = 0; names.ok() && *names != nullptr && i < (*names)->size(); ++i) {
      if ((*names)->find((*names)->name(i)) != i) std::abort();
      (void)(*names)->describe(i);
      (void)(*names)->read(i);
    }
  }
  auto reader = format->open(source, options);
  if (!reader.ok()) {
    if (reader.status().code() == StatusCode::internal || reader.status().message().empty()) std::abort();
    return 0;
  }
  (void)(*reader)->verify();
  auto tensors = read_tensors(source, format, options);
  if (!tensors.ok()) return 0;
  for (const auto& entry : *tensors) {
    if (!validate(entry.tensor, Validation::bounds).ok()) std::abort();
  }
  if (!format->writes_bytes() || !check_writable(*tensors, *format).ok()) return 0;
  auto bytes = to_bytes(*tensors, *format);
  if (!bytes.ok()) return 0;
  auto again = read_tensors(memory_source(Buffer::borrow(bytes->data(), bytes->size())), format, {});
  if (!again.ok()) {
    std::fprintf(stderr, "written, then refused: %s\n", again.status().to_string().c_str());
    std::abort();
  }
  if (const std::string difference = testing_support::difference(*tensors, *again); !difference.empty()) {
    std::fprintf(stderr, "another value came back: %s\n", difference.c_str());
    std::abort();
  }
  return 0;
}
