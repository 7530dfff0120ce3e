// ferry record verify: both checksums of every record, and on request what is in it.
#include <algorithm>

#include "cli/command.h"
#include "cli/json_text.h"
#include "cli/record_files.h"
#include "cli/text.h"
#include "records/columns.h"
#include "records/tfrecord.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"examples", 0, Takes::nothing, "", "each record must be a tf.train.Example or SequenceExample"},
    {"index", 0, Takes::nothing, "", "the index beside each file must fit it"},
    {"limit", 'n', Takes::integer, "N", "say at most N problems of a file (default 100)"},
    kMaxRecord,
    {"json", 0, Takes::nothing, "", "one JSON object for all files"},
};

struct Problem {
  Status reason;
  uint64_t begin, end;
};

Status check_example(std::span<const std::byte> record, uint64_t number, uint64_t offset) {
  records::ColumnBuilder builder;
  const Status status = builder.add(record, offset);
  return status.ok() ? status : status.with_context(concat("record ", number));
}

struct Findings {
  uint64_t records = 0, problems = 0;
  std::vector<Problem> said;
};

int run(Context& context, const Arguments& arguments) {
  const int64_t limit = arguments.integer("limit", 100);
  if (limit < 0) return context.usage(concat("--limit is ", limit, ", expected 0 or more"));
  auto paths = record_paths(context, arguments.words());
  if (!paths) return context.exit_code();
  RecordInputs in(context, arguments, *std::move(paths), "verifying");
  const bool as_json = arguments.has("json"), examples = arguments.has("examples");
  JsonText json(context.out);
  if (as_json) json.begin_object().member("schema", 1).key("files").begin_list();
  int code = 0;
  for (size_t i = 0; i < in.count(); ++i) {
    Findings found;
    bool damaged = false;  // since the last record
    uint64_t indexed = 0;  // of the index
    const auto note = [&](Status reason, uint64_t begin, uint64_t end) {
      ++found.problems;
      if (found.problems > static_cast<uint64_t>(limit)) return;
      if (!as_json) context.fail(in.path(), reason);
      found.said.push_back({std::move(reason), begin, end});
    };
    in.on_damage([&](const std::string&, const SkippedRegion& region) {
      note(region.reason, region.begin, region.end);
      damaged = true;
      return true;
    });
    std::optional<RecordIndex> index;
    if (arguments.has("index")) {
      auto opened = RecordIndex::open(in.path(i), "", context.limits);
      if (!opened.ok() && exit_code(opened.status().code()) != 3) {
        code = std::max(code, context.fail(in.path(i), opened.status()));
        continue;
      }
      if (opened.ok()) {
        index = *std::move(opened);
      } else {
        note(opened.status(), 0, 0);
      }
    }
    if (in.open(i)) {
      while (in.next_here()) {
        const RecordReader& reader = in.reader();
        if (examples) {
          if (Status status = check_example(reader.record(), reader.number(), reader.offset() + records::kHeaderBytes); !status.ok()) {
            note(std::move(status), reader.offset(), reader.place().offset);
          }
        }
        if (index) {
          // What it has of a damaged region is not held against it.
          while (indexed < index->size() && damaged && index->extent(indexed).offset < reader.offset()) ++indexed;
          damaged = false;
          if (indexed == index->size() || index->extent(indexed++).offset != reader.offset()) {
            note(data_loss_at(reader.offset(), concat("record ", reader.number(), ": the index does not have it here")), reader.offset(),
                 reader.place().offset);
            index.reset();
          }
        }
        ++found.records;
      }
      if (index && !damaged && indexed < index->size()) {
        note(data_loss(concat("the index has ", index->size(), " records, the file ", found.records)), 0, 0);
      }
    }
    if (found.problems > 0) code = std::max(code, kNegative);
    code = std::max(code, in.code());
    const bool failed = in.failed();
    in.forget_failure();
    if (as_json) {
      json.begin_object().member("path", in.path()).member("ok", !failed && found.problems == 0).member("records", found.records);
      json.member("problems_found", found.problems).key("problems").begin_list();
      for (const Problem& problem : found.said) {
        json.begin_object().key("offset");
        problem.reason.offset() ? json.unsigned_integer(*problem.reason.offset()) : json.null();
        json.member("begin", problem.begin).member("end", problem.end).member("code", status_name(problem.reason.code()));
        json.member("message", problem.reason.message()).end_object();
      }
      json.end_list().end_object();
    } else if (found.problems > found.said.size()) {
      context.warn(in.path(), concat("… and ", counted(found.problems - found.said.size(), "problem"), " more"));
    } else if (!failed && found.problems == 0) {
      const RecordReader& reader = in.reader();
      context.out.print(printable(in.path()), ": ok, ", counted(found.records, "record"), ", ", human_bytes(reader.place().offset));
      if (reader.compression() != RecordCompression::none) context.out.print(" in ", compression_name(reader.compression()));
      context.out.print("\n");
    }
  }
  if (as_json) {
    json.end_list().end_object();
    context.out.print("\n");
  }
  return code;
}

}  // namespace

extern const Command record_verify_command = {
    .group = Group::records,
    .name = "record verify",
    .summary = "both checksums of every record; exit 1 with FILE:OFFSET and the record's number",
    .usage = "PATH...",
    .options = kOptions,
    .reads = false,
    .writes = false,
    .least = 1,
    .most = kAnyNumber,
    .details =
        "Goes on behind damage and says all of it. Offsets in a compressed file count expanded bytes. To keep what is whole:\n"
        "ferry record salvage.",
    .example = "ferry record verify 'train-*.tfrecord'",
    .run = run,
};

}  // namespace ferry::cli
