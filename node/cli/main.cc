#include <cstdlib>
#include <iostream>

#include "node/cli/command_line.h"

int main(int argc, char** argv) {
  const char* endpoints = std::getenv("ASPEN_ENDPOINTS");
  return aspen::cli::run(std::vector<std::string>(argv + 1, argv + argc),
                         {endpoints != nullptr ? endpoints : "", std::cout, std::cerr});
}
