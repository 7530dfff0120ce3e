// gzip and zstd, both ways, as streams and as whole blocks.
#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <vector>

#include "ferry/io.h"
#include "io/expansion.h"
#include "io/file_stream.h"
#include "io/zlib.h"

namespace ferry {
namespace {

constexpr size_t kChunk = size_t{256} << 10;

// gzip, or with `zlib` the same deflate data in zlib's wrapper.
class GzipStream : public ByteStream {
 public:
  GzipStream(std::unique_ptr<ByteStream> inner, bool zlib) : inner_(std::move(inner)), zlib_(zlib), input_(kChunk) { start(); }
  // What came out before the damage is handed on first.
  Result<size_t> read(std::span<std::byte> out) override {
    if (out.empty()) return size_t{0};
    if (!failure_.ok()) return failure_;
    state_.next_out = reinterpret_cast<uint8_t*>(out.data());
    state_.avail_out = static_cast<uint32_t>(std::min<size_t>(out.size(), size_t{1} << 30));
    const uint32_t room = state_.avail_out;
    while (state_.avail_out == room) {
      if (state_.avail_in == 0 && !ended_) {
        FERRY_ASSIGN_OR_RETURN(const size_t got, inner_->read(input_));
        ended_ = got == 0;
        state_.next_in = reinterpret_cast<uint8_t*>(input_.data());
        state_.avail_in = static_cast<uint32_t>(got);
        consumed_ += got;
      }
      if (state_.block_state == ISAL_BLOCK_FINISH) {
        if (state_.avail_in == 0 && ended_) return size_t{0};
        if (state_.avail_in == 0) continue;
        // gzip files may be several members end to end; zero padding after the last is customary.
        if (*state_.next_in == 0) {
          ++state_.next_in;
          --state_.avail_in;
          continue;
        }
        restart();
      }
      if (const int code = isal_inflate(&state_); code != ISAL_DECOMP_OK) {
        failure_ = data_loss_at(consumed_ - state_.avail_in, concat("not a valid ", name(), " stream (", reason(code), ")"));
        if (state_.avail_out == room) return failure_;
        break;
      }
      // It may hold back output that found no room when its input ran out, so it is asked before this is said.
      if (state_.avail_out == room && state_.avail_in == 0 && ended_ && state_.block_state != ISAL_BLOCK_FINISH) {
        return data_loss_at(consumed_, concat("the ", name(), " stream ends in the middle of a member"));
      }
    }
    return static_cast<size_t>(room - state_.avail_out);
  }

 private:
  void start() {
    isal_inflate_init(&state_);
    state_.crc_flag = zlib_ ? ISAL_ZLIB : ISAL_GZIP;
  }
  void restart() {
    uint8_t* const next_in = state_.next_in;
    uint8_t* const next_out = state_.next_out;
    const uint32_t in = state_.avail_in, out = state_.avail_out;
    start();
    state_.next_in = next_in;
    state_.avail_in = in;
    state_.next_out = next_out;
    state_.avail_out = out;
  }
  static std::string_view reason(int code) {
    switch (code) {
      case ISAL_INVALID_BLOCK: return "invalid block";
      case ISAL_INVALID_SYMBOL: return "invalid symbol";
      case ISAL_INVALID_LOOKBACK: return "copy from before the start";
      case ISAL_INVALID_WRAPPER: return "invalid header";
      case ISAL_UNSUPPORTED_METHOD: return "unknown method";
      case ISAL_INCORRECT_CHECKSUM: return "wrong checksum";
      default: return "damaged";
    }
  }
  std::string_view name() const { return zlib_ ? "zlib" : "gzip"; }
  std::unique_ptr<ByteStream> inner_;
  bool zlib_;
  std::vector<std::byte> input_;
  inflate_state state_;
  bool ended_ = false;
  uint64_t consumed_ = 0;
  Status failure_;
};

class ZstdStream : public ByteStream {
  static constexpr size_t kFrameHeader = 18;  // the longest

