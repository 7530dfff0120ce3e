#include "dataset/files.h"

#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <mutex>

#include "dataset/random.h"
#include "ferry/records.h"
#include "io/file_stream.h"
#include "records/compression.h"

namespace ferry::dataset {

Result<std::shared_ptr<const FileIndex>> FileKind::index(const std::string&, const Context&) const {
  return std::shared_ptr<const FileIndex>();
}

Result<std::vector<std::string>> expand_paths(std::span<const std::string> patterns) {
  std::vector<std::string> out;
  for (const std::string& pattern : patterns) {
    struct stat info;
    if (pattern.find_first_of("*?[") == std::string::npos || ::stat(pattern.c_str(), &info) == 0) {
      out.push_back(pattern);
      continue;
    }
    glob_t found{};
    const int code = ::glob(pattern.c_str(), GLOB_ERR, nullptr, &found);
    for (size_t i = 0; i < found.gl_pathc; ++i) {
      if (::stat(found.gl_pathv[i], &info) == 0 && !S_ISDIR(info.st_mode)) out.emplace_back(found.gl_pathv[i]);
    }
    const bool none = found.gl_pathc == 0;
    ::globfree(&found);
    if (none)
      return code == GLOB_NOMATCH || code == 0 ? not_found(concat("no file fits ", quoted(pattern)))
                                               : io_error(concat("the folder of ", quoted(pattern), " cannot be read"));
  }
  if (out.empty()) return invalid_argument("no files are given");
  return out;
}

namespace {

// What was read of a pipe to look at, and then the rest.
class Begun : public ByteStream {
 public:
  Begun(std::string head, std::unique_ptr<ByteStream> rest) : head_(std::move(head)), rest_(std::move(rest)) {}
  Result<size_t> read(std::span<std::byte> out) override {
    if (head_.empty()) return rest_->read(out);
    const size_t size = std::min(out.size(), head_.size());
    std::memcpy(out.data(), head_.data(), size);
    head_.erase(0, size);
    return size;
  }

 private:
  std::string head_;
  std::unique_ptr<ByteStream> rest_;
};

}  // namespace

Result<std::unique_ptr<ByteStream>> open_bytes(const std::string& path, bool* compressed) {
  FERRY_ASSIGN_OR_RETURN(std::unique_ptr<FileStream> file, open_stream(path));
  std::string head(16, '\0');
  size_t used = 0;
  while (used < head.size()) {
    FERRY_ASSIGN_OR_RETURN(const size_t got, file->read({reinterpret_cast<std::byte*>(head.data()) + used, head.size() - used}));
    if (got == 0) break;
    used += got;
  }
  head.resize(used);
  const RecordCompression compression = record_compression_of(std::as_bytes(std::span(head)));
  // Text may begin with what zlib's two bytes may be ("x^"), but not with those of the others.
  const bool plain = compression == RecordCompression::none || compression == RecordCompression::zlib;
  if (compressed != nullptr) *compressed = !plain;
  std::unique_ptr<ByteStream> stream;
  if (file->size()) {
    FERRY_RETURN_IF_ERROR(file->seek(0));
    stream = std::move(file);
  } else {
    stream = std::make_unique<Begun>(std::move(head), std::move(file));
  }
  return plain ? std::move(stream) : records::expand(std::move(stream), compression);
}

namespace {

// ---- One file after another, or several in turn

// The indexes of the files, made when first asked for and kept for all iterators.
struct Indexes {
  std::mutex mutex;
  std::vector<std::shared_ptr<const FileIndex>> of;
};

// A file in its turn; null rows where it is still to be opened.
struct Lane {
  size_t file = 0;
  std::unique_ptr<FileRows> rows;
  uint64_t in_turn = 0;
  bool ended = false;
};

class FilesStage : public RowStage {
 public:
  FilesStage(std::vector<std::string> paths, std::shared_ptr<const FileKind> kind, uint64_t cycle, uint64_t block, Context& context,
             std::shared_ptr<Indexes> indexes)
      : paths_(std::move(paths)), kind_(std::move(kind)), block_(block), context_(context), indexes_(std::move(indexes)) {
    lanes_.resize(std::min<uint64_t>(cycle, paths_.size()));
    for (const std::string& path : paths_) places_.push_back(context_.places->add(path, kind_->unit()));
  }

  Status start(uint64_t) override {
    next_file_ = 0;
    lane_ = 0;
    for (Lane& lane : lanes_) {
      lane = {};
      lane.file = next_file_++;
    }
    return {};
  }

