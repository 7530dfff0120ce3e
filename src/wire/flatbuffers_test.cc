#include "wire/flatbuffers.h"

#include <gtest/gtest.h>

#include <array>

#include "wire/flatbuffers_writer.h"

namespace ferry::flatbuffers {
namespace {

std::string sample() {
  TableWriter inner;
  inner.text(0, "name").scalar<int16_t>(2, int16_t{-7});
  std::vector<TableWriter> list(3);
  for (int i = 0; i < 3; ++i) list[static_cast<size_t>(i)].scalar<int64_t>(0, i * int64_t{1} << 40);
  const std::array<int64_t, 2> numbers{5, -6};
  TableWriter root;
  root.scalar<uint8_t>(0, uint8_t{3}).table(1, std::move(inner)).tables(4, std::move(list));
  root.vector(5, {reinterpret_cast<const char*>(numbers.data()), 16}, 8, 8);
  root.structure(6, {reinterpret_cast<const char*>(numbers.data()), 16}, 8);
  return root.finish();
}

std::span<const std::byte> span_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// Touches all that sample() holds; a value or an error.
Status walk(std::span<const std::byte> span) {
  Bytes bytes(span);
  FERRY_ASSIGN_OR_RETURN(const Table root, Table::root(bytes));
  FERRY_ASSIGN_OR_RETURN([[maybe_unused]] const uint8_t kind, root.scalar<uint8_t>(0, uint8_t{0}));
  FERRY_ASSIGN_OR_RETURN(const auto inner, root.table(1));
  if (inner) {
    FERRY_ASSIGN_OR_RETURN([[maybe_unused]] const auto name, inner->text(0));
    FERRY_ASSIGN_OR_RETURN([[maybe_unused]] const auto number, inner->scalar<int16_t>(2, int16_t{0}));
  }
  FERRY_ASSIGN_OR_RETURN(const Vector list, root.tables(4));
  for (size_t i = 0; i < list.size(); ++i) {
    FERRY_ASSIGN_OR_RETURN(const Table item, list.table(i));
    FERRY_ASSIGN_OR_RETURN([[maybe_unused]] const auto number, item.scalar<int64_t>(0, int64_t{0}));
  }
  FERRY_ASSIGN_OR_RETURN([[maybe_unused]] const Vector numbers, root.vector(5, 8));
  FERRY_ASSIGN_OR_RETURN([[maybe_unused]] const auto structure, root.structure(6, 16));
  return {};
}

TEST(Flatbuffers, WhatIsWrittenIsRead) {
  const std::string text = sample();
  EXPECT_EQ(text, sample());
  Bytes bytes(span_of(text));
  auto root = Table::root(bytes);
  ASSERT_TRUE(root.ok()) << root.status().to_string();
  EXPECT_EQ(*root->scalar<uint8_t>(0, uint8_t{0}), 3);
  EXPECT_EQ(*root->scalar<int32_t>(3, 42), 42);   // absent within the vtable
  EXPECT_EQ(*root->scalar<int32_t>(40, 43), 43);  // absent past its end
  auto inner = root->table(1);
  ASSERT_TRUE(inner.ok() && inner->has_value());
  EXPECT_EQ(*(*inner)->text(0), "name");
  EXPECT_EQ(*(*inner)->scalar<int16_t>(2, int16_t{0}), -7);
  auto list = root->tables(4);
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->size(), 3u);
  EXPECT_EQ(*list->table(2)->scalar<int64_t>(0, int64_t{0}), int64_t{2} << 40);
  auto numbers = root->vector(5, 8);
  ASSERT_EQ(numbers->size(), 2u);
  EXPECT_EQ(numbers->get<int64_t>(1), -6);
  EXPECT_EQ((*root->structure(6, 16))->size(), 16u);
}

TEST(Flatbuffers, EveryPrefixAndEveryBitFlipEnds) {
  const std::string text = sample();
  for (size_t size = 0; size < text.size(); ++size) {
    const std::string cut = text.substr(0, size);  // of its own, so that a sanitizer sees a read past the end
    (void)walk(span_of(cut));
  }
  EXPECT_FALSE(walk(span_of(text.substr(0, 7))).ok());
  std::string bytes = text;
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    (void)walk(span_of(bytes));
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  }
}

TEST(Flatbuffers, ATableThatIsItsOwnChildIsRefused) {
  // root offset 8; vtable {6, 8, 4}; table {soffset, offset 0 → itself}
  std::string text(24, '\0');
  const auto put = [&](size_t at, auto value) { std::memcpy(text.data() + at, &value, sizeof value); };
  put(0, uint32_t{12});
  put(4, uint16_t{6});
  put(6, uint16_t{8});
  put(8, uint16_t{4});
  put(12, int32_t{8});
  put(16, uint32_t{0});
  Bytes bytes(span_of(text));
  auto root = Table::root(bytes);
  ASSERT_TRUE(root.ok());
  auto child = root->table(0);
  ASSERT_FALSE(child.ok());
  EXPECT_NE(child.status().message().find("points at itself"), std::string_view::npos);
}

uint64_t count_nodes(const Table& table, Status& status) {
  auto children = table.tables(0);
  if (!children.ok()) {
    status = children.status();
    return 0;
  }
  uint64_t count = 1;
  for (size_t i = 0; i < children->size() && status.ok(); ++i) {
    auto child = children->table(i);
    if (!child.ok()) {
      status = child.status();
      return count;
    }
    count += count_nodes(*child, status);
  }
  return count;
}

TEST(Flatbuffers, SharedChildrenCannotTakeExponentialTime) {
  // Forty levels; both children of each are the next one: 2^40 nodes for a naive walk.
  constexpr size_t kLevels = 40, kStride = 28;
  std::string text(8 + kLevels * kStride, '\0');
  const auto put = [&](size_t at, auto value) { std::memcpy(text.data() + at, &value, sizeof value); };
  put(0, uint32_t{16});
  for (size_t level = 0; level < kLevels; ++level) {
    const size_t at = 8 + level * kStride;  // vtable 6, pad 2, table 8, vector 12
    put(at, uint16_t{6});
    put(at + 2, uint16_t{8});
    put(at + 4, static_cast<uint16_t>(level + 1 < kLevels ? 4 : 0));
    put(at + 8, int32_t{8});
    put(at + 12, uint32_t{4});
    put(at + 16, uint32_t{2});
    put(at + 20, static_cast<uint32_t>(at + kStride + 8 - (at + 20)));
    put(at + 24, static_cast<uint32_t>(at + kStride + 8 - (at + 24)));
  }
  Bytes bytes(span_of(text));
  auto root = Table::root(bytes);
  ASSERT_TRUE(root.ok()) << root.status().to_string();
  Status status;
  EXPECT_LT(count_nodes(*root, status), 1u << 20);
  EXPECT_FALSE(status.ok());
}

}  // namespace
}  // namespace ferry::flatbuffers
