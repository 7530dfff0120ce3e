// Lists of numbers in JSON, many numbers at a time: what makes tensors as text fast. Vector code for the machine at hand.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ferry::json {

// The inside of a list of lists of `row` numbers each, as print_json_number() and print_number() write them: after each number ", ", after
// the last of a row "], [". `left` is how many are left of the row that is begun, and is kept so. Returns the byte after; the block has
// room for count × kListItem + kListSlack bytes.
inline constexpr size_t kListItem = 32, kListSlack = 64;
char* print_list(char* at, const float* values, size_t count, size_t row, size_t& left);
char* print_list(char* at, const double* values, size_t count, size_t row, size_t& left);
char* print_list(char* at, const int64_t* values, size_t count, size_t row, size_t& left);
char* print_list(char* at, const uint64_t* values, size_t count, size_t row, size_t& left);

// A run of numbers in lists that hold nothing else, from the first byte of a number on. It goes on over commas and, where `row` says how
// many numbers each list holds, from one full list into the next. It ends before a number that takes more thought (an integer that does not
// fit, a fraction among integers, a word, what is no number at all) or for which there is no room, or else behind a number that no other
// follows. Only numbers in JSON's grammar are taken, each rounded once.
struct NumberRun {
  const char* begin;     // of the text: bytes before `at` may be looked at
  const char* at;        // moved on
  int64_t row = -1;      // -1: the end of the list ends the run
  int64_t current = 0;   // numbers in the list that is open: so far, and at the end
  int64_t rows = 0;      // lists that were closed, each followed by another
  bool negative = true;  // integers below zero are taken
  bool before = false;   // ended before a number, not behind one
};
// How many were stored in out[0 … room), room > 0.
size_t parse_list(NumberRun& run, const char* end, float* out, size_t room);
size_t parse_list(NumberRun& run, const char* end, double* out, size_t room);
size_t parse_list(NumberRun& run, const char* end, int64_t* out, size_t room);

}  // namespace ferry::json
