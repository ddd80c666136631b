// What a process uses, as text: the same words for slots and for programs. Pure, as all of
// render.h.
#pragma once

#include <string>
#include <vector>

#include "cli/table.h"
#include "procctl/v1/detail.pb.h"

namespace procctl::cli {

// CPU, RSS, THREADS, FDS.
std::vector<std::string> UsageHeaders();

// One cell for each of the headers; "-" where nothing is known (null).
std::vector<TableCell> UsageCells(const v1::Usage* usage);

// "21.5 MiB resident, 3 % CPU, 4 threads, 12 descriptors".
std::string UsageText(const v1::Usage& usage);

}  // namespace procctl::cli
