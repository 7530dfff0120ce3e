// Restore plans: lists in, rows out. What people see of them is put together in _plan.py.
#include "ferry/plan.h"

#include <memory>

#include "checkpoint/rename.h"
#include "ferry/restore.h"
#include "options.h"
#include "reading.h"
#include "text.h"

namespace ferry::py {
namespace {

std::string text_or_none(nb::handle value) { return value.is_none() ? std::string() : name_text(value); }

Role role_named(nb::handle value) {
  const std::string name = text_of(value);
  for (const Role role : {Role::weight, Role::slot, Role::counter, Role::state, Role::other}) {
    if (role_name(role) == name) return role;
  }
  throw nb::value_error(concat("no role is called ", quoted(name)).c_str());
}

// Axes that are None may have any length.
Shape partial_shape(nb::handle value) {
  Shape out;
  for (nb::handle dim : nb::iter(value)) out.append(dim.is_none() ? -1 : nb::cast<int64_t>(dim));
  return out;
}

// (key, name, path, dtype, shape, role, slot_name, slot_of)
Have have_from(nb::handle row) {
  Have out;
  out.key = name_text(row[0]);
  out.name = text_or_none(row[1]);
  out.path = text_or_none(row[2]);
  out.dtype = to_dtype(nb::object(row[3]));
  out.shape = partial_shape(nb::object(row[4]));
  out.role = role_named(nb::object(row[5]));
  out.slot_name = text_or_none(nb::object(row[6]));
  out.slot_of = text_or_none(nb::object(row[7]));
  return out;
}

// (name, path, key, dtype or None, shape or None, role, optional, slot_name, slot_of, of_optimizer)
Wanted wanted_from(nb::handle row) {
  Wanted out;
  out.name = text_or_none(nb::object(row[0]));
  out.path = text_or_none(nb::object(row[1]));
  out.key = text_or_none(nb::object(row[2]));
  if (const nb::object dtype(row[3]); !dtype.is_none()) out.dtype = to_dtype(dtype);
  if (const nb::object shape(row[4]); !shape.is_none()) out.shape = partial_shape(shape);
  out.role = role_named(nb::object(row[5]));
  out.optional = nb::cast<bool>(nb::object(row[6]));
  out.slot_name = text_or_none(nb::object(row[7]));
  out.slot_of = text_or_none(nb::object(row[8]));
  out.of_optimizer = nb::cast<bool>(nb::object(row[9]));
  return out;
}

nb::tuple wanted_tuple(const Wanted& wanted) {
  nb::object shape = nb::none();
  if (wanted.shape) shape = shape_tuple(*wanted.shape);
  return nb::make_tuple(name_object(wanted.name), name_object(wanted.path), name_object(wanted.key),
                        wanted.dtype ? dtype_object(*wanted.dtype) : nb::none(), shape, word(role_name(wanted.role)), wanted.optional,
                        name_object(wanted.slot_name), name_object(wanted.slot_of));
}

nb::object fix_dict(const Fix& fix) {
  if (fix.empty()) return nb::none();
  nb::dict out;
  if (!fix.permutation.empty()) {
    nb::list axes;
    for (const size_t axis : fix.permutation) axes.append(axis);
    out["transpose"] = nb::tuple(axes);
  }
  if (fix.reshaped) {
    out["reshape"] = shape_tuple(*fix.reshaped);
    out["axes_of_one"] = fix.axes_of_one;
  }
  if (fix.resized) {
    nb::dict resize;
    resize["axis"] = fix.resized->axis;
    resize["from"] = fix.resized->from;
    resize["to"] = fix.resized->to;
    out["resize"] = resize;
  }
  if (fix.cast) {
    out["cast"] = dtype_object(*fix.cast);
    out["lossless"] = fix.lossless;
  }
  return out;
}

Fixes fixes_from(nb::handle words) {
  Fixes out;
  constexpr std::pair<std::string_view, bool Fixes::*> kFixes[] = {{"transpose", &Fixes::transpose},
                                                                   {"reshape", &Fixes::reshape},
                                                                   {"axes", &Fixes::axes},
                                                                   {"resize", &Fixes::resize},
                                                                   {"cast", &Fixes::cast}};
  for (nb::handle item : nb::iter(words)) {
    const std::string word = text_of(item);
    bool known = word == "all";
    for (const auto& [name, member] : kFixes) {
      if (word == name || word == "all") out.*member = known = true;
    }
    if (!known)
      throw nb::value_error(
          concat("no fix is called ", quoted(word), "; fixes are transpose, reshape, axes, resize, cast and all").c_str());
  }
  return out;
}

class MadePlan {
 public:
  // `find_path`: the position of what a path leads to, or None; null where paths are text.
  MadePlan(nb::handle have, nb::handle wanted, nb::handle rules, nb::handle fixes, bool slots, bool accept_proposed, bool allow_partial,
           nb::handle find_path) {
    for (nb::handle row : nb::iter(have)) have_.push_back(have_from(row));
    for (nb::handle row : nb::iter(wanted)) wanted_.push_back(wanted_from(row));
    RenameRules renames;
    for (nb::handle rule : nb::iter(rules)) check(renames.add(name_text(rule)));
    PlanOptions options{.slots = slots, .accept_proposed = accept_proposed, .allow_partial = allow_partial};
    options.fixes = fixes_from(fixes);
    if (!find_path.is_none()) {
      options.find_path = [&](std::string_view path) -> std::optional<size_t> {
        const nb::object found = find_path(name_object(path));
        return found.is_none() ? std::nullopt : std::optional(nb::cast<size_t>(found));
      };
      plan_ = make_plan(have_, wanted_, &renames, options);
    } else {
      plan_ = unlocked([&] { return make_plan(have_, wanted_, &renames, options); });
    }
  }

