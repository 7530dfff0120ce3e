#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <string>
#include <vector>

#include "ferry/buffer.h"
#include "ferry/byte_cursor.h"
#include "ferry/crc32c.h"
#include "ferry/status.h"
#include "ferry/thread_pool.h"

namespace ferry {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(Status, OffsetMovesIntoTheWordsWhenNested) {
  const Status inner = data_loss_at(8, "header length 70000 exceeds the 64-byte file");
  EXPECT_EQ(inner.with_context("member x").offset(), 8u);
  EXPECT_EQ(inner.shifted(100).offset(), 108u);
  const Status outer = inner.nested("member x.npy");
  EXPECT_FALSE(outer.offset());
  EXPECT_EQ(outer.message(), "member x.npy: at byte 8: header length 70000 exceeds the 64-byte file");
}

TEST(Status, EachCodeHasAnExitCode) {
  EXPECT_EQ(exit_code(StatusCode::ok), 0);
  EXPECT_EQ(exit_code(StatusCode::data_loss), 3);
  EXPECT_EQ(exit_code(StatusCode::io), 4);
  EXPECT_EQ(exit_code(StatusCode::unsupported), 5);
  EXPECT_EQ(exit_code(StatusCode::limit_exceeded), 6);
}

TEST(Quoted, EscapesControlBytes) { EXPECT_EQ(quoted(std::string_view("a\n\0b", 4)), "'a\\x0a\\x00b'"); }

TEST(Crc32c, MatchesTheCheckValueOnEitherPath) {
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xe3069283u);
  EXPECT_EQ(detail::crc32c_portable(bytes_of("123456789"), 0), 0xe3069283u);
  EXPECT_EQ(unmask_crc(mask_crc(0x12345678u)), 0x12345678u);
}

TEST(Crc32c, PathsAgreeAtEverySplit) {
  std::mt19937 random(7);
  std::string data(1000, '\0');
  for (char& c : data) c = static_cast<char>(random());
  const uint32_t whole = crc32c(bytes_of(data));
  for (size_t cut = 0; cut <= data.size(); cut += 37) {
    EXPECT_EQ(crc32c(bytes_of(data).subspan(cut), crc32c(bytes_of(data).first(cut))), whole);
    EXPECT_EQ(crc32c_joined(crc32c(bytes_of(data).first(cut)), crc32c(bytes_of(data).subspan(cut)), data.size() - cut), whole);
    EXPECT_EQ(detail::crc32c_portable(bytes_of(data).subspan(cut), detail::crc32c_portable(bytes_of(data).first(cut), 0)), whole);
  }
}

TEST(Crc32c, ManyThreadsFindWhatOneDoes) {
  ThreadPool pool(3);
  for (const size_t size : {size_t{0}, size_t{5}, size_t{4} << 20, (size_t{5} << 20) + 3}) {
    std::string data(size, '\0');
    for (size_t i = 0; i < size; ++i) data[i] = static_cast<char>(i * 2654435761u >> 13);
    EXPECT_EQ(crc32c(bytes_of(data), &pool), crc32c(bytes_of(data)));
  }
}

TEST(Buffer, SlicesKeepTheOwnerAlive) {
  Buffer slice;
  {
    auto buffer = Buffer::copy_of(std::string_view("hello world"));
    ASSERT_TRUE(buffer.ok());
    slice = buffer->slice(6, 5);
  }
  EXPECT_EQ(slice.text(), "world");
}

TEST(Buffer, BlocksAroundTheLargeSizeAreFreedAsTheyWereTaken) {
  for (size_t size : {size_t{0}, size_t{1}, (size_t{1} << 20) - 64, (size_t{1} << 20) - 63, (size_t{1} << 20) - 1, size_t{1} << 20,
                      (size_t{3} << 20) + 5}) {
    auto block = MutableBuffer::zeroed(size);
    ASSERT_TRUE(block.ok());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block->data()) % kAlignment, 0u);
    Buffer frozen = (*std::move(block)).freeze();
    EXPECT_EQ(frozen.size(), size);
  }
  release_cached_memory();
}

TEST(Buffer, MoreThanTheMachineHasIsALimit) {
  EXPECT_EQ(MutableBuffer::allocate(size_t{1} << 50).status().code(), StatusCode::limit_exceeded);
}

TEST(ByteCursor, NamesWhatIsMissingAndWhere) {
  ByteCursor cursor(bytes_of("abc"), 10);
  EXPECT_EQ(*cursor.read<uint16_t>("a"), 0x6261);
  const Status status = cursor.read<uint32_t>("header length").status();
  EXPECT_EQ(status.code(), StatusCode::data_loss);
  EXPECT_EQ(status.offset(), 12u);
  EXPECT_EQ(status.message(), "header length needs 4 bytes, only 1 remain");
}

TEST(ThreadPool, EveryIndexIsDoneOnce) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int64_t count : {0, 1, 7, 1000, 100000}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
      pool.parallel_for(count, 3, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
      });
      for (const auto& n : seen) ASSERT_EQ(n.load(), 1);
    }
  }
}

TEST(ThreadPool, NestedCallsRunInline) {
  ThreadPool pool(2);
  std::atomic<int64_t> sum{0};
  pool.parallel_for(10, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) pool.parallel_for(10, 1, [&](int64_t b, int64_t e) { sum += e - b; });
  });
  EXPECT_EQ(sum.load(), 100);
}

}  // namespace
}  // namespace ferry
