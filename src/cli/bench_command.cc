// ferry bench: this data in every format that can hold it: size, speed, what is lost, and which one to take.
#include <algorithm>
#include <cmath>

#include "cli/chart.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/json_text.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "ferry/profile.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"formats", 0, Takes::text, "A,B,C", "these formats only"},
    {"compress", 0, Takes::text, "A,B,C", "of none, gzip, gzip-1 to gzip-9, zstd-1 to zstd-19 (default none,gzip,zstd-1,zstd-3,zstd-12)"},
    {"for", 0, Takes::text, "GOAL", "recommend for: balanced (default), size, read, write"},
    {"seconds", 0, Takes::number, "X", "length of one measurement (default 0.03)"},
    {"folder", 0, Takes::path, "FOLDER", "where the files are written and removed (default: the system's for temporary files)"},
    {"plot", 0, Takes::path, "FILE.svg", "a chart of size against reading time"},
    {"all", 0, Takes::nothing, "", "the formats that cannot hold it too, and why"},
    {"json", 0, Takes::nothing, "", "one JSON object"},
};

constexpr std::pair<std::string_view, ProfileGoal> kGoals[] = {
    {"balanced", ProfileGoal::balanced}, {"size", ProfileGoal::size}, {"read", ProfileGoal::read}, {"write", ProfileGoal::write}};

std::string time_text(double seconds) {
  char text[32];
  const auto [unit, scale] = seconds < 1e-6   ? std::pair("ns", 1e9)
                             : seconds < 1e-3 ? std::pair("us", 1e6)
                             : seconds < 1    ? std::pair("ms", 1e3)
                                              : std::pair("s", 1.0);
  const double number = seconds * scale;
  std::snprintf(text, sizeof(text), number < 9.95 ? "%.1f %s" : "%.0f %s", number, unit);
  return text;
}

std::string joined(std::span<const std::string> words) {
  std::string out;
  for (const std::string& word : words) out += concat(out.empty() ? "" : ", ", word);
  return out;
}

std::string ratio_text(double ratio) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3g", ratio);
  return text;
}

struct Question {
  ProfileOptions options;
  ProfileGoal goal = ProfileGoal::balanced;
  std::string plot;
};

std::optional<Question> question_of(Context& context, const Arguments& arguments) {
  Question out;
  const auto wrong = [&](const std::string& message) {
    context.usage(message);
    return std::nullopt;
  };
  if (const auto list = arguments.get("formats")) {
    std::vector<std::string_view> known;
    for (const Format* format : all_formats()) known.push_back(format->id);
    for (std::string_view id : split(*list, ',')) {
      const Format* format = find_format(id);
      if (format == nullptr)
        return wrong(concat("--formats names no format ", quoted(id), did_you_mean(id, known), " (ferry help formats)"));
      out.options.formats.push_back(format);
    }
  }
  if (const auto list = arguments.get("compress")) {
    for (std::string_view name : split(*list, ',')) {
      if (!is_packing(name))
        return wrong(concat("--compress has ", quoted(name), ", expected none, gzip-1 to gzip-9 or zstd-1 to zstd-19"));
      out.options.packings.emplace_back(name);
    }
  }
  if (const auto goal = arguments.get("for")) {
    const auto found = std::ranges::find(kGoals, *goal, &std::pair<std::string_view, ProfileGoal>::first);
    if (found == std::end(kGoals)) return wrong(concat("--for is ", quoted(*goal), ", expected balanced, size, read or write"));
    out.goal = found->second;
  }
  out.options.seconds = arguments.number("seconds", out.options.seconds);
  if (!(out.options.seconds >= 0 && out.options.seconds <= 60)) return wrong("--seconds is out of range, expected 0 to 60");
  out.options.folder = arguments.get("folder").value_or("");
  out.plot = arguments.get("plot").value_or("");
  if (!out.plot.empty() && !out.plot.ends_with(".svg")) return wrong(concat("--plot is ", quoted(out.plot), ", expected a name in .svg"));
  return out;
}

void print_table(Context& context, std::span<const FormatProfile> rows, uint64_t raw, std::optional<size_t> best, bool all) {
  Table table({"FORMAT", "PACKING", ">BYTES", ">OF RAW", ">WRITE", ">READ ALL", ">FIRST", ">ROW", "LOST", "READ BY"});
  for (size_t i = 0; i < rows.size(); ++i) {
    const FormatProfile& row = rows[i];
    if (!row.written()) continue;
    table.add({concat(row.format->id, best == i ? " *" : ""), row.packing, concat(row.bytes),
               raw == 0 ? "-" : ratio_text(static_cast<double>(row.bytes) / static_cast<double>(raw)), time_text(row.write),
               time_text(row.read_all), time_text(row.first), row.row ? time_text(*row.row) : "-",
               row.lost.empty() ? "-" : joined(row.lost), std::string(row.format->readers)});
  }
  if (!table.empty()) table.print(context.out, context.colour_out);
  std::string refused;
  for (const FormatProfile& row : rows) {
    if (row.written()) continue;
    if (all) {
      context.out.print(table.empty() ? "" : "\n", row.format->id, ": ", row.refused.message(), "\n");
    } else {
      refused += concat(refused.empty() ? "" : ", ", row.format->id);
    }
  }
  if (!refused.empty()) context.out.print(table.empty() ? "" : "\n", "Cannot hold this: ", refused, " (--all says why)\n");
}

