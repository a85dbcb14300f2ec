#include "kinds.h"
#include "specs.h"

int main() {
  using namespace margincore::jobs;
  const auto info = [](const Job& job) {
    Answer answer;
    describe(margincore::open_backend(backend_of(job), options_of(job))->info(), answer);
    return answer;
  };
  serve({{"info", info},
         {"training", training},
         {"memory", memory},
         {"parameters", parameters},
         {"close", close_sessions},
         {"head", head},
         {"convolution", convolution},
         {"bandwidth", bandwidth}});
}
