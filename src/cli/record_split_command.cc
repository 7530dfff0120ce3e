// ferry record split: one stream of records into several files.
#include <algorithm>
#include <cmath>

#include "cli/command.h"
#include "cli/record_files.h"
#include "cli/text.h"
#include "ferry/crc32c.h"
#include "records/external_shuffle.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"shards", 0, Takes::integer, "N", "N files, a record to each in turn"},
    {"records", 'n', Takes::integer, "N", "files of N records, one after another"},
    {"size", 0, Takes::size, "SIZE", "files of at most SIZE bytes before compression, one after another"},
    {"ratio", 0, Takes::text, "A=X,B=Y", "parts of these names and weights: train=0.9,valid=0.1"},
    {"by", 0, Takes::text, "content|place", "with --ratio: what decides where a record goes (default content)"},
    {"seed", 0, Takes::integer, "N", "with --ratio: another choice (default 0)"},
    kCompress,
    kLevel,
    kSkipDamaged,
    kMaxRecord,
    {"json", 0, Takes::nothing, "", "one JSON object that names the files"},
};

struct Part {
  std::string name;
  double until;  // of [0, 1)
};

// "train=0.9,valid=0.1": weights of any sum. Empty where it does not read so.
std::vector<Part> parse_ratio(std::string_view text) {
  std::vector<Part> out;
  double sum = 0;
  for (std::string_view piece : split(text, ',')) {
    const auto assignment = split_assignment(piece);
    if (!assignment || assignment->first.empty() || assignment->first.find('/') != std::string_view::npos) return {};
    const auto weight = parse_number(assignment->second);
    if (!weight || !(*weight >= 0) || !std::isfinite(*weight)) return {};
    for (const Part& part : out) {
      if (part.name == assignment->first) return {};
    }
    sum += *weight;
    out.push_back({std::string(assignment->first), sum});
  }
  if (!(sum > 0) || !std::isfinite(sum)) return {};
  for (Part& part : out) part.until /= sum;
  out.back().until = 1;
  return out;
}

// OUT with the part's name for %s, or behind the name and before its suffixes.
std::string part_path(std::string_view pattern, std::string_view part) {
  if (const size_t at = pattern.find("%s"); at != std::string_view::npos)
    return concat(pattern.substr(0, at), part, pattern.substr(at + 2));
  const size_t slash = pattern.rfind('/'), from = slash == std::string_view::npos ? 0 : slash + 1;
  const std::string_view plain = uncompressed_name(pattern);
  size_t dot = plain.rfind('.');
  if (dot == std::string_view::npos || dot <= from) dot = plain.size();
  return concat(pattern.substr(0, dot), "-", part, pattern.substr(dot));
}

class Split {
 public:
  Split(Context& context, const Arguments& arguments, std::vector<std::string> paths, std::string pattern, RecordWriteOptions writing)
      : context_(context),
        arguments_(arguments),
        paths_(std::move(paths)),
        pattern_(std::move(pattern)),
        writing_(writing),
        out_(context) {}

  int run() {
    bool good;
    if (arguments_.has("shards")) {
      good = in_turn();
    } else if (arguments_.has("ratio")) {
      good = by_ratio();
    } else {
      good = one_after_another();
    }
    if (!good) return code_ != 0 ? code_ : context_.exit_code();
    if (!out_.close()) return context_.exit_code();
    return report_outputs(context_, out_, arguments_.has("json"), false);
  }

 private:
  bool usage(std::string_view message) { return context_.usage(message), false; }
  bool finish(const RecordInputs& in) { return (code_ = in.code()) == 0; }

  bool in_turn() {
    const int64_t shards = arguments_.integer("shards", 0);
    if (shards < 1 || shards > 1000) return usage(concat("--shards is ", shards, ", expected 1 to 1000: all are open at once"));
    for (int64_t i = 0; i < shards; ++i) {
      if (!out_.open(shard_path(pattern_, static_cast<uint64_t>(i), static_cast<uint64_t>(shards)), writing_)) return false;
    }
    RecordInputs in(context_, arguments_, paths_, "splitting");
    for (size_t shard = 0; in.next(); shard = shard + 1 == out_.size() ? 0 : shard + 1) {
      if (!out_.write(shard, in.record())) return false;
    }
    return finish(in);
  }

