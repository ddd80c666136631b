#include "cli/help_topics.h"

namespace procctl::cli {
namespace {

constexpr std::string_view kExitCodes = R"(Exit codes

    0  done; a list that is empty is done too
    1  what was asked could not be done; a program that was started failed, or was not
       there in time
    2  the command line, or a file it names, is wrong
    3  nothing matched, or it has ended already where a hold was asked for
    4  not allowed: no usable certificate, or its role may not do this; with --local, not
       the user whom the node serves
    5  the controller or a node cannot be reached, or did not answer in time
    6  the process is no longer the one you saw; nobody was signalled
    7  partly done: some targets are stopped (held, released, started), some are not
    9  declined at the question, or --yes is missing where nobody can be asked; the number
       of --confirm is missing or wrong, or more targets than your role may stop
  130  interrupted; a kill or an order that had begun goes on

A kill, hold, release, start, stop, restart, retry or reload of several targets exits
with their common code, 7 if some are done and some are not, and 1 if none is done for
different reasons. `describe` of what cannot be heard shows what the controller knows,
and exits with 5.
)";

constexpr std::string_view kEnvironment =
    R"(Environment variables (an option on the command line wins)

  PROCCTL_CONTROLLER   --controller   HOST:PORT of the controller
  PROCCTL_CA           --ca           certificate of the fleet's CA (ca.crt)
  PROCCTL_CERT         --cert         your certificate (cert.pem)
  PROCCTL_KEY          --key          your private key (key.pem), readable by you alone
  PROCCTL_SERVER_NAME  --server-name  name in the controller's certificate, where it is
                                      not the host you connect to
  XDG_RUNTIME_DIR      with --local: where a plain user's own node has its socket
  NO_COLOR             set to anything: no colours

`procctl-controller init` makes the files and prints these lines for each person.
)";

constexpr std::string_view kLocal = R"(The node of this host, without a controller

With --local a command asks the procctl-node that runs on this host, through the socket
control.sock in its runtime_dir: /run/procctl, or of a plain user's own node
$XDG_RUNTIME_DIR/procctl; --runtime-dir names another. Root is served, and the user that
the node runs as.

What is ordered this way passes the same checks, and goes on record, as what comes through
a controller. Its issuer is local/root, or local/ and that user's name.

NODE may be left out: web is NODE/web, :4182 is NODE:4182. Another node's name is refused.

  list, programs, describe, logs          as ever
  start, stop, restart, retry, reload     as ever
  kill, hold, release                     as ever
  why, events, history, nodes, forget,
  count, watch                            need a controller
  order, orders, kill by filter or pace   need a controller

Examples
  procctl-cli --local list
  procctl-cli --local restart web --max-unavailable 1
  procctl-cli --local kill encoder --reason "stuck since noon"
  procctl-cli --local reload
)";

constexpr std::string_view kFilters = R"(Filters

A filter is a list of terms, all of which must hold:

  KEY=VALUE   KEY!=VALUE      is, is not; VALUE may be several (a,b: any of them)
  KEY<VALUE   <=   >   >=     of numbers, durations and sizes
  KEY:VALUE                   of a text: contains; of all else: is
  TERM OR TERM                one of them is enough; binds tighter than AND
  TERM AND TERM               the same as side by side
  NOT TERM    -TERM           the opposite
  ( ... )                     up to 16 deep

VALUE of a text may hold * and ? as in a shell. "In quotes" it is taken as it stands, blanks
and all, with \" and \\ for those two; "" is nothing. Durations are written 90s, 5m, 2h, 3d,
sizes 500M, 2G. What is not known (the silence of a process whose node is not heard, the CPU
use of one whose node does not answer) matches neither a comparison nor its opposite. An
error names the column and shows the place.

  list slots   node, name, slot, state, pid, door, program, uid, age, silence, cpu (percent of
               one CPU), memory (resident bytes); the last two are asked of the nodes
  count        the same but cpu and memory
  watch        the same but cpu, memory, age and silence
  hold -l      as list slots, and so does release -l
  list nodes   node, state, version, hostname, mode
  programs     node, program, name, state, label (KEY=VALUE, as in label=app=web)
  start ...    the same with --filter, and so do stop, restart and retry
  events       node, slot, name, kind, cause, verdict, order, pid, kill, program, run

States of slots: alive, quiet, starting, busy, hung, no_progress, gave_up, term_sent,
kill_sent, unkillable, held, stale.
States of nodes: connected, suspect, lost, draining, forgotten; the last are listed only where
the filter names a state.
Doors: native, classic, notify, program.
States of programs: stopped, waiting, starting, running, stopping, backoff, parked,
scheduled, done.

The options --node, --name, --state, --slot, --program and --kind are terms too, and -l
app=web of programs is label=app=web; all add up.

Examples
  procctl-cli list --node 'web-*' --state hung,held
  procctl-cli list --filter 'name=encoder node!=web-03'
  procctl-cli list --filter 'state=hung OR (silence>1m AND NOT name="batch job")'
  procctl-cli list --filter 'memory>2G age>1d'
  procctl-cli events --filter 'kind=verdict cause=heartbeat' --since 1h
  procctl-cli events --filter 'node=web-01 kill=17'
  procctl-cli hold -l 'node=web-* name=encoder' --for 30m --reason "storage move"
)";

}  // namespace

std::string_view HelpTopic(std::string_view topic) {
  if (topic == "exit-codes") return kExitCodes;
  if (topic == "environment") return kEnvironment;
  if (topic == "filters") return kFilters;
  if (topic == "local") return kLocal;
  return "";
}

}  // namespace procctl::cli
