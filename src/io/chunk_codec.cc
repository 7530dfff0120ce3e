#include "io/chunk_codec.h"

#include <lz4.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#ifdef FERRY_HAVE_BLOSC
#include <blosc.h>
#endif

namespace ferry {
namespace {

Status too_long(uint64_t most) { return data_loss(concat("expands to more than the ", most, " bytes of its chunk")); }

// Doubles until `step` has made all of it. step(out) appends into what is free, returns what it wrote, and sets done.
template <class Step>
Result<Buffer> grow(uint64_t guess, uint64_t most, Step&& step) {
  MutableBuffer out;
  FERRY_RETURN_IF_ERROR(out.resize(static_cast<size_t>(std::clamp<uint64_t>(guess, 1, most + 1))));
  size_t made = 0;
  for (bool done = false; !done;) {
    if (made == out.size()) {
      if (made > most) return too_long(most);
      FERRY_RETURN_IF_ERROR(out.resize(static_cast<size_t>(std::min<uint64_t>(most + 1, 2 * out.size()))));
    }
    FERRY_ASSIGN_OR_RETURN(const size_t wrote, step(std::span(out.data() + made, out.size() - made), done));
    made += wrote;
  }
  if (made > most) return too_long(most);
  out.truncate(made);
  return std::move(out).freeze();
}

Result<Buffer> expand_zlib(std::span<const std::byte> bytes, uint64_t guess, uint64_t most) {
  z_stream stream{};
  if (::inflateInit2(&stream, 15 + 32) != Z_OK) return limit_exceeded("no memory for a decompressor");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> closer(&stream, ::inflateEnd);
  if (bytes.size() > UINT32_MAX) return unsupported("a compressed chunk of more than 4 GiB");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  return grow(guess, most, [&](std::span<std::byte> out, bool& done) -> Result<size_t> {
    const auto room = static_cast<uInt>(std::min<size_t>(out.size(), 1u << 30));
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = room;
    const int code = ::inflate(&stream, Z_NO_FLUSH);
    const size_t wrote = room - stream.avail_out;
    if (code == Z_STREAM_END) {
      if (stream.avail_in == 0) {
        done = true;
      } else if (::inflateReset2(&stream, 15 + 32) != Z_OK) {  // the next gzip member
        return data_loss("not valid zlib or gzip data");
      }
      return wrote;
    }
    if (code != Z_OK && code != Z_BUF_ERROR) return data_loss("not valid zlib or gzip data");
    if (wrote == 0 && stream.avail_in == 0) return data_loss("zlib or gzip data ends too soon");
    return wrote;
  });
}

Result<Buffer> expand_zstd(std::span<const std::byte> bytes, uint64_t guess, uint64_t most) {
  const std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream(ZSTD_createDStream(), ZSTD_freeDStream);
  if (stream == nullptr) return limit_exceeded("no memory for a decompressor");
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  return grow(guess, most, [&](std::span<std::byte> span, bool& done) -> Result<size_t> {
    ZSTD_outBuffer out{span.data(), span.size(), 0};
    const size_t code = ZSTD_decompressStream(stream.get(), &out, &in);
    if (ZSTD_isError(code)) return data_loss(concat("not valid zstd data (", ZSTD_getErrorName(code), ")"));
    if (in.pos == in.size && (code == 0 || out.pos < out.size)) {
      if (code != 0) return data_loss("zstd data ends too soon");
      done = true;
    }
    return out.pos;
  });
}

Result<Buffer> expand_lz4(std::span<const std::byte> bytes, uint64_t most) {
  uint32_t size = 0;
  if (bytes.size() < 4) return data_loss("lz4 data has no size");
  std::memcpy(&size, bytes.data(), 4);
  if (size > most) return too_long(most);
  if (bytes.size() > INT32_MAX || size > INT32_MAX) return unsupported("an lz4 chunk of more than 2 GiB");
  if (size / 256 > bytes.size()) return data_loss(concat(bytes.size(), " bytes of lz4 cannot expand to ", size));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(size));
  char spare;
  const int made =
      ::LZ4_decompress_safe(reinterpret_cast<const char*>(bytes.data()) + 4, size == 0 ? &spare : reinterpret_cast<char*>(out.data()),
                            static_cast<int>(bytes.size() - 4), static_cast<int>(size));
  if (made < 0 || static_cast<uint32_t>(made) != size) return data_loss("not valid lz4 data");
  return std::move(out).freeze();
}

#ifdef FERRY_HAVE_BLOSC
Result<Buffer> expand_blosc(std::span<const std::byte> bytes, uint64_t most) {
  size_t size = 0;
  if (bytes.size() < BLOSC_MIN_HEADER_LENGTH || ::blosc_cbuffer_validate(bytes.data(), bytes.size(), &size) != 0) {
    return data_loss("not valid blosc data");
  }
  if (size > most) return too_long(most);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(size));
  if (size == 0) return std::move(out).freeze();
  const int made = ::blosc_decompress_ctx(bytes.data(), out.data(), size, 1);
  if (made < 0 || static_cast<size_t>(made) != size) return data_loss("not valid blosc data");
  return std::move(out).freeze();
}
#endif

}  // namespace

Result<Buffer> expand_chunk(ChunkCodec codec, std::span<const std::byte> bytes, uint64_t guess, uint64_t most) {
  switch (codec) {
    case ChunkCodec::zlib: return expand_zlib(bytes, guess, most);
    case ChunkCodec::zstd: return expand_zstd(bytes, guess, most);
    case ChunkCodec::lz4: return expand_lz4(bytes, most);
    case ChunkCodec::blosc:
#ifdef FERRY_HAVE_BLOSC
      return expand_blosc(bytes, most);
#else
      return unsupported("this build has no blosc: build TensorFerry where libblosc is (Debian: libblosc-dev)");
#endif
  }
  __builtin_unreachable();
}

}  // namespace ferry