 public:
  explicit ZstdStream(std::unique_ptr<ByteStream> inner) : inner_(std::move(inner)), input_(kChunk), context_(ZSTD_createDCtx()) {}
  ~ZstdStream() override { ZSTD_freeDCtx(context_); }
  Result<size_t> read(std::span<std::byte> out) override {
    if (out.empty()) return size_t{0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    while (to.pos == 0) {
      if (from_.pos == from_.size) {
        FERRY_ASSIGN_OR_RETURN(const size_t got, inner_->read(input_));
        if (got == 0) {
          if (open_) return data_loss_at(consumed_, "the zstd stream ends in the middle of a frame");
          return size_t{0};
        }
        from_ = {input_.data(), got, 0};
        consumed_ += got;
      }
      // A block a call: an error would take with it what the blocks before gave.
      ZSTD_inBuffer block{from_.src, std::min(from_.size, from_.pos + wanted_), from_.pos};
      const size_t code = ZSTD_decompressStream(context_, &to, &block);
      from_.pos = block.pos;
      if (ZSTD_isError(code)) {
        return data_loss_at(consumed_ - (from_.size - from_.pos), concat("not a valid zstd stream (", ZSTD_getErrorName(code), ")"));
      }
      open_ = code != 0;
      wanted_ = open_ ? code : kFrameHeader;
    }
    return to.pos;
  }

 private:
  std::unique_ptr<ByteStream> inner_;
  std::vector<std::byte> input_;
  ZSTD_DCtx* context_;
  ZSTD_inBuffer from_{nullptr, 0, 0};
  bool open_ = false;             // inside a frame
  size_t wanted_ = kFrameHeader;  // bytes to the end of its next block
  uint64_t consumed_ = 0;
};

class GzipSink : public FlushingSink {
 public:
  GzipSink(std::unique_ptr<ByteSink> inner, int level, bool zlib) : inner_(std::move(inner)), output_(kChunk) {
    // 15: largest window; 16 more: gzip's wrapper, no name and no time in it, so the same input gives the same bytes.
    ready_ = deflateInit2(&state_, level == 0 ? 6 : level, Z_DEFLATED, zlib ? 15 : 16 + 15, 8, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~GzipSink() override {
    if (ready_) deflateEnd(&state_);
  }
  Status write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min<size_t>(bytes.size(), size_t{1} << 30));
      FERRY_RETURN_IF_ERROR(deflate_piece(piece, Z_NO_FLUSH));
      bytes = bytes.subspan(piece.size());
    }
    return {};
  }
  Status flush() override {
    FERRY_RETURN_IF_ERROR(deflate_piece({}, Z_SYNC_FLUSH));
    return ferry::flush(*inner_);
  }
  Status close() override {
    FERRY_RETURN_IF_ERROR(deflate_piece({}, Z_FINISH));
    return inner_->close();
  }

 private:
  Status deflate_piece(std::span<const std::byte> piece, int flush) {
    if (!ready_) return internal_error("zlib did not start");
    state_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(piece.data()));
    state_.avail_in = static_cast<uInt>(piece.size());
    do {
      state_.next_out = reinterpret_cast<Bytef*>(output_.data());
      state_.avail_out = static_cast<uInt>(output_.size());
      deflate(&state_, flush);
      FERRY_RETURN_IF_ERROR(inner_->write(std::span<const std::byte>(output_).first(output_.size() - state_.avail_out)));
    } while (state_.avail_out == 0);
    return {};
  }
  std::unique_ptr<ByteSink> inner_;
  std::vector<std::byte> output_;
  z_stream state_{};
  bool ready_;
};

class ZstdSink : public FlushingSink {
 public:
  ZstdSink(std::unique_ptr<ByteSink> inner, int level) : inner_(std::move(inner)), output_(kChunk), context_(ZSTD_createCCtx()) {
    ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, level == 0 ? 3 : level);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
  }
  ~ZstdSink() override { ZSTD_freeCCtx(context_); }
  Status write(std::span<const std::byte> bytes) override { return compress(bytes, ZSTD_e_continue); }
  Status flush() override {
    FERRY_RETURN_IF_ERROR(compress({}, ZSTD_e_flush));
    return ferry::flush(*inner_);
  }
  Status close() override {
    FERRY_RETURN_IF_ERROR(compress({}, ZSTD_e_end));
    return inner_->close();
  }

