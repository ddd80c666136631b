#include "cli/command_help.h"

namespace procctl::cli {

const char kFooter[] = R"(Examples
  procctl-cli list
  procctl-cli kill web-01/encoder --reason "stuck since noon"
  procctl-cli events --since 10m
  procctl-cli watch 'node=web-*'
  procctl-cli why web-01/encoder
  procctl-cli hold web-01/encoder --for 30m --reason "debugging"
  procctl-cli programs web-01
  procctl-cli restart -l app=web --max-unavailable 10%
  procctl-cli logs web-01/tor -f
  procctl-cli --local restart web

Help on: exit-codes, environment, filters, local (procctl-cli help TOPIC).)";

const char kListFooter[] =
    R"(Columns: BEAT is how long the process has been silent ("<2.5s": it beats, and was silent for at most
half its timeout; "-": it need not beat), UP how long it has been registered, AGE when its node was
last heard. Of a node that cannot be heard the rows are stale: what they say was true AGE ago. STATUS
is who holds it and how long, why a due kill is withheld, and what the process itself says: its phase
and its note. `-o wide` and `-o json` also ask the nodes what each process uses at this moment (CPU, RSS,
THREADS, FDS); "-" where a node does not answer within 2 s.

Examples
  procctl-cli list
  procctl-cli list nodes
  procctl-cli list programs -l app=web
  procctl-cli list --node 'web-*' --state hung
  procctl-cli list -o wide
  procctl-cli list -o json)";

const char kCountFooter[] =
    R"(The largest groups come first. Nothing is counted by CPU or memory, which only the nodes know: list the
slots with such a filter instead. Without --by there is one count of all.

Examples
  procctl-cli count
  procctl-cli count --by state,node
  procctl-cli count 'state=hung OR silence>1m' --by name
  procctl-cli count 'node=web-*' --by program --limit 10 -o json)";

const char kKillFooter[] =
    R"(The process gets SIGTERM, then after the grace SIGKILL. It is stopped only if it is still the very
process that the list shows. One target is stopped at once; several, or all that match a filter, are
planned first: the plan is shown, needs a yes, and is done exactly as it was shown. A filter that
matches everything, and more targets than your role stops at a time, need --confirm with the number.

A pace (--max-unavailable, --batch) waits: a program that its node starts again until it is back, all
else until it has ended. The order halts when too many of a batch fail. Ctrl-C stops waiting, not the
kill: `procctl-cli order ID` follows it again, pauses or cancels it.

Examples
  procctl-cli kill web-01/encoder
  procctl-cli kill web-01:4182 --grace 30s --reason "deploy 117"
  procctl-cli kill web-01/encoder web-02/encoder --dry-run
  procctl-cli kill -l 'node=web-* name=encoder' --plan
  procctl-cli kill -l 'name=encoder' --max-unavailable 2 --halt-percent 10 --reason "new release")";

const char kOrderFooter[] =
    R"(What was sent to a node goes on whatever is done with its order; what was not sent waits, or with
--cancel is never sent. After a restart of the controller an order with targets to send is paused.

Examples
  procctl-cli order 3b1f0c52-0d5e-4a55-9f0e-6f1c7a3a9d10
  procctl-cli order 3b1f0c52-0d5e-4a55-9f0e-6f1c7a3a9d10 --resume
  procctl-cli order --cancel --all --reason "wrong release")";

const char kEventsFooter[] =
    R"(A table shows the newest 50 unless -n says otherwise, JSON all of them; oldest first. Events of one
kill on a node share the number "kill" in JSON. `procctl-cli why` takes what stands under ID.
With -f what happens from now on follows, a line each (with `-o json` an object each, "change":
"event"), until Ctrl-C; also across a restart of the controller, without hole or duplicate. If this
program cannot keep up, the events left out are said.

Examples
  procctl-cli events --since 10m
  procctl-cli events --kind verdict --node web-01
  procctl-cli events -f 'kind=hung,verdict' --since 10m
  procctl-cli events --slot web-01/encoder -o json)";

const char kWatchFooter[] =
    R"(Tells every change of the state of a slot that matches, and of its nodes, a line each, until Ctrl-C
(exit code 0). "new -> alive": it came, or matches from now on; "hung -> gone": it ended, or matches
no more. Of a node that cannot be heard only the node is told: its rows are as old as it says. Goes on
across a restart of the controller; what changed meanwhile is told then.

With `-o json` an object for each line: "change" is "slot" ("from", "to", and "row" as in list; null
where there is none; "initial" for what was there at the beginning), "node" or "resync".

Examples
  procctl-cli watch
  procctl-cli watch 'node=web-* name=encoder'
  procctl-cli watch --state hung,unkillable -o json)";

const char kWhyFooter[] =
    R"(Tells the latest kill of a slot, or the kill that an event belongs to, from what is recorded and
nothing else: which heart passed which limit, where the process was, what was sent when, by what it
was withheld, how it ended and what happens next. Of a slot that was never stopped it says how it is.
Of a program that ended last without being stopped it tells that end, and its last words.

