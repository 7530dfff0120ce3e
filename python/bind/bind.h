// What the binding files share: one function per concept that adds itself to the module, and the translations of errors,
// dtypes and shapes. Bindings translate and do no work.
#pragma once

#include <nanobind/nanobind.h>

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ferry/dtype.h"
#include "ferry/features.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/thread_pool.h"

namespace ferry::py {

namespace nb = nanobind;

void add_errors(nb::module_& m);
void add_dtypes(nb::module_& m);
void add_threads(nb::module_& m);
void add_dense(nb::module_& m);
void add_dlpack(nb::module_& m);
void add_sparse(nb::module_& m);
void add_sparse_operations(nb::module_& m);
void add_ragged(nb::module_& m);
void add_listing(nb::module_& m);
void add_formats(nb::module_& m);
void add_checkpoint(nb::module_& m);
void add_plan(nb::module_& m);
void add_stored_model(nb::module_& m);
void add_arrow(nb::module_& m);
void add_wire(nb::module_& m);
void add_records(nb::module_& m);
void add_dataset(nb::module_& m);
void add_examples(nb::module_& m);
void add_engine(nb::module_& m);

// ---- Errors: a Status leaves as tensorferry.Error or one of its kin, with .code, .offset and .path.

class StatusError : public std::exception {
 public:
  explicit StatusError(Status status, std::string path = "") : status_(std::move(status)), path_(std::move(path)) {}
  const Status& status() const { return status_; }
  const std::string& path() const { return path_; }
  const char* what() const noexcept override { return status_.message().data(); }

 private:
  Status status_;
  std::string path_;
};

inline void check(const Status& status, const std::string& path = "") {
  if (!status.ok()) throw StatusError(status, path);
}
template <class T>
T unwrap(Result<T> result, const std::string& path = "") {
  if (!result.ok()) throw StatusError(result.status(), path);
  return std::move(result).value();
}

// Runs work that touches no Python object with the lock released.
template <class F>
auto unlocked(F&& work) {
  nb::gil_scoped_release release;
  return work();
}
// The same for work that gives a Result, which is opened once the lock is held again.
template <class F>
auto run(F&& work) {
  return unwrap(unlocked(std::forward<F>(work)));
}

// The function of a pure-Python module, imported when it is first called: `import tensorferry` stays small.
nb::object python_function(const char* module, const char* name);

// ---- Values

// A name, one of our dtypes, a NumPy dtype or scalar type, a Python type, or another framework's dtype.
DType to_dtype(nb::handle value);
std::optional<DType> try_dtype(nb::handle value);
nb::object dtype_object(DType dtype);

Shape to_shape(nb::handle value);  // an iterable of ints, or one int
// Of a sparse tensor: axes may multiply to more than 63 bits can count.
Shape sparse_shape(nb::handle value);
nb::tuple shape_tuple(const Shape& shape);  // None for an axis that is ragged
std::vector<int64_t> to_ints(nb::handle value);

// The threads that work is spread over; null where one was asked for. Called with the lock held.
std::shared_ptr<ThreadPool> pool();

// Any of our tensors as a Python object, and back; nullopt for what is none of ours.
nb::object tensor_object(Tensor tensor);
std::optional<Tensor> try_tensor(nb::handle value);
Tensor to_tensor(nb::handle value);

// Features as _features.to_core() spells them.
std::vector<FeatureSpec> features_from(nb::handle list);

}  // namespace ferry::py
