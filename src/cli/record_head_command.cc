// ferry record head: the first records, decoded.
#include <algorithm>

#include "cli/command.h"
#include "cli/example_text.h"
#include "cli/record_files.h"
#include "cli/text.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"records", 'n', Takes::integer, "N", "so many records of each file (default 5)"},
    {"values", 0, Takes::integer, "N", "at most so many values of a feature, and steps of a list (default 10)"},
    {"json", 0, Takes::nothing, "", "a JSON object on a line for each record, with all values unless --values"},
    kSkipDamaged,
    kMaxRecord,
};

std::string_view kind_text(records::RecordKind kind) {
  switch (kind) {
    case records::RecordKind::example: return "Example";
    case records::RecordKind::sequence_example: return "SequenceExample";
    case records::RecordKind::other: return "bytes";
  }
  __builtin_unreachable();
}

int run(Context& context, const Arguments& arguments) {
  const bool as_json = arguments.has("json");
  const int64_t most = arguments.integer("records", 5), values = arguments.integer("values", as_json ? INT64_MAX : 10);
  if (most < 0) return context.usage(concat("--records is ", most, ", expected 0 or more"));
  if (values < 0) return context.usage(concat("--values is ", values, ", expected 0 or more"));
  auto paths = record_paths(context, arguments.words());
  if (!paths) return context.exit_code();
  RecordInputs in(context, arguments, *std::move(paths), "reading");
  JsonText json(context.out);
  for (size_t i = 0; i < in.count(); ++i) {
    if (!in.open(i)) return in.code();
    if (in.count() > 1 && !as_json) context.out.print(i > 0 ? "\n" : "", "==> ", printable(in.path()), " <==\n");
    for (int64_t n = 0; n < most && in.next_here(); ++n) {
      const RecordReader& reader = in.reader();
      const auto decoded = decode_record(reader.record());
      if (!decoded.ok()) return in.fail(decoded.status());
      if (as_json) {
        json.begin_object().member("path", in.path()).member("record", reader.number()).member("offset", reader.offset());
        json.member("bytes", reader.record_bytes());
        json_record(json, *decoded, reader.record(), values);
        json.end_object();
        json.new_line();
      } else {
        context.out.print(styled(context.colour_out, Style::bold, concat("record ", reader.number())), " at byte ", reader.offset(), ": ",
                          kind_text(decoded->kind), ", ", counted(reader.record_bytes(), "byte"), "\n");
        print_record(context.out, *decoded, reader.record(), values);
      }
    }
    if (in.failed()) return in.code();
    if (context.out.failed()) break;  // main() says why
  }
  return 0;
}

}  // namespace

extern const Command record_head_command = {
    .group = Group::records,
    .name = "record head",
    .summary = "the first records, Examples by their features",
    .usage = "PATH...",
    .options = kOptions,
    .reads = false,
    .writes = false,
    .least = 1,
    .most = kAnyNumber,
    .details =
        "tf.train.Example and SequenceExample are told apart by their bytes; features print by name. Anything else prints as\n"
        "bytes.",
    .example = "ferry record head train.tfrecord -n 2",
    .run = run,
};

}  // namespace ferry::cli
