// ferry record salvage: every whole record of a damaged file.
#include "cli/command.h"
#include "cli/json_text.h"
#include "cli/record_files.h"
#include "cli/text.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {kCompress, kLevel, kMaxRecord, {"json", 0, Takes::nothing, "", "one JSON object that lists the regions"}};

int run(Context& context, const Arguments& arguments) {
  const std::string_view from = arguments.words()[0];
  const std::string to(arguments.words()[1]);
  const bool as_json = arguments.has("json");
  if (as_json && to == "-") return context.usage("--json and the records would both go to stdout; name a file");
  const auto options = write_options(context, arguments);
  if (!options) return context.exit_code();
  RecordInputs in(context, arguments, {std::string(from)}, "salvaging");
  std::vector<SkippedRegion> regions;
  in.on_damage([&](const std::string& path, const SkippedRegion& region) {
    as_json ? regions.push_back(region) : warn_skipped(context, path, region);
    return true;
  });
  if (!in.open(0)) return in.code();
  RecordOutputs out(context);
  if (!out.open(to, *options)) return context.exit_code();
  while (in.next_here()) {
    if (!out.write(0, in.record())) return context.exit_code();
  }
  if (in.failed()) return in.code();
  if (!out.close()) return context.exit_code();
  const RecordReader& reader = in.reader();
  if (as_json) {
    JsonText json(context.out);
    json.begin_object().member("schema", 1).member("path", from).member("output", to).member("records", reader.records());
    json.member("bytes_skipped", reader.bytes_skipped()).key("regions").begin_list();
    for (const SkippedRegion& region : regions) {
      json.begin_object().member("begin", region.begin).member("end", region.end).key("records");
      region.records ? json.unsigned_integer(*region.records) : json.null();
      json.key("offset");
      region.reason.offset() ? json.unsigned_integer(*region.reason.offset()) : json.null();
      json.member("message", region.reason.message()).end_object();
    }
    json.end_list().end_object();
    context.out.print("\n");
  } else if (to != "-") {
    context.out.print(printable(to), ": ", counted(reader.records(), "record"), " kept, ",
                      counted(reader.regions_skipped(), "damaged region"), " of ", human_bytes(reader.bytes_skipped()), " skipped\n");
  }
  return 0;
}

}  // namespace

extern const Command record_salvage_command = {
    .group = Group::records,
    .name = "record salvage",
    .summary = "every whole record of a damaged file; says each region that was skipped",
    .usage = "IN OUT",
    .options = kOptions,
    .reads = false,
    .writes = false,
    .least = 2,
    .most = 2,
    .details =
        "A record is kept where its length and its data both fit their checksums. One changed byte costs its record and no\n"
        "other; bytes that were lost or inserted cost the records around them; of a compressed file that is cut off, what comes\n"
        "out of it is kept. Exits 0 where a file could be written, whatever was skipped.",
    .example = "ferry record salvage damaged.tfrecord whole.tfrecord",
    .run = run,
};

}  // namespace ferry::cli
