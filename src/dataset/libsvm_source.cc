// Lines of libsvm text, `label index:value …`, parsed when they are batched.
#include <algorithm>
#include <cstring>
#include <limits>

#include "dataset/lines.h"
#include "dataset/text_options.h"
#include "formats/text.h"
#include "wire/number.h"

namespace ferry::dataset {
namespace {

constexpr LineRules kRules{.comments = true, .quotes = false, .skip_lines = 0, .mark = {}};

// What a first look finds out where the options leave it open.
struct Facts {
  int64_t columns = -1, base = 1;
  bool qid = false;
};

Status at(const Row& row, const char* place, std::string message) {
  return Status(StatusCode::data_loss, std::move(message), static_cast<uint64_t>(place - row.text().data()));
}

// Calls label(double), qid(int64) and entry(index as written, value) in the order they stand in.
template <class Value, class Label, class Qid, class Entry>
Status parse_row(const Row& row, Label&& label, Qid&& qid, Entry&& entry) {
  const char* place = row.text().data();
  const char* const end = place + row.bytes.size();
  place = text::skip_blanks(place, end);
  double number;
  const char* after = parse_number(place, end, number);
  if (after == nullptr || (after != end && !text::is_blank(*after) && *after != '#')) {
    const bool many = after != nullptr && *after == ',';
    return at(row, place,
              concat("found ", text::word_at(place, end), " as the label, expected ", many ? "one number" : "a number",
                     many ? "; rows of several labels are read with ferry.load" : ""));
  }
  label(number);
  place = text::skip_blanks(after, end);
  if (end - place > 4 && std::memcmp(place, "qid:", 4) == 0) {
    int64_t id;
    after = parse_number(place + 4, end, id);
    if (after == nullptr || (after != end && !text::is_blank(*after) && *after != '#')) {
      return at(row, place, concat("found ", text::word_at(place, end), ", expected qid: and a whole number"));
    }
    qid(id);
    place = text::skip_blanks(after, end);
  }
  while (place != end && *place != '#') {
    uint64_t index = 0;
    unsigned digits = 0;
    after = number::take_digits(place, end, index, digits);
    Value value;
    if (digits - 1 >= 18 || after == end || *after != ':') [[unlikely]] {
      return at(row, place, concat("found ", text::word_at(place, end), ", expected index:value"));
    }
    after = parse_number(after + 1, end, value);
    if (after == nullptr || (after != end && !text::is_blank(*after) && *after != '#')) [[unlikely]] {
      return at(row, place, concat("found ", text::word_at(place, end), ", expected index:value with a number as the value"));
    }
    FERRY_RETURN_IF_ERROR(entry(place, static_cast<int64_t>(index), value));
    place = text::skip_blanks(after, end);
  }
  return {};
}

class LibsvmDecoder : public RowDecoder {
 public:
  LibsvmDecoder(const LibsvmOptions& options, Facts facts) : options_(options), facts_(facts) {
    spec_.push_back({"x", TensorKind::coo, options.dtype, Shape{-1, facts.columns}, 0});
    spec_.push_back({"y", TensorKind::dense, options.label_dtype, Shape{-1}, 0});
    if (facts.qid) spec_.push_back({"qid", TensorKind::dense, DType::int64, Shape{-1}, 0});
  }
  std::span<const ElementSpec> spec() const override { return spec_; }

  Status decode(const RowBlock& rows, std::span<const uint32_t> which, const BatchOptions& options, BufferPool& pool, DecoderScratch*,
                TensorMap& out, BadRow& bad) const override {
    if (options_.dtype == DType::float32) return decode_as<float>(rows, which, options, pool, out, bad);
    return decode_as<double>(rows, which, options, pool, out, bad);
  }

 private:
  template <class Value>
  Status decode_as(const RowBlock& rows, std::span<const uint32_t> which, const BatchOptions& options, BufferPool& pool, TensorMap& out,
                   BadRow& bad) const {
    if (options.sparse == Layout::csr) {
      if (facts_.columns <= std::numeric_limits<int32_t>::max()) return decode_to<Value, int32_t>(rows, which, pool, out, bad);
      return decode_to<Value, int64_t>(rows, which, pool, out, bad);
    }
    return decode_to<Value, void>(rows, which, pool, out, bad);
  }

