// ferry stats: what the values are like, and a fingerprint by which equal content is known in any format and layout.
#include "cli/command.h"
#include "cli/element_text.h"
#include "cli/input.h"
#include "cli/json_text.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "ferry/statistics.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"json", 0, Takes::nothing, "", "one JSON object"},
};

std::string hex(uint64_t number) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (int shift = 60; shift >= 0; shift -= 4) out += kHex[(number >> shift) & 15];
  return out;
}

std::string stored_text(const DenseTensor& values, int64_t i) {
  std::string out;
  element_text(values.dtype())(out, values, i);
  return out;
}

// Four significant digits say enough about a mean or a density.
std::string short_number(std::optional<double> number) {
  if (!number) return "-";
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", *number);
  return text;
}

void print_json(JsonText& json, std::string_view name, const Tensor& tensor, const Statistics& found, uint64_t hash) {
  const DenseTensor& values = stored_values(tensor);
  const bool strings = values.is_string();
  json.begin_object().member("name", name).member("kind", kind_name(kind_of(tensor))).member("dtype", dtype_name(dtype_of(tensor)));
  json.key("shape").shape(shape_of(tensor));
  json.member("stored", found.stored).member("zeros", found.zeros).member("nan", found.nans).member("inf", found.infinities);
  json.key("density");
  found.density ? json.number(*found.density) : json.null();
  for (const auto& [key, at] : {std::pair("min", found.smallest), std::pair("max", found.largest)}) {
    json.key(key);
    // The digits themselves: an int64 is exact where a double would round it. True, inf and the like are no JSON.
    const std::string text = at < 0 ? std::string() : stored_text(values, at);
    if (text.empty() || text.find_first_not_of("0123456789+-.e") != std::string::npos) {
      text == "True" || text == "False" ? json.boolean(text == "True") : json.null();
    } else {
      json.raw_number(text);
    }
  }
  json.key("mean");
  found.mean ? json.number(*found.mean) : json.null();
  if (strings) json.member("min_length", found.shortest).member("max_length", found.longest).member("total_length", found.total_length);
  json.member("hash", std::string_view(hex(hash))).end_object();
}

int run(Context& context, const Arguments& arguments) {
  const auto input = open_input(context, arguments, arguments.words()[0]);
  if (!input) return context.exit_code();
  const bool as_json = arguments.has("json");
  JsonText json(context.out);
  if (as_json) {
    json.begin_object().member("schema", 1).member("path", std::string_view(input->path)).member("format", input->format->id);
    json.key("tensors").begin_list();
  }
  Table numbers({"NAME", "KIND", "DTYPE", "SHAPE", ">STORED", ">DENSITY", ">MIN", ">MAX", ">MEAN", ">ZEROS", ">NAN", ">INF", "HASH"});
  Table strings({"NAME", "KIND", "DTYPE", "SHAPE", ">STORED", ">DENSITY", ">SHORTEST", ">LONGEST", ">BYTES", ">EMPTY", "HASH"});
  {
    uint64_t total = 0;
    for (const TensorInfo& info : input->tensors()) total += info.bytes;
    Progress progress(context, "reading", total);
    for (size_t i = 0; i < input->tensors().size(); ++i) {
      const std::string& name = input->tensors()[i].name;
      const auto tensor = input->reader->read(i);
      const auto failed = [&](const Status& status) {
        return context.fail(input->path, status.with_context(concat("tensor ", display_name(name))));
      };
      if (!tensor.ok()) return failed(tensor.status());
      if (const Status status = validate(*tensor, Validation::bounds); !status.ok()) return failed(status);
      ThreadPool* pool = num_bytes_of(*tensor) >= (1 << 20) ? context.pool() : nullptr;
      const Statistics found = statistics(*tensor, pool, true);
      const auto hash = fingerprint(*tensor, pool, true);
      if (!hash.ok()) return failed(hash.status());
      if (const auto* dense = std::get_if<DenseTensor>(&*tensor)) dense->buffer().drop_pages();
      progress.advance(num_bytes_of(*tensor));
      if (as_json) {
        print_json(json, name, *tensor, found, *hash);
        continue;
      }
      std::vector<std::string> row{display_name(name),
                                   std::string(kind_name(kind_of(*tensor))),
                                   std::string(dtype_name(dtype_of(*tensor))),
                                   shape_text(shape_of(*tensor)),
                                   concat(found.stored),
                                   short_number(found.density)};
      const DenseTensor& values = stored_values(*tensor);
      if (values.is_string()) {
        for (int64_t number : {found.shortest, found.longest, found.total_length, found.zeros}) row.push_back(concat(number));
      } else {
        row.push_back(found.smallest < 0 ? "-" : stored_text(values, found.smallest));
        row.push_back(found.largest < 0 ? "-" : stored_text(values, found.largest));
        row.push_back(short_number(found.mean));
        for (int64_t number : {found.zeros, found.nans, found.infinities}) row.push_back(concat(number));
      }
      row.push_back(hex(*hash));
      (values.is_string() ? strings : numbers).add(std::move(row));
    }
  }
  if (as_json) {
    json.end_list().end_object();
    context.out.print("\n");
    return 0;
  }
  if (!numbers.empty() || strings.empty()) numbers.print(context.out, context.colour_out);
  if (!numbers.empty() && !strings.empty()) context.out.print("\n");
  if (!strings.empty()) strings.print(context.out, context.colour_out);
  return 0;
}

}  // namespace

extern const Command stats_command = {
    .group = Group::look,
    .name = "stats",
    .summary = "min, max, mean, NaN, zeros, density and hash of each tensor",
    .usage = "PATH",
    .options = kOptions,
    .reads = true,
    .writes = false,
    .least = 1,
    .most = 1,
    .details =
        "Minimum, maximum, mean and counts are of the stored values, NaN left aside; implicit zeros show in DENSITY alone. HASH is\n"
        "the same for the same dtype, shape and values in any format, layout and order of entries; it is no cryptographic hash.",
    .example = "ferry stats x.npz",
    .run = run,
};

}  // namespace ferry::cli