  Result<bool> next(Row& row) override {
    for (Lane* lane = turn(); lane != nullptr; lane = turn()) {
      FERRY_ASSIGN_OR_RETURN(const bool more, next_of(*lane, row));
      if (!more) {
        close(*lane);
        continue;
      }
      ++lane->in_turn;
      row.origin.place = places_[lane->file];
      return true;
    }
    return false;
  }

  Result<uint64_t> skip(uint64_t count) override {
    uint64_t done = 0;
    while (done < count) {
      if (context_.stopped->load(std::memory_order_relaxed)) return Status(StatusCode::cancelled, "the iterator was stopped");
      Lane* const lane = turn();
      if (lane == nullptr) break;
      const uint64_t wanted = lanes_.size() == 1 ? count - done : std::min(count - done, block_ - lane->in_turn);
      uint64_t got = 0;
      if (!lane->ended) {
        Status status = open(*lane);
        if (status.ok()) status = lane->rows->skip(wanted, got);
        if (!status.ok()) {
          if (context_.on_error == OnError::stop || status.code() == StatusCode::cancelled) return told(*lane, status);
          // What stops the file is the row after these.
          lane->ended = true;
          got += got < wanted;
        }
      }
      done += got;
      lane->in_turn += got;
      if (got < wanted) close(*lane);
    }
    return done;
  }
  bool skips() const override { return true; }

  bool can_seek() const override { return true; }
  std::optional<uint64_t> size() const override {
    if (firsts_.empty()) return std::nullopt;
    return firsts_.back();
  }
  Result<bool> read(uint64_t index, Row& row) override {
    if (firsts_.empty()) return internal_error("the rows were not counted");
    if (index >= firsts_.back()) return false;
    const auto file = static_cast<size_t>(std::ranges::upper_bound(firsts_, index) - firsts_.begin()) - 1;
    const uint64_t in_file = index - firsts_[file];
    row.origin = {places_[file], 0, in_file};
    row.damaged = false;
    const Status status = files_[file]->read(in_file, block_bytes_, row);
    if (status.ok()) return true;
    const Status said(status.code(), concat(paths_[file], ": ", status.message()), status.offset().value_or(row.origin.offset));
    if (context_.on_error == OnError::stop) return said;
    spoil(row, said);
    return true;
  }

  Status prepare_seek() override {
    if (!firsts_.empty()) return {};
    std::lock_guard lock(indexes_->mutex);
    indexes_->of.resize(paths_.size());
    uint64_t rows = 0;
    std::vector<uint64_t> firsts{0};
    for (size_t i = 0; i < paths_.size(); ++i) {
      auto& index = indexes_->of[i];
      if (index == nullptr) {
        auto made = kind_->index(paths_[i], context_);
        if (!made.ok()) return Status(made.status().code(), concat(paths_[i], ": ", made.status().message()), made.status().offset());
        if (*made == nullptr) {
          return unsupported(concat(paths_[i],
                                    ": the rows of this file can only be read in order (it is compressed, or they end where only "
                                    "reading tells); shuffle with a buffer"));
        }
        index = *std::move(made);
      }
      rows += index->rows();
      firsts.push_back(rows);
    }
    firsts_ = std::move(firsts);
    files_ = indexes_->of;
    return {};
  }

 private:
  Lane* turn() {
    // Ended lanes take the next file in place; when there is none they drop out.
    for (;;) {
      if (lanes_.empty()) return nullptr;
      bool any = false;
      for (size_t tried = 0; tried < lanes_.size(); ++tried) {
        Lane& lane = lanes_[lane_];
        if (lane.file < paths_.size() && lane.in_turn < block_) return &lane;
        if (lane.file < paths_.size() && lanes_.size() == 1) return &lane;
        any |= lane.file < paths_.size();
        lane.in_turn = 0;
        lane_ = (lane_ + 1) % lanes_.size();
      }
      if (!any) return nullptr;
    }
  }
  void close(Lane& lane) {
    lane.rows.reset();
    lane.ended = false;
    lane.file = next_file_ < paths_.size() ? next_file_++ : paths_.size();
    if (lanes_.size() > 1) {
      lane.in_turn = 0;
      lane_ = (lane_ + 1) % lanes_.size();
    }
  }
  Status open(Lane& lane) {
    if (lane.rows != nullptr) return {};
    FERRY_ASSIGN_OR_RETURN(lane.rows, kind_->open(paths_[lane.file], context_));
    return {};
  }
  // With OnError::skip what stops a file is a damaged row, and the file's end.
  Result<bool> next_of(Lane& lane, Row& row) {
    if (lane.ended) return false;
    Status status = open(lane);
    if (status.ok()) {
      auto more = lane.rows->next(row);
      if (more.ok()) return *more;
      status = more.status();
    }
    if (status.code() == StatusCode::cancelled) return status;
    const Status said = told(lane, status);
    if (context_.on_error == OnError::stop) return said;
    lane.ended = true;
    row.origin = {places_[lane.file], status.offset().value_or(0), 0};
    spoil(row, said);
    return true;
  }
  Status told(const Lane& lane, const Status& status) const {
    return Status(status.code(), concat(paths_[lane.file], ": ", status.message()), status.offset());
  }
  void spoil(Row& row, const Status& status) {
    reason_ = status.offset() ? concat(status.message(), " (at byte ", *status.offset(), ")") : std::string(status.message());
    row.bytes = std::as_bytes(std::span(reason_));
    row.damaged = true;
  }

