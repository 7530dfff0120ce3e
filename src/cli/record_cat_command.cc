// ferry record cat: records out again: as records, as JSON lines, or bare.
#include <unistd.h>

#include <algorithm>

#include "cli/command.h"
#include "cli/example_text.h"
#include "cli/record_files.h"
#include "cli/text.h"
#include "io/file_stream.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"range", 'r', Takes::text, "A:B", "of each file, records A to B without B, from 0; A: and :B are open", true},
    {"every", 0, Takes::integer, "K", "of those, the first of every K"},
    {"json", 0, Takes::nothing, "", "a JSON object on a line for each record"},
    {"raw", 0, Takes::nothing, "", "the bytes of the records alone, end to end"},
    {"lines", 0, Takes::nothing, "", "as --raw, with a newline behind each record"},
    {"output", 'o', Takes::path, "FILE", "write there; default stdout"},
    kCompress,
    kLevel,
    kSkipDamaged,
    kMaxRecord,
};

struct Range {
  uint64_t begin = 0, end = UINT64_MAX;
};

std::optional<Range> parse_range(std::string_view text) {
  const size_t colon = text.find(':');
  Range out;
  const auto number = [](std::string_view digits, uint64_t& into) {
    if (digits.empty()) return true;
    const auto value = parse_integer(digits);
    if (!value || *value < 0) return false;
    into = static_cast<uint64_t>(*value);
    return true;
  };
  if (colon == std::string_view::npos) {  // one record
    if (text.empty() || !number(text, out.begin)) return std::nullopt;
    out.end = out.begin + 1;
    return out;
  }
  if (!number(text.substr(0, colon), out.begin) || !number(text.substr(colon + 1), out.end) || out.end < out.begin) return std::nullopt;
  return out;
}

enum class Form : uint8_t { records, json, raw, lines };

class Out {
 public:
  Out(Context& context, Form form, std::string path) : context_(context), form_(form), path_(std::move(path)), records_(context) {}

  bool open(const RecordWriteOptions& options) {
    if (form_ == Form::records) return records_.open(path_, options);
    if (form_ == Form::json && path_ == "-") return true;
    auto sink = open_sink(path_);
    if (!sink.ok()) return context_.fail(path_, sink.status()), false;
    sink_ = *std::move(sink);
    return true;
  }
  // With what the next record is, for JSON.
  bool write(const RecordInputs& in) {
    if (form_ == Form::records) return records_.write(0, in.record());
    if (form_ == Form::json) return write_json(in);
    Status status = sink_->write(in.record());
    if (status.ok() && form_ == Form::lines) status = sink_->write("\n");
    return checked(status);
  }
  bool close() {
    if (form_ == Form::records) return records_.close();
    if (sink_ == nullptr) return true;
    return send() && checked(sink_->close());
  }

 private:
  bool checked(const Status& status) {
    if (!status.ok()) context_.fail(path_, status);
    return status.ok();
  }
  bool send() {
    if (kept_.kept().empty()) return true;
    const bool good = checked(sink_->write(kept_.kept()));
    kept_.clear();
    return good;
  }
  bool write_json(const RecordInputs& in) {
    const auto decoded = decode_record(in.record());
    if (!decoded.ok()) return context_.fail(in.path(), decoded.status()), false;
    Printer& printer = sink_ == nullptr ? context_.out : kept_;
    JsonText json(printer);
    json.begin_object().member("record", in.reader().number());
    json_record(json, *decoded, in.record(), INT64_MAX);
    json.end_object();
    printer.print("\n");
    return sink_ == nullptr ? !context_.out.failed() : send();
  }

  Context& context_;
  Form form_;
  std::string path_;
  RecordOutputs records_;
  std::unique_ptr<ByteSink> sink_;
  Printer kept_;
};

int run(Context& context, const Arguments& arguments) {
  std::vector<Range> ranges;
  for (std::string_view text : arguments.all("range")) {
    const auto range = parse_range(text);
    if (!range) return context.usage(concat("--range is ", quoted(text), ", expected A:B with A not above B, both from 0"));
    if (!ranges.empty() && range->begin < ranges.back().end) return context.usage("the ranges must rise and not overlap");
    ranges.push_back(*range);
  }
  if (ranges.empty()) ranges.push_back({});
  const int64_t every = arguments.integer("every", 1);
  if (every < 1) return context.usage(concat("--every is ", every, ", expected 1 or more"));
  if (arguments.has("json") + arguments.has("raw") + arguments.has("lines") > 1)
    return context.usage("--json, --raw and --lines exclude one another");
  const Form form = arguments.has("json")    ? Form::json
                    : arguments.has("raw")   ? Form::raw
                    : arguments.has("lines") ? Form::lines
                                             : Form::records;
  const auto options = write_options(context, arguments);
  if (!options) return context.exit_code();
  if (form != Form::records && arguments.has("compress"))
    return context.usage("--compress goes with records; pipe other output through a compressor");
  const std::string to(arguments.get("output").value_or("-"));
  if (form == Form::records && to == "-" && ::isatty(STDOUT_FILENO) != 0) {
    return context.usage("records are no text, and stdout is a terminal; use --json, --output FILE, or ferry record head");
  }
  auto paths = record_paths(context, arguments.words());
  if (!paths) return context.exit_code();
  RecordInputs in(context, arguments, *std::move(paths), "reading");
  Out out(context, form, to);
  if (!out.open(*options)) return context.exit_code();
  for (size_t i = 0; i < in.count(); ++i) {
    if (!in.open(i)) return in.code();
    for (const Range& range : ranges) {
      if (!in.go_to(range.begin)) break;
      uint64_t n = 0;
      while (in.reader().place().number < range.end && in.next_here()) {
        if (in.reader().number() >= range.end) break;  // behind damage
        if (n++ % static_cast<uint64_t>(every) == 0 && !out.write(in)) return context.exit_code();
      }
    }
    if (in.failed()) return in.code();
  }
  return out.close() ? 0 : context.exit_code();
}

}  // namespace

extern const Command record_cat_command = {
    .group = Group::records,
    .name = "record cat",
    .summary = "records out again: as records, JSON lines or bare bytes; all or by number",
    .usage = "PATH...",
    .options = kOptions,
    .reads = false,
    .writes = false,
    .least = 1,
    .most = kAnyNumber,
    .details =
        "Writes records one file after another, checked and framed anew, to stdout or --output. A range is reached at once\n"
        "where an index lies beside the file (ferry record index), else by the lengths of the records before it.",
    .example = "ferry record cat train.tfrecord --range 100:110 --json",
    .run = run,
};

}  // namespace ferry::cli
