// SPDX-License-Identifier: MIT
//
// Go: what the child inherits at the number after the last of its files is overwritten.
//
// What happens: forkAndExecInChild moves files aside to "nextfd", the number after the highest that it knows, without looking
//   whether the process has something there. A descriptor without close-on-exec that was there, as one from whoever started the
//   program, is replaced, and closed by the exec.
// What should:  it is inherited, or else refused: nothing is overwritten without a word.
// Rule:         fork(2): the child has copies of the parent's descriptors; dup3(2) replaces what is open at its target.
// Where:        src/syscall/exec_linux.go forkAndExecInChild1, pass 1. Seen with 1.19.
// Upstream:     golang/go issues 61751, 66654 (hit as opencontainers/runc issue 4294); open.
//
//	go run go-descriptor-overwritten.go
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

const file, first, last = 19, 20, 40

func main() {
	null, err := syscall.Open("/dev/null", syscall.O_RDWR, 0)
	if err != nil || null >= file {
		os.Exit(77)
	}
	for number := file; number <= last; number++ { // without close-on-exec from first on
		flags := 0
		if number == file {
			flags = syscall.O_CLOEXEC
		}
		if syscall.Dup3(null, number, flags) != nil {
			os.Exit(77)
		}
	}
	count := fmt.Sprintf("n=0; for f in $(seq %d %d); do [ -e /proc/self/fd/$f ] || n=$((n+1)); done; exit $n", first, last)
	cmd := exec.Command("/bin/sh", "-c", count)
	cmd.ExtraFiles = []*os.File{os.NewFile(file, "file")} // 19, so the next number is 20
	lost := 0
	if exit, ok := cmd.Run().(*exec.ExitError); ok {
		lost = exit.ExitCode()
	}
	if lost > last-first {
		os.Exit(77)
	}
	verdict, status := "FIXED", 0
	if lost > 0 {
		verdict, status = "BUG", 1
	}
	fmt.Printf("%s: %s: of the inherited descriptors %d to %d the child lacks %d\n", verdict, runtime.Version(), first, last, lost)
	os.Exit(status)
}