void print_json(Context& context, const Input& input, std::span<const FormatProfile> rows, uint64_t raw,
                const std::optional<Recommendation>& best) {
  JsonText json(context.out);
  json.begin_object().member("schema", 1).member("path", std::string_view(input.path)).member("format", input.format->id);
  json.member("raw_bytes", raw).key("rows").begin_list();
  for (const FormatProfile& row : rows) {
    json.begin_object().member("format", row.format->id).member("packing", std::string_view(row.packing)).member("written", row.written());
    if (row.written()) {
      json.member("bytes", row.bytes).key("ratio_to_raw");
      raw == 0 ? json.null() : json.number(static_cast<double>(row.bytes) / static_cast<double>(raw));
      json.member("write_seconds", row.write).member("read_all_seconds", row.read_all).member("first_tensor_seconds", row.first);
      json.key("row_seconds");
      row.row ? json.number(*row.row) : json.null();
      json.member("lossless", row.lossless()).key("lost").begin_list();
      for (const std::string& what : row.lost) json.text(what);
      json.end_list();
    } else {
      json.member("why_not", std::string_view(row.refused.message()));
    }
    json.member("read_by", row.format->readers).end_object();
  }
  json.end_list().key("recommended");
  if (best) {
    const FormatProfile& row = rows[best->row];
    json.begin_object().member("format", row.format->id).member("packing", std::string_view(row.packing));
    json.member("reason", std::string_view(best->reason)).end_object();
  } else {
    json.null();
  }
  json.end_object();
  context.out.print("\n");
}

Status write_chart(const std::string& path, std::string_view title, std::span<const FormatProfile> rows, std::optional<size_t> best) {
  Chart chart;
  chart.title = title;
  chart.x_label = "file size";
  chart.y_label = "time to read all of it";
  chart.x_text = [](double bytes) { return human_bytes(static_cast<uint64_t>(std::llround(bytes))); };
  chart.y_text = time_text;
  for (size_t i = 0; i < rows.size(); ++i) {
    const FormatProfile& row = rows[i];
    if (!row.written()) continue;
    chart.points.push_back({static_cast<double>(std::max<uint64_t>(row.bytes, 1)), std::max(row.read_all, 1e-9),
                            row.packing == "none" ? std::string(row.format->id) : concat(row.format->id, " ", row.packing), best == i});
  }
  FERRY_ASSIGN_OR_RETURN(const auto sink, open_sink(path));
  FERRY_RETURN_IF_ERROR(sink->write(svg_of(chart)));
  return sink->close();
}

int run(Context& context, const Arguments& arguments) {
  auto question = question_of(context, arguments);
  if (!question) return context.exit_code();
  const auto input = open_input(context, arguments, arguments.words()[0]);
  if (!input) return context.exit_code();
  auto tensors = read_tensors(*input->reader);
  if (!tensors.ok()) return context.fail(input->path, tensors.status());
  uint64_t raw = 0;
  for (const auto& entry : *tensors) {
    if (const Status status = validate(entry.tensor, Validation::bounds); !status.ok()) return context.fail(input->path, status);
    raw += num_bytes_of(entry.tensor);
  }
  question->options.limits = context.limits;
  if (raw >= (1 << 20)) question->options.pool = context.pool();
  auto rows = [&] {
    Progress progress(context, "measuring");
    return profile_formats(*tensors, question->options);
  }();
  if (!rows.ok()) return context.fail(input->path, rows.status());
  const auto best = recommend(*rows, question->goal);
  const std::optional<size_t> marked = best ? std::optional(best->row) : std::nullopt;
  if (arguments.has("json")) {
    print_json(context, *input, *rows, raw, best);
  } else {
    print_table(context, *rows, raw, marked, arguments.has("all"));
    context.out.print("\n", counted(tensors->size(), "tensor"), ", ", human_bytes(raw), " in memory\n");
    if (best) {
      const FormatProfile& row = (*rows)[best->row];
      context.out.print("* recommended: ", row.format->id, row.packing == "none" ? "" : concat(", ", row.packing), ": ", best->reason,
                        "\n");
    } else {
      context.out.print("none keeps everything: compare what each one loses\n");
    }
  }
  if (question->plot.empty()) return 0;
  const Status status = write_chart(question->plot, concat(input->path, ", ", human_bytes(raw)), *rows, marked);
  return status.ok() ? 0 : context.fail(question->plot, status);
}

}  // namespace

extern const Command bench_command = {
    .group = Group::change,
    .name = "bench",
    .summary = "this data in every format: size, speed, what is lost, which to take",
    .usage = "PATH",
    .options = kOptions,
    .reads = true,
    .writes = false,
    .least = 1,
    .most = 1,
    .details =
        "Each format that can hold the tensors is written to a file and read back, plain and compressed; what a format cannot hold is\n"
        "named below the table. Times are medians with files in the page cache: WRITE until the file is in place, READ ALL until every\n"
        "byte has been looked at, FIRST until the first tensor is there, ROW for one random row of the largest tensor in a file that is\n"
        "open already. LOST says what did not come back. The recommendation loses nothing and weighs size, reading and writing (--for).",
    .example = "ferry bench x.npz --formats npz,safetensors,arrow",
    .run = run,
};

}  // namespace ferry::cli
