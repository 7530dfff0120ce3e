// The row code as it comes from a cache, and the text of a state. The first byte chooses.
#include <algorithm>
#include <cstdint>

#include "dataset/state.h"
#include "dataset/table.h"

using namespace ferry;

namespace {

const std::vector<ElementSpec> kRows[] = {
    {{"a", TensorKind::dense, DType::float32, Shape{2}, 0}, {"b", TensorKind::coo, DType::int64, Shape{10}, 0}},
    {{"a", TensorKind::dense, DType::string, Shape{}, 0}, {"b", TensorKind::dense, DType::string, Shape{-1}, 0}},
    {{"a", TensorKind::ragged, DType::int16, Shape{-1, -1, -1, 2}, 2}, {"b", TensorKind::coo, DType::string, Shape{4, 5}, 0}},
};

void decode(const std::vector<ElementSpec>& spec, std::span<const std::byte> bytes) {
  auto columns = dataset::columns_of(spec);
  FERRY_ASSERT(columns.ok());
  const auto decoder = dataset::row_code_decoder(*std::move(columns));
  const auto scratch = decoder->new_scratch();
  BufferPool pool;
  dataset::RowBlock rows;
  rows.append({bytes, {}, false}, 1);
  rows.append({bytes, {}, false}, 2);
  const uint32_t which[2] = {0, 1};
  for (const Layout layout : {Layout::coo, Layout::csr}) {
    BatchOptions options;
    options.sparse = layout;
    TensorMap out;
    dataset::BadRow bad;
    if (!decoder->decode(rows, which, options, pool, scratch.get(), out, bad).ok()) continue;
    for (const auto& entry : out) FERRY_ASSERT(validate(entry.tensor, Validation::bounds).ok());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  if (data[0] % 4 < 3) {
    decode(kRows[data[0] % 4], bytes);
  } else {
    const auto state = dataset::state_from_text({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    if (state.ok()) {
      const auto again = dataset::state_from_text(dataset::state_text(*state));
      FERRY_ASSERT(again.ok() && again->position == state->position && again->stages == state->stages);
    }
  }
  return 0;
}
