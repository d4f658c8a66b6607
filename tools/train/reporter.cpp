#include "train/reporter.h"

#include <cstdio>

#include "shardopt/config/print_config.h"
#include "train/output_folder.h"
#include "train/sample_text.h"

namespace shardopt::train {

Reporter::Reporter(const config::TrainConfig& config, bool is_speaker)
    : config_(config), is_speaker_(is_speaker) {
  if (is_speaker) console_ = std::make_unique<Console>();
}

void Reporter::begin(int64_t resumed) {
  if (!is_speaker_) return;
  progress_ = std::make_unique<Progress>(*console_, config_.train.steps,
                                         config_.output.log_every, resumed + 1);
  if (config_.output.path.empty()) return;
  folder_ = config_.output.path;
  write_text_file(*folder_ / kConfigFile, config::print_config(config_));
  metrics_ = std::make_unique<MetricsFile>(*folder_ / kMetricsFile, resumed);
  events_ = std::make_unique<EventFile>(*folder_ / kEventsFolder, resumed);
}

void Reporter::line(const std::string& text) {
  if (console_) console_->line(text);
}

void Reporter::warn(const std::string& text) {
  if (!is_speaker_) return;
  console_->clear();
  std::fprintf(stderr, "shardopt-train: warning: %s\n", text.c_str());
}

void Reporter::step(const StepMetrics& metrics) {
  if (progress_) progress_->update(metrics);
  if (metrics_) metrics_->append(metrics);
  if (events_) events_->append(metrics);
}

void Reporter::sample(const std::string& text) {
  line("sample of text:\n" + printable(text));
  if (folder_) write_text_file(*folder_ / kSampleFile, text);
}

}  // namespace shardopt::train
