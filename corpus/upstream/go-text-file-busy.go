// SPDX-License-Identifier: MIT
//
// Go: a program that was just written cannot be started, because another goroutine starts one.
//
// What happens: a goroutine writes an executable file, closes it and starts it, as the go command itself does. Between the fork and
//   the exec of another goroutine's Cmd the new process still has the file open for writing: ETXTBSY.
// What should:  Cmd.Start succeeds: the goroutine has closed its file.
// Rule:         execve(2), ETXTBSY: "The specified executable was open for writing by one or more processes".
// Where:        src/syscall/exec_unix.go: ForkLock holds no writer of a file off. Versions: 1.19 to date.
// Upstream:     golang/go issue 22315; open.
//
//	go run go-text-file-busy.go
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
)

const goroutines, tries = 4, 1500

func main() {
	content, err := os.ReadFile("/bin/true")
	directory, failed := os.MkdirTemp("", "go-text-file-busy")
	if err != nil || failed != nil {
		os.Exit(77)
	}
	var busy, made int32
	var group sync.WaitGroup
	for g := 0; g < goroutines; g++ {
		group.Add(1)
		go func(g int) {
			defer group.Done()
			for i := 0; i < tries && atomic.LoadInt32(&busy) == 0; i++ {
				path := filepath.Join(directory, fmt.Sprintf("%d-%d", g, i))
				if os.WriteFile(path, content, 0755) != nil {
					return
				}
				if errors.Is(exec.Command(path).Run(), syscall.ETXTBSY) {
					atomic.AddInt32(&busy, 1)
				}
				atomic.AddInt32(&made, 1)
				os.Remove(path)
			}
		}(g)
	}
	group.Wait()
	os.RemoveAll(directory)
	if busy == 0 {
		fmt.Printf("undecided: %d programs were written and started, none was busy\n", made)
		os.Exit(77)
	}
	fmt.Printf("BUG: %s: of %d programs that were written and started %d were busy\n", runtime.Version(), made, busy)
	os.Exit(1)
}
