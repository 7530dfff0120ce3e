// An HDF5 identifier that closes itself, and the sentence of the last error.
#pragma once

#include <hdf5.h>

#include <string>
#include <utility>

namespace ferry::hdf5 {

class Handle {
 public:
  Handle() = default;
  explicit Handle(hid_t id) : id_(id) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  // Every kind of object but property lists and error stacks counts references alike.
  ~Handle() {
    if (id_ >= 0) H5Idec_ref(id_);
  }
  hid_t get() const { return id_; }
  bool ok() const { return id_ >= 0; }
  explicit operator bool() const { return ok(); }

 private:
  hid_t id_ = H5I_INVALID_HID;
};

// The innermost description on libhdf5's error stack, which is then cleared.
std::string last_error();

}  // namespace ferry::hdf5
