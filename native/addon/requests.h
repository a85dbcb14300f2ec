// What JavaScript asks for, as plain structs. The facade has validated it; what is checked here again is what memory
// safety needs. Descriptions of networks, heads and optimizers are read and checked by spec/.
#pragma once

#include <napi.h>

#include "data/changed_images.h"
#include "train/head_loss.h"
#include "train/session.h"

namespace margincore {

BackendOptions to_backend_options(const Napi::Object& config);
NetworkSpec to_network_spec(const Napi::Object& network);
SessionSpec to_session_spec(const Napi::Object& config);
StepsRequest to_steps_request(const Napi::Object& request);
HeadLossRequest to_head_loss_request(const Napi::Object& request);
ChangedImagesRequest to_changed_images_request(const Napi::Object& request);

/// Images, and which outputs are wanted of them.
struct InferRequest {
  std::vector<uint8_t> images;
  int64_t count = 0;
  bool probabilities = false, scores = false, cosines = false, embeddings = false;
  bool normalize_embeddings = false;
  std::optional<std::vector<int32_t>> labels;  // asks for angles and class norms
};
InferRequest to_infer_request(const Napi::Object& request, const Session& session);

/// Throws InvalidData for a label that is none of the classes.
void check_labels(const std::vector<int32_t>& labels, int64_t classes);

}  // namespace margincore