  bool by_ratio() {
    const std::vector<Part> parts = parse_ratio(*arguments_.get("ratio"));
    if (parts.size() < 2)
      return usage(concat("--ratio is ", quoted(*arguments_.get("ratio")), ", expected names and weights: train=0.9,valid=0.1"));
    const std::string_view by = arguments_.get("by").value_or("content");
    if (by != "content" && by != "place") return usage(concat("--by is ", quoted(by), ", expected content or place"));
    for (const Part& part : parts) {
      if (!out_.open(part_path(pattern_, part.name), writing_)) return false;
    }
    const auto seed = static_cast<uint64_t>(arguments_.integer("seed", 0));
    RecordInputs in(context_, arguments_, paths_, "splitting");
    for (uint64_t i = 0; in.next(); ++i) {
      // Of content: its checksum and its length, so that equal records never part.
      const uint64_t what = by == "place" ? i : uint64_t{crc32c(in.record())} << 32 ^ in.record().size();
      const double point = static_cast<double>(records::random_key(seed, what) >> 11) * 0x1p-53;
      size_t part = 0;
      while (point >= parts[part].until) ++part;
      if (!out_.write(part, in.record())) return false;
    }
    return finish(in);
  }

  // Where each file ends is known before the first is named, so that names can say how many there are.
  bool one_after_another() {
    const bool by_records = arguments_.has("records");
    const int64_t records = arguments_.integer("records", 0);
    if (by_records && records < 1) return usage(concat("--records is ", records, ", expected 1 or more"));
    const uint64_t most = by_records ? static_cast<uint64_t>(records) : *parse_size(*arguments_.get("size"));
    if (most == 0) return usage("--size is 0, expected room for a record");
    if (std::ranges::find(paths_, "-") != paths_.end()) return usage("stdin cannot be read twice; use --shards, or name a file");
    std::vector<uint64_t> ends;
    uint64_t here = 0, count = 0, given = 0;
    {
      // With damage stepped over, only checked data says what will be given.
      RecordInputs in(context_, arguments_, paths_, "measuring",
                      arguments_.has("skip-damaged") ? RecordReadOptions::Data::checked : RecordReadOptions::Data::skipped);
      while (in.next()) {
        const uint64_t size = by_records ? 1 : in.reader().record_bytes() + 16;
        if (count > 0 && here + size > most) {
          ends.push_back(given);
          here = count = 0;
        }
        here += size;
        ++count;
        ++given;
      }
      if (!finish(in)) return false;
    }
    ends.push_back(given);
    if (ends.size() > 1'000'000) return usage(concat("that would be ", ends.size(), " files, expected at most a million"));
    RecordInputs in(context_, arguments_, paths_, "splitting");
    uint64_t i = 0;
    for (size_t shard = 0; shard < ends.size(); ++shard) {
      if (!out_.open(shard_path(pattern_, shard, ends.size()), writing_)) return false;
      for (; i < ends[shard] && in.next(); ++i) {
        if (!out_.write(shard, in.record())) return false;
      }
      if (in.failed()) return finish(in);
      if (!out_.close(shard)) return false;
    }
    return true;
  }

  Context& context_;
  const Arguments& arguments_;
  std::vector<std::string> paths_;
  std::string pattern_;
  RecordWriteOptions writing_;
  RecordOutputs out_;
  int code_ = 0;
};

int run(Context& context, const Arguments& arguments) {
  auto words = arguments.words();
  const std::string to(words.back());
  const int ways = arguments.has("shards") + arguments.has("records") + arguments.has("size") + arguments.has("ratio");
  if (ways != 1) return context.usage(concat("expected one of --shards, --records, --size and --ratio, got ", ways));
  if (!arguments.has("ratio") && (arguments.has("by") || arguments.has("seed"))) return context.usage("--by and --seed go with --ratio");
  if (to == "-") return context.usage("several files cannot go to stdout");
  if (std::string wrong = shard_pattern_complaint(to); !wrong.empty()) return context.usage(wrong);
  const auto writing = write_options(context, arguments);
  if (!writing) return context.exit_code();
  auto paths = record_paths(context, words.first(words.size() - 1));
  if (!paths) return context.exit_code();
  return Split(context, arguments, *std::move(paths), to, *writing).run();
}

}  // namespace

extern const Command record_split_command = {
    .group = Group::records,
    .name = "record split",
    .summary = "one stream of records into several files",
    .usage = "PATH... OUT",
    .options = kOptions,
    .reads = false,
    .writes = false,
    .least = 2,
    .most = kAnyNumber,
    .details =
        "Files are named by OUT: x-%05d-of-%05d.tfrecord has the number of the file and how many there are; without a %d,\n"
        "-00000-of-00004 goes behind the name. With --ratio %s is the part's name, or -train goes before the suffix.\n"
        "--ratio decides by a record's content, so that equal records are on one side and a record stays where it was when\n"
        "others come and go; --by place decides by its number. Memory is bounded by the files open at once.",
    .example = "ferry record split all.tfrecord '%s.tfrecord' --ratio train=0.9,valid=0.1",
    .run = run,
};

}  // namespace ferry::cli
