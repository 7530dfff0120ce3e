#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "ferry/io.h"
#include "io/file_stream.h"
#include "io/zip.h"

namespace ferry {
namespace {

class Io : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "ferry_io_XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  static std::string slurp(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void spit(const std::string& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }
  std::string folder_;
};

std::string noise(size_t size) {
  std::mt19937 random(3);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>("abcdefgh"[random() % 8]);
  return out;
}

TEST_F(Io, NothingIsVisibleBeforeClose) {
  spit(path("x"), "old");
  {
    auto sink = open_sink(path("x"));
    ASSERT_TRUE(sink.ok());
    ASSERT_TRUE((*sink)->write(noise(1 << 20)).ok());
    EXPECT_EQ(slurp(path("x")), "old");
  }
  EXPECT_EQ(slurp(path("x")), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(Io, CloseReplacesAndKeepsPermissions) {
  spit(path("x"), "old");
  ASSERT_EQ(chmod(path("x").c_str(), 0640), 0);
  auto sink = open_sink(path("x"));
  ASSERT_TRUE(sink.ok());
  ASSERT_TRUE((*sink)->write("new").ok());
  ASSERT_TRUE((*sink)->close().ok());
  EXPECT_EQ(slurp(path("x")), "new");
  struct stat info;
  ASSERT_EQ(stat(path("x").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
}

TEST_F(Io, AFullDiskIsAnErrorAndLeavesTheOldFile) {
  auto sink = open_sink("/dev/full");
  ASSERT_TRUE(sink.ok());
  Status status = (*sink)->write(noise(1 << 20));
  if (status.ok()) status = (*sink)->close();
  EXPECT_EQ(status.code(), StatusCode::io);
}

TEST_F(Io, CompressedFilesComeBackAndAreDeterministic) {
  const std::string text = noise(3'000'000);
  for (const char* suffix : {".gz", ".zst"}) {
    const std::string file = path(std::string("t.csv") + suffix);
    for (int round = 0; round < 2; ++round) {
      auto sink = open_sink(file);
      ASSERT_TRUE(sink.ok());
      ASSERT_TRUE((*sink)->write(text).ok());
      ASSERT_TRUE((*sink)->close().ok());
      if (round == 0) std::filesystem::copy_file(file, file + ".first");
    }
    EXPECT_EQ(slurp(file), slurp(file + ".first"));
    EXPECT_LT(std::filesystem::file_size(file), text.size() / 2);
    auto source = open_source(file);
    ASSERT_TRUE(source.ok()) << source.status().to_string();
    EXPECT_EQ((*source)->name(), path("t.csv"));
    EXPECT_EQ((*source)->view(0, (*source)->size())->text(), text);
  }
}

TEST_F(Io, EveryPrefixOfACompressedFileIsAnError) {
  for (const char* suffix : {".gz", ".zst"}) {
    const std::string file = path(std::string("t") + suffix);
    auto sink = open_sink(file);
    ASSERT_TRUE((*sink)->write(noise(400)).ok());
    ASSERT_TRUE((*sink)->close().ok());
    const std::string whole = slurp(file);
    for (size_t size = 4; size < whole.size(); ++size) {
      spit(file, std::string_view(whole).substr(0, size));
      EXPECT_EQ(open_source(file).status().code(), StatusCode::data_loss) << suffix << size;
    }
    // Two members end to end are one file.
    spit(file, whole + whole);
    EXPECT_EQ((*open_source(file))->size(), 800u);
  }
}

TEST_F(Io, ABombIsALimit) {
  const std::string file = path("bomb.gz");
  auto sink = open_sink(file);
  const std::string zeros(1 << 20, '\0');
  for (int i = 0; i < 64; ++i) ASSERT_TRUE((*sink)->write(zeros).ok());
  ASSERT_TRUE((*sink)->close().ok());
  OpenOptions options;
  options.limits.free_expanded_bytes = 1 << 20;
  EXPECT_EQ(open_source(file, options).status().code(), StatusCode::limit_exceeded);
  EXPECT_TRUE(open_source(file).ok());
}

TEST_F(Io, MissingFilesAndFoldersAreNamedForWhatTheyAre) {
  EXPECT_EQ(open_source(path("nope")).status().code(), StatusCode::not_found);
  EXPECT_EQ(open_source(folder_).status().code(), StatusCode::io);
  EXPECT_EQ(open_sink(path("no/such/folder")).status().code(), StatusCode::io);
}

TEST_F(Io, ViewsOutliveTheSource) {
  spit(path("x"), "hello world");
  Buffer view;
  {
    auto source = open_source(path("x"));
    ASSERT_TRUE(source.ok());
    view = *(*source)->view(6, 5);
    EXPECT_EQ((*source)->view(6, 6).status().offset(), 6u);
  }
  EXPECT_EQ(view.text(), "world");
}

TEST_F(Io, ManyOpenFilesKeepFewDescriptors) {
  spit(path("x"), "0123456789");
  const auto descriptors = [] { return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}); };
  const auto before = descriptors();
  {
    std::vector<std::shared_ptr<const ByteSource>> sources;
    for (int i = 0; i < 200; ++i) sources.push_back(*open_source(path("x")));
    EXPECT_LE(descriptors() - before, 64);
    for (const auto& source : sources) {
      std::array<std::byte, 4> out;
      ASSERT_TRUE(source->read_at(3, out).ok());
      EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(out.data()), out.size()), "3456");
      EXPECT_EQ(source->read_at(7, out).code(), StatusCode::data_loss);
    }
  }
  EXPECT_EQ(descriptors(), before);
}

TEST_F(Io, HeadersOfAnArchiveAreReadHoweverFarApartAndHoweverLong) {
  for (const size_t size : {size_t{10}, size_t{100}, size_t{200}, size_t{100000}}) {
    std::string archive;
    const auto sink = memory_sink(archive);
    ZipWriter writer(*sink);
    const std::string body = noise(size), long_name(900, 'n');
    for (const std::string& name : {std::string("a"), long_name, std::string("b")})
      ASSERT_TRUE(writer.add(name, std::as_bytes(std::span(body))).ok());
    ASSERT_TRUE(writer.finish().ok());
    spit(path("x.zip"), archive);
    for (const auto& source : {*open_source(path("x.zip")), memory_source(*Buffer::copy_of(archive))}) {
      const auto zip = ZipReader::open(source);
      ASSERT_TRUE(zip.ok()) << zip.status().message();
      ASSERT_EQ(zip->members().size(), 3u);
      for (size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(zip->read(i)->text(), body);
        for (const size_t head : {size_t{1}, size_t{128}, size_t{129}}) EXPECT_EQ(zip->head(i, head)->text(), body.substr(0, head));
      }
    }
  }
}

TEST_F(Io, AFileKnowsItsFolder) {
  spit(path("a"), "one");
  spit(path("b"), "two");
  auto source = open_source(path("a"));
  ASSERT_TRUE(source.ok());
  const auto folder = (*source)->folder();
  ASSERT_NE(folder, nullptr);
  EXPECT_TRUE(folder->has("b"));
  auto other = folder->open("b");
  ASSERT_TRUE(other.ok()) << other.status().to_string();
  EXPECT_EQ((*other)->size(), 3u);
  EXPECT_EQ(folder->open("c").status().code(), StatusCode::not_found);
  EXPECT_EQ(memory_source(Buffer())->folder(), nullptr);
}

TEST_F(Io, ANameThatLeavesTheFolderIsRefused) {
  spit(path("secret"), "x");
  std::filesystem::create_directory(path("inner"));
  const auto folder = directory(path("inner"));
  for (const std::string& name : {std::string("../secret"), std::string("a/../../secret"), path("secret"), std::string(), std::string("."),
                                  std::string("a//b"), std::string("a/")}) {
    EXPECT_EQ(folder->open(name).status().code(), StatusCode::invalid_argument) << name;
    EXPECT_FALSE(folder->has(name)) << name;
  }
}

TEST_F(Io, FoldersListWhatLiesInThem) {
  std::filesystem::create_directories(path("f/sub/deep"));
  spit(path("f/b"), "");
  spit(path("f/sub/x"), "12");
  const auto folder = directory(path("f"));
  EXPECT_EQ(folder->list().value(), (std::vector<std::string>{"b", "sub/"}));
  EXPECT_EQ(folder->list("sub").value(), (std::vector<std::string>{"deep/", "x"}));
  EXPECT_EQ(folder->list("none").status().code(), StatusCode::not_found);
  EXPECT_EQ(sub_folder(folder, "sub")->open("x").value()->size(), 2u);
}

// What is large goes past the page cache, in blocks: no byte may be lost where the ways of writing change.
TEST_F(Io, LargeFilesHoldWhatWasWritten) {
  std::string wanted;
  for (uint32_t i = 0; wanted.size() < (size_t{45} << 20); i = i * 1664525 + 1013904223)
    wanted.append(reinterpret_cast<const char*>(&i), 4);
  for (const size_t piece : {size_t{1}, size_t{4097}, size_t{3} << 20}) {
    const std::string name = path("large");
    {
      auto sink = open_sink(name);
      ASSERT_TRUE(sink.ok()) << sink.status().to_string();
      (*sink)->expect(wanted.size());
      // Odd beginnings, so that blocks do not begin where calls do.
      for (size_t at = 0; at < wanted.size();) {
        const size_t size = std::min(wanted.size() - at, at < 100 || at > (size_t{44} << 20) ? std::max<size_t>(piece, 13)
                                                         : piece == 1                        ? size_t{1} << 20
                                                                                             : piece);
        ASSERT_TRUE((*sink)->write(std::string_view(wanted).substr(at, size)).ok());
        at += size;
        const bool half_way = at / (size_t{40} << 20) != (at - size) / (size_t{40} << 20);
        if (piece == 4097 && half_way) {
          ASSERT_TRUE(flush(**sink).ok());
        }
      }
      ASSERT_TRUE((*sink)->close().ok());
    }
    const auto source = open_source(name);
    ASSERT_TRUE(source.ok());
    ASSERT_EQ((*source)->size(), wanted.size());
    EXPECT_TRUE((*source)->view(0, wanted.size())->text() == wanted) << piece;
  }
}

TEST_F(Io, ALargeFileThatIsGivenUpLeavesNothing) {
  spit(path("kept"), "before");
  const std::string piece(size_t{1} << 20, 'y');
  {
    auto sink = open_sink(path("kept"));
    ASSERT_TRUE(sink.ok());
    for (int i = 0; i < 50; ++i) ASSERT_TRUE((*sink)->write(piece).ok());
  }
  EXPECT_EQ((*open_source(path("kept")))->view(0, 6)->text(), "before");
}

TEST_F(Io, DroppedPagesComeBack) {
  const std::string wanted(size_t{3} << 20, 'x');
  spit(path("mapped"), wanted);
  const auto source = *open_source(path("mapped"));
  const Buffer all = *source->view(0, wanted.size());
  EXPECT_TRUE(all.is_mapped());
  const Buffer part = all.slice(5000, 1 << 20);
  EXPECT_TRUE(part.text() == std::string(1 << 20, 'x'));
  part.drop_pages();
  all.drop_pages();
  Buffer::copy_of(wanted)->drop_pages();
  EXPECT_TRUE(all.text() == wanted);
}

TEST_F(Io, APipeInAFolderIsNotWaitedFor) {
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_FALSE(directory(folder_)->open("pipe").ok());
}

TEST_F(Io, AnArchiveIsAFolder) {
  std::string bytes;
  const auto sink = memory_sink(bytes);
  ZipWriter zip(*sink);
  for (const char* name : {"top", "d/one", "d/two", "d.x", "../evil"}) ASSERT_TRUE(zip.add(name, std::as_bytes(std::span("abc", 3))).ok());
  ASSERT_TRUE(zip.finish().ok());
  const auto folder = zip_folder(memory_source(Buffer::borrow(bytes.data(), bytes.size()), "z.zip"));
  ASSERT_TRUE(folder.ok()) << folder.status().to_string();
  EXPECT_EQ((*folder)->list().value(), (std::vector<std::string>{"d.x", "d/", "top"}));
  EXPECT_EQ((*folder)->list("d").value(), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ((*folder)->open("d/one").value()->name(), "z.zip!d/one");
  EXPECT_EQ((*folder)->open("../evil").status().code(), StatusCode::invalid_argument);
  EXPECT_EQ((*folder)->open("d").status().code(), StatusCode::not_found);
}

}  // namespace
}  // namespace ferry
