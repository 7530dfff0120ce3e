#include "formats/ckpt/saver_v1.h"

#include <unordered_map>

#include "ferry/checked.h"
#include "formats/ckpt/entry.h"
#include "formats/ckpt/slices.h"
#include "formats/tensorproto/tensorproto.h"
#include "wire/protobuf.h"

namespace ferry::ckpt {
namespace {

using proto::bytes_tag;
using proto::varint_tag;

struct Saved {
  std::string name;
  int32_t dtype_number = 0;
  DType dtype = DType::float32;
  Shape shape;
  std::vector<Slice> slices;
  std::vector<uint32_t> tables;  // where each slice lies
};

Result<Saved> read_meta(std::span<const std::byte> message, const Limits& limits) {
  Saved out;
  proto::Reader in(message);
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(1): out.name = in.text(); break;
      case bytes_tag(2): {
        FERRY_ASSIGN_OR_RETURN(out.shape, read_shape(in.bytes(), limits));
        break;
      }
      case varint_tag(3): out.dtype_number = in.int32(); break;
      case bytes_tag(4): {
        FERRY_ASSIGN_OR_RETURN(Slice slice, read_slice(in.bytes(), limits));
        out.slices.push_back(std::move(slice));
        break;
      }
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

// The field `field` of the last message in field `outer` of SavedTensorSlices.
Result<std::span<const std::byte>> field_of(std::span<const std::byte> message, uint32_t field) {
  std::span<const std::byte> out;
  proto::Reader in(message);
  while (in.next()) {
    if (in.tag() == bytes_tag(field)) {
      out = in.bytes();
    } else {
      in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

// Thread-safe: nothing changes after open().
class SaverV1Arrays : public ArrayReader {
 public:
  SaverV1Arrays(std::vector<SortedTable> tables, const Limits& limits) : tables_(std::move(tables)), limits_(limits) {}
  Status list();
  std::span<const TensorInfo> arrays() const override { return infos_; }
  Result<DenseTensor> read_array(size_t i) const override {
    const Saved& saved = saved_[i];
    auto out = join_slices(saved.slices, saved.dtype, saved.shape, limits_,
                           [&](size_t k, const Shape& shape) { return read_slice_data(saved, saved.slices[k], saved.tables[k], shape); });
    if (!out.ok()) return out.status().with_context(concat("tensor ", quoted(saved.name)));
    return out;
  }
  // Of one in slices that are not all of it, those that are there.
  Status verify() const override {
    for (size_t i = 0; i < saved_.size(); ++i) {
      const Saved& saved = saved_[i];
      if (held_by(saved.slices, saved.shape) == *saved.shape.num_elements()) {
        FERRY_RETURN_IF_ERROR(read_array(i).status());
        continue;
      }
      for (size_t k = 0; k < saved.slices.size(); ++k) {
        FERRY_ASSIGN_OR_RETURN(const Shape shape, slice_shape(saved.slices[k], saved.shape));
        const auto piece = read_slice_data(saved, saved.slices[k], saved.tables[k], shape);
        if (!piece.ok()) return piece.status().with_context(concat("tensor ", quoted(saved.name)));
      }
    }
    return {};
  }

 private:
  Status merge(Saved saved, uint32_t table);
  Result<DenseTensor> read_slice_data(const Saved& saved, const Slice& slice, uint32_t table, const Shape& shape) const;
  std::vector<SortedTable> tables_;
  Limits limits_;
  std::vector<TensorInfo> infos_;
  std::vector<Saved> saved_;
  std::unordered_map<std::string, size_t> places_;
};

// One tensor may have slices in several tables.
Status SaverV1Arrays::merge(Saved saved, uint32_t table) {
  saved.tables.assign(saved.slices.size(), table);
  const auto [it, is_new] = places_.emplace(saved.name, saved_.size());
  if (is_new) {
    if (saved_.size() >= limits_.max_tensors) return limit_exceeded(concat("more than ", limits_.max_tensors, " tensors (max_tensors)"));
    saved_.push_back(std::move(saved));
    return {};
  }
  Saved& before = saved_[it->second];
  if (!(before.shape == saved.shape) || before.dtype_number != saved.dtype_number) {
    return data_loss(
        concat("tensor ", quoted(saved.name), " has two shapes, ", before.shape.to_string(), " and ", saved.shape.to_string()));
  }
  before.slices.insert(before.slices.end(), saved.slices.begin(), saved.slices.end());
  before.tables.insert(before.tables.end(), saved.tables.begin(), saved.tables.end());
  return {};
}

Status SaverV1Arrays::list() {
  for (uint32_t table = 0; table < tables_.size(); ++table) {
    FERRY_ASSIGN_OR_RETURN(const auto header, tables_[table].find(""));
    if (!header) return data_loss("the table has no entry that lists its tensors");
    FERRY_ASSIGN_OR_RETURN(const auto meta, field_of(header->bytes(), 1));
    proto::Reader in(meta);
    while (in.next()) {
      if (in.tag() != bytes_tag(1)) {
        in.skip();
        continue;
      }
      auto saved = read_meta(in.bytes(), limits_);
      if (!saved.ok()) return saved.status().nested("the list of tensors");
      FERRY_RETURN_IF_ERROR(merge(*std::move(saved), table));
    }
    FERRY_RETURN_IF_ERROR(in.status().nested("the list of tensors"));
  }
  for (Saved& saved : saved_) {
    const auto context = [&](const Status& status) { return status.with_context(concat("tensor ", quoted(saved.name))); };
    const auto dtype = dtype_from_number(saved.dtype_number);
    if (!dtype || *dtype == DType::variant || *dtype == DType::resource) {
      return context(data_loss(concat("its dtype is ", saved.dtype_number, ", which such a checkpoint does not hold")));
    }
    saved.dtype = *dtype;
    const auto bytes =
        checked_mul<uint64_t>(static_cast<uint64_t>(*saved.shape.num_elements()), *dtype == DType::string ? 8 : dtype_size(*dtype));
    if (!bytes) return context(data_loss(concat("shape ", saved.shape.to_string(), " needs more than 2^64 bytes")));
    if (const Status status = check_slices(saved.slices, saved.shape); !status.ok()) return context(status);
    TensorInfo& info = infos_.emplace_back();
    info.name = saved.name;
    info.dtype = *dtype;
    info.shape = saved.shape;
    info.bytes = *bytes;
    if (saved.slices.size() > 1 || held_by(saved.slices, saved.shape) != *saved.shape.num_elements())
      info.metadata.set("slices", slices_text(saved.slices, saved.shape));
  }
  return {};
}

Result<DenseTensor> SaverV1Arrays::read_slice_data(const Saved& saved, const Slice& slice, uint32_t table, const Shape& shape) const {
  FERRY_ASSIGN_OR_RETURN(const auto value, tables_[table].find(slice_key(saved.name, slice)));
  if (!value) return data_loss(concat("the slice ", slice_text(slice), " is not in the table"));
  FERRY_ASSIGN_OR_RETURN(const auto piece, field_of(value->bytes(), 2));
  FERRY_ASSIGN_OR_RETURN(const auto data, field_of(piece, 3));
  // What the message leaves out is set in front of it: fields of one message may come in two parts.
  std::string message;
  tensorproto::append_header(message, saved.dtype, shape.dims(), 0);
  message.append(reinterpret_cast<const char*>(data.data()), data.size());
  FERRY_ASSIGN_OR_RETURN(const Buffer owner, Buffer::copy_of(message));
  FERRY_ASSIGN_OR_RETURN(const auto view, tensorproto::TensorProtoView::decode(owner.bytes(), 0, limits_));
  if (view.dtype() != saved.dtype || !(view.shape() == shape))
    return data_loss(concat("the slice ", slice_text(slice), " says another dtype or shape"));
  return view.to_tensor(&owner, limits_);
}

}  // namespace

bool is_saver_v1(std::span<const std::byte> header) {
  // Field 1 is a message here and a number in a bundle's header. Neither checkpoint is without it.
  proto::Reader in(header);
  return in.next() && in.tag() == bytes_tag(1);
}

Result<std::unique_ptr<ArrayReader>> open_saver_v1(std::vector<SortedTable> tables, const ReadOptions& options) {
  auto out = std::make_unique<SaverV1Arrays>(std::move(tables), options.limits);
  FERRY_RETURN_IF_ERROR(out->list());
  return std::unique_ptr<ArrayReader>(std::move(out));
}

}  // namespace ferry::ckpt
