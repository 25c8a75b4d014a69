// SPDX-License-Identifier: MIT
//
// The Go side of the peer go: os/exec, as its documentation shows. Stdin, Stdout and Stderr that are nil would be /dev/null, and
// ExtraFiles[i] becomes 3+i, so it takes a request whose targets are 0 to n-1, with at least 0, 1 and 2. The
// child inherits everything else without close-on-exec. An unreferenced os.File closes its number, so the os.Files are remembered,
// as in a program that goes on using them.
package main

/*
#include "impl/peers/implementation.h"
*/
import "C"

import (
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"unsafe"
)

var remembered = struct {
	sync.Mutex
	files map[int]*os.File
}{files: map[int]*os.File{}}

func fileOf(number int) *os.File {
	remembered.Lock()
	defer remembered.Unlock()
	file := remembered.files[number]
	if file == nil {
		file = os.NewFile(uintptr(number), "kept")
		remembered.files[number] = file
	}
	return file
}

func stringsOf(list **C.char) []string {
	var all []string
	for at := unsafe.Pointer(list); *(**C.char)(at) != nil; at = unsafe.Add(at, unsafe.Sizeof(list)) {
		all = append(all, C.GoString(*(**C.char)(at)))
	}
	return all
}

//export spawncheck_go_spawn
func spawncheck_go_spawn(r *C.struct_spawncheck_request, pid *C.int) C.int {
	cmd := &exec.Cmd{Path: C.GoString(r.path), Args: stringsOf(r.argv), Env: stringsOf(r.envp)}
	files := make([]*os.File, r.keep_count)
	for _, k := range unsafe.Slice(r.keep, r.keep_count) {
		files[k.target] = fileOf(int(k.source))
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = files[0], files[1], files[2], files[3:]
	if r.set&C.SPAWNCHECK_SET_CWD != 0 {
		cmd.Dir = C.GoString(r.cwd)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: r.set&C.SPAWNCHECK_NEW_SESSION != 0}
	if r.set&C.SPAWNCHECK_SET_PGROUP != 0 {
		cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pgid = true, int(r.pgroup)
	}
	if err := cmd.Start(); err != nil {
		var errno syscall.Errno
		if errors.As(err, &errno) {
			return C.int(errno)
		}
		return C.int(syscall.EINVAL)
	}
	*pid = C.int(cmd.Process.Pid)
	return 0
}

//export spawncheck_go_start
func spawncheck_go_start() {}

func main() {}
