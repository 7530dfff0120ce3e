#include "formats/h5/h5.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "formats/h5/encode.h"
#include "formats/h5/process.h"

namespace ferry::h5 {
namespace {

const Format& h5() { return *find_format("h5"); }

Result<TensorMap> load(std::string_view bytes, const ReadOptions& options = {}) {
  FERRY_ASSIGN_OR_RETURN(Buffer data, Buffer::copy_of(bytes));
  return read_tensors(memory_source(std::move(data)), &h5(), options);
}

std::string save(const TensorMap& map) {
  auto bytes = to_bytes(map, h5());
  EXPECT_TRUE(bytes.ok()) << bytes.status().to_string();
  return bytes.ok() ? *bytes : "";
}

Tensor small_csr() {
  return *SparseTensor::csr({2, 3}, DenseTensor::vector<int32_t>(std::vector<int32_t>{0, 1, 2}),
                            DenseTensor::vector<int32_t>(std::vector<int32_t>{2, 0}), DenseTensor::of<float>({2}, {1, 2}), {true, true});
}

TensorMap one(std::string name, Tensor tensor) {
  TensorMap map;
  EXPECT_TRUE(map.add(std::move(name), std::move(tensor)).ok());
  return map;
}

TEST(Hdf5Encode, Lookup3IsJenkinsOwn) { EXPECT_EQ(lookup3("Four score and seven years ago"), 0x17770551u); }

TEST(Hdf5Encode, TheSmallestFileIsWhatThePageShows) {
  const std::string bytes = save(one("x", DenseTensor::of<float>({2}, {1, 2})));
  EXPECT_EQ(bytes.size() % 8, 0u);
  EXPECT_EQ(bytes.substr(0, 9), std::string("\x89HDF\r\n\x1a\n\x02", 9));
  EXPECT_EQ(bytes.substr(64, 8), std::string("\0\0\x80\x3f\0\0\0\x40", 8));
}

TEST(Hdf5, NamesThatHdf5ReadsOtherwiseAreRefused) {
  for (const char* name : {"/a", "a/", "a//b", ".", "a/./b", "(root)"}) {
    const Status status = to_bytes(one(name, DenseTensor::scalar(1.0f)), h5()).status();
    EXPECT_EQ(status.code(), StatusCode::unsupported) << name;
    EXPECT_NE(status.message().find("--rename"), std::string_view::npos) << status.message();
  }
}

TEST(Hdf5, ATensorIsNotAlsoAGroup) {
  for (const bool first : {true, false}) {
    TensorMap map = one(first ? "a" : "a/b", DenseTensor::scalar(1.0f));
    ASSERT_TRUE(map.add(first ? "a/b" : "a", DenseTensor::scalar(1.0f)).ok());
    EXPECT_EQ(to_bytes(map, h5()).status().code(), StatusCode::invalid_argument);
  }
}

#ifndef FERRY_NO_HDF5

TEST(Hdf5, TensorsComeBackInTheirOrderWithTheirMetadata) {
  TensorMap map;
  for (const char* name : {"z", "m/b", "m/a", "a"}) ASSERT_TRUE(map.add(name, DenseTensor::of<int64_t>({1}, {7})).ok());
  map.find("m/a")->metadata.set("unit", "m/s");
  ASSERT_TRUE(map.add("x", small_csr()).ok());
  map.find("x")->metadata.set("note", "sparse");
  map.metadata.set("made by", "händ");
  map.metadata.set("m/note", "of the group");
  map.metadata.set("empty", "");
  auto back = load(save(map));
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  ASSERT_TRUE(identical(*back, map));
  EXPECT_EQ(*back->find("m/a")->metadata.find("unit"), "m/s");
  EXPECT_EQ(*back->find("x")->metadata.find("note"), "sparse");
  EXPECT_EQ(*back->metadata.find("made by"), "händ");
  EXPECT_EQ(*back->metadata.find("m/note"), "of the group");
  EXPECT_EQ(*back->metadata.find("empty"), "");
}

TEST(Hdf5, EveryDTypeComesBack) {
  TensorMap map;
  for (DType dtype : kAllDTypes) {
    if (!is_fixed_size(dtype)) continue;
    auto zeros = MutableBuffer::zeroed(3 * dtype_size(dtype));
    ASSERT_TRUE(zeros.ok());
    zeros->data()[0] = std::byte{1};
    ASSERT_TRUE(map.add(std::string(dtype_name(dtype)), *DenseTensor::make(dtype, {3}, std::move(*zeros).freeze())).ok());
  }
  auto back = load(save(map));
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_TRUE(identical(*back, map));
  for (const auto& entry : *back) EXPECT_TRUE(entry.metadata.empty()) << entry.name;
}

TEST(Hdf5, StringsOfManyCollectionsAndWithNulsComeBack) {
  std::vector<std::string> texts;
  for (int i = 0; i < 70'000; ++i) texts.push_back(i % 7 == 0 ? "" : std::string(static_cast<size_t>(i % 40), 'x') + std::to_string(i));
  texts.emplace_back().resize(3'000'000, 'y');
  std::vector<std::string_view> views(texts.begin(), texts.end());
  TensorMap map = one("many", DenseTensor::of_strings({static_cast<int64_t>(views.size())}, views));
  ASSERT_TRUE(map.add("nul", DenseTensor::of_strings({2}, {std::string_view("a\0b", 3), "c"})).ok());
  ASSERT_TRUE(map.add("no_utf8", DenseTensor::of_strings({1}, {"\xff\xfe"})).ok());
  auto back = load(save(map));
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_TRUE(identical(*back, map));
}

TEST(Hdf5, ElementsAreViewsOfTheFile) {
  auto copy = Buffer::copy_of(std::string_view(save(one("x", small_csr()))));
  ASSERT_TRUE(copy.ok());
  auto reader = h5().open(memory_source(*copy), {});
  ASSERT_TRUE(reader.ok()) << reader.status().to_string();
  ASSERT_EQ((*reader)->tensors().size(), 1u);
  EXPECT_TRUE((*reader)->tensors()[0].zero_copy);
  auto x = (*reader)->read(0);
  ASSERT_TRUE(x.ok());
  const auto* values = static_cast<const std::byte*>(std::get<SparseTensor>(*x).values().raw());
  EXPECT_TRUE(values >= copy->data() && values < copy->data() + copy->size());
}

TEST(Hdf5, ManyGroupsAndTensors) {
  TensorMap map;
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(map.add(concat("g", i % 50, "/t", i), DenseTensor::scalar<int32_t>(i)).ok());
  auto back = load(save(map));
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_EQ(back->size(), 2000u);
  EXPECT_TRUE(identical(back->find("g7/t1957")->tensor, map.find("g7/t1957")->tensor));
  ReadOptions few;
  few.limits.max_tensors = 100;
  EXPECT_EQ(load(save(map), few).status().code(), StatusCode::limit_exceeded);
}

TEST(Hdf5, FilesTakeTurnsInOneProcess) {
  const std::string a = save(one("a", DenseTensor::of_strings({1}, {"in a"}))), b = save(one("b", DenseTensor::of_strings({1}, {"in b"})));
  auto first = h5().open(memory_source(*Buffer::copy_of(std::string_view(a))), {});
  auto second = h5().open(memory_source(*Buffer::copy_of(std::string_view(b))), {});
  ASSERT_TRUE(first.ok() && second.ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        auto& reader = (i + t) % 2 == 0 ? *first : *second;
        auto x = reader->read(0);
        EXPECT_TRUE(x.ok() && std::get<DenseTensor>(*x).strings()[0] == ((i + t) % 2 == 0 ? "in a" : "in b"));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  end_idle_processes();  // as if it had crashed: the next read starts another
  EXPECT_TRUE((*first)->read(0).ok());
}

// ---- A process that misbehaves

class Impostor : public testing::Test {
 protected:
  void become(std::string_view script) {
    path_ = testing::TempDir() + "ferry-hdf5-impostor-" + std::to_string(::getpid());
    std::ofstream(path_) << "#!/bin/sh\n" << script;
    ::chmod(path_.c_str(), 0700);
    use(path_);
  }
  void use(const std::string& program) {
    end_idle_processes();
    ::setenv("FERRY_HDF5", program.c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("FERRY_HDF5");
    end_idle_processes();
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  static Status read() { return load(save(one("x", DenseTensor::scalar(1.0f)))).status(); }

 private:
  std::string path_;
};

TEST_F(Impostor, MissingIsUnsupportedWithAWayOut) {
  use("/nowhere/ferry-hdf5");
  EXPECT_EQ(read().code(), StatusCode::unsupported);
  EXPECT_NE(read().message().find("FERRY_HDF5"), std::string_view::npos);
}

TEST_F(Impostor, ACrashIsAnErrorOfTheFile) {
  become("kill -SEGV $$\n");
  EXPECT_EQ(read().code(), StatusCode::data_loss) << read().to_string();
  EXPECT_NE(read().message().find("crashed reading it (Segmentation fault)"), std::string_view::npos) << read().to_string();
  become("kill -PROF $$\n");
  EXPECT_EQ(read().code(), StatusCode::limit_exceeded);
  become("exit 9\n");
  EXPECT_EQ(read().code(), StatusCode::limit_exceeded);
}

TEST_F(Impostor, NonsenseIsNotBelieved) {
  become("head -c 100 /dev/zero >&3; sleep 5\n");
  EXPECT_EQ(read().code(), StatusCode::io) << read().to_string();
  // A reply of 2^40 bytes through the socket.
  become("printf 'FFh5\\0\\0\\0\\0\\0\\0\\0\\0\\0\\1\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0' >&3; sleep 5\n");
  EXPECT_EQ(read().code(), StatusCode::io) << read().to_string();
  // A listing of 2^64 - 1 objects in eight bytes.
  become(
      "printf 'FFh5\\0\\0\\0\\0\\10\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\377\\377\\377\\377\\377\\377\\377\\377' >&3; sleep 5\n");
  EXPECT_EQ(read().code(), StatusCode::data_loss) << read().to_string();
}

#endif

}  // namespace
}  // namespace ferry::h5
