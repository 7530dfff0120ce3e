// ferry record merge: many files into one, end to end or in turn.
#include <algorithm>

#include "cli/command.h"
#include "cli/json_text.h"
#include "cli/record_files.h"
#include "cli/text.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"interleave", 'i', Takes::integer, "N", "N files at a time, a record of each in turn; where one ends the next begins"},
    {"block", 0, Takes::integer, "N", "with --interleave: so many records in turn (default 1)"},
    kCompress,
    kLevel,
    kSkipDamaged,
    kMaxRecord,
    {"json", 0, Takes::nothing, "", "one JSON object that names the file"},
};

// As tf.data's interleave(cycle_length, block_length): where a file ends its place in the cycle takes the next one when its turn
// comes again.
int interleave(Context& context, const Arguments& arguments, const std::vector<std::string>& paths, size_t cycle, uint64_t block,
               RecordOutputs& out) {
  struct Place {
    std::optional<RecordReader> reader;
    size_t file = 0;
  };
  std::vector<Place> places(std::min(cycle, paths.size()));
  size_t next = 0, open = 0, at = 0;
  uint64_t given = 0;  // in this turn
  Progress progress(context, "merging");
  const auto turn = [&] {
    at = (at + 1) % places.size();
    given = 0;
  };
  while (open > 0 || next < paths.size()) {
    Place& place = places[at];
    if (!place.reader) {
      if (next == paths.size()) {
        turn();
        continue;
      }
      place.file = next++;
      RecordReadOptions options = record_read_options(context, arguments, paths[place.file]);
      options.block_bytes = std::clamp((size_t{64} << 20) / places.size(), size_t{64} << 10, size_t{1} << 20);
      auto opened = RecordReader::open(paths[place.file], std::move(options));
      if (!opened.ok()) return context.fail(paths[place.file], opened.status());
      place.reader = *std::move(opened);
      ++open;
    }
    if (place.reader->next()) {
      if (!out.write(0, place.reader->record())) return context.exit_code();
      progress.advance(place.reader->record_bytes());
      if (++given == block) turn();
      continue;
    }
    if (!place.reader->status().ok()) return context.fail(paths[place.file], place.reader->status());
    place.reader.reset();
    --open;
    turn();
  }
  return 0;
}

int run(Context& context, const Arguments& arguments) {
  auto words = arguments.words();
  const std::string to(words.back());
  const bool as_json = arguments.has("json");
  if (as_json && to == "-") return context.usage("--json and the records would both go to stdout; name a file");
  const int64_t cycle = arguments.integer("interleave", 0), block = arguments.integer("block", 1);
  if (arguments.has("interleave") && (cycle < 1 || cycle > 1000))
    return context.usage(concat("--interleave is ", cycle, ", expected 1 to 1000"));
  if (block < 1) return context.usage(concat("--block is ", block, ", expected 1 or more"));
  if (arguments.has("block") && cycle == 0) return context.usage("--block goes with --interleave");
  const auto writing = write_options(context, arguments);
  if (!writing) return context.exit_code();
  auto paths = record_paths(context, words.first(words.size() - 1));
  if (!paths) return context.exit_code();
  RecordOutputs out(context);
  if (!out.open(to, *writing)) return context.exit_code();
  if (cycle > 1) {
    if (const int code = interleave(context, arguments, *paths, static_cast<size_t>(cycle), static_cast<uint64_t>(block), out); code != 0)
      return code;
  } else {
    RecordInputs in(context, arguments, *std::move(paths), "merging");
    while (in.next()) {
      if (!out.write(0, in.record())) return context.exit_code();
    }
    if (in.failed()) return in.code();
  }
  if (!out.close()) return context.exit_code();
  return report_outputs(context, out, as_json, to == "-");
}

}  // namespace

extern const Command record_merge_command = {
    .group = Group::records,
    .name = "record merge",
    .summary = "many files into one, end to end or in turn",
    .usage = "PATH... OUT",
    .options = kOptions,
    .reads = false,
    .writes = false,
    .least = 2,
    .most = kAnyNumber,
    .details =
        "Files may be compressed differently. --interleave N gives the order of tf.data's interleave with cycle_length N and\n"
        "block_length --block over the files in the order they are given.",
    .example = "ferry record merge 'train-*.tfrecord' train.tfrecord",
    .run = run,
};

}  // namespace ferry::cli
