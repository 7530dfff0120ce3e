#include <algorithm>
#include <mutex>

#include "ferry/features.h"
#include "ferry/thread_pool.h"
#include "records/example_build.h"
#include "records/example_plan.h"
#include "records/example_rows.h"

namespace ferry {
namespace {

using records::BuiltColumn;
using records::ExampleBuilder;
using records::ExampleColumn;
using records::ExamplePlan;
using records::ExampleRows;

// What one call of parse() works with, kept for the next.
struct Workspace {
  std::vector<std::unique_ptr<ExampleRows>> parts;
  std::vector<ExampleRows*> used;
  std::vector<PooledBuffer> fixed;
  std::vector<std::byte*> fixed_at;
  std::vector<BuiltColumn> columns;
  std::vector<DenseTensor> spare;
};

struct SpanRecords {
  std::span<const RecordBytes> records;
  int64_t size() const { return static_cast<int64_t>(records.size()); }
  RecordBytes operator[](int64_t i) const { return records[static_cast<size_t>(i)]; }
};
struct StringRecords {
  StringsView records;
  int64_t size() const { return records.size(); }
  RecordBytes operator[](int64_t i) const { return std::as_bytes(std::span(records[i])); }
};

}  // namespace

struct ExampleParser::Impl {
  std::unique_ptr<ExamplePlan> plan;
  Limits limits;
  BufferPool pool;
  std::mutex mutex;
  std::vector<std::unique_ptr<Workspace>> idle;

  std::unique_ptr<Workspace> take_workspace() {
    std::lock_guard lock(mutex);
    if (idle.empty()) return std::make_unique<Workspace>();
    auto out = std::move(idle.back());
    idle.pop_back();
    return out;
  }
  void give_workspace(std::unique_ptr<Workspace> work) {
    std::lock_guard lock(mutex);
    idle.push_back(std::move(work));
  }

  template <class Records>
  Status parse(const Records& records, bool single, TensorMap& out, const ParseOptions& options);
  template <class Records>
  Status fill(const Records& records, bool single, Workspace& work, TensorMap& out, const ParseOptions& options, int64_t& failed);
  Status prepare(int64_t rows, Workspace& work);
  void let_go(TensorMap& out) const;
  Status put(TensorMap& out, size_t i, Result<Tensor> tensor, int64_t failed) const;
};

ExampleParser::ExampleParser(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ExampleParser::ExampleParser(ExampleParser&&) noexcept = default;
ExampleParser& ExampleParser::operator=(ExampleParser&&) noexcept = default;
ExampleParser::~ExampleParser() = default;

Result<ExampleParser> ExampleParser::make(std::vector<FeatureSpec> features, const Limits& limits) {
  auto impl = std::make_unique<Impl>();
  if (features.empty()) return invalid_argument("no features are asked for");
  FERRY_ASSIGN_OR_RETURN(impl->plan, ExamplePlan::make(std::move(features), ExamplePlan::Of::example, limits));
  impl->limits = limits;
  return ExampleParser(std::move(impl));
}

const std::vector<FeatureSpec>& ExampleParser::features() const { return impl_->plan->features; }

// The blocks that numbers of fixed columns are written to, row by row.
Status ExampleParser::Impl::prepare(int64_t rows, Workspace& work) {
  const auto& columns = plan->columns;
  work.fixed.resize(columns.size());
  work.fixed_at.assign(columns.size(), nullptr);
  for (size_t i = 0; i < columns.size(); ++i) {
    const ExampleColumn& column = columns[i];
    if (!column.is_fixed() || column.is_string()) continue;
    size_t bytes;
    if (__builtin_mul_overflow(static_cast<size_t>(rows), static_cast<size_t>(column.width) * dtype_size(column.dtype), &bytes) ||
        bytes > limits.max_tensor_bytes) {
      return limit_exceeded(concat("feature ", quoted(column.key), ": ", rows, " rows of shape ", column.shape.to_string(),
                                   " are larger than the limit of ", limits.max_tensor_bytes, " bytes (max_tensor_bytes)"));
    }
    FERRY_ASSIGN_OR_RETURN(work.fixed[i], pool.allocate(bytes));
    work.fixed_at[i] = work.fixed[i].data();
  }
  return {};
}

template <class Records>
Status ExampleParser::Impl::fill(const Records& records, bool single, Workspace& work, TensorMap& out, const ParseOptions& options,
                                 int64_t& failed) {
  const int64_t rows = records.size();
  if (!options.names.empty() && static_cast<int64_t>(options.names.size()) != rows) {
    return invalid_argument(concat(options.names.size(), " names for ", rows, " records"));
  }
  FERRY_RETURN_IF_ERROR(prepare(rows, work));

  // Parts of the batch, each of at least so many rows; what comes out does not depend on them.
  constexpr int64_t kGrain = 32;
  const int64_t threads = options.threads == nullptr ? 1 : options.threads->size();
  const int64_t parts = std::clamp<int64_t>(std::min(2 * threads, rows / kGrain), 1, threads == 1 ? 1 : rows + 1);
  while (static_cast<int64_t>(work.parts.size()) < parts) work.parts.push_back(std::make_unique<ExampleRows>());
  work.used.clear();
  for (int64_t p = 0; p < parts; ++p) work.used.push_back(work.parts[static_cast<size_t>(p)].get());

  const auto run_part = [&](int64_t p, int64_t& bad) -> Status {
    const int64_t begin = rows * p / parts, end = rows * (p + 1) / parts;
    ExampleRows& part = *work.used[static_cast<size_t>(p)];
    if (parts == 1) {
      FERRY_RETURN_IF_ERROR(part.begin(*plan, single, rows, work.fixed_at, pool));
    } else {
      std::vector<std::byte*> at = work.fixed_at;
      for (size_t i = 0; i < at.size(); ++i) {
        const ExampleColumn& column = plan->columns[i];
        if (at[i] != nullptr) at[i] += static_cast<size_t>(begin * column.width) * dtype_size(column.dtype);
      }
      FERRY_RETURN_IF_ERROR(part.begin(*plan, single, end - begin, at, pool));
    }
    for (int64_t row = begin; row < end; ++row) {
      if (Status status = part.add(records[row], options.names.empty() ? std::string_view() : options.names[static_cast<size_t>(row)], row);
          !status.ok()) [[unlikely]] {
        bad = row;
        return status;
      }
    }
    return {};
  };
  if (parts == 1) {
    FERRY_RETURN_IF_ERROR(run_part(0, failed));
  } else {
    std::vector<Status> status(static_cast<size_t>(parts));
    std::vector<int64_t> bad(static_cast<size_t>(parts), -1);
    options.threads->parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) status[static_cast<size_t>(p)] = run_part(p, bad[static_cast<size_t>(p)]);
    });
    for (size_t p = 0; p < status.size(); ++p) {
      failed = bad[p];
      FERRY_RETURN_IF_ERROR(status[p]);
    }
    failed = -1;
  }

  work.columns.clear();
  work.columns.resize(plan->columns.size());
  if (parts > 1) {
    // Columns are put together side by side, and so are their features below.
    std::vector<Status> status(plan->columns.size());
    options.threads->parallel_for(static_cast<int64_t>(status.size()), 1, [&](int64_t begin, int64_t end) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        auto column = records::join_parts(plan->columns[i], i, work.used, rows, std::move(work.fixed[i]), pool);
        status[i] = column.status();
        if (column.ok()) work.columns[i] = *std::move(column);
      }
    });
    for (const Status& one : status) FERRY_RETURN_IF_ERROR(one);
    std::vector<Result<Tensor>> tensors(plan->features.size(), Result<Tensor>(Tensor()));
    std::vector<int64_t> bad(plan->features.size(), -1);
    options.threads->parallel_for(static_cast<int64_t>(tensors.size()), 1, [&](int64_t begin, int64_t end) {
      ExampleBuilder builder(*plan, work.columns, rows, single, limits, pool);
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        tensors[i] = builder.build(i, {});
        bad[i] = builder.failed();
      }
    });
    for (size_t i = 0; i < tensors.size(); ++i) {
      failed = tensors[i].ok() ? -1 : bad[i];
      FERRY_RETURN_IF_ERROR(put(out, i, std::move(tensors[i]), failed));
    }
    return {};
  }
  for (size_t i = 0; i < plan->columns.size(); ++i) {
    FERRY_ASSIGN_OR_RETURN(work.columns[i], records::join_parts(plan->columns[i], i, work.used, rows, std::move(work.fixed[i]), pool));
  }
  ExampleBuilder builder(*plan, work.columns, rows, single, limits, pool);
  for (size_t i = 0; i < plan->features.size(); ++i) {
    auto tensor = builder.build(i, {});
    failed = tensor.ok() ? -1 : builder.failed();
    FERRY_RETURN_IF_ERROR(put(out, i, std::move(tensor), failed));
  }
  return {};
}

