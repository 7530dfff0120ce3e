#include "wire/flatbuffers.h"

namespace ferry::flatbuffers {

// Honest writers may share a string or a vtable among fields: a factor and a free part leave room for that.
Bytes::Bytes(std::span<const std::byte> bytes, uint64_t base) : bytes_(bytes), base_(base), budget_(8 * bytes.size() + (1 << 20)) {}

Status Bytes::spend(uint64_t at, uint64_t cost) {
  if (cost > budget_) {
    return fail(at,
                concat("the flatbuffer of ", bytes_.size(), " bytes refers to the same bytes over and over; that many shares are refused"));
  }
  budget_ -= cost;
  return {};
}

Result<uint64_t> Bytes::follow(uint64_t at, uint64_t size, std::string_view what) const {
  const uint64_t target = at + get<uint32_t>(at);
  if (target == at) return fail(at, concat("the offset of a ", what, " points at itself"));
  if (target > bytes_.size() || bytes_.size() - target < size) {
    return fail(at, concat("the offset of a ", what, " points at byte ", target, " of a flatbuffer of ", bytes_.size(), " bytes"));
  }
  return target;
}

Result<Table> Table::root(Bytes& bytes) {
  if (bytes.bytes_.size() < 8) return bytes.fail(0, concat("a flatbuffer needs at least 8 bytes, found ", bytes.bytes_.size()));
  FERRY_ASSIGN_OR_RETURN(const uint64_t position, bytes.follow(0, 4, "root table"));
  return at(bytes, position, 0);
}

Result<Table> Table::at(Bytes& bytes, uint64_t position, int depth) {
  if (depth > kMaxDepth) return bytes.fail(position, concat("flatbuffer tables are nested more than ", kMaxDepth, " deep"));
  FERRY_RETURN_IF_ERROR(bytes.spend(position, 4));
  Table out(&bytes, position, depth);
  const int64_t vtable = static_cast<int64_t>(position) - bytes.get<int32_t>(position);
  const auto size = static_cast<int64_t>(bytes.bytes_.size());
  if (vtable < 0 || vtable > size - 4) {
    return bytes.fail(position, concat("a flatbuffer table has its vtable at byte ", vtable, " of ", size));
  }
  out.vtable_ = static_cast<uint64_t>(vtable);
  out.vtable_size_ = bytes.get<uint16_t>(out.vtable_);
  out.size_ = bytes.get<uint16_t>(out.vtable_ + 2);
  if (out.vtable_size_ < 4 || out.vtable_size_ % 2 != 0 || out.vtable_size_ > static_cast<uint64_t>(size) - out.vtable_) {
    return bytes.fail(out.vtable_, concat("a flatbuffer vtable has length ", out.vtable_size_, ", which does not fit"));
  }
  if (out.size_ < 4 || out.size_ > static_cast<uint64_t>(size) - position) {
    return bytes.fail(position, concat("a flatbuffer table has length ", out.size_, ", which does not fit"));
  }
  return out;
}

uint16_t Table::find(int slot) const {
  const int entry = 4 + 2 * slot;
  return entry + 2 > vtable_size_ ? uint16_t{0} : bytes_->get<uint16_t>(vtable_ + static_cast<uint64_t>(entry));
}

uint64_t Table::offset() const { return bytes_->base_ + at_; }

Status Table::outside(int slot) const { return bytes_->fail(at_, concat("field ", slot, " of a flatbuffer table lies outside the table")); }

Result<std::optional<std::span<const std::byte>>> Table::structure(int slot, size_t size) const {
  using Out = std::optional<std::span<const std::byte>>;
  const uint16_t field = find(slot);
  if (field == 0) return Out();
  if (field + size > size_) return outside(slot);
  return Out(bytes_->bytes_.subspan(at_ + field, size));
}

Result<std::optional<Table>> Table::table(int slot) const {
  const uint16_t field = find(slot);
  if (field == 0) return std::optional<Table>();
  if (field + 4u > size_) return outside(slot);
  FERRY_ASSIGN_OR_RETURN(const uint64_t position, bytes_->follow(at_ + field, 4, "table"));
  FERRY_ASSIGN_OR_RETURN(const Table out, at(*bytes_, position, depth_ + 1));
  return std::optional<Table>(out);
}

Result<Vector> Table::vector(int slot, size_t element_size) const {
  Vector out;
  const uint16_t field = find(slot);
  if (field == 0) return out;
  if (field + 4u > size_) return outside(slot);
  FERRY_ASSIGN_OR_RETURN(const uint64_t position, bytes_->follow(at_ + field, 4, "vector"));
  const uint64_t count = bytes_->get<uint32_t>(position);
  const uint64_t room = bytes_->bytes_.size() - position - 4;
  if (count > room / element_size) {
    return bytes_->fail(position, concat("a flatbuffer vector of ", count, " elements of ", element_size, " bytes does not fit in the ",
                                         room, " bytes that remain"));
  }
  FERRY_RETURN_IF_ERROR(bytes_->spend(position, 4 + count * element_size));
  out.bytes_ = bytes_;
  out.at_ = position + 4;
  out.count_ = count;
  out.element_ = element_size;
  out.depth_ = depth_;
  return out;
}

Result<std::string_view> Table::text(int slot) const {
  FERRY_ASSIGN_OR_RETURN(const Vector bytes, vector(slot, 1));
  const auto span = bytes.bytes();
  return std::string_view(reinterpret_cast<const char*>(span.data()), span.size());
}

std::span<const std::byte> Vector::bytes() const {
  return bytes_ == nullptr ? std::span<const std::byte>() : bytes_->bytes_.subspan(at_, count_ * element_);
}

Result<Table> Vector::table(size_t i) const {
  FERRY_ASSIGN_OR_RETURN(const uint64_t position, bytes_->follow(at_ + 4 * i, 4, "table"));
  return Table::at(*bytes_, position, depth_ + 1);
}

}  // namespace ferry::flatbuffers
