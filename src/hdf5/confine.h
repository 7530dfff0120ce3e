// What this process gives up before it sees the first byte of a file.
#pragma once

#include <cstdint>

namespace ferry::hdf5 {

// No files, sockets or programs from here on: every system call but those for memory, time and the given descriptors fails.
void confine();
// For the request that begins: at most `address_space` bytes mapped, `milliseconds` of processor time until the kernel ends us.
void limit(uint64_t address_space, uint64_t milliseconds);
void unlimit();

}  // namespace ferry::hdf5
