#include "cli/record_files.h"

#include <glob.h>
#include <sys/stat.h>

#include <algorithm>

#include "cli/command.h"
#include "cli/json_text.h"
#include "cli/text.h"

namespace ferry::cli {
namespace {

bool exists(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0;
}

// 0 where it is not known.
uint64_t bytes_of(const std::vector<std::string>& paths) {
  uint64_t total = 0;
  for (const std::string& path : paths) {
    struct stat info;
    if (path == "-" || ::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return 0;
    total += static_cast<uint64_t>(info.st_size);
  }
  return total;
}

// The place of "%05d" or "%d" at or behind `from`: begin, end and width.
struct Field {
  size_t begin, end;
  unsigned width;
};
std::optional<Field> find_field(std::string_view pattern, size_t from) {
  for (size_t at = from; (at = pattern.find('%', at)) != std::string_view::npos; ++at) {
    size_t end = at + 1;
    unsigned width = 0;
    while (end < pattern.size() && pattern[end] >= '0' && pattern[end] <= '9' && width < 100) {
      width = 10 * width + static_cast<unsigned>(pattern[end++] - '0');
    }
    if (end < pattern.size() && pattern[end] == 'd') return Field{at, end + 1, width};
  }
  return std::nullopt;
}

std::string padded(uint64_t number, unsigned width) {
  std::string digits = concat(number);
  return digits.size() < width ? std::string(width - digits.size(), '0') + digits : digits;
}

// An index file beside a file that fits the pattern too.
bool is_index_of(std::string_view name, const std::vector<std::string>& all) {
  for (const std::string_view suffix : {".fidx", ".idx"}) {
    if (name.ends_with(suffix) && std::ranges::find(all, name.substr(0, name.size() - suffix.size())) != all.end()) return true;
  }
  return false;
}

}  // namespace

std::optional<std::vector<std::string>> record_paths(Context& context, std::span<const std::string_view> words) {
  std::vector<std::string> out;
  for (std::string_view word : words) {
    const std::string path(word);
    if (path.find_first_of("*?[") == std::string::npos || exists(path)) {
      if (path == "-" && std::ranges::find(out, path) != out.end()) {
        context.usage("stdin can be read only once");
        return std::nullopt;
      }
      out.push_back(path);
      continue;
    }
    glob_t found{};
    const int result = ::glob(path.c_str(), 0, nullptr, &found);
    const std::vector<std::string> all(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    ::globfree(&found);
    const size_t before = out.size();
    for (const std::string& name : all) {
      if (!is_folder(name) && !is_index_of(name, all)) out.push_back(name);
    }
    if (result != 0 || out.size() == before) {
      context.fail(path, not_found("no file fits the pattern"));
      return std::nullopt;
    }
  }
  return out;
}

void warn_skipped(Context& context, std::string_view path, const SkippedRegion& region) {
  const std::string lost = region.records ? concat(", ", counted(*region.records, "record")) : std::string();
  context.warn(path, concat("skipped bytes ", region.begin, " to ", region.end, " (", human_bytes(region.end - region.begin), lost,
                            "): ", region.reason.message()));
}

RecordReadOptions record_read_options(Context& context, const Arguments& arguments, const std::string& path) {
  RecordReadOptions options;
  options.limits = context.limits;
  if (const auto most = arguments.get("max-record")) options.max_record_bytes = *parse_size(*most);
  if (arguments.has("skip-damaged")) {
    options.on_damage = [&context, path](const SkippedRegion& region) {
      warn_skipped(context, path, region);
      return true;
    };
  }
  return options;
}

RecordInputs::RecordInputs(Context& context, const Arguments& arguments, std::vector<std::string> paths, std::string_view what,
                           RecordReadOptions::Data data)
    : context_(context),
      paths_(std::move(paths)),
      arguments_(arguments),
      data_(data),
      total_(bytes_of(paths_)),
      progress_(context, what, total_) {}

bool RecordInputs::open(size_t i) {
  file_ = i;
  next_file_ = i + 1;
  drawn_ = 0;
  RecordReadOptions options = record_read_options(context_, arguments_, paths_[i]);
  options.data = data_;
  if (damage_) {
    options.on_damage = [this](const SkippedRegion& region) { return damage_(path(), region); };
  }
  auto opened = RecordReader::open(paths_[i], std::move(options));
  if (!opened.ok()) {
    reader_.reset();
    code_ = context_.fail(paths_[i], opened.status());
    return false;
  }
  reader_ = *std::move(opened);
  return true;
}

void RecordInputs::advance() {
  const uint64_t read = reader_->file_bytes_read();
  progress_.advance(read - std::min(read, drawn_));
  drawn_ = read;
}

bool RecordInputs::next_here() {
  if (!reader_->next()) {
    advance();
    if (!reader_->status().ok()) fail(reader_->status());
    return false;
  }
  if (++records_ % 256 == 0) advance();
  return true;
}

bool RecordInputs::go_to(uint64_t number) {
  const uint64_t here = reader_->place().number;
  if (number <= here) return true;
  // An index that does not fit the file is as good as none, and so is one that left out damaged records.
  if (path() != "-" && reader_->compression() == RecordCompression::none && number - here > 1000) {
    if (const auto index = RecordIndex::open(path(), "", context_.limits); index.ok() && index->is_whole() && number < index->size()) {
      const Status status = reader_->seek({index->extent(number).offset, number});
      if (!status.ok()) fail(status);
      return status.ok();
    }
  }
  const auto passed = reader_->skip(number - here);
  if (!passed.ok()) fail(passed.status());
  return passed.ok();
}

bool RecordInputs::next() {
  while (!failed()) {
    if (reader_ && next_here()) return true;
    if (failed() || next_file_ == paths_.size()) return false;
    if (!open(next_file_)) return false;
  }
  return false;
}

int RecordInputs::fail(const Status& status) { return code_ = context_.fail(path(), status); }

std::optional<RecordWriteOptions> write_options(Context& context, const Arguments& arguments) {
  RecordWriteOptions out;
  if (const auto name = arguments.get("compress")) {
    out.compression = record_compression_from_name(*name);
    if (!out.compression) {
      constexpr std::string_view kNames[] = {"none", "gzip", "zlib", "zstd"};
      context.usage(concat("--compress is ", quoted(*name), did_you_mean(*name, kNames), ", expected none, gzip, zlib or zstd"));
      return std::nullopt;
    }
  }
  const int64_t level = arguments.integer("level", 0);
  if (level < 0 || level > 22) {
    context.usage(concat("--level is ", level, ", expected 1 to 9, for zstd to 22"));
    return std::nullopt;
  }
  out.level = static_cast<int>(level);
  return out;
}

std::string shard_pattern_complaint(std::string_view pattern) {
  size_t fields = 0, at = 0;
  while (const auto field = find_field(pattern, at)) {
    if (field->width > 20) return concat(quoted(pattern), " asks for numbers of ", field->width, " digits");
    ++fields;
    at = field->end;
  }
  if (fields > 2) return concat(quoted(pattern), " has ", fields, " numbers, expected one or two, as in x-%05d-of-%05d");
  return {};
}

std::string shard_path(std::string_view pattern, uint64_t i, uint64_t n) {
  const auto first = find_field(pattern, 0);
  if (!first) {
    const std::string_view stem = uncompressed_name(pattern);
    return concat(stem, "-", padded(i, 5), "-of-", padded(n, 5), pattern.substr(stem.size()));
  }
  std::string out = concat(pattern.substr(0, first->begin), padded(i, first->width));
  const auto second = find_field(pattern, first->end);
  if (!second) return out + std::string(pattern.substr(first->end));
  return concat(out, pattern.substr(first->end, second->begin - first->end), padded(n, second->width), pattern.substr(second->end));
}

bool RecordOutputs::open(const std::string& path, const RecordWriteOptions& options) {
  auto writer = RecordWriter::open(path, options);
  if (!writer.ok()) return context_.fail(path, writer.status()), false;
  outputs_.push_back({path, *std::move(writer), {}});
  return true;
}

bool RecordOutputs::write(size_t i, std::span<const std::byte> record) {
  Output& output = outputs_[i];
  if (const Status status = output.writer->write(record); !status.ok()) return context_.fail(output.path, status), false;
  return true;
}

bool RecordOutputs::close(size_t i) {
  Output& output = outputs_[i];
  if (!output.writer) return true;
  output.place = output.writer->place();
  const Status status = output.writer->close();
  output.writer.reset();
  if (!status.ok()) return context_.fail(output.path, status), false;
  return true;
}

bool RecordOutputs::close() {
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (!close(i)) return false;
  }
  return true;
}

int report_outputs(Context& context, const RecordOutputs& out, bool as_json, bool to_stdout) {
  if (as_json) {
    JsonText json(context.out);
    uint64_t records = 0;
    json.begin_object().member("schema", 1).key("files").begin_list();
    for (size_t i = 0; i < out.size(); ++i) {
      records += out.place(i).number;
      json.begin_object().member("path", out.path(i)).member("records", out.place(i).number);
      json.member("bytes", out.place(i).offset).end_object();
    }
    json.end_list().member("records", records).end_object();
    context.out.print("\n");
  } else if (!to_stdout) {
    for (size_t i = 0; i < out.size(); ++i) {
      context.out.print(printable(out.path(i)), ": ", counted(out.place(i).number, "record"), "\n");
    }
  }
  return 0;
}

}  // namespace ferry::cli