  // Minor: the index dtype of CSR, or void for COO.
  template <class Value, class Minor>
  Status decode_to(const RowBlock& rows, std::span<const uint32_t> which, BufferPool& pool, TensorMap& out, BadRow& bad) const {
    constexpr bool kCoo = std::is_void_v<Minor>;
    using Index = std::conditional_t<kCoo, int64_t, Minor>;
    const size_t count = which.size();
    size_t room = 0;  // an entry has a colon
    for (const uint32_t i : which) room += text::count_bytes(rows.row(i).text(), ':', ':').first;
    FERRY_ASSIGN_OR_RETURN(auto index_block, pool.allocate(room * sizeof(Index) * (kCoo ? 2 : 1)));
    FERRY_ASSIGN_OR_RETURN(auto value_block, pool.allocate(room * sizeof(Value)));
    FERRY_ASSIGN_OR_RETURN(auto label_block, pool.allocate(count * dtype_size(options_.label_dtype)));
    FERRY_ASSIGN_OR_RETURN(auto pointer_block, pool.allocate((count + 1) * sizeof(Index)));
    FERRY_ASSIGN_OR_RETURN(auto qid_block, pool.allocate(facts_.qid ? count * 8 : 0));
    Index* index_to = index_block.template as<Index>().data();
    Value* value_to = value_block.template as<Value>().data();
    Index* pointers = pointer_block.template as<Index>().data();
    pointers[0] = 0;
    bool unique = true;
    int64_t nnz = 0;
    for (size_t i = 0; i < count; ++i) {
      const Row row = rows.row(which[i]);
      bad.row = i;
      int64_t last = -1;
      bool has_qid = false, whole = true;
      FERRY_RETURN_IF_ERROR(parse_row<Value>(
          row, [&](double label) { whole = put_label(label_block.data(), i, label); },
          [&](int64_t qid) {
            has_qid = true;
            if (facts_.qid) qid_block.template as<int64_t>().data()[i] = qid;
          },
          [&](const char* place, int64_t index, Value value) -> Status {
            const int64_t column = index - facts_.base;
            if (column < 0 || column >= facts_.columns) [[unlikely]] {
              return at(row, place,
                        concat("index ", index, ", expected ", facts_.base, " to ", facts_.columns - 1 + facts_.base, ": there are ",
                               facts_.columns, " columns"));
            }
            if (column <= last) [[unlikely]] {
              if (column < last)
                return at(row, place, concat("index ", index, " follows ", last + facts_.base, " in this row, expected them to rise"));
              unique = false;
            }
            last = column;
            if constexpr (kCoo) *index_to++ = static_cast<int64_t>(i);
            *index_to++ = static_cast<Index>(column);
            *value_to++ = value;
            ++nnz;
            return {};
          }));
      if (!whole) return at(row, row.text().data(), concat("the label is not one that ", dtype_name(options_.label_dtype), " can hold"));
      if (has_qid != facts_.qid) {
        return at(row, row.text().data(),
                  facts_.qid ? "this row has no qid and the first row has one" : "this row has a qid and the first row has none");
      }
      pointers[i + 1] = static_cast<Index>(nnz);
    }
    const auto n = static_cast<int64_t>(count);
    const Order order{true, unique};
    FERRY_ASSIGN_OR_RETURN(DenseTensor values, DenseTensor::make(options_.dtype, Shape{nnz},
                                                                 frozen(std::move(value_block), static_cast<size_t>(nnz) * sizeof(Value))));
    if constexpr (kCoo) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor indices,
                             DenseTensor::make(DType::int64, Shape{nnz, 2}, frozen(std::move(index_block), static_cast<size_t>(nnz) * 16)));
      FERRY_ASSIGN_OR_RETURN(SparseTensor x, SparseTensor::coo(Shape{n, facts_.columns}, std::move(indices), std::move(values), order));
      FERRY_RETURN_IF_ERROR(set_tensor(out, 0, "x", std::move(x)));
    } else {
      FERRY_ASSIGN_OR_RETURN(
          DenseTensor indices,
          DenseTensor::make(dtype_of<Index>(), Shape{nnz}, frozen(std::move(index_block), static_cast<size_t>(nnz) * sizeof(Index))));
      FERRY_ASSIGN_OR_RETURN(DenseTensor indptr, DenseTensor::make(dtype_of<Index>(), Shape{n + 1},
                                                                   frozen(std::move(pointer_block), (count + 1) * sizeof(Index))));
      FERRY_ASSIGN_OR_RETURN(SparseTensor x,
                             SparseTensor::csr(Shape{n, facts_.columns}, std::move(indptr), std::move(indices), std::move(values), order));
      FERRY_RETURN_IF_ERROR(set_tensor(out, 0, "x", std::move(x)));
    }
    FERRY_ASSIGN_OR_RETURN(DenseTensor labels, DenseTensor::make(options_.label_dtype, Shape{n},
                                                                 frozen(std::move(label_block), count * dtype_size(options_.label_dtype))));
    FERRY_RETURN_IF_ERROR(set_tensor(out, 1, "y", std::move(labels)));
    if (facts_.qid) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor qids, DenseTensor::make(DType::int64, Shape{n}, frozen(std::move(qid_block), count * 8)));
      FERRY_RETURN_IF_ERROR(set_tensor(out, 2, "qid", std::move(qids)));
    }
    return {};
  }

  // False where the dtype cannot hold it.
  bool put_label(std::byte* to, size_t i, double label) const {
    if (options_.label_dtype == DType::float32) {
      const auto value = static_cast<float>(label);
      std::memcpy(to + i * 4, &value, 4);
      return true;
    }
    if (options_.label_dtype == DType::float64) {
      std::memcpy(to + i * 8, &label, 8);
      return true;
    }
    if (!(label >= -0x1p53 && label <= 0x1p53)) return false;
    const auto value = static_cast<int64_t>(label);
    std::memcpy(to + i * 8, &value, 8);
    return static_cast<double>(value) == label;
  }

  LibsvmOptions options_;
  Facts facts_;
  std::vector<ElementSpec> spec_;
};

