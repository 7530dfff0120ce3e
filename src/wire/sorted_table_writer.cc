#include <algorithm>
#include <cstring>

#include "ferry/crc32c.h"
#include "wire/protobuf.h"
#include "wire/sorted_table.h"

namespace ferry {
namespace {

constexpr int kRestartEvery = 16;

template <class T>
void append_little(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

}  // namespace

void SortedTableWriter::Block::add(std::string_view key, std::string_view value) {
  size_t shared = 0;
  if (restarts.empty() || since_restart == kRestartEvery) {
    restarts.push_back(static_cast<uint32_t>(bytes.size()));
    since_restart = 0;
  } else {
    shared = static_cast<size_t>(std::ranges::mismatch(last_key, key).in1 - last_key.begin());
  }
  ++since_restart;
  proto::append_varint(bytes, shared);
  proto::append_varint(bytes, key.size() - shared);
  proto::append_varint(bytes, value.size());
  bytes += key.substr(shared);
  bytes += value;
  last_key = key;
}

void SortedTableWriter::Block::end() {
  if (restarts.empty()) restarts.push_back(0);
  for (const uint32_t restart : restarts) append_little(bytes, restart);
  append_little(bytes, static_cast<uint32_t>(restarts.size()));
}

std::string SortedTableWriter::append(const Block& block) {
  std::string place;
  proto::append_varint(place, file_.size());
  proto::append_varint(place, block.bytes.size());
  const size_t begin = file_.size();
  file_ += block.bytes;
  file_ += '\0';  // not compressed
  append_little(file_, mask_crc(crc32c(std::as_bytes(std::span(file_).subspan(begin)))));
  return place;
}

void SortedTableWriter::flush() {
  if (block_.restarts.empty()) return;
  block_.end();
  const std::string place = append(block_);
  index_.add(block_.last_key, place);
  block_ = {};
}

void SortedTableWriter::add(std::string_view key, std::string_view value) {
  block_.add(key, value);
  if (block_.bytes.size() >= block_bytes_) flush();
}

std::string SortedTableWriter::finish() && {
  flush();
  Block none;
  none.end();
  std::string footer = append(none);
  index_.end();
  footer += append(index_);
  footer.resize(kSortedTableFooter - sizeof kSortedTableMagic);
  file_ += footer;
  append_little(file_, kSortedTableMagic);
  return std::move(file_);
}

}  // namespace ferry
