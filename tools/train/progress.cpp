#include "progress.h"

#include <array>
#include <cmath>
#include <cstdio>

#include <c10/util/Exception.h>

#include "console.h"

namespace shardopt::train {
namespace {

constexpr double kRedrawSeconds = 0.1;

std::string format(const char* pattern, double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), pattern, value);
  return text.data();
}

}  // namespace

Progress::Progress(Console& console, int64_t steps, int64_t log_every,
                   int64_t first_step)
    : console_(console), steps_(steps), log_every_(log_every), first_step_(first_step) {
  TORCH_CHECK(log_every >= 1, "log_every is ", log_every, "; allowed: >= 1");
}

void Progress::update(const StepMetrics& metrics) {
  TORCH_CHECK(metrics.seconds.has_value(), "progress needs the seconds of a step");
  if (!first_.has_value()) first_ = metrics;
  if (metrics.val_loss.has_value()) val_loss_ = metrics.val_loss;
  const bool stays = metrics.val_loss.has_value() || metrics.step == steps_ ||
                     metrics.step == first_step_ ||
                     (!console_.is_terminal() && metrics.step % log_every_ == 0);
  if (stays) console_.line(text(metrics, metrics.val_loss));
  const bool due = !drawn_seconds_.has_value() ||
                   *metrics.seconds - *drawn_seconds_ >= kRedrawSeconds;
  if (stays || !due) return;
  console_.live(text(metrics, val_loss_));
  drawn_seconds_ = metrics.seconds;
}

std::string Progress::text(const StepMetrics& metrics,
                           const std::optional<double>& val_loss) const {
  std::string text =
      "step " + std::to_string(metrics.step) + "/" + std::to_string(steps_);
  const auto add = [&](const char* label, const char* pattern,
                       const std::optional<double>& value) {
    if (value.has_value()) text += "  " + std::string(label) + format(pattern, *value);
  };
  add("loss ", "%.4f", metrics.loss);
  add("val ", "%.4f", val_loss);
  add("lr ", "%.3g", metrics.lr);
  add("norm ", "%.3f", metrics.grad_norm);
  if (metrics.tokens_per_second.has_value()) {
    text += "  " + format_thousands(*metrics.tokens_per_second) + " tokens/s";
  }
  return text + "  " + time_left(metrics);
}

// By the mean pace since the first step, which itself (it warms up) does not count.
std::string Progress::time_left(const StepMetrics& metrics) const {
  if (metrics.step >= steps_) return "took " + format_duration(*metrics.seconds);
  const auto steps_timed = static_cast<double>(metrics.step - first_->step);
  if (steps_timed == 0) return "ETA ?";
  const double pace = (*metrics.seconds - *first_->seconds) / steps_timed;
  return "ETA " + format_duration(pace * static_cast<double>(steps_ - metrics.step));
}

std::string format_duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(std::max(seconds, 0.0)));
  std::array<char, 64> text{};
  if (whole < 3600) {
    std::snprintf(text.data(), text.size(), "%d:%02d", static_cast<int>(whole / 60),
                  static_cast<int>(whole % 60));
  } else {
    std::snprintf(text.data(), text.size(), "%lld:%02d:%02d",
                  static_cast<long long>(whole / 3600),
                  static_cast<int>(whole / 60 % 60), static_cast<int>(whole % 60));
  }
  return text.data();
}

std::string format_thousands(double value) {
  if (!std::isfinite(value)) return format("%g", value);
  std::string text = format("%.0f", value);
  const int64_t first_digit = text.starts_with('-') ? 1 : 0;
  for (auto i = static_cast<int64_t>(text.size()) - 3; i > first_digit; i -= 3) {
    text.insert(static_cast<std::size_t>(i), ",");
  }
  return text;
}

}  // namespace shardopt::train
