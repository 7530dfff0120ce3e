// Where bytes come from and go to. Virtual, because it is the outside world; one call moves many bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/buffer.h"
#include "ferry/limits.h"
#include "ferry/status.h"

namespace ferry {

class Folder;

// Where bytes lie in a regular file, for handing them to another process.
struct FileRange {
  int fd;  // the caller's to close
  uint64_t offset;
};

// Random access to bytes of known size. Thread-safe: reading changes nothing.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual uint64_t size() const = 0;
  virtual Status read_at(uint64_t offset, std::span<std::byte> out) const = 0;  // all of it, or data_loss where the source ends
  // Shares the source's own memory where it has the bytes in memory (mapped file, buffer), else reads them into a new block.
  virtual Result<Buffer> view(uint64_t offset, uint64_t size) const = 0;
  virtual bool in_memory() const = 0;                                       // view() copies nothing
  virtual std::string_view name() const = 0;                                // for messages: the path as it was given, "-" for stdin
  virtual std::shared_ptr<const Folder> folder() const { return nullptr; }  // where it lies; null for pipes and memory
  // The file that the bytes lie in, opened anew; nothing where they lie in memory only, or its path now leads to another file.
  virtual std::optional<FileRange> reopen() const { return std::nullopt; }
};

// Named bytes that lie together: a directory, the members of a zip archive. Thread-safe: reading changes nothing.
// Names are relative, their parts joined by '/'; one that would leave the folder is refused, whoever wrote it. A symbolic
// link is followed: it is the owner of the disk who made it.
class Folder {
 public:
  virtual ~Folder() = default;
  virtual Result<std::shared_ptr<const ByteSource>> open(std::string_view name) const = 0;  // not_found where there is none
  virtual bool has(std::string_view name) const = 0;                                        // a file, not a folder
  // What lies directly in `folder`, sorted; folders end in '/'. "" is this one.
  virtual Result<std::vector<std::string>> list(std::string_view folder = "") const = 0;
  virtual std::string_view name() const = 0;  // for messages
};

// Bytes in order, once: a pipe, a decompressor.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Up to out.size() bytes; 0 means the end.
  virtual Result<size_t> read(std::span<std::byte> out) = 0;
};

// Bytes out, in order. Nothing is visible under the final name until close() succeeds; a sink destroyed before that
// leaves what was there before.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual Status write(std::span<const std::byte> bytes) = 0;
  virtual Status close() = 0;
  // So many bytes will come in all, as far as is known: room on the disk may be made at once. A hint, which binds nobody.
  virtual void expect(uint64_t) {}
  Status write(std::string_view text) { return write(std::as_bytes(std::span(text))); }
};
// All of a buffer. Of a mapped file, what was written is let go (Buffer::drop_pages), so that a file larger than memory passes through.
Status write_through(ByteSink& sink, const Buffer& bytes);

// ---- Sources

struct OpenOptions {
  Limits limits;
  bool decompress = true;  // look through gzip and zstd by magic; the name loses its .gz or .zst
};

// A file (mapped; read with pread where mapping fails), "-" for stdin, a compressed file expanded into memory.
Result<std::shared_ptr<const ByteSource>> open_source(const std::string& path, const OpenOptions& options = {});
// The bytes of `data`, under `name` in messages.
std::shared_ptr<const ByteSource> memory_source(Buffer data, std::string name = "<memory>");
// [offset, offset + size) of another, as a source of its own; keeps it alive.
Result<std::shared_ptr<const ByteSource>> sub_source(std::shared_ptr<const ByteSource> source, uint64_t offset, uint64_t size,
                                                     std::string name);
Result<Buffer> read_all(ByteStream& stream, const Limits& limits);

// ---- Folders

bool is_folder(const std::string& path);
std::shared_ptr<const Folder> directory(std::string path, const Limits& limits = {});
Result<std::shared_ptr<const Folder>> zip_folder(std::shared_ptr<const ByteSource> source, const Limits& limits = {});
// The part of another that lies below `prefix`.
std::shared_ptr<const Folder> sub_folder(std::shared_ptr<const Folder> folder, std::string_view prefix);
// Fails for a name that is absolute, empty or has a part "", "." or "..".
Status check_relative(std::string_view name);

// The path without a compression suffix: what formats look at.
std::string_view uncompressed_name(std::string_view path);

// ---- Sinks

enum class Compression : uint8_t { none, gzip, zstd };
Compression compression_from_name(std::string_view path);  // by suffix

// Writes beside the target (same folder) and renames on close; "-" is stdout. A .gz or .zst suffix compresses.
// A symbolic link is followed, an existing file's permissions are kept.
Result<std::unique_ptr<ByteSink>> open_sink(const std::string& path);
// Appends to a string that outlives the sink.
std::unique_ptr<ByteSink> memory_sink(std::string& out);

// ---- Streams

std::unique_ptr<ByteStream> stream_of(std::shared_ptr<const ByteSource> source);
std::unique_ptr<ByteStream> decompress_stream(std::unique_ptr<ByteStream> inner, Compression compression);
std::unique_ptr<ByteSink> compress_sink(std::unique_ptr<ByteSink> inner, Compression compression, int level = 0);
Compression sniff_compression(std::span<const std::byte> head);
// The whole of a compressed source in memory, within the limits on expansion.
Result<Buffer> decompress_all(std::shared_ptr<const ByteSource> source, Compression compression, const Limits& limits);

// One whole compressed block of known or limited output size, for containers (zip, Arrow, zarr).
Result<Buffer> inflate(std::span<const std::byte> bytes, uint64_t expected_size, const Limits& limits);  // raw deflate
Result<Buffer> unzstd(std::span<const std::byte> bytes, uint64_t expected_size, const Limits& limits);   // zstd frames
enum class BlockCodec : uint8_t { lz4_frame, zstd };
Result<Buffer> decompress_block(BlockCodec codec, std::span<const std::byte> bytes, uint64_t expected_size, const Limits& limits);
Result<Buffer> compress_block(BlockCodec codec, std::span<const std::byte> bytes, int level = 0);  // level 0: the codec's own default

}  // namespace ferry