class LibsvmKind : public FileKind {
 public:
  explicit LibsvmKind(LibsvmOptions options) : options_(std::move(options)) {}
  std::string_view unit() const override { return "line"; }
  std::string describe() const override {
    return concat("libsvm columns=", options_.columns, " base=", options_.base, " ", dtype_name(options_.dtype), " ",
                  dtype_name(options_.label_dtype));
  }
  Result<std::unique_ptr<FileRows>> open(const std::string& path, const Context& context) const override {
    FERRY_ASSIGN_OR_RETURN(auto bytes, open_bytes(path));
    return std::unique_ptr<FileRows>(std::make_unique<LineReader>(std::move(bytes), kRules, context.limits));
  }
  Result<std::shared_ptr<const FileIndex>> index(const std::string& path, const Context& context) const override {
    return index_lines(path, kRules, context.limits);
  }

  // The width of the matrix and where columns begin to count are found by looking through all of it, unless they are said.
  Result<std::shared_ptr<const RowDecoder>> decoder(std::span<const std::string> paths) const override {
    const auto supported = [](DType dtype) { return dtype == DType::float32 || dtype == DType::float64; };
    if (!supported(options_.dtype))
      return unsupported(concat("libsvm values are read as float32 or float64, not ", dtype_name(options_.dtype)));
    if (!supported(options_.label_dtype) && options_.label_dtype != DType::int64) {
      return unsupported(concat("libsvm labels are read as float32, float64 or int64, not ", dtype_name(options_.label_dtype)));
    }
    Facts facts{options_.columns, options_.base < 0 ? 1 : options_.base, false};
    const bool all = options_.columns < 0 || options_.base < 0;
    int64_t least = std::numeric_limits<int64_t>::max(), most = -1;
    Context context;
    bool first = true;
    for (const std::string& path : paths) {
      const auto told = [&](const Status& status) { return Status(status.code(), concat(path, ": ", status.message()), status.offset()); };
      auto rows = open(path, context);
      if (!rows.ok()) return told(rows.status());
      for (Row row;;) {
        auto more = (*rows)->next(row);
        if (!more.ok()) return told(more.status());
        if (!*more) break;
        bool qid = false;
        const Status parsed = parse_row<float>(
            row, [](double) {}, [&](int64_t) { qid = true; },
            [&](const char*, int64_t index, float) -> Status {
              least = std::min(least, index);
              most = std::max(most, index);
              return {};
            });
        // Damaged rows are found again, where it is known what is to become of them.
        if (parsed.ok() && first) facts.qid = qid;
        first &= !parsed.ok();
        if (!all && !first) break;
      }
      if (!all && !first) break;
    }
    if (options_.base < 0) facts.base = least == 0 ? 0 : 1;
    if (options_.columns < 0) facts.columns = std::max<int64_t>(0, most - facts.base + 1);
    return std::shared_ptr<const RowDecoder>(std::make_shared<LibsvmDecoder>(options_, facts));
  }

 private:
  LibsvmOptions options_;
};

}  // namespace

std::shared_ptr<const FileKind> libsvm_kind(LibsvmOptions options) { return std::make_shared<LibsvmKind>(std::move(options)); }

}  // namespace ferry::dataset