 private:
  Status compress(std::span<const std::byte> bytes, ZSTD_EndDirective end) {
    ZSTD_inBuffer from{bytes.data(), bytes.size(), 0};
    for (;;) {
      ZSTD_outBuffer to{output_.data(), output_.size(), 0};
      const size_t left = ZSTD_compressStream2(context_, &to, &from, end);
      if (ZSTD_isError(left)) return internal_error(concat("zstd: ", ZSTD_getErrorName(left)));
      FERRY_RETURN_IF_ERROR(inner_->write(std::span<const std::byte>(output_).first(to.pos)));
      if (end == ZSTD_e_continue ? from.pos == from.size : left == 0) return {};
    }
  }
  std::unique_ptr<ByteSink> inner_;
  std::vector<std::byte> output_;
  ZSTD_CCtx* context_;
};

}  // namespace

std::string_view uncompressed_name(std::string_view path) {
  for (std::string_view suffix : {".gz", ".zst", ".gzip", ".zstd"}) {
    if (path.size() > suffix.size() && path.ends_with(suffix)) return path.substr(0, path.size() - suffix.size());
  }
  return path;
}

Compression compression_from_name(std::string_view path) {
  if (path.ends_with(".gz") || path.ends_with(".gzip")) return Compression::gzip;
  if (path.ends_with(".zst") || path.ends_with(".zstd")) return Compression::zstd;
  return Compression::none;
}

Compression sniff_compression(std::span<const std::byte> head) {
  const auto starts = [&](std::initializer_list<int> magic) {
    return head.size() >= magic.size() &&
           std::equal(magic.begin(), magic.end(), head.begin(), [](int a, std::byte b) { return a == static_cast<int>(b); });
  };
  if (starts({0x1f, 0x8b, 0x08})) return Compression::gzip;
  if (starts({0x28, 0xb5, 0x2f, 0xfd})) return Compression::zstd;
  return Compression::none;
}

std::unique_ptr<ByteStream> decompress_stream(std::unique_ptr<ByteStream> inner, Compression compression) {
  switch (compression) {
    case Compression::none: return inner;
    case Compression::gzip: return std::make_unique<GzipStream>(std::move(inner), false);
    case Compression::zstd: return std::make_unique<ZstdStream>(std::move(inner));
  }
  __builtin_unreachable();
}

std::unique_ptr<ByteSink> compress_sink(std::unique_ptr<ByteSink> inner, Compression compression, int level) {
  switch (compression) {
    case Compression::none: return inner;
    case Compression::gzip: return std::make_unique<GzipSink>(std::move(inner), level, false);
    case Compression::zstd: return std::make_unique<ZstdSink>(std::move(inner), level);
  }
  __builtin_unreachable();
}

std::unique_ptr<ByteStream> zlib_stream(std::unique_ptr<ByteStream> inner) { return std::make_unique<GzipStream>(std::move(inner), true); }

std::unique_ptr<ByteSink> zlib_sink(std::unique_ptr<ByteSink> inner, int level) {
  return std::make_unique<GzipSink>(std::move(inner), level, true);
}

static Result<Buffer> expand(std::unique_ptr<ByteStream> stream, uint64_t in, const Limits& limits) {
  const Expansion expansion(limits);
  MutableBuffer block;
  size_t used = 0;
  for (;;) {
    if (used == block.size()) FERRY_RETURN_IF_ERROR(block.resize(std::max<size_t>(kChunk, 2 * used)));
    FERRY_ASSIGN_OR_RETURN(const size_t got, stream->read({block.data() + used, block.size() - used}));
    if (got == 0) break;
    used += got;
    FERRY_RETURN_IF_ERROR(expansion.check(in, used));
  }
  block.truncate(used);
  return std::move(block).freeze();
}

