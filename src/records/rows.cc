#include "records/rows.h"

#include <cstring>

#include "wire/protobuf.h"

namespace ferry::records {
namespace {

using proto::put_varint;
using proto::varint_size;

constexpr char kOne = 0x0a, kTwo = 0x12;  // fields 1 and 2, of bytes

size_t field_size(size_t bytes) { return 1 + varint_size(bytes) + bytes; }
char list_tag(FeatureKind kind) { return static_cast<char>(static_cast<int>(kind) << 3 | 2); }

}  // namespace

FeatureKind FeatureColumn::kind() const {
  return values.is_string() ? FeatureKind::bytes : values.dtype() == DType::int64 ? FeatureKind::ints : FeatureKind::floats;
}

RowEncoder::RowEncoder(std::vector<FeatureColumn> columns) : columns_(std::move(columns)) {
  for (const FeatureColumn& column : columns_) {
    Plan plan;
    plan.head += kOne;
    proto::append_varint(plan.head, column.name.size());
    plan.head += column.name;
    plan.kind = column.kind();
    plan.width = column.width;
    plan.stride = column.same ? 0 : column.width;
    switch (plan.kind) {
      case FeatureKind::floats: plan.floats = static_cast<const float*>(column.values.raw()); break;
      case FeatureKind::ints: plan.ints = static_cast<const int64_t*>(column.values.raw()); break;
      case FeatureKind::bytes:
        plan.ints = column.values.strings().offsets();
        plan.bytes = column.values.strings().bytes();
        break;
      case FeatureKind::none: break;
    }
    if (column.width < 0) plan.splits = static_cast<const int64_t*>(column.splits.raw());
    if (column.width == 1 && !column.is_list) make_template(plan);
    if (plan.scalar != Plan::Scalar::no) template_bytes_ += plan.fixed_size + (plan.scalar == Plan::Scalar::number ? 4 : 0);
    if (column.is_list) plan.steps = static_cast<const int64_t*>(column.steps.raw());
    (column.is_list ? lists_ : context_).push_back(std::move(plan));
  }
}

// 0a ENTRY, the key, 12 FEATURE, 12 or 1a LIST, 0a VALUE: with lengths of one byte each, which for an integer all grow by the
// bytes of its varint.
void RowEncoder::make_template(Plan& plan) {
  if (plan.kind == FeatureKind::bytes || plan.head.size() + 8 > kSlack - 10) return;
  plan.scalar = plan.kind == FeatureKind::floats ? Plan::Scalar::number : Plan::Scalar::integer;
  const size_t value = plan.kind == FeatureKind::floats ? 4 : 0;
  char* at = plan.fixed.data();
  *at++ = kOne;
  *at++ = static_cast<char>(plan.head.size() + 6 + value);
  std::memcpy(at, plan.head.data(), plan.head.size());
  at += plan.head.size();
  *at++ = kTwo;
  *at++ = static_cast<char>(4 + value);
  *at++ = list_tag(plan.kind);
  *at++ = static_cast<char>(2 + value);
  *at++ = kOne;
  *at++ = static_cast<char>(value);
  plan.fixed_size = static_cast<size_t>(at - plan.fixed.data());
}

char* RowEncoder::put_scalar(char* at, const Plan& plan, int64_t row) {
  std::memcpy(at, plan.fixed.data(), kSlack);
  char* const end = at + plan.fixed_size;
  if (plan.scalar == Plan::Scalar::number) {
    std::memcpy(end, plan.floats + row * plan.stride, 4);
    return end + 4;
  }
  const auto value = static_cast<uint64_t>(plan.ints[row * plan.stride]);
  const auto size = static_cast<char>(varint_size(value));
  at[1] = static_cast<char>(at[1] + size);
  end[-5] = static_cast<char>(end[-5] + size);
  end[-3] = static_cast<char>(end[-3] + size);
  end[-1] = size;
  if (value >> 28 != 0) return put_varint(end, value);
  // Groups of seven bits moved apart, and a mark on all but the last.
  const auto groups = static_cast<uint32_t>((value & 0x7f) | (value & 0x3f80) << 1 | (value & 0x1fc000) << 2 | (value & 0xfe00000) << 3);
  const uint32_t bytes = groups | (0x80808080u & ((1u << (8 * (size - 1))) - 1));
  std::memcpy(end, &bytes, 4);
  return end + size;
}

RowEncoder::Sizes RowEncoder::measure_list(const Plan& plan, int64_t begin, int64_t end) {
  if (begin == end) return {0, 0};
  size_t bytes = 0;
  switch (plan.kind) {
    case FeatureKind::floats: bytes = 4 * static_cast<size_t>(end - begin); break;
    case FeatureKind::ints:
      for (int64_t i = begin; i < end; ++i) bytes += varint_size(static_cast<uint64_t>(plan.ints[i]));
      break;
    case FeatureKind::bytes:
      for (int64_t i = begin; i < end; ++i) bytes += field_size(static_cast<size_t>(plan.ints[i + 1] - plan.ints[i]));
      return {bytes, bytes};
    case FeatureKind::none: break;
  }
  return {bytes, field_size(bytes)};
}

// The Feature: its one list.
char* RowEncoder::put_list(char* at, const Plan& plan, int64_t begin, int64_t end, size_t packed, size_t list) {
  *at++ = list_tag(plan.kind);
  at = put_varint(at, list);
  if (begin == end) return at;
  switch (plan.kind) {
    case FeatureKind::floats:
      *at++ = kOne;
      at = put_varint(at, packed);
      std::memcpy(at, plan.floats + begin, packed);
      return at + packed;
    case FeatureKind::ints:
      *at++ = kOne;
      at = put_varint(at, packed);
      for (int64_t i = begin; i < end; ++i) at = put_varint(at, static_cast<uint64_t>(plan.ints[i]));
      return at;
    case FeatureKind::bytes:
      for (int64_t i = begin; i < end; ++i) {
        const auto size = static_cast<size_t>(plan.ints[i + 1] - plan.ints[i]);
        *at++ = kOne;
        at = put_varint(at, size);
        if (size > 0) std::memcpy(at, plan.bytes + plan.ints[i], size);
        at += size;
      }
      return at;
    case FeatureKind::none: break;
  }
  return at;
}

void RowEncoder::measure_steps(Plan& plan, int64_t row) {
  plan.begin = plan.steps[row];
  plan.end = plan.steps[row + 1];
  plan.value = 0;
  for (int64_t step = plan.begin; step < plan.end; ++step) {
    const int64_t begin = plan.splits != nullptr ? plan.splits[step] : step * plan.width;
    const int64_t end = plan.splits != nullptr ? plan.splits[step + 1] : begin + plan.width;
    const Sizes sizes = measure_list(plan, begin, end);
    step_sizes_.push_back(sizes.packed);
    step_sizes_.push_back(sizes.list);
    plan.value += field_size(field_size(sizes.list));
  }
}

size_t RowEncoder::measure(int64_t row) {
  row_ = row;
  context_bytes_ = template_bytes_;
  lists_bytes_ = 0;
  for (Plan& plan : context_) {
    if (plan.scalar == Plan::Scalar::number) continue;
    if (plan.scalar == Plan::Scalar::integer) {
      context_bytes_ += varint_size(static_cast<uint64_t>(plan.ints[row * plan.stride]));
      continue;
    }
    plan.begin = plan.splits != nullptr ? plan.splits[row] : row * plan.stride;
    plan.end = plan.splits != nullptr ? plan.splits[row + 1] : plan.begin + plan.width;
    const Sizes sizes = measure_list(plan, plan.begin, plan.end);
    plan.packed = sizes.packed;
    plan.list = sizes.list;
    plan.value = field_size(sizes.list);
    plan.entry = plan.head.size() + field_size(plan.value);
    context_bytes_ += field_size(plan.entry);
  }
  step_sizes_.clear();
  for (Plan& plan : lists_) {
    measure_steps(plan, row);
    plan.entry = plan.head.size() + field_size(plan.value);
    lists_bytes_ += field_size(plan.entry);
  }
  size_t total = 0;
  if (!context_.empty() || lists_.empty()) total += field_size(context_bytes_);
  if (!lists_.empty()) total += field_size(lists_bytes_);
  return total;
}

char* RowEncoder::put_entry(char* at, const Plan& plan, const size_t*& step_sizes) const {
  *at++ = kOne;
  at = put_varint(at, plan.entry);
  std::memcpy(at, plan.head.data(), plan.head.size());
  at += plan.head.size();
  *at++ = kTwo;
  at = put_varint(at, plan.value);
  if (plan.steps == nullptr) return put_list(at, plan, plan.begin, plan.end, plan.packed, plan.list);
  for (int64_t step = plan.begin; step < plan.end; ++step, step_sizes += 2) {
    const int64_t begin = plan.splits != nullptr ? plan.splits[step] : step * plan.width;
    const int64_t end = plan.splits != nullptr ? plan.splits[step + 1] : begin + plan.width;
    *at++ = kOne;
    at = put_varint(at, field_size(step_sizes[1]));
    at = put_list(at, plan, begin, end, step_sizes[0], step_sizes[1]);
  }
  return at;
}

char* RowEncoder::put(char* at) {
  const size_t* step_sizes = step_sizes_.data();
  if (!context_.empty() || lists_.empty()) {
    *at++ = kOne;
    at = put_varint(at, context_bytes_);
    for (const Plan& plan : context_) {
      at = plan.scalar != Plan::Scalar::no ? put_scalar(at, plan, row_) : put_entry(at, plan, step_sizes);
    }
  }
  if (!lists_.empty()) {
    *at++ = kTwo;
    at = put_varint(at, lists_bytes_);
    for (const Plan& plan : lists_) at = put_entry(at, plan, step_sizes);
  }
  return at;
}

void RowEncoder::append(std::string& out, int64_t row) {
  const size_t before = out.size(), size = measure(row);
  out.resize(before + size + kSlack);
  put(out.data() + before);
  out.resize(before + size);
}

}  // namespace ferry::records
