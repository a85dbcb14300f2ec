#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "support/backends.h"
#include "support/compare.h"

int main(int count, char** arguments) {
  for (const margincore::BackendAvailability& backend : margincore::find_backends())
    if (!backend.available && margincore::test::is_chosen(backend.name))
      std::printf("skipped: everything on %s: %s\n", backend.name.c_str(), backend.reason.c_str());
  doctest::Context context(count, arguments);
  const int result = context.run();
  if (!context.shouldExit())
    std::printf("Share of each tolerance that was used:\n%s", margincore::test::limits_used().c_str());
  return result;
}