Result<Buffer> decompress_all(std::shared_ptr<const ByteSource> source, Compression compression, const Limits& limits) {
  const uint64_t in = source->size();
  return expand(decompress_stream(stream_of(std::move(source)), compression), in, limits);
}

Result<Buffer> zlib_expand(std::shared_ptr<const ByteSource> source, const Limits& limits) {
  const uint64_t in = source->size();
  return expand(zlib_stream(stream_of(std::move(source))), in, limits);
}

Result<Buffer> inflate(std::span<const std::byte> bytes, uint64_t expected_size, const Limits& limits) {
  FERRY_RETURN_IF_ERROR(Expansion(limits).check(bytes.size(), expected_size));
  // Deflate cannot make more than 1032 bytes of one: a larger promise is a lie, found before it is paid for.
  if (expected_size / 1040 > bytes.size()) {
    return data_loss(concat(bytes.size(), " deflated bytes cannot expand to the ", expected_size, " announced"));
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(expected_size));
  std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> state(libdeflate_alloc_decompressor(),
                                                                                          libdeflate_free_decompressor);
  if (!state) return limit_exceeded("no memory for a decompressor");
  size_t made = 0;
  const auto result = libdeflate_deflate_decompress(state.get(), bytes.data(), bytes.size(), out.data(), out.size(), &made);
  if (result == LIBDEFLATE_INSUFFICIENT_SPACE)
    return data_loss(concat("deflated data is longer than the ", expected_size, " bytes announced"));
  if (result != LIBDEFLATE_SUCCESS) return data_loss("not valid deflate data");
  if (made != expected_size) return data_loss(concat("deflated data is ", made, " bytes, ", expected_size, " are announced"));
  return std::move(out).freeze();
}

Result<Buffer> unzstd(std::span<const std::byte> bytes, uint64_t expected_size, const Limits& limits) {
  FERRY_RETURN_IF_ERROR(Expansion(limits).check(bytes.size(), expected_size));
  // Grows with what comes out, so that an announced size costs nothing before it is true.
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  if (!context) return limit_exceeded("no memory for a decompressor");
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(static_cast<size_t>(std::min<uint64_t>(expected_size, kChunk))));
  ZSTD_inBuffer from{bytes.data(), bytes.size(), 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  size_t code = 0;
  for (;;) {
    code = ZSTD_decompressStream(context.get(), &to, &from);
    if (ZSTD_isError(code)) return data_loss(concat("not valid zstd data (", ZSTD_getErrorName(code), ")"));
    if (code == 0 && from.pos == from.size) break;
    if (to.pos < to.size) {
      if (from.pos == from.size) return data_loss("zstd data ends in the middle of a frame");
      continue;
    }
    if (to.size == expected_size) {
      // Full: only an end that makes no more bytes may follow.
      std::byte extra;
      ZSTD_outBuffer rest{&extra, 1, 0};
      code = ZSTD_decompressStream(context.get(), &rest, &from);
      if (ZSTD_isError(code)) return data_loss(concat("not valid zstd data (", ZSTD_getErrorName(code), ")"));
      if (rest.pos > 0) return data_loss(concat("zstd data is longer than the ", expected_size, " bytes announced"));
      if (from.pos == from.size) break;
      continue;
    }
    FERRY_RETURN_IF_ERROR(out.resize(static_cast<size_t>(std::min<uint64_t>(expected_size, 2 * to.size))));
    to = {out.data(), out.size(), to.pos};
  }
  if (code != 0) return data_loss("zstd data ends in the middle of a frame");
  if (to.pos != expected_size) return data_loss(concat("zstd data is ", to.pos, " bytes, ", expected_size, " are announced"));
  out.truncate(to.pos);
  return std::move(out).freeze();
}

}  // namespace ferry
