#include "cli/chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "ferry/status.h"

namespace ferry::cli {
namespace {

constexpr double kWidth = 760, kHeight = 460, kLeft = 90, kRight = 150, kTop = 50, kBottom = 60;

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

std::string fixed(double number) {
  char text[40];
  std::snprintf(text, sizeof(text), "%.1f", number);
  return text;
}

// A logarithmic axis from the smallest to the largest value, a little wider than both.
class Axis {
 public:
  Axis(double least, double most, double from, double to) : from_(from), to_(to) {
    low_ = std::log10(least) - 0.1;
    high_ = std::max(std::log10(most) + 0.1, low_ + 0.5);
  }
  double at(double value) const { return from_ + (std::log10(value) - low_) / (high_ - low_) * (to_ - from_); }
  // 1, 10, 100 …; 1, 2, 5 where there are fewer than three of them.
  std::vector<double> ticks() const {
    std::vector<double> out;
    const bool fine = high_ - low_ < 2.5;
    for (int power = static_cast<int>(std::floor(low_)); power <= static_cast<int>(std::ceil(high_)); ++power) {
      for (double step : {1.0, 2.0, 5.0}) {
        const double value = step * std::pow(10.0, power);
        if ((step == 1 || fine) && std::log10(value) >= low_ && std::log10(value) <= high_) out.push_back(value);
      }
    }
    return out;
  }

 private:
  double from_, to_, low_, high_;
};

void line(std::string& out, double x1, double y1, double x2, double y2, std::string_view colour) {
  out += concat("<line x1=\"", fixed(x1), "\" y1=\"", fixed(y1), "\" x2=\"", fixed(x2), "\" y2=\"", fixed(y2), "\" stroke=\"", colour,
                "\"/>\n");
}

void words(std::string& out, double x, double y, std::string_view anchor, std::string_view text, std::string_view more = "") {
  out += concat("<text x=\"", fixed(x), "\" y=\"", fixed(y), "\" text-anchor=\"", anchor, "\"", more, ">", escaped(text), "</text>\n");
}

}  // namespace

std::string svg_of(const Chart& chart) {
  double x_least = 1, x_most = 1, y_least = 1, y_most = 1;
  for (size_t i = 0; i < chart.points.size(); ++i) {
    const ChartPoint& point = chart.points[i];
    x_least = i == 0 ? point.x : std::min(x_least, point.x);
    x_most = i == 0 ? point.x : std::max(x_most, point.x);
    y_least = i == 0 ? point.y : std::min(y_least, point.y);
    y_most = i == 0 ? point.y : std::max(y_most, point.y);
  }
  const Axis x(x_least, x_most, kLeft, kWidth - kRight), y(y_least, y_most, kHeight - kBottom, kTop);
  std::string out = concat("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", fixed(kWidth), "\" height=\"", fixed(kHeight),
                           "\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
  words(out, kWidth / 2, 24, "middle", chart.title, " font-size=\"15\"");
  for (double tick : x.ticks()) {
    line(out, x.at(tick), kTop, x.at(tick), kHeight - kBottom, "#e0e0e0");
    words(out, x.at(tick), kHeight - kBottom + 16, "middle", chart.x_text(tick));
  }
  for (double tick : y.ticks()) {
    line(out, kLeft, y.at(tick), kWidth - kRight, y.at(tick), "#e0e0e0");
    words(out, kLeft - 6, y.at(tick) + 4, "end", chart.y_text(tick));
  }
  words(out, (kLeft + kWidth - kRight) / 2, kHeight - 16, "middle", chart.x_label);
  words(out, 18, (kTop + kHeight - kBottom) / 2, "middle", chart.y_label,
        concat(" transform=\"rotate(-90 18 ", fixed((kTop + kHeight - kBottom) / 2), ")\""));
  // Names of dots that lie on one another move down until they can be read.
  std::vector<std::pair<double, double>> taken;
  for (const ChartPoint& point : chart.points) {
    const double px = x.at(point.x), py = y.at(point.y);
    out += concat("<circle cx=\"", fixed(px), "\" cy=\"", fixed(py), "\" r=\"", point.marked ? "6" : "4", "\" fill=\"",
                  point.marked ? "#d62728" : "#1f77b4", "\"/>\n");
    double ty = py + 4;
    const auto covers = [&](const std::pair<double, double>& other) {
      return std::abs(other.first - px) < 110 && std::abs(other.second - ty) < 11;
    };
    while (std::ranges::any_of(taken, covers) && ty < kHeight - kBottom) ty += 11;
    taken.emplace_back(px, ty);
    words(out, px + 9, ty, "start", point.name, point.marked ? " font-weight=\"bold\"" : "");
  }
  return out + "</svg>\n";
}

}  // namespace ferry::cli
