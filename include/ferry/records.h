// Files of records (TFRecord): read in order in bounded memory, past damage where asked; written; reached by number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ferry/buffer.h"
#include "ferry/io.h"
#include "ferry/limits.h"
#include "ferry/status.h"

namespace ferry {

class FileStream;

// Around the whole file. Found by content when reading: no suffix is needed, TensorFlow writes none.
enum class RecordCompression : uint8_t { none, gzip, zlib, zstd };
std::string_view compression_name(RecordCompression compression);
std::optional<RecordCompression> record_compression_from_name(std::string_view name);  // "gzip", "" is none
RecordCompression record_compression_of(std::span<const std::byte> head);              // by the first 16 bytes or more
// By suffix: .gz, .zst; none otherwise.
RecordCompression record_compression_for(std::string_view path);

// Where a record begins: the offset of its frame in the expanded stream, and its number from 0.
struct RecordPlace {
  uint64_t offset = 0, number = 0;
  bool operator==(const RecordPlace&) const = default;
};

// Bytes that hold no whole record, and why.
struct SkippedRegion {
  uint64_t begin = 0, end = 0;      // in the expanded stream
  std::optional<uint64_t> records;  // how many were lost, where the frames around tell
  Status reason;                    // names the record and the byte
};

struct RecordReadOptions {
  enum class Data : uint8_t {
    checked,    // both checksums of each frame
    unchecked,  // the length's only
    skipped,    // as unchecked, and record() is empty: what can be jumped over is not read
  };
  Data data = Data::checked;
  Limits limits;                                  // of a compressed stream's growth
  uint64_t max_record_bytes = uint64_t{1} << 31;  // protobuf holds less than 2 GiB
  size_t block_bytes = size_t{1} << 20;           // read at once; less where many files are open
  // Called for each damaged region; true goes on behind it, at the next frame whose length and data both fit their checksums.
  // Without one, and where it says false, the first damage is the end and stays in status(). Failures of the machine are never
  // passed over.
  std::function<bool(const SkippedRegion&)> on_damage;
};

// One file or stream of records from front to back, in memory of two blocks or of the longest record.
//   while (in.next()) use(in.record());
//   FERRY_RETURN_IF_ERROR(in.status());
// record() is good until the next call of next(), seek() or skip(). Not thread-safe; several readers may read one file.
class RecordReader {
 public:
  static Result<RecordReader> open(const std::string& path, RecordReadOptions options = {});  // "-" is stdin
  // Bytes in memory are not copied: record() is a view into them.
  static Result<RecordReader> over(std::shared_ptr<const ByteSource> source, RecordReadOptions options = {});
  static Result<RecordReader> over(std::unique_ptr<ByteStream> stream, std::string name, RecordReadOptions options = {});
  RecordReader(RecordReader&&) = default;
  RecordReader& operator=(RecordReader&&) = default;

  // False at the end and at the first error, which status() tells apart.
  bool next();
  std::span<const std::byte> record() const { return record_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(record_.data()), record_.size()}; }
  RecordPlace at() const { return at_record_; }            // of record()
  RecordPlace place() const { return {here_, number_}; }   // of the record that next() will give
  uint64_t record_bytes() const { return record_bytes_; }  // also where data is skipped
  // Numbers count from 0. A region of which nobody knows how many records it held counts as one.
  uint64_t number() const { return at_record_.number; }
  uint64_t offset() const { return at_record_.offset; }
  const Status& status() const { return status_; }  // "record 3: …", with the offset; the file's name is the caller's to add

  // So that the next record is the one that begins there, as at() or place() once said; a status is forgotten. At once in a file
  // that is not compressed; else the stream is read up to there, from the start again where the place lies behind.
  Status seek(RecordPlace place);
  // Passes over so many records by their lengths; gives how many there were.
  Result<uint64_t> skip(uint64_t records);

  const std::string& name() const { return name_; }
  RecordCompression compression() const { return compression_; }
  std::optional<uint64_t> file_bytes() const { return file_bytes_; }  // as stored; nothing for a pipe
  uint64_t file_bytes_read() const;                                   // for progress
  uint64_t records() const { return records_; }                       // given so far
  uint64_t regions_skipped() const { return regions_; }
  uint64_t bytes_skipped() const { return bytes_skipped_; }

 private:
  struct Damage;
  RecordReader(std::string name, RecordReadOptions options) : options_(std::move(options)), name_(std::move(name)) {}
  Status start_file(std::unique_ptr<FileStream> stream);
  Status start(std::unique_ptr<ByteStream> stream);
  const std::byte* data() const { return window_ + begin_; }
  size_t available() const { return end_ - begin_; }
  // How many bytes there are from here on, as many as wanted or all.
  size_t fill(uint64_t wanted) {
    if (available() < wanted && !ended_) [[unlikely]]
      fill_more(wanted);
    return available();
  }
  void fill_more(uint64_t wanted);
  void consume(uint64_t bytes);
  bool advance(uint64_t bytes);
  uint64_t left() const;
  uint64_t longest() const;
  size_t block_bytes() const;
  Status reason_of(const Damage& damage) const;
  bool recover(const Damage& damage);
  bool pass_damaged(const Damage& damage);
  void scan(uint64_t from);
  bool frame_is_whole(uint64_t at);
  bool is_boundary(uint64_t at, bool whole);
  bool guess_costs(uint64_t bytes);

