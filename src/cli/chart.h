// A small scatter chart as SVG: two logarithmic axes, a dot and a name for each point.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ferry::cli {

struct ChartPoint {
  double x = 0, y = 0;  // above zero
  std::string name;
  bool marked = false;  // the one to look at
};

struct Chart {
  std::string title, x_label, y_label;
  std::string (*x_text)(double) = nullptr;  // what stands at a tick
  std::string (*y_text)(double) = nullptr;
  std::vector<ChartPoint> points;
};

std::string svg_of(const Chart& chart);

}  // namespace ferry::cli
