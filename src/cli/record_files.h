// What the `ferry record` commands do alike: files and patterns in, one after another; damage said or stepped over; files and
// numbered shards out.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/progress.h"
#include "ferry/records.h"

namespace ferry::cli {

// Options that several of them have.
inline constexpr Option kSkipDamaged = {"skip-damaged", 0, Takes::nothing, "", "step over damaged records, with a warning for each region"};
inline constexpr Option kMaxRecord = {"max-record", 0, Takes::size, "SIZE", "longest record that is read (default 2G)"};
inline constexpr Option kCompress = {"compress", 'c', Takes::text, "none|gzip|zlib|zstd",
                                     "of what is written (default: by suffix, .gz or .zst)"};
inline constexpr Option kLevel = {"level", 0, Takes::integer, "N", "of the compressor (default: its own)"};
inline constexpr Option kJson = {"json", 0, Takes::nothing, "", "one JSON object"};

// The words as paths: a pattern (* ? [..]) that is no file's name stands for the files that fit, in order of their names, without
// folders and without indexes of files among them. Prints what is wrong.
std::optional<std::vector<std::string>> record_paths(Context& context, std::span<const std::string_view> words);

// "ferry: FILE:OFFSET: warning: skipped …" for a region.
void warn_skipped(Context& context, std::string_view path, const SkippedRegion& region);

// --skip-damaged and --max-record.
RecordReadOptions record_read_options(Context& context, const Arguments& arguments, const std::string& path);

// The records of files one after another. The first failure is printed and ends it.
class RecordInputs {
 public:
  RecordInputs(Context& context, const Arguments& arguments, std::vector<std::string> paths, std::string_view what,
               RecordReadOptions::Data data = RecordReadOptions::Data::checked);
  // Called instead of the warning; false stops.
  void on_damage(std::function<bool(const std::string& path, const SkippedRegion&)> call) { damage_ = std::move(call); }

  bool next();  // of the file that is open, then of the next
  const RecordReader& reader() const { return *reader_; }
  const std::string& path() const { return paths_[file_]; }
  const std::string& path(size_t i) const { return paths_[i]; }
  std::span<const std::byte> record() const { return reader_->record(); }
  uint64_t records() const { return records_; }    // given so far
  uint64_t total_bytes() const { return total_; }  // of all files, 0 where one is a pipe
  // What failed has been printed.
  bool failed() const { return code_ != 0; }
  int code() const { return code_; }
  void forget_failure() { code_ = 0; }  // to go on with another file
  int fail(const Status& status);       // with the name of the file that is open

  // One file at a time: opens file i of the paths; false where that failed.
  bool open(size_t i);
  size_t count() const { return paths_.size(); }
  bool next_here();  // of the file that is open only
  // So that the next record of the file has that number, or the first above it that there is; not backwards.
  bool go_to(uint64_t number);

 private:
  void advance();
  Context& context_;
  std::vector<std::string> paths_;
  const Arguments& arguments_;
  RecordReadOptions::Data data_;
  std::function<bool(const std::string&, const SkippedRegion&)> damage_;
  std::optional<RecordReader> reader_;
  size_t file_ = 0, next_file_ = 0;
  uint64_t records_ = 0, total_ = 0, drawn_ = 0;
  int code_ = 0;
  Progress progress_;
};

// --compress and --level; prints what is wrong.
std::optional<RecordWriteOptions> write_options(Context& context, const Arguments& arguments);

// "x-%05d-of-%05d.tfrecord" for shard i of n: the first %d is i, a second n. Without any, "-00000-of-00004" goes behind the name, as
// TensorFlow writes it, but before .gz and .zst.
std::string shard_path(std::string_view pattern, uint64_t i, uint64_t n);
// Says what is wrong with a pattern, or nothing.
std::string shard_pattern_complaint(std::string_view pattern);

// Several outputs, opened together and closed together. Prints what fails.
class RecordOutputs {
 public:
  explicit RecordOutputs(Context& context) : context_(context) {}
  bool open(const std::string& path, const RecordWriteOptions& options);
  bool write(size_t i, std::span<const std::byte> record);
  bool close();  // all that are open
  bool close(size_t i);
  size_t size() const { return outputs_.size(); }
  const std::string& path(size_t i) const { return outputs_[i].path; }
  RecordPlace place(size_t i) const { return outputs_[i].place; }  // records and bytes written

 private:
  struct Output {
    std::string path;
    std::optional<RecordWriter> writer;
    RecordPlace place;
  };
  Context& context_;
  std::vector<Output> outputs_;
};

// What was written, in words or JSON; nothing where it went to stdout. Gives the exit code.
int report_outputs(Context& context, const RecordOutputs& out, bool as_json, bool to_stdout);

}  // namespace ferry::cli
