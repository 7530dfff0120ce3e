#include "wire/sorted_table.h"

#include <algorithm>
#include <cstring>

#include "ferry/crc32c.h"
#include "wire/protobuf.h"
#include "wire/snappy.h"

namespace ferry {
namespace {

constexpr size_t kTrailer = 5, kRestart = 4;

template <class T>
T little(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

struct Handle {
  uint64_t offset = 0, size = 0;
};

// Null where it is cut off.
const std::byte* read_handle(const std::byte* at, const std::byte* end, Handle& out) {
  at = proto::read_varint(at, end, out.offset);
  return at == nullptr ? nullptr : proto::read_varint(at, end, out.size);
}

}  // namespace

bool ends_like_sorted_table(std::span<const std::byte> tail) {
  return tail.size() >= kSortedTableFooter && little<uint64_t>(tail.data() + tail.size() - 8) == kSortedTableMagic;
}

// ---- BlockCursor

BlockCursor::BlockCursor(std::span<const std::byte> block, uint64_t base, const Limits& limits)
    : base_(base), most_key_(limits.max_name_bytes) {
  if (block.size() < kRestart) {
    fail(concat("a block of ", block.size(), " bytes has no room for its end"));
    return;
  }
  const uint64_t restarts = little<uint32_t>(block.data() + block.size() - kRestart);
  const size_t room = block.size() - kRestart;
  if (restarts > room / kRestart) {
    fail(concat("a block of ", block.size(), " bytes announces ", restarts, " restart points"));
    return;
  }
  entries_ = block.first(room - restarts * kRestart);
  restarts_ = block.subspan(entries_.size(), restarts * kRestart);
}

bool BlockCursor::fail(std::string message) {
  status_ = data_loss_at(base_ + at_, std::move(message));
  entries_ = {};
  at_ = 0;
  return false;
}

bool BlockCursor::next() {
  if (at_ >= entries_.size()) return false;
  const std::byte *at = entries_.data() + at_, *const end = entries_.data() + entries_.size();
  uint64_t shared, further, size;
  if ((at = proto::read_varint(at, end, shared)) == nullptr || (at = proto::read_varint(at, end, further)) == nullptr ||
      (at = proto::read_varint(at, end, size)) == nullptr) {
    return fail("the lengths of a table's entry are cut off");
  }
  const auto remain = static_cast<uint64_t>(end - at);
  if (shared > key_.size()) return fail(concat("a key shares ", shared, " bytes with the one before, which has ", key_.size()));
  if (further > remain || size > remain - further) {
    return fail(concat("a key of ", further, " further bytes and a value of ", size, ", only ", remain, " remain in the block"));
  }
  if (shared + further > most_key_) return fail(concat("a key of ", shared + further, " bytes (max_name_bytes is ", most_key_, ")"));
  key_.resize(shared);
  key_.append(reinterpret_cast<const char*>(at), further);
  value_ = {at + further, static_cast<size_t>(size)};
  at_ = static_cast<uint64_t>(at + further + size - entries_.data());
  return true;
}

bool BlockCursor::seek(std::string_view key) {
  // The last restart point whose key is below; there the key is whole.
  const auto key_at = [&](size_t i) -> std::optional<std::string_view> {
    const uint64_t begin = little<uint32_t>(restarts_.data() + i * kRestart);
    if (begin >= entries_.size()) return std::nullopt;
    const std::byte *at = entries_.data() + begin, *const end = entries_.data() + entries_.size();
    uint64_t shared, further, size;
    if ((at = proto::read_varint(at, end, shared)) == nullptr || (at = proto::read_varint(at, end, further)) == nullptr ||
        (at = proto::read_varint(at, end, size)) == nullptr || shared != 0 || further > static_cast<uint64_t>(end - at)) {
      return std::nullopt;
    }
    return std::string_view(reinterpret_cast<const char*>(at), further);
  };
  size_t low = 0, high = restarts_.size() / kRestart;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const auto there = key_at(middle);
    if (!there) return fail(concat("restart point ", middle, " is at no entry"));
    if (*there < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  at_ = low == 0 ? 0 : little<uint32_t>(restarts_.data() + (low - 1) * kRestart);
  key_.clear();
  while (next()) {
    if (this->key() >= key) return true;
  }
  return false;
}

// ---- SortedTable

Result<Buffer> SortedTable::contents(uint64_t offset, uint64_t size) const {
  const uint64_t file = file_.size();
  if (file < kTrailer || size > file - kTrailer || offset > file - kTrailer - size) {
    return data_loss(concat("a block of ", size, " bytes at ", offset, ", in a table of ", file));
  }
  const Buffer block = file_.slice(offset, size);
  const std::byte* const trailer = block.data() + size;
  const uint32_t stored = unmask_crc(little<uint32_t>(trailer + 1)), actual = crc32c({block.data(), size + 1});
  if (stored != actual) return data_loss_at(offset, concat("the checksum of a block of ", size, " bytes does not fit it"));
  switch (static_cast<uint8_t>(*trailer)) {
    case 0: return block;
    case 1: {
      auto out = snappy::expand(block.bytes(), limits_);
      if (!out.ok()) return out.status().shifted(offset);
      return out;
    }
  }
  return unsupported(concat("a block is compressed in the way ", static_cast<uint32_t>(*trailer), "; 0 (not) and 1 (snappy) are known"));
}

Result<SortedTable> SortedTable::open(Buffer file, const Limits& limits) {
  if (file.size() < kSortedTableFooter)
    return data_loss(concat("a table of ", file.size(), " bytes; its footer alone has ", kSortedTableFooter));
  const std::byte *const footer = file.data() + file.size() - kSortedTableFooter, *const end = footer + kSortedTableFooter - 8;
  const uint64_t footer_at = file.size() - kSortedTableFooter;
  if (little<uint64_t>(end) != kSortedTableMagic)
    return data_loss_at(footer_at + kSortedTableFooter - 8, "no table: the last eight bytes are not db4775248b80fb57");
  Handle unused, index;
  const std::byte* at = read_handle(footer, end, unused);
  if (at == nullptr || read_handle(at, end, index) == nullptr) return data_loss_at(footer_at, "the places in the footer cannot be read");

  SortedTable out;
  out.file_ = std::move(file);
  out.limits_ = limits;
  auto block = out.contents(index.offset, index.size);
  if (!block.ok()) return block.status().with_context("index of the table");
  BlockCursor in(block->bytes(), index.offset, limits);
  while (in.next()) {
    Handle handle;
    const auto value = in.value();
    if (read_handle(value.data(), value.data() + value.size(), handle) == nullptr) {
      return data_loss_at(index.offset, concat("the place of block ", out.blocks_.size(), " cannot be read"));
    }
    if (!out.blocks_.empty() && in.key() <= out.blocks_.back().last_key) {
      return data_loss_at(index.offset, concat("block ", out.blocks_.size(), " comes after the one before it, and its keys do not"));
    }
    if (!out.blocks_.empty() && handle.offset < out.blocks_.back().offset + out.blocks_.back().size) {
      return data_loss_at(index.offset, concat("block ", out.blocks_.size(), " lies over the one before it"));
    }
    // Held against the file here, so that the sum above cannot wrap.
    if (handle.size > footer_at || handle.offset > footer_at - handle.size) {
      return data_loss_at(index.offset, concat("block ", out.blocks_.size(), " has ", handle.size, " bytes at ", handle.offset,
                                               ", in a table of ", out.file_.size()));
    }
    out.blocks_.push_back({handle.offset, handle.size, std::string(in.key())});
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

Result<Buffer> SortedTable::block(size_t i) const { return contents(blocks_[i].offset, blocks_[i].size); }

Result<Buffer> SortedTable::seen_block(size_t i) const {
  constexpr uint64_t kMostExpanded = uint64_t{64} << 20;
  const std::scoped_lock lock(seen_->mutex);
  if (seen_->blocks.empty()) seen_->blocks.resize(blocks_.size());
  Buffer& kept = seen_->blocks[i];
  if (kept.data() != nullptr) return kept;
  FERRY_ASSIGN_OR_RETURN(Buffer found, block(i));
  const bool in_file = found.data() == file_.data() + blocks_[i].offset;
  if (!in_file) seen_->expanded += found.size();
  if (in_file || seen_->expanded <= kMostExpanded) kept = found;
  return found;
}

Result<std::optional<Buffer>> SortedTable::find(std::string_view key) const {
  const auto it = std::ranges::lower_bound(blocks_, key, {}, [](const Block& block) { return std::string_view(block.last_key); });
  if (it == blocks_.end()) return std::optional<Buffer>();
  FERRY_ASSIGN_OR_RETURN(const Buffer contents, seen_block(static_cast<size_t>(it - blocks_.begin())));
  BlockCursor in(contents.bytes(), it->offset, limits_);
  const bool found = in.seek(key);
  FERRY_RETURN_IF_ERROR(in.status());
  if (!found || in.key() != key) return std::optional<Buffer>();
  return std::optional(contents.slice(static_cast<size_t>(in.value().data() - contents.data()), in.value().size()));
}

}  // namespace ferry
