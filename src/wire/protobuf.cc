#include "wire/protobuf.h"

namespace ferry::proto {

const std::byte* read_varint_slow(const std::byte* at, const std::byte* end, uint64_t& value) {
  uint64_t out = 0;
  for (unsigned shift = 0; shift < 70 && at < end; shift += 7) {
    const auto byte = static_cast<uint8_t>(*at++);
    out |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      value = out;
      return at;
    }
  }
  value = 0;
  return nullptr;
}

// Tags are 32 bits wide: five bytes at most.
bool Reader::long_tag() {
  uint32_t tag = 0;
  const std::byte* at = at_;
  for (unsigned shift = 0; shift < 35 && at < end_; shift += 7) {
    const auto byte = static_cast<uint8_t>(*at++);
    tag |= static_cast<uint32_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      tag_ = tag;
      at_ = at;
      return true;
    }
  }
  fail(Error::varint);
  return false;
}

bool Reader::bad_tag() {
  at_ = field_at_;
  fail((tag_ & 7) == 4 && tag_ >= 8 ? Error::end_group : Error::tag);
  return false;
}

void Reader::skip() {
  switch (wire()) {
    case Wire::varint: varint(); return;
    case Wire::fixed64: fixed64(); return;
    case Wire::bytes: bytes(); return;
    case Wire::fixed32: fixed32(); return;
    case Wire::group: skip_group(); return;
    case Wire::end_group: break;  // next() never stops at one
  }
}

void Reader::skip_group() {
  uint32_t open[kMaxDepth];  // the fields whose groups are open
  int depth = 0;
  open[depth++] = field();
  while (depth > 0) {
    if (at_ >= end_) return fail(Error::group);
    field_at_ = at_;
    uint64_t tag;
    const std::byte* after = read_varint(at_, end_, tag);
    if (after == nullptr) return fail(Error::varint);
    if (after - at_ > 5) return fail(Error::tag);
    tag_ = static_cast<uint32_t>(tag);
    at_ = after;
    if (tag_ < 8 || (tag_ & 7) > 5) {
      at_ = field_at_;
      return fail(Error::tag);
    }
    if (wire() == Wire::group) {
      if (depth == kMaxDepth) return fail(Error::depth);
      open[depth++] = field();
    } else if (wire() == Wire::end_group) {
      if (open[--depth] != field()) {
        at_ = field_at_;
        return fail(Error::end_group);
      }
    } else {
      skip();
    }
  }
}

Status Reader::describe() const {
  switch (error_) {
    case Error::none: return {};
    case Error::tag:
      return data_loss_at(error_at_, concat("protobuf tag ", tag_, " has field number ", tag_ >> 3, " and wire type ", tag_ & 7,
                                            ", expected a field from 1 and a wire type from 0 to 5"));
    case Error::varint: return data_loss_at(error_at_, "protobuf varint is cut off or longer than ten bytes (five for a tag)");
    case Error::fixed:
      return data_loss_at(error_at_, concat("protobuf field ", field(), " is cut off: a fixed-size value needs more bytes than remain"));
    case Error::length:
      return data_loss_at(error_at_, concat("protobuf field ", field(), " announces ", wanted_, " bytes, only ",
                                            base_ + static_cast<uint64_t>(end_ - begin_) - error_at_, " remain"));
    case Error::long_length:
      return data_loss_at(error_at_, concat("the length of protobuf field ", field(), " takes more than five bytes"));
    case Error::group: return data_loss_at(error_at_, "protobuf group is not closed before the message ends");
    case Error::depth: return limit_exceeded(concat("protobuf groups are nested deeper than ", kMaxDepth));
    case Error::end_group:
      return data_loss_at(error_at_, concat("protobuf group end of field ", tag_ >> 3, " closes no group that is open"));
  }
  __builtin_unreachable();
}

}  // namespace ferry::proto
