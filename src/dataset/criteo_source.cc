// Lines as those of the Criteo data: label, numbers, words to be hashed; parsed when they are batched.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "dataset/lines.h"
#include "dataset/random.h"
#include "dataset/text_columns.h"
#include "dataset/text_options.h"
#include "wire/number.h"

namespace ferry::dataset {
namespace {

class CriteoDecoder : public RowDecoder {
 public:
  explicit CriteoDecoder(const CriteoOptions& options) : options_(options) {
    if (options.label) spec_.push_back({"label", TensorKind::dense, DType::float32, Shape{-1}, 0});
    if (options.numbers > 0) spec_.push_back({"numbers", TensorKind::dense, DType::float32, Shape{-1, options.numbers}, 0});
    if (options.categories > 0) {
      if (options.sparse) {
        spec_.push_back({"categories", TensorKind::coo, DType::float32, Shape{-1, options.width}, 0});
      } else {
        spec_.push_back({"categories", TensorKind::dense, DType::int64, Shape{-1, options.categories}, 0});
      }
    }
  }
  std::span<const ElementSpec> spec() const override { return spec_; }

  Status decode(const RowBlock& rows, std::span<const uint32_t> which, const BatchOptions&, BufferPool& pool, DecoderScratch*,
                TensorMap& out, BadRow& bad) const override {
    const size_t count = which.size();
    const auto numbers = static_cast<size_t>(options_.numbers), words = static_cast<size_t>(options_.categories);
    FERRY_ASSIGN_OR_RETURN(auto labels, pool.allocate(count * 4));
    FERRY_ASSIGN_OR_RETURN(auto values, pool.allocate(count * numbers * 4));
    FERRY_ASSIGN_OR_RETURN(auto ids, pool.allocate(count * words * 8));
    for (size_t i = 0; i < count; ++i) {
      bad.row = i;
      FERRY_RETURN_IF_ERROR(parse(rows.row(which[i]).text(), labels.as<float>().data() + i, values.as<float>().data() + i * numbers,
                                  ids.as<int64_t>().data() + i * words));
    }
    const auto n = static_cast<int64_t>(count);
    size_t position = 0;
    if (options_.label) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor label, DenseTensor::make(DType::float32, Shape{n}, frozen(std::move(labels), count * 4)));
      FERRY_RETURN_IF_ERROR(set_tensor(out, position++, "label", std::move(label)));
    }
    if (numbers > 0) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor dense,
                             DenseTensor::make(DType::float32, Shape{n, options_.numbers}, frozen(std::move(values), count * numbers * 4)));
      FERRY_RETURN_IF_ERROR(set_tensor(out, position++, "numbers", std::move(dense)));
    }
    if (words == 0) return {};
    if (!options_.sparse) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor dense,
                             DenseTensor::make(DType::int64, Shape{n, options_.categories}, frozen(std::move(ids), count * words * 8)));
      return set_tensor(out, position, "categories", std::move(dense));
    }
    FERRY_ASSIGN_OR_RETURN(SparseTensor x, counted(ids.as<int64_t>().data(), count, words, pool));
    return set_tensor(out, position, "categories", std::move(x));
  }

 private:
  Status parse(std::string_view line, float* label, float* numbers, int64_t* ids) const {
    const char* at = line.data();
    const char* const end = at + line.size();
    const auto lead = static_cast<size_t>(options_.label), fields = lead + static_cast<size_t>(options_.numbers + options_.categories);
    for (size_t f = 0; f < fields; ++f) {
      if (at == nullptr) return data_loss(concat("a line of ", f, " fields, expected ", fields, " with tabs between them"));
      const auto* tab = at == end ? nullptr : static_cast<const char*>(std::memchr(at, '\t', static_cast<size_t>(end - at)));
      const std::string_view field(at, static_cast<size_t>((tab == nullptr ? end : tab) - at));
      if (f < lead || f < lead + static_cast<size_t>(options_.numbers)) {
        float value = 0;
        const std::string_view text = trimmed(field);
        if (!text.empty()) {
          const char* const stop = text.data() + text.size();
          if (parse_number(text.data(), stop, value) != stop) {
            return Status(StatusCode::data_loss,
                          concat("found ", quoted(field), " as ", f < lead ? std::string("the label") : concat("number ", f - lead),
                                 ", expected a number"),
                          static_cast<uint64_t>(at - line.data()));
          }
          if (options_.logarithm && f >= lead) value = value > 0 ? std::log1p(value) : 0.0f;
        } else if (f < lead) {
          return Status(StatusCode::data_loss, "found nothing as the label, expected a number", uint64_t{0});
        } else {
          value = static_cast<float>(options_.missing);
        }
        (f < lead ? *label : numbers[f - lead]) = value;
      } else {
        const size_t column = f - lead - static_cast<size_t>(options_.numbers);
        ids[column] = id_of(column, field);
      }
      at = tab == nullptr ? nullptr : tab + 1;
    }
    if (at != nullptr) return data_loss(concat("a line of more than ", fields, " fields"));
    return {};
  }

  int64_t id_of(size_t column, std::string_view word) const {
    if (word.empty()) return 0;
    uint64_t hash = 0xcbf29ce484222325u;
    hash = (hash ^ (column & 0xff)) * 0x100000001b3u;
    for (const char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return 1 + static_cast<int64_t>(mix(hash) % static_cast<uint64_t>(options_.width - 1));
  }

  // Of each row the ids that are not missing, sorted, and how often each stands there.
  Result<SparseTensor> counted(int64_t* ids, size_t rows, size_t words, BufferPool& pool) const {
    FERRY_ASSIGN_OR_RETURN(auto indices, pool.allocate(rows * words * 16));
    FERRY_ASSIGN_OR_RETURN(auto values, pool.allocate(rows * words * 4));
    int64_t* to = indices.as<int64_t>().data();
    float* value = values.as<float>().data();
    size_t nnz = 0;
    for (size_t row = 0; row < rows; ++row) {
      int64_t* const first = ids + row * words;
      std::sort(first, first + words);
      const size_t begin = nnz;
      for (size_t i = 0; i < words; ++i) {
        if (first[i] == 0) continue;
        if (nnz > begin && to[nnz * 2 - 1] == first[i]) {
          ++value[nnz - 1];
          continue;
        }
        to[nnz * 2] = static_cast<int64_t>(row);
        to[nnz * 2 + 1] = first[i];
        value[nnz++] = 1;
      }
    }
    const auto count = static_cast<int64_t>(nnz);
    FERRY_ASSIGN_OR_RETURN(DenseTensor coordinates, DenseTensor::make(DType::int64, Shape{count, 2}, frozen(std::move(indices), nnz * 16)));
    FERRY_ASSIGN_OR_RETURN(DenseTensor ones, DenseTensor::make(DType::float32, Shape{count}, frozen(std::move(values), nnz * 4)));
    return SparseTensor::coo(Shape{static_cast<int64_t>(rows), options_.width}, std::move(coordinates), std::move(ones), Order{true, true});
  }

  CriteoOptions options_;
  std::vector<ElementSpec> spec_;
};

