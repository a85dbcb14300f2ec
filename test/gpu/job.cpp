#include "job.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>

namespace margincore::jobs {

namespace {

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::InvalidOption, message); }

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') result += std::string("\\") + letter;
    else if (static_cast<unsigned char>(letter) < 0x20) result += format("\\u%04x", letter);
    else result += letter;
  }
  return result + "\"";
}

double to_number(const std::string& key, const std::string& text) {
  size_t end = 0;
  double value = 0;
  try {
    value = std::stod(text, &end);
  } catch (const std::exception&) {
    end = std::string::npos;
  }
  if (end != text.size()) refuse("job: expected a number for " + key + " but received '" + text + "'");
  return value;
}

}  // namespace

Job::Job(const std::string& line) {
  std::istringstream fields(line);
  std::getline(fields, kind_, '\t');
  for (std::string field; std::getline(fields, field, '\t');) {
    const size_t middle = field.find('=');
    if (middle == std::string::npos) refuse("job: expected key=value but received '" + field + "'");
    values_[field.substr(0, middle)] = field.substr(middle + 1);
  }
}

bool Job::has_any(const std::string& beginning) const {
  const auto first = values_.lower_bound(beginning);
  return first != values_.end() && first->first.starts_with(beginning);
}

std::string Job::text(const std::string& key) const {
  read_.insert(key);
  const auto found = values_.find(key);
  if (found == values_.end()) refuse("job " + kind_ + ": " + key + " is missing");
  return found->second;
}

std::string Job::text(const std::string& key, const std::string& fallback) const {
  return has(key) ? text(key) : fallback;
}

double Job::number(const std::string& key) const { return to_number(key, text(key)); }

double Job::number(const std::string& key, double fallback) const { return has(key) ? number(key) : fallback; }

int64_t Job::integer(const std::string& key) const {
  const double value = number(key);
  if (value != std::floor(value)) refuse("job: expected an integer for " + key);
  return static_cast<int64_t>(value);
}

int64_t Job::integer(const std::string& key, int64_t fallback) const { return has(key) ? integer(key) : fallback; }

std::vector<float> Job::numbers(const std::string& key) const {
  std::vector<float> result;
  if (!has(key)) return result;
  std::istringstream list(text(key));
  for (std::string item; std::getline(list, item, ',');) result.push_back(static_cast<float>(to_number(key, item)));
  return result;
}

void Job::expect_all_read() const {
  for (const auto& [key, value] : values_)
    if (read_.count(key) == 0) refuse("job " + kind_ + ": " + key + " is unknown");
}

std::string Answer::json(double number) {
  // What Python's json reads, though JSON itself has no such numbers.
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  return format("%.17g", number);
}

Answer& Answer::add_raw(const std::string& name, const std::string& value) {
  fields_ += (fields_.empty() ? "" : ",") + quoted(name) + ":" + value;
  return *this;
}

Answer& Answer::add(const std::string& name, const std::string& text) { return add_raw(name, quoted(text)); }

Answer& Answer::add(const std::string& name, double number) { return add_raw(name, json(number)); }

void ArrayFile::write(const std::string& path, Answer& answer) const {
  std::ofstream file(path, std::ios::binary);
  std::string names;
  std::vector<size_t> counts;
  for (const auto& [name, values] : arrays_) {
    file.write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(float)));
    names += (names.empty() ? "" : "\n") + name;
    counts.push_back(values.size());
  }
  if (!file.flush()) throw Error(ErrorCode::Internal, "cannot write " + path);
  answer.add("arrays", names).add("counts", counts);
}

template <class T>
std::vector<T> read_values(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw Error(ErrorCode::InvalidData, "cannot read " + path);
  std::vector<T> values(static_cast<size_t>(file.tellg()) / sizeof(T));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
  return values;
}

template std::vector<float> read_values(const std::string& path);
template std::vector<int32_t> read_values(const std::string& path);
template std::vector<uint8_t> read_values(const std::string& path);

void serve(const std::map<std::string, Work>& kinds) {
  for (std::string line; std::getline(std::cin, line);) {
    Answer answer;
    try {
      const Job job(line);
      const auto work = kinds.find(job.kind());
      if (work == kinds.end()) refuse("job: kind '" + job.kind() + "' is unknown");
      answer = work->second(job);
      job.expect_all_read();
    } catch (const std::exception& error) {
      answer = Answer().add("error", error.what());
    }
    std::printf("%s\n", answer.to_string().c_str());
    std::fflush(stdout);
  }
}

}  // namespace margincore::jobs
