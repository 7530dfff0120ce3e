// Pieces that the messages of graphs share.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "ferry/graph.h"
#include "wire/protobuf.h"

namespace ferry::graph {

using proto::bytes_tag;
using proto::fixed32_tag;
using proto::fixed64_tag;
using proto::varint_tag;

inline std::string_view text_of(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// A message within another: its bytes, and where they begin in the file.
struct Piece {
  std::span<const std::byte> bytes;
  uint64_t base = 0;
  proto::Reader reader() const { return proto::Reader(bytes, base); }
};
// The value of the field that `in` stands at.
inline Piece piece(proto::Reader& in) {
  const auto bytes = in.bytes();
  return {bytes, in.offset() - bytes.size()};
}

// An entry of a map<string, message>.
struct MapEntry {
  std::string_view key;
  Piece value;
};
Result<MapEntry> parse_entry(Piece entry);
Result<Attr> parse_attr(Piece entry);
Result<std::vector<Attr>> parse_attrs(Piece message, uint32_t field);
// Of the last of that name, as a map keeps it.
const AttrValue* find_attr(std::span<const Attr> attrs, std::string_view name);

// The parts of a message field that is written more than once are one message: merged here, as any protobuf reader does. Where there is
// only one part, as nearly always, it stays a view.
class Merged {
 public:
  void add(Piece part, const Buffer& source);
  bool present() const { return count_ > 0; }
  // The bytes with their owner.
  Buffer bytes() const { return count_ > 1 ? joined_ : first_; }
  uint64_t base() const { return base_; }

 private:
  size_t count_ = 0;
  uint64_t base_ = 0;
  Buffer first_, joined_;
};

// A part of `source`, sharing its owner.
inline Buffer share(std::span<const std::byte> part, const Buffer& source) {
  return part.empty() ? Buffer::adopt(source.data(), 0, source.owner())
                      : source.slice(static_cast<size_t>(part.data() - source.data()), part.size());
}

// Fails where messages are nested deeper than `limits` allow.
Status check_depth(uint64_t depth, const Limits& limits);

}  // namespace ferry::graph
