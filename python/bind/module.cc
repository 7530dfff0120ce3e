#include "bind.h"

NB_MODULE(_core, m) {
  using namespace ferry::py;
  m.doc() = "The compiled half of tensorferry; use it through the package.";
  // A tensor that a module-level variable still holds at exit is not a leak.
  nanobind::set_leak_warnings(false);
  add_errors(m);
  add_dtypes(m);
  add_threads(m);
  add_dense(m);
  add_dlpack(m);
  add_sparse(m);
  add_sparse_operations(m);
  add_ragged(m);
  add_listing(m);
  add_formats(m);
  add_checkpoint(m);
  add_plan(m);
  add_stored_model(m);
  add_arrow(m);
  add_wire(m);
  add_examples(m);
  add_engine(m);
  add_records(m);
  add_dataset(m);
}