// The tensor of a feature into its entry; see let_go().
Status ExampleParser::Impl::put(TensorMap& out, size_t i, Result<Tensor> tensor, int64_t failed) const {
  const std::string& name = plan->features[i].name;
  if (!tensor.ok()) return failed >= 0 ? tensor.status() : tensor.status().with_context(concat("feature ", quoted(name)));
  if (i < out.size()) {
    out[i].tensor = *std::move(tensor);
    return {};
  }
  return out.add(name, *std::move(tensor));
}

// Lets go of what a map holds, so that its blocks can be written again; its entries stay where they are those of the features.
void ExampleParser::Impl::let_go(TensorMap& out) const {
  bool same = out.size() == plan->features.size() && out.metadata.empty();
  for (size_t i = 0; same && i < out.size(); ++i) same = out[i].name == plan->features[i].name && out[i].metadata.empty();
  if (!same) {
    out = TensorMap();
    return;
  }
  for (auto& entry : out) entry.tensor = DenseTensor();
}

template <class Records>
Status ExampleParser::Impl::parse(const Records& records, bool single, TensorMap& out, const ParseOptions& options) {
  let_go(out);
  std::unique_ptr<Workspace> work = take_workspace();
  int64_t failed = -1;
  const Status status = fill(records, single, *work, out, options, failed);
  if (options.failed != nullptr) *options.failed = status.ok() ? -1 : failed;
  if (!status.ok()) out = TensorMap();
  work->columns.clear();
  give_workspace(std::move(work));
  return status;
}

Status ExampleParser::parse(std::span<const RecordBytes> records, TensorMap& out, const ParseOptions& options) const {
  return impl_->parse(SpanRecords{records}, false, out, options);
}
Status ExampleParser::parse(const StringsView& records, TensorMap& out, const ParseOptions& options) const {
  return impl_->parse(StringRecords{records}, false, out, options);
}
Status ExampleParser::parse_single(RecordBytes record, TensorMap& out, const ParseOptions& options) const {
  return impl_->parse(SpanRecords{std::span(&record, 1)}, true, out, options);
}

Result<TensorMap> ExampleParser::parse(std::span<const RecordBytes> records, const ParseOptions& options) const {
  TensorMap out;
  FERRY_RETURN_IF_ERROR(parse(records, out, options));
  return out;
}
Result<TensorMap> ExampleParser::parse_single(RecordBytes record, const ParseOptions& options) const {
  TensorMap out;
  FERRY_RETURN_IF_ERROR(parse_single(record, out, options));
  return out;
}

}  // namespace ferry
