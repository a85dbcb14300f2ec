// Words for the values of enumerations: a table each, and what is done with any of them.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "spec/head.h"
#include "spec/init.h"
#include "spec/optimizer.h"

namespace margincore {

template <class Enum>
struct Word {
  const char* text;
  Enum value;
};

constexpr std::array<Word<Precision>, 3> words_of(Precision) {
  return {{{"fp32", Precision::Fp32}, {"tf32", Precision::Tf32}, {"bf16", Precision::Bf16}}};
}
constexpr std::array<Word<L2Scope>, 2> words_of(L2Scope) {
  return {{{"sample", L2Scope::Sample}, {"batch", L2Scope::Batch}}};
}
constexpr std::array<Word<Wrap>, 3> words_of(Wrap) {
  return {{{"continue", Wrap::Continue}, {"linear", Wrap::Linear}, {"none", Wrap::None}}};
}
constexpr std::array<Word<OptimizerSpec::Type>, 3> words_of(OptimizerSpec::Type) {
  using Type = OptimizerSpec::Type;
  return {{{"sgd", Type::Sgd}, {"adam", Type::Adam}, {"adamw", Type::AdamW}}};
}
constexpr std::array<Word<Padding>, 2> words_of(Padding) {
  return {{{"zero", Padding::Zero}, {"reflect", Padding::Reflect}}};
}
constexpr std::array<Word<Flip>, 3> words_of(Flip) {
  return {{{"none", Flip::None}, {"random", Flip::Random}, {"alternating", Flip::Alternating}}};
}
constexpr std::array<Word<InitRule>, 8> words_of(InitRule) {
  return {{{"fanInUniform", InitRule::FanInUniform},
           {"pytorch", InitRule::PyTorch},
           {"heNormal", InitRule::HeNormal},
           {"heNormalFanOut", InitRule::HeNormalFanOut},
           {"heUniform", InitRule::HeUniform},
           {"lecunUniform", InitRule::LecunUniform},
           {"xavierNormal", InitRule::XavierNormal},
           {"xavierUniform", InitRule::XavierUniform}}};
}

template <class Enum>
std::optional<Enum> find_word(const std::string& text) {
  for (const Word<Enum>& word : words_of(Enum{}))
    if (text == word.text) return word.value;
  return {};
}

template <class Enum>
const char* word_for(Enum value) {
  for (const Word<Enum>& word : words_of(value))
    if (value == word.value) return word.text;
  return "";
}

template <class Enum>
std::vector<std::string> words() {
  std::vector<std::string> texts;
  for (const Word<Enum>& word : words_of(Enum{})) texts.push_back(word.text);
  return texts;
}

/// "'fp32', 'tf32' or 'bf16'"
template <class Enum>
std::string list_words() {
  std::string list;
  constexpr auto words = words_of(Enum{});
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) list += i + 1 < words.size() ? ", " : " or ";
    list.append("'").append(words[i].text).append("'");
  }
  return list;
}

}  // namespace margincore
