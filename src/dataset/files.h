// Sources that are files: one after another or several in turn, each giving rows by a reader of its kind.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dataset/decoder.h"
#include "dataset/plan.h"
#include "dataset/row.h"
#include "ferry/io.h"

namespace ferry::dataset {

// The rows of one file, front to back. Not thread-safe.
class FileRows {
 public:
  virtual ~FileRows() = default;
  // False at the end. The row is good until the next call; its place is filled in by the caller.
  virtual Result<bool> next(Row& row) = 0;
  // Passes over up to `count` rows, fewer only at the end or at an error; `done` says how many.
  virtual Status skip(uint64_t count, uint64_t& done) = 0;
};

// A file, any row of which is reached by its number. Thread-safe.
class FileIndex {
 public:
  virtual ~FileIndex() = default;
  virtual uint64_t rows() const = 0;
  // Its bytes, which are in the block or good as long as the index, and its offset.
  virtual Status read(uint64_t number, MutableBuffer& block, Row& row) const = 0;
};

// What is in the files. Thread-safe.
class FileKind {
 public:
  virtual ~FileKind() = default;
  virtual std::string_view unit() const = 0;  // what a row is called in messages
  virtual std::string describe() const = 0;
  virtual Result<std::unique_ptr<FileRows>> open(const std::string& path, const Context& context) const = 0;
  virtual Result<std::shared_ptr<const RowDecoder>> decoder(std::span<const std::string> paths) const = 0;
  // Null where rows cannot be reached but one after another.
  virtual Result<std::shared_ptr<const FileIndex>> index(const std::string& path, const Context& context) const;
};

// `patterns`: paths, or globs where no file has that very name; each glob's files in the order of their names. Fails where nothing is
// found.
Result<std::vector<std::string>> expand_paths(std::span<const std::string> patterns);

// The bytes of a file by read(): nothing of it stays in memory. Looks through gzip and zstd by content.
// `compressed`, where given, is told whether it is.
Result<std::unique_ptr<ByteStream>> open_bytes(const std::string& path, bool* compressed = nullptr);

RowPlanPtr plan_files(std::vector<std::string> paths, std::shared_ptr<const FileKind> kind);

}  // namespace ferry::dataset
