#include "formats/metadata.h"

#include <gtest/gtest.h>

#include "ferry/format.h"

namespace ferry {
namespace {

TEST(Metadata, SetAllIsSetForEach) {
  for (const size_t count : {3u, 100'000u}) {
    std::vector<std::string> keys;
    for (size_t i = 0; i < count; ++i) keys.push_back(concat("k", i));
    Metadata out;
    out.set("k1", "old");
    MetadataEntries entries;
    for (const std::string& key : keys) entries.emplace_back(key, "first");
    entries.emplace_back(keys[2], "last");
    set_all(out, entries);
    EXPECT_EQ(out.size(), count);
    EXPECT_EQ(out.begin()->first, "k1");
    EXPECT_EQ(*out.find("k1"), "first");
    EXPECT_EQ(*out.find("k2"), "last");
  }
}

TEST(Metadata, KeysOfManySlashesAndManyKeysOfOneTensorAreRead) {
  TensorMap map;
  ASSERT_TRUE(map.add("x", DenseTensor::of<float>({1}, {1})).ok());
  const std::string slashes(1 << 20, '/');
  map.metadata.append(slashes, "1");
  for (int i = 0; i < 50'000; ++i) map.metadata.append(concat("x/", i), "2");
  const Format& format = *find_format("safetensors");
  auto bytes = to_bytes(map, format);
  ASSERT_TRUE(bytes.ok()) << bytes.status().to_string();
  auto again = read_tensors(memory_source(*Buffer::copy_of(std::string_view(*bytes))), &format);
  ASSERT_TRUE(again.ok()) << again.status().to_string();
  EXPECT_NE(again->metadata.find(slashes), nullptr);
  EXPECT_EQ((*again)[0].metadata.size(), 50'000u);
}

}  // namespace
}  // namespace ferry
