#include "dataset/row.h"

#include <algorithm>
#include <cstring>

namespace ferry::dataset {

uint32_t Places::add(std::string name, std::string_view unit) {
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < places_.size(); ++i) {
    if (places_[i].name == name && places_[i].unit == unit) return static_cast<uint32_t>(i);
  }
  places_.push_back({std::move(name), unit});
  return static_cast<uint32_t>(places_.size() - 1);
}

std::string Places::tell(const Origin& origin) const {
  std::lock_guard lock(mutex_);
  if (origin.place >= places_.size()) return concat("row ", origin.number);
  const Place& place = places_[origin.place];
  if (place.unit.empty()) return place.name;
  return concat(place.name, ": ", place.unit, " ", origin.number);
}

Status Places::at(const Origin& origin, const Status& status) const {
  return Status(status.code(), concat(tell(origin), ": ", status.message()), origin.offset + status.offset().value_or(0));
}

Result<uint64_t> RowStage::skip(uint64_t count) {
  Row row;
  for (uint64_t done = 0; done < count; ++done) {
    FERRY_ASSIGN_OR_RETURN(const bool more, next(row));
    if (!more) return done;
  }
  return count;
}

Result<bool> RowStage::read(uint64_t, Row&) { return internal_error("this source cannot go to a row"); }

void RowBlock::grow(size_t more) {
  const size_t capacity = std::max({used_ + more, capacity_ + capacity_ / 2, size_t{4096}});
  // Not make_unique: the bytes are written before they are read.
  std::unique_ptr<std::byte[]> bytes(new std::byte[capacity]);
  if (used_ > 0) std::memcpy(bytes.get(), bytes_.get(), used_);
  bytes_ = std::move(bytes);
  capacity_ = capacity;
}

void RowBlock::sort_by_position() { std::ranges::stable_sort(entries_, {}, &Entry::position); }

void RowBlock::append(const Row& row, uint64_t position) {
  // Rows begin at multiples of eight, so that numbers in them can be read in place.
  const size_t at = (used_ + 7) & ~size_t{7}, size = row.bytes.size();
  if (capacity_ < at + size || capacity_ == 0) grow(at - used_ + size);
  if (size > 0) std::memcpy(bytes_.get() + at, row.bytes.data(), size);
  entries_.push_back({at, size, row.origin, position, row.damaged});
  used_ = at + size;
}

}  // namespace ferry::dataset
