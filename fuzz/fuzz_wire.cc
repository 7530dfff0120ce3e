// Our protobuf wire reader against libprotobuf, through what we read with it: Example, SequenceExample and TensorProto.
// The first byte picks the message. Both accept or both refuse, and the values agree.
//
// Allowed differences, all of them stricter or wider on our side by design:
// - Groups nested to 100 levels: libprotobuf counts the messages around them too.
// - A list of a SequenceExample whose steps are of two kinds, and what is beyond Limits: refused by us, as columns.
// - A TensorProto: what protobuf accepts we may still refuse (no dtype, negative axes, wrong counts), and damage in value
//   fields that the dtype does not use is passed over. Values are compared where both accept.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "example.pb.h"
#include "formats/tensorproto/tensorproto.h"
#include "records/columns.h"
#include "tensor.pb.h"

namespace {

using namespace ferry;
using records::Column;
using records::FeatureKind;

[[noreturn]] void differ(const char* what, std::string_view ours) {
  std::fprintf(stderr, "%s: %.*s\n", what, static_cast<int>(ours.size()), ours.data());
  std::abort();
}

bool too_deep(const Status& status) { return status.code() == StatusCode::limit_exceeded; }

// One Feature against values [begin, end) of a column.
bool same(const proto::Feature& theirs, const Column::Taken& ours, int64_t begin, int64_t end) {
  const auto count = static_cast<int>(end - begin);
  switch (theirs.kind_case()) {
    case proto::Feature::KIND_NOT_SET: return count == 0;
    case proto::Feature::kBytesList:
      if (theirs.bytes_list().value_size() != count) return false;
      for (int i = 0; i < count; ++i) {
        if (ours.kind != FeatureKind::bytes || theirs.bytes_list().value(i) != ours.values.strings()[begin + i]) return false;
      }
      return true;
    case proto::Feature::kFloatList:
      if (theirs.float_list().value_size() != count) return false;
      return count == 0 || (ours.kind == FeatureKind::floats &&
                            std::memcmp(theirs.float_list().value().data(), ours.values.values<float>().data() + begin,
                                        static_cast<size_t>(count) * 4) == 0);
    case proto::Feature::kInt64List:
      if (theirs.int64_list().value_size() != count) return false;
      for (int i = 0; i < count; ++i) {
        if (ours.kind != FeatureKind::ints || theirs.int64_list().value(i) != ours.values.values<int64_t>()[static_cast<size_t>(begin + i)])
          return false;
      }
      return true;
  }
  return false;
}

int64_t split(const Column::Taken& column, int64_t row) {
  return column.width >= 0 ? row * column.width : column.splits.values<int64_t>()[static_cast<size_t>(row)];
}

// The kind of the one row, empty lists included.
bool same_kind(const proto::Feature& theirs, const Column::Taken& ours) {
  return static_cast<int>(theirs.kind_case()) == static_cast<int>(ours.kind);
}

void compare_features(const proto::Features& theirs, std::map<std::string, Column::Taken>& ours) {
  if (static_cast<size_t>(theirs.feature_size()) != ours.size()) differ("another number of features", concat(ours.size()));
  for (const auto& [name, feature] : theirs.feature()) {
    const auto it = ours.find(name);
    if (it == ours.end()) differ("a feature is missing", name);
    if (!same(feature, it->second, 0, it->second.values.num_elements())) differ("a feature differs", name);
    if (!same_kind(feature, it->second)) differ("a feature is of another kind", name);
  }
}

void example(std::span<const std::byte> bytes, bool lists) {
  records::ColumnBuilder builder({}, lists);
  const Status status = builder.add(bytes, 0);
  proto::Example plain;
  proto::SequenceExample sequence;
  const auto size = static_cast<int>(bytes.size());
  const bool theirs = lists ? sequence.ParseFromArray(bytes.data(), size) : plain.ParseFromArray(bytes.data(), size);
  if (!status.ok()) {
    const bool of_two_kinds = lists && status.message().find("as before") != std::string_view::npos;
    if (theirs && !too_deep(status) && !of_two_kinds) differ("refused by us alone", status.to_string());
    return;
  }
  if (!theirs) {
    const auto groups = std::ranges::count_if(bytes, [](std::byte b) { return (static_cast<int>(b) & 7) == 3; });
    if (groups > 80) return;  // may be as deep as libprotobuf does not go
    differ("accepted by us alone", "");
  }
  auto columns = std::move(builder).finish();
  if (!columns.ok()) differ("not finished", columns.status().to_string());
  std::map<std::string, Column::Taken> context;
  for (records::NamedColumn& column : *columns) {
    auto taken = std::move(column.values).take();
    if (!taken.ok()) differ("not taken", taken.status().to_string());
    if (!column.is_list) {
      context.emplace(column.name, *std::move(taken));
      continue;
    }
    const auto& all = sequence.feature_lists().feature_list();
    const auto it = all.find(column.name);
    if (it == all.end()) differ("a list that is not there", column.name);
    const int64_t begin = column.steps.data()[0], end = column.steps.data()[1];
    if (begin != 0 || end != it->second.feature_size()) differ("another number of steps", column.name);
    for (int64_t step = 0; step < end; ++step) {
      if (!same(it->second.feature(static_cast<int>(step)), *taken, split(*taken, step), split(*taken, step + 1)))
        differ("a step differs", column.name);
    }
  }
  compare_features(lists ? sequence.context() : plain.features(), context);
}

void tensor(std::span<const std::byte> bytes) {
  tensorproto::TensorProtoView view;
  const Status status = tensorproto::TensorProtoView::decode(bytes, view);
  proto::TensorProto theirs;
  const bool parsed = theirs.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  if (!status.ok()) return;  // the contents may be refused
  if (!parsed) return;
  if (theirs.dtype() != static_cast<int>(view.dtype())) differ("another dtype", dtype_name(view.dtype()));
  if (static_cast<size_t>(theirs.tensor_shape().dim_size()) != view.shape().rank()) differ("another rank", view.shape().to_string());
  for (size_t axis = 0; axis < view.shape().rank(); ++axis) {
    if (theirs.tensor_shape().dim(static_cast<int>(axis)).size() != view.shape()[axis]) differ("another shape", view.shape().to_string());
  }
  const std::string_view content(reinterpret_cast<const char*>(view.content().data()), view.content().size());
  if (view.num_elements() > 0 && view.dtype() != DType::string && content != theirs.tensor_content()) differ("another content", "");
  if (view.num_elements() == 0 || view.num_elements() > 4096 || view.has_content()) return;
  if (view.dtype() == DType::float32 && theirs.float_val_size() > 0) {
    std::vector<float> out(static_cast<size_t>(view.num_elements()));
    if (!view.copy_to(std::as_writable_bytes(std::span(out))).ok()) differ("floats refused by us alone", "");
    for (size_t i = 0; i < out.size(); ++i) {
      const float wanted = theirs.float_val(std::min(static_cast<int>(i), theirs.float_val_size() - 1));
      if (std::memcmp(&out[i], &wanted, 4) != 0) differ("another float", concat(i));
    }
  }
  if (view.dtype() == DType::int64 && theirs.int64_val_size() > 0) {
    std::vector<int64_t> out(static_cast<size_t>(view.num_elements()));
    if (!view.copy_to(std::as_writable_bytes(std::span(out))).ok()) differ("integers refused by us alone", "");
    for (size_t i = 0; i < out.size(); ++i) {
      if (out[i] != theirs.int64_val(std::min(static_cast<int>(i), theirs.int64_val_size() - 1))) differ("another integer", concat(i));
    }
  }
  if (view.dtype() == DType::string && theirs.string_val_size() > 0) {
    int i = 0;
    (void)view.for_each_string([&](std::string_view text) {
      if (text != theirs.string_val(std::min(i++, theirs.string_val_size() - 1))) differ("another string", text);
    });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  google::protobuf::SetLogHandler(nullptr);  // it reports bad UTF-8 on stderr
  const std::vector<std::byte> copy(reinterpret_cast<const std::byte*>(data) + 1, reinterpret_cast<const std::byte*>(data) + size);
  switch (data[0] % 3) {
    case 0: example(copy, false); break;
    case 1: example(copy, true); break;
    default: tensor(copy);
  }
  return 0;
}
