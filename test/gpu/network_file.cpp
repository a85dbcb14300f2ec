#include "network_file.h"

#include <fstream>

#include "job_value.h"
#include "spec/layer_kinds.h"
#include "spec/reader.h"

namespace margincore::jobs {

namespace {

LayerSpec read_layer(const Job& job) {
  const std::optional<LayerSpec::Of> kind = find_kind(job.kind());
  if (!kind) throw Error(ErrorCode::InvalidOption, "layer type '" + job.kind() + "' is unknown");
  LayerSpec layer{job.text("name", ""), *kind, {}};
  for (const float input : job.numbers("inputs")) layer.inputs.push_back(static_cast<int>(input));
  const JobObject object(job);
  Reader reader(object);
  std::visit([&](auto& of) { fields(reader, of); }, layer.of);
  reader.finish("layer " + layer.name + " (" + job.kind() + ")");
  job.expect_all_read();
  return layer;
}

}  // namespace

NetworkSpec read_network(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) throw Error(ErrorCode::InvalidData, "cannot read " + path);
  NetworkSpec spec;
  const Job input(line);
  const JobObject object(input, {{"input", "size"}});
  Reader reader(object);
  fields(reader, spec);
  reader.finish(path);
  while (std::getline(file, line)) spec.layers.push_back(read_layer(Job(line)));
  return spec;
}

}  // namespace margincore::jobs
