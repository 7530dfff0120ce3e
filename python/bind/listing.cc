#include "listing.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "options.h"
#include "text.h"

namespace ferry::py {
namespace {

constexpr size_t kScan = 8;  // names; fewer are compared one by one

size_t position(const Listing& listing, nb::handle name) {
  return PyUnicode_Check(name.ptr()) ? listing.find(NameText(name).view) : Listing::kNone;
}

nb::tuple facts(const TensorInfo& info) {
  return nb::make_tuple(word(kind_name(info.kind)), dtype_object(info.dtype), shape_tuple(info.shape),
                        info.nnz < 0 ? nb::none() : nb::object(nb::int_(info.nnz)));
}

}  // namespace

Status Listing::index() {
  if (names_) return {};
  const auto all = reader_->tensors();
  if (all.size() >= UINT32_MAX) return limit_exceeded(concat(all.size(), " tensors are more than a listing can number"));
  if (all.size() > kScan) slots_.assign(std::bit_ceil(all.size() * 2), 0);
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string_view name = all[i].name;
    bool taken = false;
    if (slots_.empty()) {
      for (size_t k = 0; k < i; ++k) taken |= all[k].name == name;
    } else {
      size_t at = std::hash<std::string_view>()(name) & (slots_.size() - 1);
      while (slots_[at] != 0 && !taken) {
        taken = all[slots_[at] - 1].name == name;
        at = (at + 1) & (slots_.size() - 1);
      }
      slots_[at] = static_cast<uint32_t>(i + 1);
    }
    if (taken) return data_loss(concat("two tensors are called ", quoted(name)));
  }
  return {};
}

size_t Listing::find(std::string_view name) const {
  if (names_) return names_->find(name).value_or(kNone);
  const auto all = reader_->tensors();
  if (slots_.empty()) {
    const auto found = std::ranges::find(all, name, &TensorInfo::name);
    return found == all.end() ? kNone : static_cast<size_t>(found - all.begin());
  }
  for (size_t at = std::hash<std::string_view>()(name) & (slots_.size() - 1); slots_[at] != 0; at = (at + 1) & (slots_.size() - 1)) {
    if (all[slots_[at] - 1].name == name) return slots_[at] - 1;
  }
  return kNone;
}

TensorInfo Listing::info(size_t i) const {
  return names_ ? unwrap(unlocked([&] { return names_->describe(i); }), path_) : reader_->tensors()[i];
}

nb::object Listing::texts(bool now) const {
  if (names_ && !now) return nb::none();
  nb::dict out;
  const auto add = [&](const TensorInfo& info) {
    if (!info.metadata.empty()) out[name_object(info.name)] = metadata_dict(info.metadata);
  };
  if (names_) {
    for (size_t i = 0; i < size(); ++i) add(info(i));
  } else {
    std::ranges::for_each(reader_->tensors(), add);
  }
  return out;
}

nb::object Listing::read(size_t i) {
  if (kept_[i].is_valid()) return kept_[i];
  auto tensor = unlocked([&] { return names_ ? names_->read(i) : reader_->read(i); });
  if (!tensor.ok()) {
    const std::string name = quoted(this->name(i));
    const bool told = this->name(i).empty() || tensor.status().message().find(name) != std::string_view::npos;
    throw StatusError(told ? tensor.status() : tensor.status().with_context(concat("tensor ", name)), path_);
  }
  if (!kept_[i].is_valid()) kept_[i] = tensor_object(*std::move(tensor));
  return kept_[i];
}

void add_listing(nb::module_& m) {
  nb::class_<Listing>(m, "_Listing", "An opened source: the names in it are known, and a tensor is read when it is first asked for.")
      .def("__len__", &Listing::size)
      .def(
          "__contains__", [](const Listing& x, nb::handle name) { return position(x, name) != Listing::kNone; }, nb::arg("name").none())
      .def(
          "get",
          [](Listing& x, nb::handle name) -> nb::object {
            const size_t at = position(x, name);
            return at == Listing::kNone ? nb::none() : x.read(at);
          },
          nb::arg("name").none(), "The tensor of that name, or None.")
      .def(
          "at",
          [](Listing& x, size_t i) {
            if (i >= x.size()) throw nb::index_error("no such tensor");
            return x.read(i);
          },
          nb::arg("position"))
      .def(
          "texts", [](const Listing& x) { return x.texts(true); }, "{name: metadata} of the tensors that have any.")
      .def("names",
           [](const Listing& x) {
             nb::list out;
             for (size_t i = 0; i < x.size(); ++i) out.append(name_object(x.name(i)));
             return out;
           })
      .def("positions",
           [](const Listing& x) {
             nb::dict out;
             for (size_t i = 0; i < x.size(); ++i) out[name_object(x.name(i))] = i;
             return out;
           })
      .def(
          "facts",
          [](const Listing& x, nb::handle name) {
            const size_t at = position(x, name);
            if (at == Listing::kNone) throw nb::key_error("no such tensor");
            return facts(x.info(at));
          },
          nb::arg("name"), "(kind, dtype, shape, nnz) by the header alone.");
}

}  // namespace ferry::py
