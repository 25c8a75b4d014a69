// SPDX-License-Identifier: MIT
//
// Go: a thread of C that calls into Go, which spawns, comes back with another signal mask.
//
// What happens: on the way in, needm saves the thread's mask in m.sigmask, to be set again on the way out (dropm), and unblocks the
//   signals that the runtime must not miss. BeforeFork saves the mask of that moment in m.sigmask too, over the caller's. So a
//   thread that blocked every signal has SIGINT, SIGTERM, SIGSEGV, SIGPROF, SIGURG and others unblocked when it is back in C.
// What should:  the thread has the mask that it had, as after a call that spawns nothing.
// Rule:         os/signal, "Go programs that use cgo": a thread that C has started may have what mask it likes; pthread_sigmask(3): a mask is the
//   thread's own, and whoever sigwait(2)s counts on it.
// Where:        src/runtime/proc.go syscall_runtime_BeforeFork, sigsave(&gp.m.sigmask), and dropm. Seen with 1.19.
// Upstream:     none found.
//
//	go run go-mask-lost.go
package main

/*
#include <pthread.h>
#include <signal.h>

extern void callGo(int);

// The signals that a thread of C blocked before a call into Go, and not after it.
struct lost { int spawns; unsigned long long signals; };

static void* caller(void* of) {
	struct lost* lost = of;
	sigset_t all, before, after;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	callGo(lost->spawns);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int s = 1; s <= 64; ++s)
		if (sigismember(&before, s) == 1 && sigismember(&after, s) == 0) lost->signals |= 1ull << (s - 1);
	return NULL;
}

static unsigned long long lost_by(int spawns) {
	struct lost lost = {spawns, 0};
	pthread_t thread;
	if (pthread_create(&thread, NULL, caller, &lost) != 0) return ~0ull;
	pthread_join(thread, NULL);
	return lost.signals;
}
*/
import "C"

import (
	"fmt"
	"os"
	"os/exec"
)

//export callGo
func callGo(spawns C.int) {
	if spawns == 0 {
		return
	}
	if err := exec.Command("/bin/true").Run(); err != nil {
		fmt.Println("cannot tell: /bin/true:", err)
		os.Exit(77)
	}
}

func main() {
	if lost := uint64(C.lost_by(0)); lost != 0 {
		fmt.Printf("cannot tell: a call that spawns nothing lost %#x too\n", lost)
		os.Exit(77)
	}
	if lost := uint64(C.lost_by(1)); lost != 0 {
		fmt.Printf("BUG: the thread blocked every signal before the call and no longer blocks %#x\n", lost)
		os.Exit(1)
	}
	fmt.Println("FIXED: the thread blocks what it blocked before the call")
}
