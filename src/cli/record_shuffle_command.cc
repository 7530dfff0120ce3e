// ferry record shuffle: all records in an order of chance, in bounded memory.
#include <cstdlib>

#include "cli/command.h"
#include "cli/json_text.h"
#include "cli/record_files.h"
#include "cli/text.h"
#include "records/external_shuffle.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"seed", 0, Takes::integer, "N", "decides the order (default 0)"},
    {"memory", 'm', Takes::size, "SIZE", "of records held; the rest waits in a temporary file (default 256M, at least 1M)"},
    {"shards", 0, Takes::integer, "N", "write so many files, named by OUT's pattern or OUT-00000-of-0000N"},
    {"folder", 0, Takes::path, "FOLDER", "for the temporary file (default: that of OUT)"},
    kCompress,
    kLevel,
    kSkipDamaged,
    kMaxRecord,
    {"json", 0, Takes::nothing, "", "one JSON object that names the files"},
};

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

int run(Context& context, const Arguments& arguments) {
  auto words = arguments.words();
  const std::string to(words.back());
  const int64_t shards = arguments.integer("shards", 1);
  if (shards < 1 || shards > 100'000) return context.usage(concat("--shards is ", shards, ", expected 1 to 100000"));
  if (arguments.has("shards") && to == "-") return context.usage("--shards writes files, and the output is stdout");
  if (std::string wrong = shard_pattern_complaint(to); !wrong.empty()) return context.usage(wrong);
  const bool as_json = arguments.has("json");
  if (as_json && to == "-") return context.usage("--json and the records would both go to stdout; name a file");
  const auto writing = write_options(context, arguments);
  if (!writing) return context.exit_code();
  auto paths = record_paths(context, words.first(words.size() - 1));
  if (!paths) return context.exit_code();

  records::ExternalShuffle::Options options;
  options.seed = static_cast<uint64_t>(arguments.integer("seed", 0));
  if (const auto memory = arguments.get("memory")) options.memory = *parse_size(*memory);
  if (const auto folder = arguments.get("folder")) {
    options.folder = *folder;
  } else if (to != "-") {
    options.folder = folder_of(to);
  } else if (const char* temporary = std::getenv("TMPDIR"); temporary != nullptr && *temporary != '\0') {
    options.folder = temporary;
  } else {
    options.folder = "/tmp";
  }
  records::ExternalShuffle shuffle(options);
  {
    RecordInputs in(context, arguments, *std::move(paths), "reading");
    while (in.next()) {
      if (const Status status = shuffle.add(in.record()); !status.ok()) return context.fail(options.folder, status);
    }
    if (in.failed()) return in.code();
  }
  // Shards follow one another in the order: shard i holds records [i n / shards, (i + 1) n / shards).
  RecordOutputs out(context);
  const uint64_t total = shuffle.records();
  const auto count = static_cast<uint64_t>(shards);
  Progress progress(context, "writing");
  uint64_t written = 0, shard = 0, end = 0;
  const auto open_next = [&] {
    if (shard > 0 && !out.close(shard - 1)) return false;
    if (!out.open(arguments.has("shards") ? shard_path(to, shard, count) : to, *writing)) return false;
    ++shard;
    end = static_cast<uint64_t>(static_cast<unsigned __int128>(total) * shard / count);
    return true;
  };
  if (!open_next()) return context.exit_code();
  bool failed = false;
  const Status status = shuffle.drain([&](std::span<const std::byte> record) -> Status {
    while (written == end && shard < count) {
      if (!open_next()) {
        failed = true;
        return internal_error("");
      }
    }
    if (!out.write(shard - 1, record)) {
      failed = true;
      return internal_error("");
    }
    ++written;
    progress.advance(record.size());
    return {};
  });
  if (failed) return context.exit_code();
  if (!status.ok()) return context.fail(options.folder, status);
  while (shard < count) {
    if (!open_next()) return context.exit_code();
  }
  if (!out.close()) return context.exit_code();
  return report_outputs(context, out, as_json, to == "-");
}

}  // namespace

extern const Command record_shuffle_command = {
    .group = Group::records,
    .name = "record shuffle",
    .summary = "all records in a random order, in bounded memory",
    .usage = "PATH... OUT",
    .options = kOptions,
    .reads = false,
    .writes = false,
    .least = 2,
    .most = kAnyNumber,
    .details =
        "The order depends on --seed and on the records' order in the files, and on nothing else: the same for any --memory,\n"
        "--shards or machine. Every order is equally likely. The temporary file is as large as the records, and goes by itself.",
    .example = "ferry record shuffle 'train-*.tfrecord' mixed-%05d-of-%05d.tfrecord --shards 8 --seed 1",
    .run = run,
};

}  // namespace ferry::cli
