// SPDX-License-Identifier: MIT
//
// What crosses and what does not, by policy; and the descriptor calls themselves against the running kernel.
#include "properties/on_the_kernel.h"

namespace spawncheck {
namespace {

SPAWNCHECK_FAMILY(Descriptors, Family::policies, 1)

RC_GTEST_PROP(DescriptorCalls, AgreeWithTheModel, ()) { family_holds(session_with("reference"), Family::calls, 2); }
RC_GTEST_PROP(Limits, HoldForTheReference, ()) { family_holds(session_with("reference"), Family::limits, 1); }
RC_GTEST_PROP(Limits, HoldForForkAndExecAlone, ()) { family_holds(session_with("fork_exec"), Family::limits, 1, 1); }

// Behaviour 9: any subset of 0, 1 and 2 closed in the parent, with a program that fails and one that runs.
TEST(Descriptors, AnySubsetOfTheStandardOnesMayBeClosed) {
  for (const char* implementation : {"reference", "fork_exec"})
    for (int open = 0; open < 8; ++open) {
      std::string text = "fd 9 memfd cloexec\n";
      for (int n = 0; n < 3; ++n)
        if (open >> n & 1) text += "fd " + std::to_string(n) + " memfd\n";
      expect_holds(session_with(implementation), text +
                                                     "thread\n  spawn inherit hold keep 9>5 -> $0\n  spawn only "
                                                     "missing keep 9>0\n  spawn only hold keep 9>2 -> $1\n");
    }
}

}  // namespace
}  // namespace spawncheck