  bool complete() const { return plan_.complete(); }
  // (wanted, verdict, restored, required, have or None, candidates, rule or None, fix or None, reason, remedy)
  nb::list rows() const {
    nb::list out;
    for (const PlanRow& row : plan_.rows) {
      nb::list candidates;
      for (const size_t h : row.candidates) candidates.append(h);
      out.append(nb::make_tuple(row.wanted, word(verdict_name(row.verdict)), row.restored, row.required,
                                row.have ? nb::object(nb::int_(*row.have)) : nb::none(), nb::tuple(candidates),
                                row.rule ? nb::object(nb::int_(*row.rule + 1)) : nb::none(), fix_dict(row.fix), name_object(row.reason),
                                name_object(row.remedy)));
    }
    return out;
  }
  nb::list uses() const {
    nb::list out;
    for (const PlanUse& use : plan_.uses) out.append(nb::make_tuple(word(use_name(use.use)), name_object(use.reason)));
    return out;
  }
  nb::object table(size_t most_rows) const { return name_object(plan_table(plan_, have_, wanted_, {.most_rows = most_rows})); }
  nb::object json(nb::handle checkpoint, nb::handle target) const {
    const std::string from = name_text(checkpoint), to = name_text(target);
    return name_object(plan_json(plan_, have_, wanted_, {.most_rows = 0, .checkpoint = from, .target = to}));
  }
  // The row's tensor as it has to be.
  nb::object fitted(size_t row, nb::handle tensor, nb::handle base) const {
    if (row >= plan_.rows.size()) throw nb::index_error("no such row");
    const Tensor x = to_tensor(tensor);
    std::optional<Tensor> own;
    if (!base.is_none()) own = to_tensor(base);
    const auto threads = pool();
    return tensor_object(run([&] { return ferry::fitted(x, plan_.rows[row].fix, own ? &*own : nullptr, threads.get()); }));
  }

 private:
  std::vector<Have> have_;
  std::vector<Wanted> wanted_;
  Plan plan_;
};

}  // namespace

void add_plan(nb::module_& m) {
  nb::class_<MadePlan>(m, "_Plan", "A restore plan.")
      .def(nb::init<nb::handle, nb::handle, nb::handle, nb::handle, bool, bool, bool, nb::handle>(), nb::arg("have"), nb::arg("wanted"),
           nb::arg("rules"), nb::arg("fixes"), nb::arg("slots"), nb::arg("accept_proposed"), nb::arg("allow_partial"),
           nb::arg("find_path").none())
      .def_prop_ro("complete", &MadePlan::complete)
      .def("rows", &MadePlan::rows)
      .def("uses", &MadePlan::uses)
      .def("table", &MadePlan::table, nb::arg("most_rows"))
      .def("json", &MadePlan::json, nb::arg("checkpoint"), nb::arg("target"))
      .def("fitted", &MadePlan::fitted, nb::arg("row"), nb::arg("tensor"), nb::arg("base").none());
  m.def(
      "_read_wanted",
      [](nb::bytes text) -> nb::object {
        const std::string_view view(text.c_str(), text.size());
        const auto list = run([&] { return read_wanted(view); });
        if (!list) return nb::none();
        nb::list out;
        for (const Wanted& wanted : *list) out.append(wanted_tuple(wanted));
        return out;
      },
      nb::arg("text"), "[(name, path, key, dtype, shape, role, optional, slot_name, slot_of)], or None for what is no such list.");
}

}  // namespace ferry::py
