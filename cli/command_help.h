// What stands below the options in each command's --help: what it means, and examples.
#pragma once

namespace procctl::cli {

// Of the program itself.
extern const char kFooter[];
extern const char kListFooter[];
extern const char kCountFooter[];
extern const char kKillFooter[];
extern const char kOrderFooter[];
extern const char kEventsFooter[];
extern const char kWatchFooter[];
extern const char kWhyFooter[];
extern const char kDescribeFooter[];
extern const char kHoldFooter[];
extern const char kReleaseFooter[];
extern const char kProgramsFooter[];
extern const char kHistoryFooter[];
extern const char kLogsFooter[];
extern const char kStartFooter[];
extern const char kStopFooter[];
extern const char kRestartFooter[];
extern const char kRetryFooter[];
extern const char kReloadFooter[];
extern const char kNodesFooter[];
extern const char kForgetFooter[];

}  // namespace procctl::cli