  std::span<const std::byte> record_;
  const std::byte* window_ = nullptr;  // [begin_, end_) of it has not been used
  size_t begin_ = 0, end_ = 0;
  bool ended_ = false;               // nothing comes behind the window, and the stream says whether that is an error
  bool stream_status_told_ = false;  // it is in a region that was skipped
  uint64_t here_ = 0;                // offset of window_[begin_] in the expanded stream
  uint64_t number_ = 0;              // of the frame there
  RecordPlace at_record_;
  uint64_t record_bytes_ = 0;
  Status status_, stream_status_;

  RecordReadOptions options_;
  std::string name_;
  std::unique_ptr<ByteStream> stream_;
  FileStream* file_ = nullptr;  // stream_, where one can seek in it
  std::function<Result<std::unique_ptr<FileStream>>()> reopen_;
  std::shared_ptr<const ByteSource> source_;  // keeps a window into memory
  MutableBuffer block_;
  RecordCompression compression_ = RecordCompression::none;
  std::optional<uint64_t> file_bytes_, size_;  // size_: of the expanded stream
  std::shared_ptr<uint64_t> consumed_;         // stored bytes read
  uint64_t records_ = 0, regions_ = 0, bytes_skipped_ = 0;
  uint64_t guessed_ = 0;  // bytes checked for frames that may be none: see guess_costs()
};

struct RecordWriteOptions {
  std::optional<RecordCompression> compression;  // without one: by the path's suffix
  int level = 0;                                 // 0: the codec's own default
};

// Writes beside the path and renames on close(); a writer destroyed before that leaves what was there. Not thread-safe.
class RecordWriter {
 public:
  static Result<RecordWriter> open(const std::string& path, const RecordWriteOptions& options = {});  // "-" is stdout
  static RecordWriter over(std::unique_ptr<ByteSink> sink, RecordCompression compression = RecordCompression::none, int level = 0);
  RecordWriter(RecordWriter&&) = default;
  RecordWriter& operator=(RecordWriter&&) = default;

  // The first error stays: whatever is written behind it is refused with it.
  Status write(std::span<const std::byte> record);
  Status write(std::string_view record) { return write(std::as_bytes(std::span(record))); }
  Status flush();  // hands what was written to the system, ending a compressor's block
  Status close();
  RecordPlace place() const { return {bytes_, records_}; }  // of the next record

 private:
  RecordWriter() = default;
  Status send();
  std::unique_ptr<ByteSink> sink_;
  MutableBuffer block_;
  size_t used_ = 0;
  uint64_t records_ = 0, bytes_ = 0;
  Status status_;
};

struct RecordIndexOptions {
  Limits limits;
  uint64_t max_record_bytes = uint64_t{1} << 31;
  bool verify = false;  // read the data too and hold it to its checksums, instead of the lengths only
  std::function<bool(const SkippedRegion&)> on_damage;
  std::function<void(uint64_t bytes)> progress;  // how far in the file
};

// Where each record of a file lies, so that record i is reached without the others. Kept in a file beside it, or made from it in
// one pass. Of files that are not compressed. Thread-safe: reading changes nothing.
//
// Two spellings (docs/records.md): ours, which knows the file it was made of; and lines of "offset size", as NVIDIA's tfrecord2idx
// writes them for DALI and the PyPI package tfrecord reads them.
class RecordIndex {
 public:
  enum class Spelling : uint8_t { ours, lines };
  using Options = RecordIndexOptions;
  struct Extent {
    uint64_t offset, bytes;  // of the whole frame
  };

  // Of the file at `path`, from the index file beside it (path + ".fidx", else path + ".idx") or the one named. not_found where
  // there is none; invalid_argument where it is of another state of the file.
  static Result<RecordIndex> open(const std::string& path, const std::string& index_path = "", const Limits& limits = {});
  static Result<RecordIndex> build(const std::string& path, const Options& options = {});
  // open(), else build().
  static Result<RecordIndex> open_or_build(const std::string& path, const Options& options = {});
  // The index's bytes for records in `source`.
  static Result<RecordIndex> parse(std::shared_ptr<const ByteSource> source, Buffer index);
  static Result<RecordIndex> build(std::shared_ptr<const ByteSource> source, const Options& options = {});

  uint64_t size() const { return records_; }
  Extent extent(uint64_t i) const;  // i is below size()
  // Both checksums are held; a frame that is not where the index says it is an error that names the record.
  Result<Buffer> read(uint64_t i) const;
  // The same into a block that is used again; the span is good until the block changes.
  Result<std::span<const std::byte>> read(uint64_t i, MutableBuffer& block) const;

  Status write(ByteSink& sink, Spelling spelling) const;
  Status save(const std::string& index_path, Spelling spelling) const;
  static std::string path_of(const std::string& path, Spelling spelling);
  // The records lie end to end from the start: their numbers here are those that a reader counts.
  bool is_whole() const { return sizes_.empty(); }
  bool was_built() const { return built_; }  // not read from an index file
  const std::string& index_path() const { return index_path_; }
  bool verified() const { return verified_; }  // all data checksums held when it was made

 private:
  RecordIndex() = default;
  static Result<RecordIndex> build(RecordReader in, std::shared_ptr<const ByteSource> source, const Options& options);
  Result<Extent> find(uint64_t i) const;
  std::shared_ptr<const ByteSource> source_;
  std::string index_path_;
  uint64_t max_record_bytes_ = uint64_t{1} << 31;
  Buffer offsets_;  // uint64 [records + 1]: frames; the last is the end of the last record
  Buffer sizes_;    // uint64 [records], where frames do not follow one another
  uint64_t records_ = 0;
  bool built_ = false, verified_ = false;
};

}  // namespace ferry
