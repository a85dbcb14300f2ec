#include "card_memory.h"
#include "kinds.h"

namespace margincore::jobs {

Answer memory(const Job& job) {
  const CardMemory card(static_cast<int32_t>(job.integer("device", 0)));
  const std::optional<int64_t> before = card.used_bytes();
  Answer answer = training(job);
  const std::optional<int64_t> after = card.used_bytes();
  if (before && after) answer.add("cardBytes", static_cast<double>(*after - *before));
  return answer;
}

}  // namespace margincore::jobs
