#include "train/sample_text.h"

#include <algorithm>
#include <vector>

#include <torch/types.h>

#include "shardopt/core/random.h"
#include "train/gpt.h"

namespace shardopt::train {
namespace {

at::Tensor as_tokens(const std::string& text) {
  std::vector<int64_t> bytes;
  for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
  return at::tensor(bytes, at::kLong).view({1, -1});
}

}  // namespace

std::string sample_text(Gpt& model, const std::string& prompt, int64_t length,
                        int64_t context, double temperature, uint64_t seed) {
  const at::NoGradGuard no_grad;
  const at::Generator generator = make_named_generator(seed, "sample");
  std::string text = prompt;
  for (int64_t i = 0; i < length; ++i) {
    const auto visible = std::min<std::size_t>(text.size(), context);
    const at::Tensor tokens = as_tokens(text.substr(text.size() - visible));
    const at::Tensor last = model.logits(tokens).select(1, -1).to(at::kDouble);
    const at::Tensor chances = at::softmax(last / temperature, -1);
    const at::Tensor drawn = at::multinomial(chances, 1, false, generator);
    text.push_back(static_cast<char>(drawn.item<int64_t>()));
  }
  return text;
}

std::string printable(const std::string& bytes) {
  std::string text = bytes;
  const auto is_hidden = [](unsigned char c) {
    return c != '\n' && c != '\t' && (c < 32 || c > 126);
  };
  std::ranges::replace_if(text, is_hidden, '?');
  return text;
}

}  // namespace shardopt::train
