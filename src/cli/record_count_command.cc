// ferry record count: how many, by the lengths alone.
#include <algorithm>

#include "cli/command.h"
#include "cli/json_text.h"
#include "cli/record_files.h"
#include "cli/text.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"json", 0, Takes::nothing, "", "also bytes, shortest and longest record, compression"}, kSkipDamaged, kMaxRecord};

struct Count {
  uint64_t records = 0, bytes = 0, shortest = UINT64_MAX, longest = 0;
};

int run(Context& context, const Arguments& arguments) {
  auto paths = record_paths(context, arguments.words());
  if (!paths) return context.exit_code();
  RecordInputs in(context, arguments, *std::move(paths), "counting", RecordReadOptions::Data::skipped);
  const bool as_json = arguments.has("json");
  JsonText json(context.out);
  if (as_json) json.begin_object().member("schema", 1).key("files").begin_list();
  uint64_t total = 0;
  int code = 0;
  for (size_t i = 0; i < in.count(); ++i) {
    Count count;
    if (in.open(i)) {
      while (in.next_here()) {
        const uint64_t size = in.reader().record_bytes();
        ++count.records;
        count.bytes += size;
        count.shortest = std::min(count.shortest, size);
        count.longest = std::max(count.longest, size);
      }
    }
    const bool failed = in.failed();
    code = std::max(code, in.code());
    in.forget_failure();
    if (failed) continue;  // said already; the other files are counted all the same
    total += count.records;
    if (!as_json) {
      context.out.print(count.records, " ", printable(in.path()), "\n");
      continue;
    }
    json.begin_object().member("path", in.path()).member("records", count.records).member("data_bytes", count.bytes);
    json.member("shortest", count.records == 0 ? 0 : count.shortest).member("longest", count.longest);
    json.member("compression", compression_name(in.reader().compression())).member("regions_skipped", in.reader().regions_skipped());
    json.end_object();
  }
  if (as_json) {
    json.end_list().member("records", total).end_object();
    context.out.print("\n");
  } else if (in.count() > 1) {
    context.out.print(total, " in all\n");
  }
  return code;
}

}  // namespace

extern const Command record_count_command = {
    .group = Group::records,
    .name = "record count",
    .summary = "how many records, by their lengths",
    .usage = "PATH...",
    .options = kOptions,
    .reads = false,
    .writes = false,
    .least = 1,
    .most = kAnyNumber,
    .details =
        "Reads lengths and their checksums only; ferry record verify reads all. Files may be compressed with gzip, zlib or\n"
        "zstd, whatever their names; '-' is stdin; a pattern in quotes stands for the files that fit it.",
    .example = "ferry record count 'train-*.tfrecord'",
    .run = run,
};

}  // namespace ferry::cli
