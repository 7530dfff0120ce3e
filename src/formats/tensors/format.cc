// The format `tensors`: many tensors of any size in one byte string.
#include <array>

#include "formats/tensorproto/tensorproto.h"
#include "formats/tensors/tensors.h"
#include "records/tfrecord.h"
#include "wire/protobuf.h"

namespace ferry::tensors {

extern const Format kFormat;

namespace {

constexpr std::array<std::string_view, 2> kExtensions = {".tensors", ".tensorstream"};
constexpr OptionSpec kOptions[] = {
    {"framing", "tfrecord|varint", "how each TensorProto is framed when writing; default tfrecord (both are read by content)"},
};

Sniff sniff(std::span<const std::byte> head) {
  if (records::starts_with_frame(head)) return looks_like_tensorproto(head.subspan(records::kHeaderBytes)) ? Sniff::certain : Sniff::no;
  if (looks_like_tensorproto(head)) return Sniff::no;  // no frame around it
  uint64_t size;
  const std::byte* const end = head.data() + head.size();
  const std::byte* message = proto::read_varint(head.data(), end, size);
  if (message == nullptr || size < 4 || !looks_like_tensorproto({message, end})) return Sniff::no;
  return size <= tensorproto::kMostBytes ? Sniff::likely : Sniff::no;
}

Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options) {
  const std::string_view framing = options.format.get("framing", "tfrecord");
  if (framing != "tfrecord" && framing != "varint") {
    return invalid_argument(concat("option framing is ", quoted(framing), ", expected tfrecord or varint"));
  }
  return write_stream(tensors, sink, framing == "tfrecord");
}

}  // namespace

const Format kFormat = {
    .id = "tensors",
    .summary = "a stream of tensors of any size: framed TensorProtos (TFRecord or varint-delimited)",
    .readers = "tf.data with tf.io.parse_tensor",
    .extensions = kExtensions,
    .capabilities = {.kinds = KindSet::all(), .dtypes = DTypeSet::all(), .metadata = true},
    .options = kOptions,
    .sniff = sniff,
    .open = open_stream,
    .write = write,
};

}  // namespace ferry::tensors