Examples
  procctl-cli why web-01/encoder
  procctl-cli why web-01:1795348800000:17
  procctl-cli why web-01/encoder -o json)";

const char kDescribeFooter[] =
    R"(Asks the node itself. Of a program its row is shown as well, also while it does not run. If the node
cannot be heard, what the controller knows is shown with its age, and the exit code is 5.

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

const char kProgramsFooter[] =
    R"(Columns: UP is how long it has been running, RESTARTS how often it was started after an end that
nobody had ordered, NEXT when it is started by itself (backoff, parked, scheduled), LAST how it ended
last. Of a node that cannot be heard the rows are stale: what they say was true once. `-o wide` adds
what it uses, how it is watched, its labels and its cgroup.

States: stopped, waiting (for others to be ready), starting, running, stopping, backoff (started
again soon), parked (ended too often), scheduled, done.

Examples
  procctl-cli programs
  procctl-cli programs web-01 db-01/postgres
  procctl-cli programs -l app=web --state backoff,parked
  procctl-cli programs -o wide)";

const char kHistoryFooter[] =
    R"(Newest last. RAN is how long it ran, HOW what the kernel said of its end, CAUSE why it ended, NEXT
START when it was to be started again ("-": it was not, by itself). NODE/web means all instances of it.

Examples
  procctl-cli history web-01/tor
  procctl-cli history web-01/tor -n 3 --stderr
  procctl-cli history web-01/web@2 --all -o json)";

const char kLogsFooter[] =
    R"(Reads from the node. On a terminal control characters are shown as \xNN; into a pipe or a file bytes
go as they are. What is gone before it was read is marked on stderr: [output lost here]. With -f a
node that cannot be heard is tried again until Ctrl-C. `-o json` gives one object per line for each
piece: {"data":..., "lost":..., "cursor":...}.

Examples
  procctl-cli logs web-01/tor
  procctl-cli logs web-01/web@2 -f --tail 10
  procctl-cli logs web-01/tor --stderr --tail 1000 > tor.txt)";

const char kStartFooter[] =
    R"(NODE/web means all instances of it. One target is started at once; several are shown first and need a
yes. Waits until each runs (is ready) or has failed, on a terminal and in a script alike; with
--no-wait only until its node has taken the order. Ctrl-C stops waiting, not the order.

Examples
  procctl-cli start web-01/tor
  procctl-cli start web-01/web --yes
  procctl-cli start -l app=web --no-wait --yes)";

const char kStopFooter[] =
    R"(It stays stopped until somebody starts it, also when its node restarts. It is stopped only if it is
still the very process that the list shows. One target is stopped at once; several are shown first and
need a yes. Waits until each is stopped; with --no-wait only until its node has taken the order.

Examples
  procctl-cli stop web-01/tor --reason "disk is being replaced"
  procctl-cli stop web-01/web@1 web-01/web@2 --yes)";

const char kRestartFooter[] =
    R"(It is stopped only if it is still the very process that the list shows, and started whatever its
policy says. Waits until each runs (is ready) in a new life, or has failed.

--max-unavailable makes it a rolling restart: never more than so many of the selected instances are not
running at a time (a share is rounded down, at least 1), each is waited for before the next begins, and
the first that fails ends it. What is stopped, scheduled or done is left alone then.

Examples
  procctl-cli restart web-01/tor
  procctl-cli restart web-01/web --max-unavailable 1 --yes
  procctl-cli restart -l app=web --max-unavailable 10% --wait-timeout 2m --reason "new release")";

const char kRetryFooter[] =
    R"(A program in backoff, parked or scheduled is started now instead of at its time; of a parked one its
node forgets why. Waits until it runs or has failed; with --no-wait only until its node has the order.

Examples
  procctl-cli retry web-01/tor
  procctl-cli retry --filter 'node=web-* state=parked' --yes)";

const char kReloadFooter[] =
    R"(The node says what came of it; a configuration with a mistake changes nothing. `procctl-node check
FILE` on the node shows what is wrong, and what would be done. Several nodes are shown first and need a
yes.

Examples
  procctl-cli reload web-01
  procctl-cli --local reload
  procctl-cli reload web-01 web-02 --reason "new limits" --yes)";

const char kNodesFooter[] =
    R"(AGE is when a node was last heard. STATE: connected; suspect, it was not heard for a while; lost, for
so long that nothing is known of it; draining, it said goodbye (NOTE says why) and is expected back.
Forgotten nodes are listed only with --state forgotten. LOAD is runnable processes over a minute per CPU.
NOTE also says by how much a node's clock is off, if by over 1 s.

Examples
  procctl-cli nodes
  procctl-cli nodes --state suspect,lost,draining
  procctl-cli nodes --state forgotten)";

const char kForgetFooter[] =
    R"(The node's rows are dropped, and it is not listed or counted any more; its events stay. Not while it is
connected. A new session of it brings it back, so nothing is lost by forgetting the wrong one. A node
that was lost for long (forget_after of the controller, 7 days) is forgotten by itself.

Examples
  procctl-cli forget web-01 --reason "decommissioned"
  procctl-cli nodes --state forgotten)";

}  // namespace procctl::cli
