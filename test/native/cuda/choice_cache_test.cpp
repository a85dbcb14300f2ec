// The file of choices: what is read back, what is not taken, and several processes at once.
#include "cuda/choice_cache.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "support/environment.h"

namespace margincore::test {

namespace {

using File = std::filesystem::path;

void write(const File& file, const std::string& text) { std::ofstream(file, std::ios::binary) << text; }

std::string first_line(const File& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

}  // namespace

TEST_CASE("a choice that was kept is found by the next that opens the file, and the newest is") {
  const ScratchFolder folder;
  const File file = folder / "not yet there" / "choices.txt";
  ChoiceCache first(file, "card");
  CHECK(first.find("question") == std::nullopt);
  first.keep("question", "old");
  first.keep("question", "new 1=2");
  first.keep("another", "3");
  CHECK(first.find("question") == "new 1=2");
  const ChoiceCache second(file, "card");
  CHECK(second.find("question") == "new 1=2");
  CHECK(second.find("another") == "3");
  CHECK(second.find("quest") == std::nullopt);
}

TEST_CASE("a file that was made for something else is not taken, and written anew") {
  const ScratchFolder folder;
  const File file = folder / "choices.txt";
  ChoiceCache(file, "old driver").keep("question", "1");
  ChoiceCache now(file, "new driver");
  CHECK(now.find("question") == std::nullopt);
  now.keep("question", "2");
  CHECK(ChoiceCache(file, "new driver").find("question") == "2");
  CHECK(ChoiceCache(file, "old driver").find("question") == std::nullopt);
}

TEST_CASE("a broken file is as none") {
  const ScratchFolder folder;
  const File file = folder / "choices.txt";
  ChoiceCache(file, "card").keep("question", "1");
  const std::string title = first_line(file) + "\n";
  for (const std::string& text : {std::string(), std::string("\n\n"), title + "question", title + "question 1\n",
                                  title + "question\t1", title + "question\t1\t2\n", std::string(100, '\0'),
                                  title + "question\t1\n" + std::string(2 << 20, 'x') + "\n"}) {
    CAPTURE(text.substr(0, 200));
    write(file, text);
    ChoiceCache cache(file, "card");
    CHECK(cache.find("question") == std::nullopt);
    cache.keep("question", "2");
    CHECK(ChoiceCache(file, "card").find("question") == "2");
  }
}

TEST_CASE("where nothing can be read or written, choices live as long as the process") {
  const ScratchFolder folder;
  write(folder / "file", "");
  for (const File& file : {folder / "file" / "choices.txt", folder.path(), File()}) {
    CAPTURE(file.string());
    ChoiceCache cache(file, "card");
    cache.keep("question", "1");
    if (!file.empty()) CHECK(cache.find("question") == "1");
    CHECK(ChoiceCache(file, "card").find("question") == std::nullopt);
  }
  CHECK(std::filesystem::is_directory(folder.path()));
  CHECK(folder.count() == 1);  // nothing is left aside
}

TEST_CASE("the file is bounded: the oldest choices go") {
  const ScratchFolder folder;
  const File file = folder / "choices.txt";
  {
    std::ofstream out(file, std::ios::binary);
    out << "margincore choices 1: card\n";
    for (int i = 0; i < 4096; ++i) out << "question " << i << "\t" << i << "\n";
  }
  ChoiceCache cache(file, "card");
  CHECK(cache.find("question 0") == "0");
  cache.keep("one more", "1");
  const ChoiceCache again(file, "card");
  CHECK(again.find("question 0") == std::nullopt);
  CHECK(again.find("question 1") == "1");
  CHECK(again.find("one more") == "1");
}

TEST_CASE("processes that write at once leave a whole file, with what each wrote last") {
  const ScratchFolder folder;
  const File file = folder / "choices.txt";
  constexpr int kProcesses = 4, kChoices = 50;
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ChoiceCache cache(file, "card");
      for (int i = 0; i < kChoices; ++i) cache.keep("question " + std::to_string(i), "choice " + std::to_string(i));
      _exit(0);
    }
    children.push_back(child);
  }
  int read_whole = 0;
  for (const pid_t child : children) {
    int status = -1;
    while (waitpid(child, &status, WNOHANG) == 0) {
      const ChoiceCache cache(file, "card");
      for (int i = 0; i < kChoices; ++i)
        if (const auto found = cache.find("question " + std::to_string(i))) {
          CHECK(found == "choice " + std::to_string(i));
          ++read_whole;
        }
    }
    CHECK(status == 0);
  }
  CHECK(read_whole > 0);
  const ChoiceCache cache(file, "card");
  CHECK(cache.find("question " + std::to_string(kChoices - 1)).has_value());
  CHECK(folder.count() == 1);
}

TEST_CASE("the folder is the environment's, or none") {
  Variable home("HOME", "/home/somebody"), xdg("XDG_CACHE_HOME"), own("MARGINCORE_CUDA_CACHE");
  CHECK(choice_folder(true) == "/home/somebody/.cache/margincore");
  CHECK(choice_folder(false) == "");
  xdg.set("/cache");
  CHECK(choice_folder(true) == "/cache/margincore");
  xdg.set("relative");
  CHECK(choice_folder(true) == "/home/somebody/.cache/margincore");
  own.set("/given");
  CHECK(choice_folder(true) == "/given");
  CHECK(choice_folder(false) == "/given");
  own.set("off");
  CHECK(choice_folder(true) == "");
  own.set({});
  home.set({});
  CHECK(choice_folder(true) == "");
}

}  // namespace margincore::test
