// ferry record index: index files beside files of records.
#include "cli/command.h"
#include "cli/json_text.h"
#include "cli/record_files.h"
#include "cli/text.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"dali", 0, Takes::nothing, "", "lines of \"offset size\" in PATH.idx, as NVIDIA DALI and the package tfrecord read them"},
    {"output", 'o', Takes::path, "FILE", "write the index there (of one PATH; '-' is stdout)"},
    {"verify", 0, Takes::nothing, "", "read the data too and hold it to its checksums"},
    kSkipDamaged,
    kMaxRecord,
    {"json", 0, Takes::nothing, "", "one JSON object that names the index files"},
};

int run(Context& context, const Arguments& arguments) {
  auto paths = record_paths(context, arguments.words());
  if (!paths) return context.exit_code();
  const auto output = arguments.get("output");
  if (output && paths->size() != 1) return context.usage("--output names one index, and there are several files");
  const bool as_json = arguments.has("json");
  if (as_json && output == "-") return context.usage("--json and the index would both go to stdout");
  const auto spelling = arguments.has("dali") ? RecordIndex::Spelling::lines : RecordIndex::Spelling::ours;
  JsonText json(context.out);
  if (as_json) json.begin_object().member("schema", 1).key("files").begin_list();
  int code = 0;
  for (const std::string& path : *paths) {
    if (path == "-") return context.usage("an index is of a file, not of stdin");
    Progress progress(context, "indexing");
    uint64_t drawn = 0;
    RecordIndexOptions options;
    options.limits = context.limits;
    if (const auto most = arguments.get("max-record")) options.max_record_bytes = *parse_size(*most);
    options.verify = arguments.has("verify");
    options.progress = [&](uint64_t bytes) {
      progress.advance(bytes - drawn);
      drawn = bytes;
    };
    if (arguments.has("skip-damaged")) {
      options.on_damage = [&](const SkippedRegion& region) {
        warn_skipped(context, path, region);
        return true;
      };
    }
    const auto index = RecordIndex::build(path, options);
    if (!index.ok()) {
      code = std::max(code, context.fail(path, index.status()));
      continue;
    }
    const std::string to = output ? std::string(*output) : RecordIndex::path_of(path, spelling);
    if (const Status status = index->save(to, spelling); !status.ok()) {
      code = std::max(code, context.fail(to, status));
      continue;
    }
    if (as_json) {
      json.begin_object().member("path", path).member("index", to).member("records", index->size()).end_object();
    } else if (to != "-") {
      context.out.print(printable(to), ": ", counted(index->size(), "record"), "\n");
    }
  }
  if (as_json) {
    json.end_list().end_object();
    context.out.print("\n");
  }
  return code;
}

}  // namespace

extern const Command record_index_command = {
    .group = Group::records,
    .name = "record index",
    .summary = "an index file beside each file, for random access",
    .usage = "PATH...",
    .options = kOptions,
    .reads = false,
    .writes = false,
    .least = 1,
    .most = kAnyNumber,
    .details =
        "Writes PATH.fidx: 8 bytes a record, and what tells whether the file has changed since. Reads the lengths only, so a\n"
        "large file takes seconds. Compressed files have no index: ferry record cat IN -o OUT expands one.",
    .example = "ferry record index train.tfrecord",
    .run = run,
};

}  // namespace ferry::cli
