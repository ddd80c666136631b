#include "cli/command_help.h"

namespace procctl::cli {

const char kFooter[] = R"(Examples
  procctl-cli list
  procctl-cli kill web-01/encoder --reason "stuck since noon"
  procctl-cli events --since 10m
  procctl-cli why web-01/encoder
  procctl-cli hold web-01/encoder --for 30m --reason "debugging"

Help on: exit-codes, environment, filters (procctl-cli help TOPIC).)";

const char kListFooter[] =
    R"(Columns: BEAT is how long the process has been silent ("<2.5s": it beats, and was silent for at most
half its timeout), UP how long it has been registered, AGE when its node was last heard. Of a node
that cannot be heard the rows are stale: what they say was true AGE ago. STATUS is who holds it and
how long, why a due kill is withheld, and what the process itself says: its phase and its note.

Examples
  procctl-cli list
  procctl-cli list nodes
  procctl-cli list --node 'web-*' --state hung
  procctl-cli list -o wide
  procctl-cli list -o json)";

const char kKillFooter[] =
    R"(The process gets SIGTERM, then after the grace SIGKILL. It is stopped only if it is still the very
process that the list shows. One target is stopped at once; several are shown first and need a yes.
Ctrl-C stops waiting, not the kill.

Examples
  procctl-cli kill web-01/encoder
  procctl-cli kill web-01:4182 --grace 30s --reason "deploy 117"
  procctl-cli kill web-01/encoder web-02/encoder --dry-run)";

const char kEventsFooter[] =
    R"(A table shows the newest 50 unless -n says otherwise, JSON all of them; oldest first. Events of one
kill on a node share the number "kill" in JSON. `procctl-cli why` takes what stands under ID.

Examples
  procctl-cli events --since 10m
  procctl-cli events --kind verdict --node web-01
  procctl-cli events --slot web-01/encoder -o json)";

const char kWhyFooter[] =
    R"(Tells the latest kill of a slot, or the kill that an event belongs to, from what is recorded and
nothing else: which heart passed which limit, where the process was, what was sent when, by what it
was withheld, how it ended and what happens next. Of a slot that was never stopped it says how it is.

Examples
  procctl-cli why web-01/encoder
  procctl-cli why web-01:1795348800000:17
  procctl-cli why web-01/encoder -o json)";

const char kDescribeFooter[] =
    R"(Asks the node itself. If it cannot be heard, what the controller knows is shown with its age, and
the exit code is 5.

Examples
  procctl-cli describe web-01/encoder
  procctl-cli describe web-01
  procctl-cli describe web-01/encoder -o json)";

const char kHoldFooter[] =
    R"(While a hold lasts no kill of the slot begins and none goes on. It ends by itself, whatever
becomes of this host and of the controller. A later hold of the same slot replaces the earlier one.
Several targets are shown first and need a yes.

Examples
  procctl-cli hold web-01/encoder --for 30m --reason "debugging, see ticket 42"
  procctl-cli hold -l 'node=web-* name=encoder' --for 2h --reason "storage move" --yes)";

const char kReleaseFooter[] =
    R"(A kill that is due goes on at once. Releasing what nobody holds is done too.

Examples
  procctl-cli release web-01/encoder
  procctl-cli release -l 'node=web-*' --yes)";

}  // namespace procctl::cli
