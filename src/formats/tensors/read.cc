#include <algorithm>
#include <unordered_set>

#include "formats/tensorproto/concatenated.h"
#include "formats/tensorproto/tensorproto.h"
#include "formats/tensors/tensors.h"
#include "records/tfrecord.h"
#include "wire/protobuf.h"
#include "wire/utf8.h"

namespace ferry::tensors {
namespace {

using records::FrameReader;
using tensorproto::TensorProtoView;

constexpr size_t kSmall = 64 << 10;  // records whose bytes are proved on opening; longer ones when they are read

struct Frame {
  uint64_t offset;
  uint64_t size;
  bool unproved;
};

Status read_entry(proto::Reader entry, Metadata& out) {
  std::string_view key, value;
  while (entry.next()) {
    if (entry.tag() == proto::bytes_tag(1)) {
      key = entry.text();
    } else if (entry.tag() == proto::bytes_tag(2)) {
      value = entry.text();
    } else {
      entry.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(entry.status());
  out.append(std::string(key), std::string(value));
  return {};
}

class Arrays : public ArrayReader {
 public:
  Arrays(Buffer bytes, Limits limits) : bytes_(std::move(bytes)), limits_(limits) {}
  Status add(Frame frame);
  std::span<const TensorInfo> arrays() const override { return infos_; }
  const Metadata& metadata() const override { return metadata_; }
  size_t size() const { return infos_.size(); }
  Result<DenseTensor> read_array(size_t i) const override {
    FERRY_RETURN_IF_ERROR(prove(frames_[i], i));
    const Buffer message = message_of(frames_[i]);
    TensorProtoView view;
    FERRY_RETURN_IF_ERROR(TensorProtoView::decode(message.bytes(), view, frames_[i].offset, limits_));
    return view.to_tensor(&message, limits_);
  }
  Status verify() const override {
    for (size_t i = 0; i < frames_.size(); ++i) FERRY_RETURN_IF_ERROR(prove(frames_[i], i));
    return ArrayReader::verify();
  }

 private:
  Buffer message_of(const Frame& frame) const { return bytes_.slice(static_cast<size_t>(frame.offset), static_cast<size_t>(frame.size)); }
  Status prove(const Frame& frame, size_t number) const {
    if (!frame.unproved) return {};
    FrameReader in(bytes_.bytes().subspan(static_cast<size_t>(frame.offset) - records::kHeaderBytes), FrameReader::Checksums::lengths);
    if (in.next() && in.data_is_intact()) return {};
    return data_loss_at(frame.offset,
                        concat("record ", number, ": its ", frame.size, " bytes do not fit their checksum; the record is damaged"));
  }

  Buffer bytes_;
  Limits limits_;
  std::vector<Frame> frames_;
  std::vector<TensorInfo> infos_;
  std::unordered_set<std::string> names_;
  Metadata metadata_;
};

Status Arrays::add(Frame frame) {
  if (infos_.size() >= limits_.max_tensors) return limit_exceeded(concat("more than ", limits_.max_tensors, " tensors (max_tensors)"));
  const Buffer message = message_of(frame);
  TensorProtoView view;
  FERRY_RETURN_IF_ERROR(TensorProtoView::decode(message.bytes(), view, frame.offset, limits_));
  TensorInfo info;
  info.name = concat(infos_.size());
  info.dtype = view.dtype();
  info.shape = view.shape();
  info.bytes = view.num_bytes() + (view.dtype() == DType::string ? 8 : 0);
  if (view.has_content()) {
    info.offset = view.content_offset();
    const size_t alignment = std::min<size_t>(dtype_size(view.dtype()), alignof(std::max_align_t));
    info.zero_copy = alignment > 0 && reinterpret_cast<uintptr_t>(view.content().data()) % alignment == 0;
  }
  proto::Reader in(message.bytes(), frame.offset);
  while (in.next()) {
    switch (in.tag()) {
      case proto::bytes_tag(kName): {
        const uint64_t at = in.offset();
        info.name = in.text();
        if (info.name.size() > limits_.max_name_bytes) {
          return limit_exceeded(
              concat("a name of ", info.name.size(), " bytes, the limit is ", limits_.max_name_bytes, " (max_name_bytes)"));
        }
        if (!is_utf8(info.name)) return data_loss_at(at, concat("the name of a tensor is not UTF-8: ", quoted(info.name)));
        break;
      }
      case proto::bytes_tag(kMetadata): FERRY_RETURN_IF_ERROR(read_entry(in.message(), info.metadata)); break;
      case proto::bytes_tag(kStreamMetadata): FERRY_RETURN_IF_ERROR(read_entry(in.message(), metadata_)); break;
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  if (!names_.insert(info.name).second) return data_loss_at(frame.offset, concat("two tensors are named ", quoted(info.name)));
  infos_.push_back(std::move(info));
  frames_.push_back(frame);
  return {};
}

Status add_records(std::span<const std::byte> bytes, Arrays& out) {
  FrameReader in(bytes, FrameReader::Checksums::lengths);
  while (in.next()) {
    const bool small = in.data().size() <= kSmall;
    if (small && !in.data_is_intact()) return in.damaged();
    if (Status status = out.add({in.data_offset(), in.data().size(), !small}); !status.ok()) {
      return status.with_context(concat("record ", in.number()));
    }
  }
  return in.status();
}

Status add_delimited(std::span<const std::byte> bytes, Arrays& out) {
  const std::byte* at = bytes.data();
  const std::byte* const end = at + bytes.size();
  for (size_t number = 0; at < end; ++number) {
    const auto offset = static_cast<uint64_t>(at - bytes.data());
    uint64_t size;
    const std::byte* after = proto::read_varint(at, end, size);
    if (after == nullptr) return data_loss_at(offset, concat("record ", number, ": its length is cut off or no varint"));
    if (size > static_cast<uint64_t>(end - after)) {
      return data_loss_at(offset, concat("record ", number, " announces ", size, " bytes, only ", end - after, " remain"));
    }
    if (Status status = out.add({static_cast<uint64_t>(after - bytes.data()), size, false}); !status.ok()) {
      return status.with_context(concat("record ", number));
    }
    at = after + size;
  }
  return {};
}

}  // namespace

bool looks_like_tensorproto(std::span<const std::byte> bytes) {
  const auto byte = [&](size_t i) { return i < bytes.size() ? static_cast<int>(bytes[i]) : -1; };
  if (byte(0) != 0x08 || !dtype_from_number(byte(1)) || byte(2) != 0x12) return false;
  if (byte(3) == 0) return bytes.size() == 4 || byte(4) > 7;
  return byte(3) < 0x80 ? byte(4) == 0x12 : byte(5) == 0x12;
}

Result<std::unique_ptr<TensorReader>> open_stream(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const Buffer bytes, source->view(0, source->size()));
  auto arrays = std::make_unique<Arrays>(bytes, options.limits);
  if (records::starts_with_frame(bytes.bytes())) {
    FERRY_RETURN_IF_ERROR(add_records(bytes.bytes(), *arrays));
    return reader_with_parts(std::move(arrays), options);
  }
  const Status delimited = add_delimited(bytes.bytes(), *arrays);
  if (delimited.ok()) return reader_with_parts(std::move(arrays), options);
  if (looks_like_tensorproto(bytes.bytes())) {
    FERRY_RETURN_IF_ERROR(tensorproto::refuse_concatenated(bytes.bytes()));
    if (TensorProtoView::decode(bytes.bytes()).ok())
      return data_loss("this is one TensorProto without a frame; read it with --from tensorproto");
  }
  if (arrays->size() > 0) return delimited;
  return Status(delimited.code(),
                concat("neither TFRecord frames (the length's checksum does not fit) nor TensorProtos with their lengths as varints (",
                       delimited.message(), ")"),
                delimited.offset());
}

}  // namespace ferry::tensors