class CriteoKind : public FileKind {
 public:
  explicit CriteoKind(CriteoOptions options) : options_(options) {}
  std::string_view unit() const override { return "line"; }
  std::string describe() const override {
    return concat("criteo ", options_.numbers, "+", options_.categories, " width=", options_.width, " missing=", options_.missing,
                  options_.logarithm ? " logarithm" : "", options_.sparse ? " sparse" : "", options_.label ? "" : " unlabelled");
  }
  Result<std::unique_ptr<FileRows>> open(const std::string& path, const Context& context) const override {
    FERRY_ASSIGN_OR_RETURN(auto bytes, open_bytes(path));
    return std::unique_ptr<FileRows>(std::make_unique<LineReader>(std::move(bytes), LineRules{}, context.limits));
  }
  Result<std::shared_ptr<const FileIndex>> index(const std::string& path, const Context& context) const override {
    return index_lines(path, LineRules{}, context.limits);
  }
  Result<std::shared_ptr<const RowDecoder>> decoder(std::span<const std::string>) const override {
    if (options_.numbers < 0 || options_.categories < 0 || options_.numbers + options_.categories < 1 || options_.categories > 4096 ||
        options_.numbers > 4096) {
      return invalid_argument(concat(options_.numbers, " numbers and ", options_.categories, " words a line, expected 1 to 4096 of them"));
    }
    if (options_.width < 2)
      return invalid_argument(concat("ids less than ", options_.width, " were asked for; 0 means missing, so there are at least 2"));
    return std::shared_ptr<const RowDecoder>(std::make_shared<CriteoDecoder>(options_));
  }

 private:
  CriteoOptions options_;
};

}  // namespace

std::shared_ptr<const FileKind> criteo_kind(CriteoOptions options) { return std::make_shared<CriteoKind>(options); }

}  // namespace ferry::dataset
