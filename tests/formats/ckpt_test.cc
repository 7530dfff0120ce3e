// Checkpoints of several files: what TensorFlow wrote, found by any of its paths; damage to the index, to the data, and to entries
// whose checksums fit.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "ferry/crc32c.h"
#include "ferry/format.h"
#include "support/compare.h"
#include "support/memory_folder.h"
#include "wire/protobuf.h"
#include "wire/sorted_table.h"

namespace ferry {
namespace {

namespace fs = std::filesystem;
using testing_support::difference;
using testing_support::MemoryFolder;

const fs::path kFolder = fs::path(FERRY_GOLDENS) / "ckpt";
const fs::path kBundles = kFolder / "v2";
constexpr std::string_view kData = ".data-00000-of-00001";

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TensorMap load_or_fail(const fs::path& path) {
  auto out = load(path.string());
  EXPECT_TRUE(out.ok()) << path << ": " << out.status().to_string();
  return out.ok() ? *std::move(out) : TensorMap();
}

struct Bundle {
  std::string index, data;
};
Bundle golden(std::string_view name) { return {slurp(kBundles / concat(name, ".index")), slurp(kBundles / concat(name, kData))}; }

Result<TensorMap> read(const Bundle& bundle, Status* verified = nullptr) {
  const auto folder = std::make_shared<MemoryFolder>();
  folder->files = {{"m.index", bundle.index}, {concat("m", kData), bundle.data}};
  FERRY_ASSIGN_OR_RETURN(const auto source, folder->open("m.index"));
  ReadOptions options;
  options.limits.max_tensor_bytes = 64 << 20;
  FERRY_ASSIGN_OR_RETURN(const auto reader, open_tensors(Place{source, nullptr}, find_format("ckpt"), options));
  if (verified != nullptr) *verified = reader->verify();
  return read_tensors(*reader);
}

TEST(Checkpoint, HoldsWhatTensorFlowReadsInIt) {
  for (const std::string_view name : {"all_dtypes", "pieces", "triple"}) {
    EXPECT_EQ(difference(load_or_fail(kBundles / concat(name, ".expected.npz")), load_or_fail(kBundles / name)), "") << name;
  }
}

TEST(Checkpoint, SaverV1AndV2HoldTheSame) {
  EXPECT_EQ(difference(load_or_fail(kBundles / "few"), load_or_fail(kFolder / "few.ckpt")), "");
  EXPECT_EQ(difference(load_or_fail(kBundles / "pieces"), load_or_fail(kFolder / "pieces.ckpt")), "");
}

TEST(Checkpoint, AnyPathOfItWorks) {
  const TensorMap by_index = load_or_fail(kBundles / "few.index");
  EXPECT_EQ(by_index.size(), 7u);
  EXPECT_TRUE(identical(by_index, load_or_fail(kBundles / "few")));
  EXPECT_TRUE(identical(by_index, load_or_fail(kBundles / concat("few", kData))));
  const TensorMap latest = load_or_fail(kBundles / "managed");
  EXPECT_TRUE(identical(latest, load_or_fail(kBundles / "managed" / "ckpt-3")));
  EXPECT_TRUE(identical(latest, load_or_fail(kBundles / "managed" / "checkpoint")));
  EXPECT_FALSE(identical(latest, load_or_fail(kBundles / "managed" / "ckpt-2")));
}

TEST(Checkpoint, FolderOfSeveralAsksForOne) {
  const auto tensors = load(kBundles.string());
  ASSERT_FALSE(tensors.ok());
  EXPECT_NE(tensors.status().message().find("few.index"), std::string::npos) << tensors.status().message();
}

TEST(Checkpoint, SparseTripleIsOneTensor) {
  const TensorMap tensors = load_or_fail(kBundles / "triple");
  ASSERT_EQ(tensors.size(), 1u);
  EXPECT_EQ(tensors[0].name, "clicks");
  EXPECT_EQ(kind_of(tensors[0].tensor), TensorKind::coo);
  EXPECT_EQ(shape_of(tensors[0].tensor), (Shape{3, 4}));
}

TEST(Checkpoint, IndexAloneIsListedAndMissingDataIsNamed) {
  const auto folder = std::make_shared<MemoryFolder>();
  folder->files = {{"m.index", golden("few").index}};
  const auto reader = open_tensors(Place{*folder->open("m.index"), nullptr}, find_format("ckpt"));
  ASSERT_TRUE(reader.ok()) << reader.status().to_string();
  EXPECT_EQ((*reader)->tensors().size(), 7u);
  const auto tensor = (*reader)->read(0);
  ASSERT_FALSE(tensor.ok());
  EXPECT_EQ(tensor.status().code(), StatusCode::not_found);
  EXPECT_NE(tensor.status().message().find("m.data-00000-of-00001"), std::string::npos);
}

TEST(Checkpoint, EveryPrefixAndFlipOfTheIndexIsRefusedOrWithoutMeaning) {
  for (const std::string_view name : {"few", "pieces"}) {
    const Bundle whole = golden(name);
    const TensorMap expected = *read(whole);
    for (size_t size = 0; size < whole.index.size(); ++size) EXPECT_FALSE(read({whole.index.substr(0, size), whole.data}).ok()) << size;
    for (size_t bit = 0; bit < 8 * whole.index.size(); ++bit) {
      Bundle damaged = whole;
      damaged.index[bit / 8] = static_cast<char>(damaged.index[bit / 8] ^ 1 << bit % 8);
      const auto tensors = read(damaged);
      if (tensors.ok()) {
        EXPECT_TRUE(identical(*tensors, expected)) << bit;
      }
    }
  }
}

TEST(Checkpoint, EveryPrefixAndFlipOfTheDataIsFound) {
  for (const std::string_view name : {"few", "pieces", "objects"}) {
    const Bundle whole = golden(name);
    for (size_t size = 0; size < whole.data.size(); ++size) EXPECT_FALSE(read({whole.index, whole.data.substr(0, size)}).ok()) << size;
    for (size_t bit = 0; bit < 8 * whole.data.size(); ++bit) {
      Bundle damaged = whole;
      damaged.data[bit / 8] = static_cast<char>(damaged.data[bit / 8] ^ 1 << bit % 8);
      EXPECT_FALSE(read(damaged).ok()) << name << " " << bit;
    }
  }
}

// Entries that were changed before the table's checksums were made: nothing but their own contents protects the reader.
TEST(Checkpoint, FlippedEntriesEndInAnErrorOrInCheckedBytes) {
  for (const std::string_view name : {"few", "pieces"}) {
    const Bundle whole = golden(name);
    const auto table = SortedTable::open(*Buffer::copy_of(whole.index));
    ASSERT_TRUE(table.ok());
    std::vector<std::pair<std::string, std::string>> entries;
    for (size_t i = 0; i < table->num_blocks(); ++i) {
      const Buffer block = *table->block(i);
      BlockCursor in = table->entries(i, block);
      while (in.next()) entries.emplace_back(in.key(), std::string(reinterpret_cast<const char*>(in.value().data()), in.value().size()));
    }
    for (size_t e = 0; e < entries.size(); ++e) {
      for (size_t bit = 0; bit < 8 * entries[e].second.size(); ++bit) {
        SortedTableWriter out;
        for (size_t k = 0; k < entries.size(); ++k) {
          std::string value = entries[k].second;
          if (k == e) value[bit / 8] = static_cast<char>(value[bit / 8] ^ 1 << bit % 8);
          out.add(entries[k].first, value);
        }
        Status verified;
        const auto tensors = read({std::move(out).finish(), whole.data}, &verified);
        if (!tensors.ok()) {
          EXPECT_NE(tensors.status().code(), StatusCode::internal) << tensors.status().to_string();
          continue;
        }
        for (const auto& entry : *tensors) EXPECT_TRUE(validate(entry.tensor, Validation::bounds).ok()) << entry.name;
      }
    }
  }
}

TEST(Checkpoint, TwoTensorsInTheSameBytesAreFoundByVerify) {
  const Bundle whole = golden("few");
  const auto table = SortedTable::open(*Buffer::copy_of(whole.index));
  const std::string ids((*table->find("ids"))->text());
  SortedTableWriter out;
  for (const std::string_view key : {"", "ids", "ids_again"}) {
    out.add(key, key.empty() ? std::string((*table->find(""))->text()) : ids);
  }
  Status verified;
  EXPECT_TRUE(read({std::move(out).finish(), whole.data}, &verified).ok());
  EXPECT_NE(verified.message().find("share bytes"), std::string::npos) << verified.to_string();
}

// As TensorFlow writes the slots of a partitioned variable in a scope: each slice under a name of its own, with the shape of the whole.
TEST(Checkpoint, TensorOfSomeOfItsSlicesIsListedAndNotRead) {
  const Bundle whole = golden("pieces");
  const auto table = SortedTable::open(*Buffer::copy_of(whole.index));
  const auto without_last_slice = [](std::string_view entry) {
    proto::Reader in(entry);
    size_t last = 0;
    while (in.next()) {
      if (in.tag() == proto::bytes_tag(7)) last = in.field_offset();
      in.skip();
    }
    return std::string(entry.substr(0, last));  // slices come last
  };
  SortedTableWriter out;
  for (size_t i = 0; i < table->num_blocks(); ++i) {
    const Buffer block = *table->block(i);
    BlockCursor in = table->entries(i, block);
    size_t slices_of_rows = 0;
    while (in.next()) {
      std::string value(reinterpret_cast<const char*>(in.value().data()), in.value().size());
      if (in.key().starts_with(std::string("\0rows", 5)) && ++slices_of_rows == 3) continue;
      out.add(in.key(), in.key() == "rows" ? without_last_slice(value) : value);
    }
  }
  const auto folder = std::make_shared<MemoryFolder>();
  folder->files = {{"m.index", std::move(out).finish()}, {concat("m", kData), whole.data}};
  const auto reader = open_tensors(Place{*folder->open("m.index"), nullptr}, find_format("ckpt"));
  ASSERT_TRUE(reader.ok()) << reader.status().to_string();
  const auto infos = (*reader)->tensors();
  const auto at = static_cast<size_t>(std::ranges::find(infos, "rows", &TensorInfo::name) - infos.begin());
  ASSERT_LT(at, infos.size());
  EXPECT_EQ(infos[at].shape, (Shape{10, 4}));
  EXPECT_EQ(*infos[at].metadata.find("slices"), "2 (28 of 40 elements)");
  const auto tensor = (*reader)->read(at);
  EXPECT_EQ(tensor.status().code(), StatusCode::data_loss);
  EXPECT_NE(tensor.status().message().find("the slices hold 28 of the 40 elements"), std::string::npos) << tensor.status().to_string();
  EXPECT_TRUE((*reader)->verify().ok()) << (*reader)->verify().to_string();
}

TEST(Checkpoint, BigEndianAndLaterVersionsAreUnsupported) {
  const auto with_header = [](std::string_view header) {
    SortedTableWriter out;
    out.add("", header);
    return read({std::move(out).finish(), ""}).status();
  };
  EXPECT_TRUE(with_header("\x08\x01").ok());
  EXPECT_EQ(with_header("\x08\x01\x10\x01").code(), StatusCode::unsupported);
  EXPECT_EQ(with_header("\x08\x01\x1a\x02\x10\x09").code(), StatusCode::unsupported);
  EXPECT_EQ(with_header("\x08\xff\xff\xff\x7f").code(), StatusCode::data_loss);
}

class Written : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(std::string_view name) const { return (folder_ / name).string(); }
  Status save_as(const TensorMap& tensors, std::string_view name) const { return save(tensors, path(name), find_format("ckpt")); }
  const fs::path folder_ = fs::temp_directory_path() / concat("ferry_ckpt_", ::getpid());
};

TEST_F(Written, GivesBackEveryGoldenAndAnIndexAsTensorFlowWritesIt) {
  for (const std::string_view name : {"all_dtypes", "few", "objects", "triple"}) {
    const TensorMap tensors = load_or_fail(kBundles / name);
    ASSERT_TRUE(save_as(tensors, concat(name, ".index")).ok());
    EXPECT_EQ(difference(tensors, load_or_fail(path(name))), "") << name;
    EXPECT_TRUE(open_tensors(path(name)).value()->verify().ok()) << name;
  }
  // Without gaps for alignment the same bytes come out, but for the separators in the index of blocks.
  EXPECT_EQ(slurp(path(concat("triple", kData))).size(), slurp(kBundles / concat("triple", kData)).size());
}

TEST_F(Written, SparseAndRaggedTensorsAreTheirParts) {
  TensorMap tensors;
  const auto splits = DenseTensor::of<int64_t>({3}, {0, 2, 2});
  ASSERT_TRUE(tensors.add("r", *RaggedTensor::make({splits}, DenseTensor::of<float>({2}, {1, 2}))).ok());
  ASSERT_TRUE(
      tensors.add("x", *SparseTensor::coo({2, 3}, DenseTensor::of<int64_t>({1, 2}, {1, 2}), DenseTensor::of<float>({1}, {5}), {true, true}))
          .ok());
  ASSERT_TRUE(save_as(tensors, "m").ok());
  EXPECT_EQ(difference(tensors, load_or_fail(path("m"))), "");
  ReadOptions plain;
  plain.parts.enabled = false;
  const auto reader = open_tensors(path("m"), nullptr, plain);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->tensors().size(), 5u);
}

TEST_F(Written, RefusedTensorsLeaveWhatWasThere) {
  TensorMap one, unnamed;
  ASSERT_TRUE(one.add("a", DenseTensor::scalar<float>(1)).ok());
  ASSERT_TRUE(save_as(one, "m").ok());
  ASSERT_TRUE(unnamed.add("a", DenseTensor::scalar<float>(2)).ok());
  ASSERT_TRUE(unnamed.add("", DenseTensor::scalar<float>(2)).ok());
  EXPECT_EQ(save_as(unnamed, "m").code(), StatusCode::unsupported);
  EXPECT_EQ(difference(one, load_or_fail(path("m"))), "");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 2);
  EXPECT_EQ(to_bytes(one, *find_format("ckpt")).status().code(), StatusCode::unsupported);
  EXPECT_FALSE(save(one, "-", find_format("ckpt")).ok());
}

}  // namespace
}  // namespace ferry
