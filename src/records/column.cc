// One column: the values of a Feature, appended.
#include <cstring>

#include "records/columns.h"
#include "wire/protobuf.h"

namespace ferry::records {
namespace {

using proto::bytes_tag;

FeatureKind kind_of_tag(uint32_t tag) {
  switch (tag) {
    case bytes_tag(1): return FeatureKind::bytes;
    case bytes_tag(2): return FeatureKind::floats;
    case bytes_tag(3): return FeatureKind::ints;
    default: return FeatureKind::none;
  }
}

}  // namespace

std::string_view kind_name(FeatureKind kind) {
  switch (kind) {
    case FeatureKind::none: return "nothing";
    case FeatureKind::bytes: return "bytes_list";
    case FeatureKind::floats: return "float_list";
    case FeatureKind::ints: return "int64_list";
  }
  __builtin_unreachable();
}

void Column::truncate_values(int64_t count) {
  const auto size = static_cast<size_t>(count);
  if (kind_ == FeatureKind::floats) {
    floats_.truncate(size);
  } else {
    if (kind_ == FeatureKind::bytes) heap_.truncate(size == 0 ? 0 : static_cast<size_t>(ints_.data()[size - 1]));
    ints_.truncate(size);
  }
  count_ = count;
}

void Column::truncate(int64_t rows) {
  if (rows >= rows_) return;
  if (is_uniform()) {
    truncate_values(rows * width_);
  } else {
    truncate_values(splits_.data()[rows]);
    splits_.truncate(static_cast<size_t>(rows) + 1);
  }
  rows_ = rows;
}

Status Column::end_row(int64_t values) {
  if (is_uniform()) {
    if (rows_ == 0) width_ = values;
    if (values == width_) [[likely]] {
      ++rows_;
      return {};
    }
    FERRY_RETURN_IF_ERROR(splits_.reserve(static_cast<size_t>(rows_) + 2));
    for (int64_t row = 0; row <= rows_; ++row) splits_.end()[row] = row * width_;
    splits_.commit(static_cast<size_t>(rows_) + 1);
  }
  ++rows_;
  return splits_.append(count_);
}

Status Column::add_missing(int64_t rows) {
  if (rows <= 0) return {};
  FERRY_RETURN_IF_ERROR(end_row(0));
  rows_ += rows - 1;
  return is_uniform() ? Status() : splits_.append_many(count_, static_cast<size_t>(rows) - 1);
}

Status Column::add(std::span<const std::byte> feature, uint64_t base) {
  const int64_t before = count_;
  // What everyone writes: one list that fills the Feature.
  if (feature.size() >= 2 && feature.size() < 0x82 && feature.size() == 2 + static_cast<size_t>(feature[1])) [[likely]] {
    const FeatureKind kind = kind_of_tag(static_cast<uint32_t>(feature[0]));
    if (kind != FeatureKind::none) {
      FERRY_RETURN_IF_ERROR(add_list(kind, feature.subspan(2), base + 2));
      return end_row(count_ - before);
    }
  }
  FERRY_RETURN_IF_ERROR(add_general(feature, base));
  return end_row(count_ - before);
}

// Lists of one kind add up and one of another kind begins anew; so the last kind's first list after the last change counts.
Status Column::add_general(std::span<const std::byte> feature, uint64_t base) {
  FeatureKind last = FeatureKind::none;
  size_t from = 0;
  proto::Reader scan(feature, base);
  while (scan.next()) {
    const FeatureKind kind = kind_of_tag(scan.tag());
    if (kind != FeatureKind::none && kind != last) {
      last = kind;
      from = static_cast<size_t>(scan.field_offset() - base);
    }
    scan.skip();
  }
  FERRY_RETURN_IF_ERROR(scan.status());
  proto::Reader in(feature, base);
  while (in.next()) {
    const FeatureKind kind = kind_of_tag(in.tag());
    if (kind == FeatureKind::none) {
      in.skip();
      continue;
    }
    const bool counts = in.field_offset() - base >= from;
    const auto list = in.bytes();
    const uint64_t at = in.offset() - list.size();
    if (counts) {
      FERRY_RETURN_IF_ERROR(add_list(kind, list, at));
    } else {
      Column replaced;  // it has no say but must be well-formed
      FERRY_RETURN_IF_ERROR(replaced.add_list(kind, list, at));
    }
  }
  return in.status();
}

Status Column::add_list(FeatureKind kind, std::span<const std::byte> list, uint64_t base) {
  if (kind != kind_) [[unlikely]] {
    if (kind_ != FeatureKind::none && count_ > 0) {
      Column other;
      FERRY_RETURN_IF_ERROR(other.add_list(kind, list, base));
      if (other.count_ == 0) return {};
      return data_loss_at(base, concat("found ", kind_name(kind), ", expected ", kind_name(kind_), " as before"));
    }
    // Nothing but empty lists so far: the first values decide.
    if (kind_ == FeatureKind::none) {
      kind_ = kind;
    } else {
      Column other;
      FERRY_RETURN_IF_ERROR(other.add_list(kind, list, base));
      if (other.count_ == 0) return {};
      kind_ = kind;
    }
  }
  const auto cut = [&](uint64_t at) { return data_loss_at(at, "the packed values end inside a value"); };
  switch (kind) {
    case FeatureKind::ints: {
      // Packed and alone: the tag, the length, the values.
      if (list.size() >= 2 && list.size() < 0x82 && list[0] == std::byte{bytes_tag(1)} && list.size() == 2 + static_cast<size_t>(list[1]))
          [[likely]] {
        FERRY_RETURN_IF_ERROR(ints_.reserve(list.size()));
        int64_t* out = ints_.end();
        if (!proto::for_each_varint(list.subspan(2), [&](uint64_t value) { *out++ = static_cast<int64_t>(value); })) return cut(base + 2);
        const auto added = out - ints_.end();
        ints_.commit(static_cast<size_t>(added));
        count_ += added;
        return {};
      }
      proto::Reader in(list, base);
      while (in.next()) {
        if (in.tag() == bytes_tag(1)) {
          const auto packed = in.bytes();
          FERRY_RETURN_IF_ERROR(ints_.reserve(packed.size()));
          int64_t* out = ints_.end();
          if (!proto::for_each_varint(packed, [&](uint64_t value) { *out++ = static_cast<int64_t>(value); })) {
            return cut(in.offset() - packed.size());
          }
          const auto added = out - ints_.end();
          ints_.commit(static_cast<size_t>(added));
          count_ += added;
        } else if (in.tag() == proto::varint_tag(1)) {
          FERRY_RETURN_IF_ERROR(ints_.append(in.int64()));
          ++count_;
        } else {
          in.skip();
        }
      }
      return in.status();
    }
    case FeatureKind::floats: {
      proto::Reader in(list, base);
      while (in.next()) {
        if (in.tag() == bytes_tag(1)) {
          const auto packed = in.bytes();
          if (packed.size() % 4 != 0) return cut(in.offset() - packed.size());
          FERRY_RETURN_IF_ERROR(floats_.reserve(packed.size() / 4));
          if (!packed.empty()) std::memcpy(floats_.end(), packed.data(), packed.size());
          floats_.commit(packed.size() / 4);
          count_ += static_cast<int64_t>(packed.size() / 4);
        } else if (in.tag() == proto::fixed32_tag(1)) {
          FERRY_RETURN_IF_ERROR(floats_.append(in.float32()));
          ++count_;
        } else {
          in.skip();
        }
      }
      return in.status();
    }
    case FeatureKind::bytes: {
      proto::Reader in(list, base);
      while (in.next()) {
        if (in.tag() == bytes_tag(1)) {
          const auto text = in.bytes();
          FERRY_RETURN_IF_ERROR(heap_.reserve(text.size()));
          if (!text.empty()) std::memcpy(heap_.end(), text.data(), text.size());
          heap_.commit(text.size());
          FERRY_RETURN_IF_ERROR(ints_.append(static_cast<int64_t>(heap_.size())));
          ++count_;
        } else {
          in.skip();
        }
      }
      return in.status();
    }
    case FeatureKind::none: break;
  }
  return {};
}

Result<Column::Taken> Column::take() && {
  Taken out;
  out.kind = kind_;
  out.rows = rows_;
  const Shape shape{count_};
  switch (kind_) {
    case FeatureKind::none:
    case FeatureKind::floats: {
      FERRY_ASSIGN_OR_RETURN(out.values, DenseTensor::make(DType::float32, shape, std::move(floats_).freeze()));
      break;
    }
    case FeatureKind::ints: {
      FERRY_ASSIGN_OR_RETURN(out.values, DenseTensor::make(DType::int64, shape, std::move(ints_).freeze()));
      break;
    }
    case FeatureKind::bytes: {
      FERRY_ASSIGN_OR_RETURN(MutableBuffer offsets, MutableBuffer::of<int64_t>(static_cast<size_t>(count_) + 1));
      offsets.as<int64_t>()[0] = 0;
      if (count_ > 0) std::memcpy(offsets.as<int64_t>().data() + 1, ints_.data(), static_cast<size_t>(count_) * 8);
      FERRY_ASSIGN_OR_RETURN(out.values, DenseTensor::make_strings(shape, std::move(offsets).freeze(), std::move(heap_).freeze()));
      break;
    }
  }
  if (is_uniform()) {
    out.width = width();
  } else {
    const auto count = static_cast<int64_t>(splits_.size());
    FERRY_ASSIGN_OR_RETURN(out.splits, DenseTensor::make(DType::int64, Shape{count}, std::move(splits_).freeze()));
  }
  return out;
}

}  // namespace ferry::records