  std::vector<std::string> paths_;
  std::shared_ptr<const FileKind> kind_;
  uint64_t block_;
  Context context_;
  std::shared_ptr<Indexes> indexes_;
  std::vector<uint32_t> places_;
  std::vector<Lane> lanes_;
  size_t lane_ = 0, next_file_ = 0;
  std::string reason_;
  std::vector<std::shared_ptr<const FileIndex>> files_;
  std::vector<uint64_t> firsts_;  // first row of each file, and the count of all
  MutableBuffer block_bytes_;     // of a row that read() gave
};

class FilesPlan : public RowPlan {
 public:
  FilesPlan(std::vector<std::string> paths, std::shared_ptr<const FileKind> kind, uint64_t cycle, uint64_t block)
      : paths_(std::move(paths)), kind_(std::move(kind)), cycle_(cycle), block_(block) {}
  // Names without folders and sizes: the same files elsewhere are the same source.
  std::string describe() const override {
    uint64_t hash = 0;
    for (const std::string& path : paths_) {
      const size_t slash = path.rfind('/');
      struct stat info;
      const bool there = ::stat(path.c_str(), &info) == 0;
      for (const char c : std::string_view(path).substr(slash == std::string::npos ? 0 : slash + 1))
        hash = mix(hash + static_cast<unsigned char>(c) + 1);
      hash = mix(hash ^ (there ? static_cast<uint64_t>(info.st_size) : kAll));
    }
    std::string out = concat(kind_->describe(), " ", paths_.size(), paths_.size() == 1 ? " file " : " files ", hash);
    if (cycle_ > 1) out += concat(" interleave ", cycle_, " by ", block_);
    return out;
  }
  std::string stamp() const override {
    std::string out;
    for (const std::string& path : paths_) {
      struct stat info;
      if (::stat(path.c_str(), &info) != 0) continue;
      out += concat(static_cast<int64_t>(info.st_mtim.tv_sec), ".", static_cast<int64_t>(info.st_mtim.tv_nsec), " ");
    }
    return out;
  }
  Result<RowStagePtr> open(Context& context) const override {
    return RowStagePtr(std::make_unique<FilesStage>(paths_, kind_, cycle_, block_, context, indexes_));
  }
  Result<std::shared_ptr<const RowDecoder>> decoder() const override {
    std::lock_guard lock(mutex_);
    if (decoder_ == nullptr) {
      FERRY_ASSIGN_OR_RETURN(decoder_, kind_->decoder(paths_));
    }
    return decoder_;
  }
  std::optional<uint64_t> size() const override { return std::nullopt; }
  Result<std::shared_ptr<const RowPlan>> interleaved(uint64_t cycle, uint64_t block) const override {
    return std::shared_ptr<const RowPlan>(std::make_shared<FilesPlan>(paths_, kind_, cycle, block));
  }

 private:
  std::vector<std::string> paths_;
  std::shared_ptr<const FileKind> kind_;
  uint64_t cycle_, block_;
  std::shared_ptr<Indexes> indexes_ = std::make_shared<Indexes>();
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const RowDecoder> decoder_;
};

}  // namespace

RowPlanPtr plan_files(std::vector<std::string> paths, std::shared_ptr<const FileKind> kind) {
  return std::make_shared<FilesPlan>(std::move(paths), std::move(kind), 1, 1);
}

}  // namespace ferry::dataset

namespace ferry {

Result<std::vector<std::string>> expand_dataset_paths(std::span<const std::string> patterns) { return dataset::expand_paths(patterns); }

}  // namespace ferry
