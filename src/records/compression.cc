#include "records/compression.h"

#include "io/zlib.h"
#include "records/tfrecord.h"

namespace ferry {
namespace {

// zlib's header: deflate with any window, and a check of 31. Two bytes are little proof: what reads as a length that a record may
// have is taken for a damaged frame instead.
bool is_zlib(std::span<const std::byte> head) {
  if (head.size() < 2) return false;
  const auto first = static_cast<unsigned>(head[0]), second = static_cast<unsigned>(head[1]);
  if ((first & 15) != 8 || first >> 4 > 7 || (first << 8 | second) % 31 != 0) return false;
  return head.size() < records::kHeaderBytes || records::frame_size(head.data()) > uint64_t{1} << 32;
}

Compression without_zlib(RecordCompression compression) {
  switch (compression) {
    case RecordCompression::none: return Compression::none;
    case RecordCompression::gzip:
    case RecordCompression::zlib: return Compression::gzip;
    case RecordCompression::zstd: return Compression::zstd;
  }
  __builtin_unreachable();
}

}  // namespace

std::string_view compression_name(RecordCompression compression) {
  switch (compression) {
    case RecordCompression::none: return "none";
    case RecordCompression::gzip: return "gzip";
    case RecordCompression::zlib: return "zlib";
    case RecordCompression::zstd: return "zstd";
  }
  __builtin_unreachable();
}

std::optional<RecordCompression> record_compression_from_name(std::string_view name) {
  if (name.empty()) return RecordCompression::none;
  for (const auto compression : {RecordCompression::none, RecordCompression::gzip, RecordCompression::zlib, RecordCompression::zstd}) {
    if (compression_name(compression) == name) return compression;
  }
  return std::nullopt;
}

RecordCompression record_compression_of(std::span<const std::byte> head) {
  if (records::starts_with_frame(head)) return RecordCompression::none;
  switch (sniff_compression(head)) {
    case Compression::gzip: return RecordCompression::gzip;
    case Compression::zstd: return RecordCompression::zstd;
    case Compression::none: break;
  }
  return is_zlib(head) ? RecordCompression::zlib : RecordCompression::none;
}

RecordCompression record_compression_for(std::string_view path) {
  switch (compression_from_name(path)) {
    case Compression::gzip: return RecordCompression::gzip;
    case Compression::zstd: return RecordCompression::zstd;
    case Compression::none: break;
  }
  return RecordCompression::none;
}

namespace records {

std::unique_ptr<ByteStream> expand(std::unique_ptr<ByteStream> stream, RecordCompression compression) {
  if (compression == RecordCompression::zlib) return zlib_stream(std::move(stream));
  return decompress_stream(std::move(stream), without_zlib(compression));
}

std::unique_ptr<ByteSink> compress(std::unique_ptr<ByteSink> sink, RecordCompression compression, int level) {
  if (compression == RecordCompression::zlib) return zlib_sink(std::move(sink), level);
  return compress_sink(std::move(sink), without_zlib(compression), level);
}

Result<Buffer> expand_all(std::shared_ptr<const ByteSource> source, RecordCompression compression, const Limits& limits) {
  if (compression == RecordCompression::zlib) return zlib_expand(std::move(source), limits);
  return decompress_all(std::move(source), without_zlib(compression), limits);
}

}  // namespace records
}  // namespace ferry
