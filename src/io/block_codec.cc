// Whole compressed blocks whose sizes a container announces: zstd and lz4 frames.
#include <lz4frame.h>
#include <zstd.h>

#include <memory>

#include "ferry/io.h"

namespace ferry {
namespace {

std::string_view codec_name(BlockCodec codec) { return codec == BlockCodec::lz4_frame ? "lz4" : "zstd"; }

// The most that either codec can make of its input: an lz4 match grows 255 times, a zstd block of 4 bytes gives 128 KiB.
uint64_t most_from(BlockCodec codec, uint64_t size) {
  const uint64_t ratio = codec == BlockCodec::lz4_frame ? 256 : 32768;
  return size > (uint64_t{1} << 40) / ratio ? uint64_t{1} << 62 : size * ratio;
}

Status damaged(BlockCodec codec, std::string_view reason) {
  return data_loss(concat("not valid ", codec_name(codec), " data (", reason, ")"));
}

Status expand_lz4(std::span<const std::byte> bytes, std::span<std::byte> out) {
  LZ4F_dctx* raw = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&raw, LZ4F_VERSION))) return limit_exceeded("no memory for a decompressor");
  const std::unique_ptr<LZ4F_dctx, decltype(&LZ4F_freeDecompressionContext)> context(raw, LZ4F_freeDecompressionContext);
  size_t in = 0, made = 0, code = 1;
  while (in < bytes.size()) {
    size_t took = bytes.size() - in, gave = out.size() - made;
    std::byte spare;  // a null output is not allowed, not even an empty one
    code = LZ4F_decompress(context.get(), out.empty() ? &spare : out.data() + made, &gave, bytes.data() + in, &took, nullptr);
    if (LZ4F_isError(code)) return damaged(BlockCodec::lz4_frame, LZ4F_getErrorName(code));
    in += took;
    made += gave;
    if (code == 0) break;
    if (took == 0 && gave == 0) {
      return data_loss(
          concat("lz4 data ", made == out.size() ? "is longer than the " : "ends before the ", out.size(), " bytes announced"));
    }
  }
  if (code != 0 || made != out.size()) return data_loss(concat("lz4 data ends after ", made, " of the ", out.size(), " bytes announced"));
  return {};
}

}  // namespace

Result<Buffer> decompress_block(BlockCodec codec, std::span<const std::byte> bytes, uint64_t expected_size, const Limits& limits) {
  if (expected_size > limits.max_expanded_bytes) {
    return limit_exceeded(concat("expands to ", expected_size, " bytes, more than ", limits.max_expanded_bytes, " (max_expanded_bytes)"));
  }
  if (expected_size > limits.free_expanded_bytes && expected_size / limits.max_expansion_ratio > bytes.size()) {
    return limit_exceeded(concat(bytes.size(), " compressed bytes expand to ", expected_size, ", beyond the ratio of ",
                                 limits.max_expansion_ratio, " (max_expansion_ratio)"));
  }
  if (expected_size > most_from(codec, bytes.size())) {
    return data_loss(concat(bytes.size(), " bytes of ", codec_name(codec), " cannot expand to the ", expected_size, " announced"));
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(expected_size));
  if (codec == BlockCodec::lz4_frame) {
    FERRY_RETURN_IF_ERROR(expand_lz4(bytes, {out.data(), out.size()}));
    return std::move(out).freeze();
  }
  const size_t made = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(made)) return damaged(codec, ZSTD_getErrorName(made));
  if (made != expected_size) return data_loss(concat("zstd data is ", made, " bytes, ", expected_size, " are announced"));
  return std::move(out).freeze();
}

Result<Buffer> compress_block(BlockCodec codec, std::span<const std::byte> bytes, int level) {
  const bool lz4 = codec == BlockCodec::lz4_frame;
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.contentSize = bytes.size();
  preferences.compressionLevel = level;
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(lz4 ? LZ4F_compressFrameBound(bytes.size(), &preferences)
                                                                        : ZSTD_compressBound(bytes.size())));
  const size_t made = lz4 ? LZ4F_compressFrame(out.data(), out.size(), bytes.data(), bytes.size(), &preferences)
                          : ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), level == 0 ? 3 : level);
  if (lz4 ? LZ4F_isError(made) : ZSTD_isError(made)) {
    return internal_error(concat(codec_name(codec), ": ", lz4 ? LZ4F_getErrorName(made) : ZSTD_getErrorName(made)));
  }
  out.truncate(made);
  return std::move(out).freeze();
}

}  // namespace ferry
